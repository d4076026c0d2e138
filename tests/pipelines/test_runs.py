"""What the pipelines do.

The scripts of .ci run as they are. Stand-ins for the programs at the edge (the Pulumi CLI, AWS's, and
`python -m ops`, which would ask AWS) note how they were called; what was noted is then given to the real
command line, which must take it.
"""

from __future__ import annotations

import re

import pytest
import typer

from local.__main__ import app as local_app
from local.program import ROOT
from ops.__main__ import app
from ops.finding import Finding
from tests.pipelines.place import Place
from tests.pipelines.workflows import DEPLOY, DRIFT, Run

#: Options that the lines use, as the CLI's reference has them for each command:
#: https://www.pulumi.com/docs/iac/cli/commands/
PULUMI_OPTIONS = {
    "up": {"--yes", "--refresh", "--non-interactive", "--stack"},
    "preview": {"--refresh", "--diff", "--expect-no-changes", "--non-interactive", "--stack"},
    "config": {"--stack"},
}

UP = "pulumi up --yes --refresh --non-interactive --stack gov-{}".format
WEST, EAST = UP("west"), UP("east")


# -- what a push to main does ------------------------------------------------------------------------------


def test_a_push_deploys_west_proves_it_and_then_deploys_east(place: Place) -> None:
    run = Run(DEPLOY, place.folder, place.environment)
    assert run.results.pop("west-again") == "skipped"
    assert set(run.results.values()) == {"success"}, run.said
    proof = ["ready", "secretsmanager get-secret-value", "accept", "accept --apply"]
    assert place.story == [WEST, *proof, EAST, *proof]


def test_a_first_run_deploys_west_without_its_peer_then_east_then_west_again(place: Place) -> None:
    run = Run(DEPLOY, place.folder, place.environment, peer="absent")
    assert run.results.pop("west-proof") == "skipped"
    assert set(run.results.values()) == {"success"}, run.said
    assert place.of_pulumi() == ["pulumi config set mft:peer absent --stack gov-west", WEST, EAST, WEST]


def test_each_stack_keeps_its_state_in_its_own_region(place: Place) -> None:
    Run(DEPLOY, place.folder, place.environment)
    ups = [each for each in place.calls if each.startswith("pulumi up")]
    assert [re.findall(r"\[(.*)\]", each) for each in ups] == [
        [f"s3://state-{side}?region=us-gov-{side}-1&awssdk=v2"] for side in ("west", "east")
    ]


OF_WEST = Finding(where="us-gov-west-1", what="the queue is not encrypted")


@pytest.mark.parametrize(
    ("fault", "result"),
    [("pulumi", "west"), ("ready", "west-proof"), ("refused", "west-proof"), ("accept", "west-proof")],
)
def test_what_goes_wrong_in_west_leaves_east_alone(place: Place, fault: str, result: str) -> None:
    match fault:
        case "pulumi":
            place.fails("gov-west")
        case "ready":
            place.ready(OF_WEST)
        case "refused":
            place.ready()
            (place.folder / "ready.json").write_text('{"refused": "neither region answers"}')
            (place.folder / "ready.code").write_text("1")
        case "accept":
            (place.folder / "accept.code").write_text("1")
    run = Run(DEPLOY, place.folder, place.environment)
    assert run.results[result] == "failure"
    assert place.of_pulumi() == [WEST]
    assert {run.results[each] for each in ("east", "west-again", "proof")} == {"skipped"}


def test_east_may_differ_until_it_is_deployed(place: Place) -> None:
    place.ready(Finding(where="us-gov-east-1", what="has another registry", customer="c7k2m"))
    run = Run(DEPLOY, place.folder, place.environment)
    assert "(not counted yet) us-gov-east-1: c7k2m: has another registry" in run.said
    assert (run.results["west-proof"], run.results["east"], run.results["proof"]) == (
        "success",
        "success",
        "failure",
    )


def test_a_run_without_its_variables_stops_at_the_first_step_with_one_line(place: Place) -> None:
    del place.environment["MFT_ROLE_EAST"]
    place.environment["MFT_STATE_BUCKET_WEST"] = ""
    run = Run(DEPLOY, place.folder, place.environment)
    assert run.said == (
        "nothing was done, because this is missing: MFT_ROLE_EAST, MFT_STATE_BUCKET_WEST;"
        " see docs/pipelines.md\n"
    )
    assert place.calls == []
    assert set(run.results.values()) == {"failure", "skipped"}


def test_a_program_that_is_missing_is_named(place: Place) -> None:
    done = place.run(".ci/preflight", "MFT_ROLE_WEST", "--", "pulumi", "no-such-program")
    assert (done.returncode, done.stderr) == (
        1,
        "nothing was done, because this is missing: the program no-such-program; see docs/pipelines.md\n",
    )


