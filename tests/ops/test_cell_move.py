"""`cell move`: a customer goes to another cell, sends all the time, and each file is delivered once.

That both cells have to be alike is tested beside `ready`; here, a test says what `ready` finds.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from customers.registry import load
from local.aws.emulator import ROOT
from ops.cell_moves import proofs
from runtime.contract import EAST, REGION_OF, SIDES, WEST, Kind
from runtime.decision import Action
from runtime.executions import first
from runtime.facts import CARRIED_FROM
from tests.ops.conftest import Place
from tests.ops.customer_zone import ZONE, zone  # noqa: F401 - a fixture
from tests.ops.moving_customer import WHY, Moving, moving, new_checks  # noqa: F401 - a fixture
from tests.ops.transfers import deliver
from tests.runtime.cells import CrashError

USER = (
    "{name: cm-batch, source_cidrs: [198.51.100.0/28], public_keys:"
    f" ['{load(ROOT / 'customers').customers[0].sftp.users[0].public_keys[0]}']}}"
)


def test_files_sent_before_during_and_after_a_move_are_each_delivered_once(moving: Moving) -> None:  # noqa: F811
    old, new = moving.old[WEST], moving.new[WEST]
    before = moving.path.read_text()
    here, there = moving.cells
    deliver(old, b"abc", "inbound/sdk/before.csv")

    assert moving.apply("--to", there)[0] == 0
    line = f'move: {{to: "{there}", step: prepared}}  # by mft-ops cell move\n'
    primary = "primary: west # nearest to them: west of all\n"
    assert moving.path.read_text() == before.replace(primary, primary + line)
    assert moving.apply()[1]["step"] == "opened"
    moving.waits(True)
    checks = new_checks(moving)

    # In flight in the old cell, while a resend and a newer version arrive in the new one.
    late = old.receive(b"old", "inbound/sdk/twice.csv")
    code, document = moving.apply()
    assert (code, document["records"], document["unseen"]) == (0, 12, [])
    buckets = {f"v=mft1;bucket={moving.new[side].bucket};region={moving.new[side].region}" for side in SIDES}
    assert moving.hosts() == buckets | {f"sftp.{side}{there}.{ZONE}" for side in SIDES}
    assert {check for *_, check in moving.zone.records().values()} == set(checks.values())
    again = new.receive(b"abc", "inbound/sdk/before.csv")
    newer = new.receive(b"new content", "inbound/sdk/twice.csv")
    fresh = new.receive(b"during", "inbound/sdk/during.csv")
    assert {new.try_to_deliver(each) for each in (again, newer, fresh)} == {Action.WAIT}

    code, document = moving.plan()
    assert (code, document["step"], document["command"]) == (1, "drained", None)
    assert any(
        "1 files are in flight, or not archived or receipted; " in each for each in document["missing"]
    )
    assert any("not everything is delivered and copied: " in each for each in document["missing"])
    assert old.try_to_deliver(late) is Action.DELIVER
    code, document = moving.apply()
    assert (code, document["step"], document["facts"] >= 8) == (0, "drained", True), document
    facts = old.facts("inbound/sdk/twice.csv")
    for side in SIDES:
        carried = moving.new[side].facts("inbound/sdk/twice.csv")
        assert [each.sort_key for each in facts] == [
            each.sort_key for each in carried if each.carried_from == here
        ]

    moving.waits(False)
    assert new.try_to_deliver(again) is Action.DONE
    assert Kind.DUPLICATE in {each.kind for each in new.facts("inbound/sdk/before.csv")}
    assert new.try_to_deliver(newer) is Action.DELIVER
    assert new.try_to_deliver(fresh) is Action.DELIVER
    assert new.try_to_deliver(new.receive(b"after", "inbound/sdk/after.csv")) is Action.DELIVER
    assert {name: moving.at_partner(f"{name}.csv") for name in ("before", "twice", "during", "after")} == {
        "before": [b"abc"],
        "twice": [b"old", b"new content"],
        "during": [b"during"],
        "after": [b"after"],
    }
    gaps = moving.zone.place.ops("gaps", moving.customer, "--cell", there)
    assert (gaps.code, "6 transfers" in gaps.out, "6 complete" in gaps.out) == (0, True, True), gaps.out

    code, document = moving.plan()
    assert (code, document["step"]) == (1, None)
    assert len([each for each in document["missing"] if " still keeps files in " in each]) == len(SIDES)
    for side in moving.old.values():
        s3 = side.client("s3")
        for bucket in (side.bucket, side.archive_bucket):
            for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
                s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    assert moving.apply()[0] == 0
    (customer,) = load(moving.path.parent).customers
    assert (customer.cell, customer.move) == (there, None)
    assert "# nearest to them: west of all" in moving.path.read_text()
    assert moving.plan()[1]["refused"].startswith(
        f"{moving.customer} is in cell {there}: no --to was given; "
    )


# --- What a step needs -------------------------------------------------------------------------------


@pytest.mark.exhaustive
@pytest.mark.parametrize("which", [0, 1], ids=["the cell it leaves", "the cell it goes to"])
def test_no_step_is_taken_while_a_cell_differs(moving: Moving, which: int) -> None:  # noqa: F811
    moving.waits(True)
    new_checks(moving)
    moving.differences[moving.cells[which]].append("us-gov-west-1: cm: the bucket keeps no versions")
    for step, counts in ((None, which == 0), ("prepared", True), ("opened", True), ("switched", True)):
        moving.at(step)
        before, records = moving.path.read_text(), moving.zone.records()
        to = [] if step else ["--to", moving.cells[1]]
        code, document = moving.plan(*to, *WHY, "--apply", "--digest", "0123456789ab")
        if counts:
            assert (code, document["applied"]) == (1, False)
            assert "us-gov-west-1: cm: the bucket keeps no versions" in document["missing"]
        else:
            assert "no longer holds" in document["refused"], "the new cell has nothing of the customer yet"
        assert (moving.path.read_text(), moving.zone.records()) == (before, records)


@pytest.mark.exhaustive
def test_a_target_that_takes_no_receipts_of_the_new_cell_yet_is_named(moving: Moving) -> None:  # noqa: F811
    moving.waits(True)
    new_checks(moving)
    arn = "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:receipts-of-a-move"
    moving.path.write_text(f"{moving.path.read_text()}receipts: [{{kind: sqs, arn: '{arn}'}}]\n")
    moving.at("opened")
    name = f"mft-cell{moving.cells[1]}-{moving.customer}-receipts"
    topics = {}
    for side, its in moving.new.items():
        topics[side] = its.client("sns").create_topic(Name=name)["TopicArn"]
    code, document = moving.plan()
    assert code == 1
    assert document["missing"] == [
        f"{moving.new[side].region}: {moving.customer}: {arn} has not confirmed that it takes receipts of"
        f" {name}; ask its owner"
        for side in SIDES
    ]
    for side, topic in topics.items():
        moving.new[side].client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    assert moving.plan()[1]["missing"] == []


@pytest.mark.exhaustive
def test_clients_that_would_see_other_host_keys_are_a_reason_to_ask(
    moving: Moving,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving.waits(True)
    new_checks(moving)
    document = {key: its for key, its in yaml.safe_load(moving.path.read_text()).items() if key != "sdk"}
    document |= {
        "sftp": {"users": [yaml.safe_load(USER)]},
        "routes": [{"match": "sftp/**", "to": ["landing"]}],
    }
    moving.path.write_text(yaml.safe_dump(document))
    moving.at("opened")
    keys = {moving.cells[0]: {"ssh-rsa": "SHA256:one"}, moving.cells[1]: {"ssh-rsa": "SHA256:one"}}
    monkeypatch.setattr(proofs, "_host_keys", lambda environment, side: keys[environment.cell])
    assert moving.plan()[0] == 0, moving.plan()
    keys[moving.cells[1]] = {"ssh-rsa": "SHA256:two"}
    code, document = moving.plan()
    sentence = f"clients of {moving.customer} will see other host keys"
    assert (code, document["refused"].splitlines()) == (
        1,
        [
            *(
                f"{sentence}: {REGION_OF[side]}: the ssh-rsa key is SHA256:two, was SHA256:one"
                for side in SIDES
            ),
            f"to do it all the same: --override '{sentence}'",
        ],
    )
    code, document = moving.plan("--override", sentence)
    assert (code, document["override"]) == (0, sentence)
    assert f"--override '{sentence}'" in document["command"]


@pytest.mark.exhaustive
def test_a_file_that_is_held_is_decided_before_the_move_ends(moving: Moving) -> None:  # noqa: F811
    moving.at("switched")
    held = moving.old[EAST].receive(b"abc", "inbound/sdk/held.csv")
    about = {"destination": "partner", "reason": "unknown"}
    held_fact = held.fact(Kind.HELD, side=EAST, writer=first(held.id), **about)
    moving.old[EAST].tracker.record(held_fact)
    missing = moving.plan()[1]["missing"]
    assert (
        f"{moving.customer}: 1 files are held; see"
        f" mft-ops transfers {moving.customer} --cell {moving.cells[0]}" in missing
    )


# --- Crashes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["opened", pytest.param("switched", marks=pytest.mark.exhaustive)])
def test_a_step_that_dies_before_its_edit_is_done_again(
    moving: Moving,  # noqa: F811
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving.waits(True)
    new_checks(moving)
    deliver(moving.old[WEST], b"abc", "inbound/sdk/a.csv")
    moving.at(step)
    before, plan = moving.path.read_text(), moving.plan()[1]
    with monkeypatch.context() as dying:
        dying.setattr("ops.whole_file.replace", _die)
        with pytest.raises(CrashError):
            moving.plan(*WHY, "--apply", "--digest", plan["digest"])
    assert moving.path.read_text() == before
    records = moving.zone.records()
    facts = {side: moving.new[side].facts() for side in SIDES}
    if step == "opened":  # what `ready` says of the cell whose names have gone does not matter any more
        moving.differences[moving.cells[0]].append("DNS: cm: answers otherwise")
        code, document = moving.plan("--abandon")
        assert code == 1
        assert any(
            " leads to another cell already, so the way is forward: " in e for e in document["missing"]
        )
    code, document = moving.apply()
    assert (code, document["records"]) == (0, 0)
    assert moving.zone.records() == records
    assert {side: moving.new[side].facts() for side in SIDES} == facts
    assert f"step: {document['step']}" in moving.path.read_text()
    written = [each for key, each in _recorded(moving).items() if key.endswith("outcome.json")]
    assert {each["digest"] for each in written} == {document["digest"]}


@pytest.mark.exhaustive
def test_facts_that_were_carried_in_part_are_carried_whole(moving: Moving) -> None:  # noqa: F811
    for name in ("a", "b"):
        deliver(moving.old[WEST], b"abc", f"inbound/sdk/{name}.csv")
    moving.at("switched")
    some = moving.old[WEST].facts("inbound/sdk/a.csv")[:2]
    for fact in some:
        moving.new[WEST].tracker.record(replace(fact, extra={CARRIED_FROM: moving.cells[0]}))
    assert moving.apply()[0] == 0
    for name in ("a", "b"):
        key = f"inbound/sdk/{name}.csv"
        assert [each.sort_key for each in moving.new[WEST].facts(key)] == [
            each.sort_key for each in moving.old[WEST].facts(key)
        ]
    # What came from another cell is not delivered again from here.
    told = moving.zone.place.ops("replay", "plan", moving.customer, "--cell", moving.cells[1], "--force")
    assert "before the customer moved here" in told.out + told.err


def _die(*_: object) -> None:
    raise CrashError


def _recorded(moving: Moving) -> dict[str, dict]:  # noqa: F811
    s3, bucket = moving.new[WEST].client("s3"), moving.new[WEST].audit_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="actions/").get("Contents", ())
    keys = [each["Key"] for each in listed]
    return {key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys}


# --- Giving it up ------------------------------------------------------------------------------------


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", ["prepared", "opened"])
def test_a_move_whose_names_have_not_moved_can_be_given_up(moving: Moving, step: str) -> None:  # noqa: F811
    moving.waits(True)
    moving.at(step)
    moving.differences[moving.cells[1]].append("the new cell is the reason to give it up")
    sent = moving.new[EAST].receive(b"abc", "inbound/sdk/early.csv")
    code, document = moving.plan("--abandon")
    assert (code, len(document["missing"])) == (1, len(SIDES))  # it is replicated
    assert all(" still keeps files in " in each for each in document["missing"])
    s3 = moving.new[EAST].client("s3")
    for bucket in (moving.new[side].bucket for side in SIDES):
        for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    assert sent.key
    assert moving.apply("--abandon")[1]["step"] == "abandoned"
    moving.differences[moving.cells[1]].clear()
    assert moving.apply()[1]["step"] is None
    (customer,) = load(moving.path.parent).customers
    assert (customer.cell, customer.move) == (moving.cells[0], None)


# --- What is refused before AWS is asked --------------------------------------------------------------


@pytest.fixture
def paper(place: Place) -> Place:
    """A customer of cell 7, and stack files of cells 7 and 8."""
    place.cell = "7"
    (place.root / "customers").mkdir()
    for side in SIDES:
        place.write(side)
        text = place.file(side).read_text().replace("mft:cell: '7'", "mft:cell: '8'")
        (place.root / f"Pulumi.gov-{side}-8.yaml").write_text(text)
    return place


def register(place: Place, *, stage: str = "active", move: str = "", primary: str = "primary: west") -> None:
    text = f"""id: c7k2m
