"""`cell move`: a customer goes to another cell, sends all the time, and each file is delivered once.

That both cells have to be alike is tested beside `ready`; here, a test says what `ready` finds.
"""

from __future__ import annotations

from customers.registry import load
from runtime.contract import SIDES, WEST, Kind
from runtime.decision import Action
from tests.ops.customer_zone import ZONE, zone  # noqa: F401 - a fixture
from tests.ops.moving_customer import WHY, Moving, moving, new_checks  # noqa: F401 - a fixture
from tests.ops.transfers import deliver


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
