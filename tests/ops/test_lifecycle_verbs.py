"""`promote`, `drain` and `retire`: which step follows, and what retiring a customer requires.

That a step needs both cells to be alike is tested beside `ready`, on the cells that the program makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from customers.change import stages_between
from customers.kinds import Lifecycle
from ops.environment import Environment
from ops.onboarding import lifecycle_step
from ops.onboarding.lifecycle_step import Steps, unexpired, unfinished
from ops.plan import RefusedError
from ops.recovery.regions import Regions
from ops.registry import read_registry
from runtime.contract import EAST, REGION_OF, WEST
from tests.ops.conftest import EASTERN
from tests.ops.test_command_lines import place_with_registry  # noqa: F401 - a fixture
from tests.ops.transfers import TRACKER_DAYS, Estate, deliver
from tests.runtime.cells import NAMESPACE
from tests.runtime.test_inventory import join

DIRECTIONS = (lifecycle_step.promoted, lifecycle_step.drained, lifecycle_step.retired)


@pytest.fixture
def draining(estate: Estate) -> Iterator[Estate]:
    """A customer that is draining, whose files and archives replicate both ways."""
    join(estate.west, estate.east)
    folder = estate.place.root / "customers"
    folder.mkdir()
    write(estate, "draining")
    for side in (WEST, EAST):
        estate.place.write(side, namespace=NAMESPACE, healthCheckQuota=200)
    yield estate
    estate.place.aws.replication_lag()


def write(estate: Estate, stage: str) -> Path:
    path = estate.place.root / "customers" / "agency-t.yaml"
    path.write_text(
        f"""\