name: Agency
lifecycle: {stage}
{primary}
cell: "7"
{move}
sdk: {{principals: ["arn:aws-us-gov:iam::345678901234:role/export"]}}
destinations: {{partner: {{kind: s3, bucket: partner-t-inbox}}}}
routes: [{{match: sdk/**, to: [partner]}}]
"""
    (place.root / "customers" / "agency.yaml").write_text(text)


OPENED, SWITCHED = (f'move: {{to: "8", step: {step}}}' for step in ("opened", "switched"))


@pytest.mark.parametrize(
    ("how", "words", "line"),
    [
        ({}, ("c7k2n", "--to", "8"), "'c7k2n' is not a customer; did you mean c7k2m?"),
        ({}, ("c7k2m",), "c7k2m is in cell 7: no --to was given; name another cell (8)"),
        ({}, ("c7k2m", "--to", "7"), "c7k2m is in cell 7: --to 7 is its own; name another cell (8)"),
        ({}, ("c7k2m", "--to", "9"), "c7k2m is in cell 7: no stacks make cell 9; name another cell (8)"),
        (
            {"stage": "draining"},
            ("c7k2m", "--to", "8"),
            "c7k2m is 'draining', and only an active customer moves",
        ),
        (
            {"move": OPENED},
            ("c7k2m", "--to", "9"),
            "c7k2m moves to cell 8 already; first end that move: mft-ops cell move c7k2m",
        ),
        (
            {},
            ("c7k2m", "--to", "8", "--abandon"),
            "c7k2m does not move: only a move whose names still lead to the first cell can be abandoned",
        ),
        (
            {"move": SWITCHED},
            ("c7k2m", "--abandon"),
            "c7k2m is 'switched': only a move whose names still lead to the first cell can be abandoned",
        ),
        (
            {"primary": '"primary": west'},
            ("c7k2m", "--to", "8"),
            "customers/agency.yaml: move: cannot be edited here, or the file changed meanwhile; write `move`,"
            " `cell` and `primary` on lines of their own",
        ),
    ],
)
def test_what_cannot_be_a_step_is_refused_in_one_line(paper: Place, how, words, line) -> None:
    register(paper, **how)
    result = paper.ops("cell", "move", *words)
    assert (result.code, result.line) == (1, line)
    assert paper.json("cell", "move", *words) == (1, {"refused": line})
    assert paper.relay.calls == []


@pytest.mark.parametrize("verb", ["promote", "drain", "retire"])
def test_the_lifecycle_stands_still_during_a_move(paper: Place, verb: str) -> None:
    register(paper, move=OPENED)
    for cell in ("7", "8"):
        result = paper.ops(verb, "c7k2m", "--cell", cell)
        assert (result.code, result.line) == (
            1,
            "customers/agency.yaml:6: move: 'c7k2m' moves to another cell; first end the move:"
            " mft-ops cell move c7k2m",
        )


def test_a_file_keeps_its_lines_through_a_whole_move(paper: Place) -> None:
    """The first move adds a line; the end of it takes that away and changes the cell."""
    from ops.customer_file import with_move
    from ops.registry import read_all_cells

    register(paper, primary="primary: west   # a comment")
    file = read_all_cells(paper.root).files["c7k2m"]
    path = paper.root / file.path
    before = path.read_text()
    path.write_text(with_move(paper.root, file, {"to": "8", "step": "prepared"}, "7"))
    added = set(path.read_text().splitlines()) - set(before.splitlines())
    assert added == {'move: {to: "8", step: prepared}  # by mft-ops cell move'}
    file = read_all_cells(paper.root).files["c7k2m"]
    assert with_move(paper.root, file, None, "7") == before
    lines = with_move(paper.root, file, None, "8").splitlines()
    assert sorted(lines) == sorted(before.replace('cell: "7"', 'cell: "8"').splitlines())