@pytest.mark.parametrize("words", [("deploy", "north"), ("drift", "north"), ("ready", "north")], ids=" ".join)
def test_a_side_that_does_not_exist_is_refused_before_anything_is_done(
    place: Place, words: tuple[str, ...]
) -> None:
    done = place.run(f".ci/{words[0]}", *words[1:])
    assert (done.returncode, done.stderr) == (1, "'north' is not a side; give west or east\n")
    assert place.calls == []


def test_all_cells_are_deployed_and_proved(place: Place) -> None:
    for side in ("west", "east"):
        text = (ROOT / f"docs/cells/Pulumi.gov-{side}-2.yaml").read_text()
        (place.folder / f"Pulumi.gov-{side}-2.yaml").write_text(text)
    place.environment["MFT_ACCEPTANCE_CUSTOMERS"] = "t3s7r u4v8w"
    run = Run(DEPLOY, place.folder, place.environment)
    assert run.results["proof"] == "success", run.said
    assert place.of_pulumi() == [WEST, UP("west-2"), EAST, UP("east-2")]
    proofs = [each for each in place.calls if "--apply" in each]
    assert [re.findall(r"accept (\w+) .* --cell (\d+)", each) for each in proofs] == 2 * [
        [("t3s7r", "1")],
        [("u4v8w", "2")],
    ]


def test_the_login_of_the_acceptance_is_gone_afterwards(place: Place) -> None:
    done = place.run(".ci/accept", "t3s7r", "a reason", TMPDIR=str(place.folder))
    assert done.returncode == 0, done.stderr
    assert not list(place.folder.glob("tmp.*"))


# -- drift -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fails", "result"), [("no command", "success"), ("gov-west", "failure")])
def test_drift_fails_the_run_of_its_region_alone(place: Place, fails: str, result: str) -> None:
    place.fails(fails)
    run = Run(DRIFT, place.folder, place.environment)
    assert run.results == {"west": result, "east": "success"}
    assert place.of_pulumi() == [
        f"pulumi preview --refresh --diff --expect-no-changes --non-interactive --stack gov-{side}"
        for side in ("west", "east")
    ]


def test_drift_ends_with_1(place: Place) -> None:
    place.fails("gov-east")
    done = place.run(".ci/drift", "east")
    assert (done.returncode, done.stderr) == (
        1,
        "gov-east: what is deployed differs from this revision, or could not be compared\n",
    )


# -- the comment -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("", ""),
        ("What is asked for.\r\nRetiring: 12\r\n", " --retiring 12"),
        ("Retiring: 1; rm -rf /", ""),
        ("not Retiring: 3", ""),
    ],
)
def test_a_line_of_the_description_says_how_many_customers_leave(
    place: Place, description: str, words: str
) -> None:
    done = place.run(".ci/plan", "origin/main", "plan/plan.md", DESCRIPTION=description)
    assert done.returncode == 0, done.stderr
    assert re.sub(r" \[.*", "", place.calls[0]) == f"python -m ops check --base origin/main{words}"
    assert (place.folder / "plan/plan.md").read_text() == (
        "<!-- mft: plan -->\n```\nnothing refused\n```\n\n### Plan\n"
    )


def test_a_comment_is_never_larger_than_github_takes(place: Place) -> None:
    plan = "<details><summary>the cell</summary>\n\n~~~~diff\n" + "+ Bucket \u00e9\n" * 9_000
    (place.folder / "plan.md").write_text(plan + "~~~~\n\n</details>\n")
    done = place.run(".ci/plan", "origin/main", "plan/plan.md")
    comment = (place.folder / "plan/plan.md").read_text()
    assert len(comment) < 65_536
    assert comment.endswith("+ Bucket \u00e9\n~~~~\n</details>\n\nThe rest is in the log of this run.\n")
    assert done.stdout.count("+ Bucket") == 9_000


# -- the commands exist ------------------------------------------------------------------------------------


def test_the_real_command_lines_take_what_the_pipelines_call(place: Place) -> None:
    Run(DEPLOY, place.folder, place.environment, peer="absent")
    Run(DEPLOY, place.folder, place.environment)
    Run(DRIFT, place.folder, place.environment)
    place.run(".ci/plan", "origin/main", "plan.md", DESCRIPTION="Retiring: 2")
    groups = {"ops": typer.main.get_command(app), "local": typer.main.get_command(local_app)}
    taken = set()
    for call in place.calls:
        words = re.sub(r" \[.*", "", call).split()
        match words:
            case ["python", "-m", package, verb, *rest]:
                command = groups[package].commands[verb]  # type: ignore[attr-defined]
                rest = [each for each in rest if each not in ("of", "5ca1ab1e")]  # the reason's later words
                command.make_context(verb, rest)  # refuses an option that the verb does not have
                taken.add(verb)
            case ["pulumi", verb, *rest]:
                assert {each for each in rest if each.startswith("--")} <= PULUMI_OPTIONS[verb]
                taken.add(verb)
    assert taken == {"accept", "check", "config", "plan", "preview", "ready", "up"}