# The customer of the tests.
id: {estate.customer}
name: Example agency T
lifecycle:   '{stage}'   # a comment
primary: west
cell: "{estate.place.cell}"
sdk: {{principals: ["arn:aws-us-gov:iam::345678901234:role/export"]}}
destinations: {{partner: {{kind: s3, bucket: partner-t-inbox}}}}
routes: [{{match: sdk/**, to: [partner]}}]
retention: {{inbound_days: 14, archive_days: 365, tracker_days: {TRACKER_DAYS}}}
"""
    )
    return path


def found(estate: Estate, prove=unfinished) -> list[str]:
    environment = Environment.read(estate.place.root)
    (customer,) = read_registry(environment, estate.place.root).customers
    regions = Regions.find(environment)
    return list(prove(regions, customer) if prove is unfinished else prove(environment, regions, customer))


# --- Which step follows ------------------------------------------------------------------------------


@pytest.mark.parametrize("next", DIRECTIONS, ids=lambda each: each.__name__)
def test_every_step_that_is_allowed_is_one_that_check_allows(next):
    for stage in get_args(Lifecycle):
        to = next(stage)
        assert to is None or to == stage or not stages_between(stage, to) or next is lifecycle_step.retired


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("retire", "c7k2m"),
            "a step to 'retired' skips 'closing', 'draining'; first run: mft-ops drain c7k2m",
        ),
        (
            ("promote", "c7k2m"),
            "'c7k2m' is 'active', from where no step leads in this direction; leave it out",
        ),
        (("drain", "c7k2n"), "'c7k2n' is not a customer of this cell; did you mean c7k2m?"),
    ],
    ids=" ".join,
)
def test_a_step_that_does_not_follow_is_refused_before_aws_is_asked(place_with_registry, words, line):  # noqa: F811
    place_with_registry.write("west", healthCheckQuota=200, cell="1")
    place_with_registry.write("east", healthCheckQuota=200, cell="1")
    result = place_with_registry.ops(*words)
    assert (result.code, result.line.endswith(line)) == (1, True), result.line
    code, document = place_with_registry.json(*words)
    assert (code, document["refused"]) == (1, result.line)
    assert place_with_registry.relay.calls == []


def test_without_a_customer_the_usage_is_wrong(place_with_registry):  # noqa: F811
    assert place_with_registry.ops("promote").code == 2


# --- Nothing in flight, nothing without its copy -----------------------------------------------------


def test_a_customer_whose_files_are_delivered_and_copied_has_nothing_unfinished(draining):
    deliver(draining.west)
    assert found(draining) == []


def test_a_file_in_flight_is_named_by_what_it_lacks(draining):
    deliver(draining.west)
    draining.west.receive(b"abc", "inbound/sdk/b.csv")
    (line,) = found(draining)
    see = f"mft-ops gaps {draining.customer} --window {TRACKER_DAYS}d"
    assert line == f"{draining.customer}: not everything is delivered and copied: 1 replicating; see {see}"


def test_a_file_that_has_not_reached_the_other_region_is_not_finished(draining):
    draining.place.aws.replication_lag(s3=3600)
    deliver(draining.west)
    (line,) = found(draining)
    assert "not everything is delivered and copied: " in line


def test_a_region_that_does_not_answer_proves_nothing(draining):
    draining.lose(EAST)
    (line, *_) = found(draining)
    assert line.startswith(f"{EASTERN} is not looked at, it does not answer: ")


def test_retiring_with_a_file_in_flight_is_refused_and_changes_nothing(draining):
    path = write(draining, "draining")
    before = path.read_bytes()
    draining.west.receive(b"abc", "inbound/sdk/b.csv")
    result = draining.ops("retire", draining.customer)
    assert (result.code, result.err, path.read_bytes()) == (1, "", before)
    assert f"{draining.customer}: not everything is delivered and copied: 1 replicating; " in result.out


# --- Retention ---------------------------------------------------------------------------------------


def test_what_a_retired_customer_still_keeps_is_named_with_its_end(draining):
    deliver(draining.west)
    write(draining, "retired")
    lines = found(draining, unexpired)
    starts = [
        f"{draining.customer}: {REGION_OF[side.side]} still keeps {what} in {bucket}; the newest is of "
        for side in (draining.east, draining.west)
        for what, bucket in (("files", side.bucket), ("archived copies", side.archive_bucket))
    ]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 4
    assert "retention of 14 days ends on " in lines[0]
    assert "retention of 365 days ends on " in lines[1]
    for side in (draining.east, draining.west):
        s3 = side.client("s3")
        for bucket in (side.bucket, side.archive_bucket):
            for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
                s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    assert found(draining, unexpired) == []


# --- Files -------------------------------------------------------------------------------------------


def steps(estate: Estate, direction) -> Steps:
    return Steps(Environment.read(estate.place.root), estate.place.root, [estate.customer], direction)


def test_only_the_stage_differs_afterwards(draining):
    path = write(draining, "draining")
    before = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(before)
    path.chmod(0o640)
    steps(draining, lifecycle_step.promoted).apply()
    assert path.read_bytes() == before.replace(b"'draining'", b"'active'")
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_file_of_a_retired_customer_is_removed(draining):
    path = write(draining, "retired")
    steps(draining, lifecycle_step.retired).apply()
    assert not path.exists()


def test_a_crash_before_the_file_is_in_place_leaves_the_old_one(draining, monkeypatch):
    path = write(draining, "draining")
    before = path.read_bytes()

    def dies(*_: object) -> None:
        raise OSError(28, "No space left on device")

    promoting = steps(draining, lifecycle_step.promoted)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(RefusedError) as refused:
            promoting.apply()
    assert str(refused.value).startswith(
        "customers/agency-t.yaml: cannot be written: No space left on device; no file was changed, "
    )
    assert path.read_bytes() == before
    steps(draining, lifecycle_step.promoted).apply()
    assert path.read_bytes() == before.replace(b"'draining'", b"'active'")


def test_a_crash_between_two_files_says_which_one_changed(place_with_registry, monkeypatch):  # noqa: F811
    root = place_with_registry.root
    for side in (WEST, EAST):
        place_with_registry.write(side, healthCheckQuota=200, cell="1")
    paths = [root / "customers" / name for name in ("agency-a.yaml", "agency-d.yaml")]
    before = [path.read_text() for path in paths]
    both = Steps(Environment.read(root), root, ["c7k2m", "x8p3v"], lifecycle_step.drained)
    replace = Path.replace

    def dies_of_the_second(path: Path, target: Path) -> Path:
        if target.name == "agency-d.yaml":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies_of_the_second)
        with pytest.raises(RefusedError) as refused:
            both.apply()
    assert str(refused.value) == (
        "customers/agency-d.yaml: cannot be written: No space left on device; customers/agency-a.yaml"
        " changed: `git restore` it, and run the same command again"
    )
    assert paths[1].read_text() == before[1]
    paths[0].write_text(before[0])
    Steps(Environment.read(root), root, ["c7k2m", "x8p3v"], lifecycle_step.drained).apply()
    after = [text.replace("lifecycle: active", "lifecycle: closing") for text in before]
    assert [path.read_text() for path in paths] == after


def test_a_file_that_changed_while_the_proofs_were_looked_for_is_left_alone(draining):
    path = write(draining, "draining")
    promoting = steps(draining, lifecycle_step.promoted)
    edited = path.read_text().replace("agency T", "agency U")
    path.write_text(edited)
    with pytest.raises(RefusedError, match="or the file changed meanwhile"):
        promoting.apply()
    assert path.read_text() == edited
    path.unlink()
    with pytest.raises(RefusedError, match="cannot be read any more: No such file"):
        promoting.apply()


def test_a_stage_that_cannot_be_edited_is_refused(draining):
    path = write(draining, "draining")
    text = path.read_text().replace("'draining'", r'"dr\x61ining"')
    path.write_text(text)
    with pytest.raises(RefusedError, match=r"agency-t\.yaml:4: lifecycle: cannot be edited here"):
        steps(draining, lifecycle_step.promoted)
    assert path.read_text() == text


def test_the_document_of_a_step(draining):
    documents = json.loads(draining.ops("retire", draining.customer, "--json").out)
    assert (documents["done"], bool(documents["missing"])) == (False, True)
    (step,) = documents["steps"]
    wanted = {"customer": draining.customer, "from": "draining", "to": "retired"}
    assert step == {**wanted, "file": "customers/agency-t.yaml"}
