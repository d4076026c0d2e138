"""`python -m local plan` over git repositories that hold the project, and the comparison under it.

Their registries are edited as a person would edit them. The small programs, run as two revisions, show what
Pulumi would do in cases that do not occur in the project.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest

from components import bundle
from local import program
from local.preview import preview, recording
from local.preview.changes import Operation, ResourceChange, compare
from local.preview.preview import PreviewError
from local.preview.recording_aws import echo, place
from local.preview.replacement import LOSES, REPLACES, forces_replacement
from local.preview.summary import sentence
from local.program import Graph
from tests.program.conftest import RUNTIME, record

ROOT = program.ROOT
STACKS = ("gov-east", "gov-west")
BUCKET = "aws:s3/bucket:Bucket"


class Project:
    """A git repository with a copy of the project, whose registry can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary = folder, folder.parent / "tmp"
        self.temporary.mkdir(exist_ok=True)

    def git(self, *command: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        done = subprocess.run(
            ["git", *who, *command], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a revision")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} holds no {old!r}"
        path.write_text(text.replace(old, new))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "local", "plan", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def plan(self, *arguments: str, code: int = 0) -> str:
        """Run the command; return its output, from standard error when it was refused."""
        run = self.start(*arguments)
        out, err = run.communicate(timeout=300)
        assert run.returncode == code, f"exit {run.returncode}\n{out}\n{err}"
        self.assert_nothing_is_left()
        return out or err

    def programs(self) -> list[str]:
        """Return the commands of the processes that are recording a program."""
        found = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has just ended
                found.append(process.read_text())
        return [each for each in found if recording.__name__ in each and str(self.temporary) in each]

    def assert_nothing_is_left(self) -> None:
        assert not [*self.temporary.iterdir()]
        assert len(self.git("worktree", "list").splitlines()) == 1


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in its current state, committed; the compiled modules are there and not part of it."""
    folder = tmp_path_factory.mktemp("committed") / "project"
    unwanted = shutil.ignore_patterns(".*", "tests", "docs", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=unwanted)
    project = Project(folder)
    project.git("init", "--quiet")
    (folder / ".git/info/exclude").write_text("__pycache__\n")
    project.commit()
    return folder


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Project:
    shutil.copytree(committed, tmp_path / "project")
    return Project(tmp_path / "project")


#: A plan of one stack, and of both in `make test-all`: each graph takes seconds.
PLANNED = [("gov-east",), pytest.param(STACKS, marks=pytest.mark.exhaustive)]


@pytest.mark.parametrize("stacks", PLANNED)
def test_onboarding_and_a_changed_retention_reach_no_other_customer(
    project: Project, stacks: tuple[str, ...]
) -> None:
    shutil.copy(ROOT / "local/drill/newcomer.yaml", project.folder / "customers/agency-n.yaml")
    project.edit("customers/agency-c.yaml", "inbound_days: 90", "inbound_days: 30")
    printed = project.plan("--json", *(() if stacks == STACKS else ("--stack", *stacks)))
    document = json.loads(printed)
    assert not document["refused"]
    assert [each.partition(": rules")[0] for each in document["dataAtStake"]] == [
        f"{stack}, r2w6d: BucketLifecycleConfiguration r2w6d-inbound keeps data for a shorter time,"
        " and older data is deleted"
        for stack in stacks
    ]
    for stack in stacks:
        customers = document["stacks"][stack]["customers"]
        assert customers.keys() == {"n3w0k", "r2w6d"}
        assert {step["action"] for step in customers["n3w0k"]} == {"add"}
        (changed,) = customers["r2w6d"]
        assert changed["name"] == "r2w6d-inbound"
        days = {each["path"]: (each["old"], each["new"]) for each in changed["changes"]}
        assert days["rules[inbound].expiration.days"] == (90, 30)
        assert {step["action"] for step in document["stacks"][stack]["cell"]} <= {"add", "change"}
        reach = document["stacks"][stack]["sentence"]
        assert f"adds {len(customers['n3w0k'])} resources for n3w0k" in reach
        assert reach.endswith("touches no other customer")
    for sample in (project.folder / "customers").glob("*.yaml"):
        (name,) = re.findall(r"^name: (.*)$", sample.read_text(), re.MULTILINE)
        assert name not in printed
    assert "placeholder" not in json.dumps(document["stacks"]), "a secret's value is never shown"
    assert any("mft:hostKeyRsa" in note and "not compared" in note for note in document["notes"])


def test_a_customer_that_vanishes_or_is_renamed_puts_its_data_at_stake(project: Project) -> None:
    (project.folder / "customers/agency-d.yaml").unlink()
    project.edit("customers/agency-a.yaml", "id: c7k2m", "id: c7k2n")
    printed = project.plan("--stack", "gov-east", code=1)
    reach, stake = printed.split("DATA AT STAKE")
    stake, details = stake.split("\n\n", 1)
    assert "for x8p3v" in reach
    for customer in ("x8p3v", "c7k2m"):
        assert f"gov-east, {customer}: Bucket {customer}-inbound WOULD BE DELETED" in stake
    assert "every object in it. It is protected, so Pulumi would stop there" in stake
    assert "h4t9q" not in printed
    assert re.search(r"^\s+\+ .*\bBucket c7k2n-inbound$", details, re.MULTILINE)
    assert "retired" in details, "how a customer is let go of"


def test_a_retired_customer_can_go_once_that_is_applied(project: Project) -> None:
    file = "customers/agency-b.yaml"

    def graph() -> Graph:
        return record("gov-west", root=project.folder, make=echo)

    def breaches(before: Graph, after: Graph) -> bool:
        return any(step.breaches for step in compare(before, after))

    bundle.install(RUNTIME)
    active = graph()
    project.edit(file, "lifecycle: active", "lifecycle: draining")
    draining = graph()
    assert breaches(active, draining), "a customer's names are protected until it is closing"
    project.edit(file, "lifecycle: draining", "lifecycle: closing")
    closing = graph()
    assert not breaches(active, closing)
    assert not breaches(closing, draining)
    project.edit(file, "lifecycle: closing", "lifecycle: retired")
    retired = graph()
    assert breaches(closing, retired), "what copies a customer's files is protected until it is draining"
    project.edit(file, "lifecycle: retired", "lifecycle: draining")
    project.commit()
    project.edit(file, "lifecycle: draining", "lifecycle: retired")
    printed = project.plan("--markdown", "--stack", "gov-west")
    assert "Bucket h4t9q-inbound loses its protection, and would stay in AWS if it goes" in printed
    assert (
        "! Bucket h4t9q-inbound\n    protect: true -> false\n    retain_on_delete: false -> true" in printed
    )
    assert "WOULD BE" not in printed
    (project.folder / file).unlink()
    after = compare(retired, graph())
    assert not any(step.breaches for step in after)
    (bucket,) = [step for step in after if step.type == BUCKET]
    assert (bucket.action, bucket.name, bucket.loses) == (Operation.RELEASE, "h4t9q-inbound", "")


@pytest.mark.exhaustive  # a revision that refuses to run shows in every run whose code it was
@pytest.mark.parametrize("only", [("--stack", "gov-east"), pytest.param((), id="both")])
def test_each_revision_runs_its_own_code_with_its_own_stack_files(
    project: Project, only: tuple[str, ...]
) -> None:
    with (project.folder / "runtime/contract.py").open("a") as code:
        code.write("\nANOTHER = 1\n")
    with (project.folder / "__main__.py").open("a") as code:
        code.write('aws.sqs.Queue("extra", name=pulumi.Config("mft").require("extra"))\n')
    for stack in STACKS:
        with (project.folder / f"Pulumi.{stack}.yaml").open("a") as settings:
            settings.write("  mft:extra: here\n")
    lines = [line.strip() for line in project.plan(*only).splitlines()]
    assert "+  Queue extra" in lines
    changed = [lines[number - 1] for number, line in enumerate(lines) if line == "code changed"]
    assert len(changed) == 1, "one line for all functions, of both stacks too"
    assert re.fullmatch(r"~  \d+ Function cell1-.*", changed[0])


def test_a_revision_that_refuses_to_run_is_named_with_its_own_message(
    project: Project, tmp_path: Path
) -> None:
    project.edit("customers/agency-a.yaml", "primary: west", "primary: wst")
    project.commit()
    project.edit("customers/agency-a.yaml", "primary: wst", "primary: west")
    (project.folder / "components/tenant.py").write_text("import nothing_of_this_name\n")
    base, tree = project.plan("--stack", "gov-west", code=1).split("\n\n")
    assert re.match(
        r"the program refuses to run in HEAD \([0-9a-f]{10}\):\ncustomers/agency-a.yaml:6: primary: ", base
    )
    assert tree.startswith(
        "the program refuses to run in the working tree:\n"
        "the program failed at components/tenant.py:1: Module"
    )
    assert "'nowhere' is not a revision of this repository" in project.plan("--base", "nowhere", code=1)
    assert "gov-north" in project.plan("--stack", "gov-north", code=2)
    with pytest.raises(PreviewError, match="is not in a readable git repository"):
        preview.make("HEAD", root=tmp_path)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to see processes in")
def test_an_interrupted_plan_leaves_nothing(project: Project) -> None:
    run = project.start()
    while len(project.programs()) < 2:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, message = run.communicate(timeout=60)
    assert run.returncode == 1
    assert message.startswith("interrupted")
    assert not project.programs()
    project.assert_nothing_is_left()


def steps(before: str, after: str, tmp_path: Path) -> dict[str, ResourceChange]:
    """Return the steps, by name, that lead from one small program to another."""
    graphs = []
    for number, text in enumerate((before, after)):
        main = tmp_path / f"{number}.py"
        main.write_text(f"import pulumi\nimport pulumi_aws as aws\n{inspect.cleandoc(text)}\n")
        graphs.append(program.run("one", make=echo, ask=place({}), config={}, secrets=SECRET, main=main))
    return {f"{step.name} {step.action}": step for step in compare(*graphs)}


SECRET = {"mft:key": "the secret"}


def test_protection_that_goes_with_the_data_does_not_save_it(tmp_path: Path) -> None:
    made = """
        opts = pulumi.ResourceOptions(protect={})
        aws.s3.Bucket("kept", bucket="{}", opts=opts)
        aws.dynamodb.Table("facts", name="facts", hash_key="{}", opts=opts)
        aws.sqs.Queue("queue", name="queue", opts=pulumi.ResourceOptions(protect=True))
    """
    loud = steps(made.format(True, "one", "pk"), made.format(True, "other", "key"), tmp_path)
    assert {name: (step.breaches, step.refused) for name, step in loud.items()} == {
        "kept replace": (True, True),
        "facts replace": (True, True),
    }
    silent = steps(made.format(True, "one", "pk"), made.format(False, "other", "pk"), tmp_path)
    assert (silent["kept replace"].breaches, silent["kept replace"].refused) == (True, False)
    assert silent["facts change"].bares
    assert not steps(made.format(False, "one", "pk"), made.format(False, "two", "pk"), tmp_path)[
        "kept replace"
    ].breaches


def test_dependents_of_a_replaced_resource_are_replaced_or_changed(tmp_path: Path) -> None:
    made = """
        key = aws.kms.Key("key", multi_region={0})
        check = aws.route53.HealthCheck("check", type="{1}")
        aws.kms.Grant("grant", key_id=key.key_id, grantee_principal="them", operations=["Decrypt"])
        aws.sqs.Queue("queue", kms_master_key_id=key.arn)
        aws.iam.RolePolicy("policy", role="role", policy=pulumi.Output.json_dumps({{"Resource": key.arn}}))
        aws.ec2.SecurityGroup("group", vpc_id="vpc", description="no key")
        aws.route53.Record("record", zone_id="Z", name="name", type="A", health_check_id=check.id,
            opts=pulumi.ResourceOptions(ignore_changes=["healthCheckId"]))
    """
    found = steps(made.format(False, "HTTPS"), made.format(True, "TCP"), tmp_path)
    assert found.keys() == {
        "key replace",
        "check replace",
        "grant replace",
        "queue change",
        "policy change",
        "record dangle",
    }
    assert found["queue change"].changes[0].follows == "key"
    assert found["record dangle"].changes[0].follows == "check"


def test_only_the_part_of_a_block_that_depends_on_a_replaced_resource_counts(tmp_path: Path) -> None:
    made = """
        vpc = aws.ec2.Vpc("vpc", cidr_block="{}")
        group = aws.ec2.SecurityGroup("group", vpc_id="fixed", description="{}")
        aws.transfer.Server("server", endpoint_details=aws.transfer.ServerEndpointDetailsArgs(
            vpc_id=vpc.id, security_group_ids=[group.id]))
    """
    base = made.format("10.0.0.0/16", "one")
    grouped = steps(base, made.format("10.0.0.0/16", "two"), tmp_path)
    assert grouped.keys() == {"group replace", "server change"}
    moved = steps(base, made.format("10.1.0.0/16", "one"), tmp_path)
    assert moved.keys() == {"vpc replace", "server replace"}


def test_a_moved_resource_is_deleted_unless_it_has_an_alias(tmp_path: Path) -> None:
    made = """
        class Part(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("mft:part:Part", name, None, opts)
        whole = Part("whole")
        part = Part("{0}", pulumi.ResourceOptions({1}))
        aws.s3.Bucket("{0}-data", bucket="data", opts=pulumi.ResourceOptions(parent=part, protect=True))
    """
    base = made.format("old", "parent=whole")
    found = steps(base, made.format("new", ""), tmp_path)
    assert found["old-data delete"].breaches
    aliases = 'aliases=[pulumi.Alias(name="old", parent=whole)]'
    assert not steps(base, made.format("new", aliases), tmp_path)
    assert not steps(base, base, tmp_path)


def test_a_provider_of_another_region_takes_everything_with_it(tmp_path: Path) -> None:
    made = """
        provider = aws.Provider("here", region="{}")
        aws.sqs.Queue("queue", name="queue", opts=pulumi.ResourceOptions(provider=provider))
    """
    found = steps(made.format("us-gov-west-1"), made.format("us-gov-east-1"), tmp_path)
    assert found.keys() == {"here replace", "queue replace"}
    assert found["queue replace"].loses


def test_a_resource_that_goes_to_another_region_is_made_anew(tmp_path: Path) -> None:
    made = 'aws.sqs.Queue("queue", name="queue", region="{}")'
    found = steps(made.format("us-gov-west-1"), made.format("us-gov-east-1"), tmp_path)
    assert found.keys() == {"queue replace"}


def test_a_null_in_a_json_document_is_not_the_same_as_nothing(tmp_path: Path) -> None:
    made = """
        import json
        aws.sqs.Queue("queue", name="queue", redrive_policy=json.dumps({}))
    """
    nothing, null, one = ({}, {"count": None}, {"count": 1})
    for before, after, shown in (
        (nothing, null, (None, "null")),
        (null, nothing, ("null", None)),
        (null, one, ("null", 1)),
    ):
        (change,) = steps(made.format(before), made.format(after), tmp_path)["queue change"].changes
        assert (change.path, change.old, change.new) == ("redrivePolicy.count", *shown)
    assert not steps(made.format(null), made.format(null), tmp_path)


def test_a_plan_shows_of_a_secret_only_that_it_changed(tmp_path: Path) -> None:
    made = """
        key = pulumi.Config("mft").require_secret("key")
        aws.transfer.Server("server", host_key=key.apply(lambda value: value + "{}"))
    """
    (change,) = steps(made.format("1"), made.format("2"), tmp_path)["server change"].changes
    assert (change.path, change.secret, change.old, change.new) == ("hostKey", True, None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "changes nothing"),
        ([("add", "a"), ("add", "a")], "adds 2 resources for a; touches nothing else"),
        ([("change", "")], "changes 1 resource for the cell; touches no customer"),
        (
            [("change", ""), ("add", "a"), ("delete", "b"), ("change", "b")],
            "deletes 1, changes 1 resources for b; adds 1 resource for a; changes 1 resource for the cell;"
            " touches no other customer",
        ),
        (
            [("add", "a"), ("add", "b")],
            "adds 1 resource for each of a and b; touches nothing else",
        ),
    ],
)
def test_the_sentence_says_how_far_a_change_reaches(given: list[tuple[str, str]], expected: str) -> None:
    made = [
        ResourceChange(action=Operation(action), type="t", name="n", customer=customer)
        for action, customer in given
    ]
    assert sentence(made) == expected


def test_the_table_knows_every_type_of_the_program_and_names_real_properties() -> None:
    switches = ("alarm", "endpoint")
    bundle.install(RUNTIME)
    graphs = [record(stack, config={"mft:switch": switch}) for stack in STACKS for switch in switches]
    made = {each.type for graph in graphs for each in graph.resources if each.custom}
    assert not made - REPLACES.keys(), "say in local/preview/replacement.py what forces their replacement"
    assert LOSES.keys() <= REPLACES.keys()
    for type, paths in REPLACES.items():
        unknown = {path for path in paths if path.split(".")[0] not in _properties(type)}
        assert not unknown, type


def _properties(type: str) -> set[str]:
    """Return the inputs of a resource type, as its class takes them."""
    package, module, name = type.split(":")
    where: Any = pulumi_aws
    if package == "aws":
        where = getattr(pulumi_aws, {"lambda": "lambda_"}.get(module.split("/")[0], module.split("/")[0]))
    taken = inspect.signature(
        getattr(where, name if package == "aws" else "Provider")._internal_init
    ).parameters
    return {re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), each) for each in taken}


def test_a_path_forces_replacement_as_a_whole_or_in_part() -> None:
    server = "aws:transfer/server:Server"
    assert forces_replacement(server, "endpointDetails.vpcId")
    assert forces_replacement(server, "endpointDetails"), "all of it appears or vanishes"
    assert not forces_replacement(server, "endpointDetails.subnetIds[0]")
    assert forces_replacement("aws:dynamodb/table:Table", "localSecondaryIndexes[by-day].rangeKey")
    assert not forces_replacement("aws:sqs/queue:Queue", "nameless")
    assert forces_replacement("aws:sqs/queue:Queue", "tags.x", also=["tags"])
