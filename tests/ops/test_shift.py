"""`python -m ops shift` with the emulated Route 53 and a name server."""

from __future__ import annotations

import pytest

from ops.dns import dns_changes
from runtime.contract import EAST, SIDES, WEST, check_reference
from tests.ops.conftest import EASTERN, NAMESPACE, WESTERN
from tests.ops.customer_zone import ZONE, Estate, programs_records, zone  # noqa: F401 - a fixture

WHY = ("--reason", "their agency asked")
OUT_OF_WEST = ("--region", WESTERN)


@pytest.fixture
def two(zone: Estate) -> Estate:  # noqa: F811
    zone.registry({"id": "c7k2m"}, {"id": "m2x8v", "failover": {"health_check": "cell"}})
    zone.deploy()
    return zone


def plan(estate: Estate, *words: str) -> dict:
    code, document = estate.place.json("shift", *words)
    assert code == 0, document
    return document


def apply(estate: Estate, *words: str, digest: str | None = None) -> tuple[int, dict]:
    digest = digest or plan(estate, *words)["digest"]
    return estate.place.json("shift", *words, *WHY, "--apply", "--digest", digest)


def changed(estate: Estate, before: dict) -> dict:
    """Return the check of every record that has changed."""
    now = estate.records()
    assert now.keys() == before.keys()
    different = {key: value for key, value in now.items() if value != before[key]}
    assert all(value[:3] == before[key][:3] for key, value in different.items())
    return {key: value[3] for key, value in different.items()}


def answers(estate: Estate, id: str) -> set[str]:
    """Return the sides that the name server answers for a customer, over its three names and both types."""
    estate.server.refresh()
    found = set()
    for endpoint in (EAST, WEST, "primary"):
        found |= {*estate.server.answer(f"{endpoint}.{id}.{ZONE}", "CNAME").values}
        found |= {*estate.server.answer(f"_bucket.{endpoint}.{id}.{ZONE}", "TXT").values}
    return {side for side in SIDES if any(f"-{side}" in each or f".{side}" in each for each in found)}


@pytest.mark.parametrize("id", ["c7k2m", "m2x8v"])
@pytest.mark.parametrize(("side", "region"), [(WEST, WESTERN), (EAST, EASTERN)])
def test_one_customer_goes_out_of_a_region_and_comes_back(two, id, side, region):
    before = two.records()
    document = plan(two, id, "--region", region)
    assert (document["shifts"], document["batches"], document["warnings"]) == ({id: 6}, 1, [])
    assert two.records() == before
    assert answers(two, id) == {EAST, WEST}

    assert apply(two, id, "--region", region)[0] == 0
    different = changed(two, before)
    assert len(different) == 6
    assert {(name.split(".")[-4], which) for name, _, which in different} == {(id, side)}
    assert set(different.values()) == {two.check(side, "out")}
    assert answers(two, id) == {*SIDES} - {side}
    assert two.as_the_program_has_them() == two.wanted(), "the check is all that the program ignores"

    assert plan(two, id, "--region", region)["shifts"] == {id: 0}
    assert apply(two, id, "--back")[0] == 0
    assert two.records() == before
    assert answers(two, id) == {EAST, WEST}


def test_many_customers_are_one_plan_and_each_is_in_one_batch(two, monkeypatch):
    monkeypatch.setattr(dns_changes, "RECORDS_LIMIT", 12)
    digest = plan(two, "c7k2m", "m2x8v", *OUT_OF_WEST)["digest"]
    requests = []

    def cut(when: str, what: str) -> bool:
        """Leave the second change and every later request unanswered."""
        if when == "before" and what.startswith("POST") and "rrset" in what:
            requests.append(what)
        return len(requests) > 1

    two.place.relay.cut = cut
    before = two.records()
    code, document = apply(two, "c7k2m", "m2x8v", *OUT_OF_WEST, digest=digest)
    assert code == 1
    assert f"mft-ops evacuate {WESTERN}" in document["refused"]
    assert len(changed(two, before)) == 6

    two.place.relay.cut = lambda *_: False
    code, document = apply(two, "c7k2m", "m2x8v", *OUT_OF_WEST, digest=digest)
    assert (code, document["shifts"]) == (0, {"c7k2m": 0, "m2x8v": 6})
    assert len(changed(two, before)) == 12


def test_two_hundred_customers_are_one_plan_of_six_batches_at_most(zone):  # noqa: F811
    ids = [f"c{number:04}" for number in range(200)]
    zone.server.close()  # nobody asks it
    zone.registry(*({"id": id, "failover": {"health_check": "cell"}} for id in ids))
    zone.deploy()
    document = plan(zone, *ids, *OUT_OF_WEST)
    assert document["batches"] <= 6
    assert set(document["shifts"].values()) == {6}
    requests = []
    zone.place.relay.cut = lambda when, what: when == "before" and "rrset" in what and requests.append(what)
    code, document = apply(zone, *ids, *OUT_OF_WEST, digest=document["digest"])
    assert (code, len([each for each in requests if each.startswith("POST")])) == (0, document["batches"])
    assert set(halves_of(zone, WEST).values()) == {zone.check(WEST, "out")}
    assert zone.check(WEST, "out") not in halves_of(zone, EAST).values()


def halves_of(estate: Estate, side: str) -> dict:
    """Return the check of every half of a side."""
    return {key: check for key, (*_, check) in estate.records().items() if key[2] == side}


def test_a_later_update_leaves_the_shift_as_it_is(two):
    """A refreshed state matches Route 53; it differs from the program only in ignored inputs."""
    apply(two, "c7k2m", *OUT_OF_WEST)
    there = {key: each for key, each in two.as_the_program_has_them().items() if key[2] == WEST}
    assert programs_records(two, WEST) == there
    assert len(there) == 12
    assert answers(two, "c7k2m") == {EAST}


@pytest.mark.parametrize("back", [False, True])
def test_a_shift_is_recorded_in_the_region_that_customers_move_to(two, back):
    apply(two, "c7k2m", "--region", EASTERN)
    before = two.recorded(WEST)
    words = ("c7k2m", "--back") if back else ("m2x8v", "--region", EASTERN)
    code, document = apply(two, *words)
    now = {key: each for key, each in two.recorded(WEST).items() if key not in before}
    (_, intent), (key, outcome) = sorted(now.items())
    assert document["recorded"].endswith(key.removesuffix("outcome.json"))
    assert (code, intent["verb"], intent["why"], intent["digest"]) == (0, "shift", WHY[1], document["digest"])
    assert intent["who"].startswith("arn:aws-us-gov:")
    assert intent["plan"].keys() == document["shifts"].keys()
    assert (outcome["customers"], outcome["requests"]) == (1, 1)
    assert two.recorded(EAST) == {}


# --- Refused -----------------------------------------------------------------------------------------


def test_nobody_is_shifted_out_of_both_regions(two):
    apply(two, "c7k2m", *OUT_OF_WEST)
    before = two.records()
    result = two.place.ops("shift", "c7k2m", "m2x8v", "--region", EASTERN)
    assert result.code == 1
    assert result.line == (
        f"c7k2m is shifted out of {WESTERN}, and would be nowhere;"
        " bring it back first: mft-ops shift c7k2m --back"
    )
    assert two.records() == before


def test_a_customer_with_one_name_out_of_a_region_is_not_shifted_out_of_the_other(two):
    """Somebody changed one record by hand: under that name the customer would be nowhere."""
    pages = two.route53.list_resource_record_sets(HostedZoneId=two.zone_id)["ResourceRecordSets"]
    half = next(
        each
        for each in pages
        if each["Name"].startswith("primary.c7k2m.") and each.get("SetIdentifier") == WEST
    )
    changed = {**half, "HealthCheckId": two.check(WEST, "out")}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": changed}]}
    two.route53.change_resource_record_sets(HostedZoneId=two.zone_id, ChangeBatch=batch)
    result = two.place.ops("shift", "c7k2m", "--region", EASTERN)
    assert result.code == 1
    assert result.line.startswith(f"c7k2m is shifted out of {WESTERN}, and would be nowhere")


@pytest.mark.parametrize("position", ["out", "lost"])
def test_nobody_is_shifted_into_a_region_that_is_out(two, position):
    digest = plan(two, "c7k2m", *OUT_OF_WEST)["digest"]
    two.place.hold(EAST, position)
    before = two.records()
    code, document = apply(two, "c7k2m", *OUT_OF_WEST, digest=digest)
    assert (code, two.records()) == (1, before)
    assert document["refused"].startswith(f"{EASTERN} is {position}, and nobody is sent there")
    assert two.recorded(EAST) == {}


def test_a_region_that_is_not_ready_takes_the_sentence_typed_in_full(two, monkeypatch):
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [f"{cell.region}: it has no server"])
    before, sentence = two.records(), f"{EASTERN} is not ready"
    result = two.place.ops("shift", "c7k2m", *OUT_OF_WEST, "--override", f"{WESTERN} is not ready")
    assert result.code == 1
    assert result.err.splitlines() == [
        f"{sentence}: {EASTERN}: it has no server",
        f"--override '{WESTERN} is not ready' is not the sentence that overrides this",
        f"to do it all the same: --override '{sentence}'",
    ]
    assert two.records() == before
    code, document = apply(two, "c7k2m", *OUT_OF_WEST, "--override", sentence)
    assert (code, document["override"]) == (0, sentence)
    assert f"--override '{sentence}'" in document["command"]
    assert [each["override"] for each in two.recorded(EAST).values() if "plan" in each] == [sentence]
    assert plan(two, "c7k2m", "--back")["shifts"] == {"c7k2m": 6}, "back is no question of that"


def test_an_action_that_cannot_be_recorded_is_not_carried_out(two):
    digest, before = plan(two, "c7k2m", *OUT_OF_WEST)["digest"], two.records()
    two.place.relay.cut = lambda when, what: "/actions/" in what
    code, document = apply(two, "c7k2m", *OUT_OF_WEST, digest=digest)
    assert (code, two.records()) == (1, before)
    assert document["refused"].endswith("nothing was done, for it must be recorded")


def test_expiring_credentials_are_reported_with_the_progress_and_the_work_goes_on_afterwards(
    two, monkeypatch
):
    monkeypatch.setattr(dns_changes, "RECORDS_LIMIT", 12)
    digest = plan(two, "c7k2m", "m2x8v", *OUT_OF_WEST)["digest"]

    def cut(when: str, what: str) -> bool:
        """Let the credentials expire after the first change."""
        if when == "after" and what.startswith("POST") and "rrset" in what:
            two.place.relay.expired = {"route53": "InvalidClientTokenId"}
        return False

    two.place.relay.cut, before = cut, two.records()
    code, document = apply(two, "c7k2m", "m2x8v", *OUT_OF_WEST, digest=digest)
    assert code == 1
    assert document["refused"].startswith("the credentials are not valid any more: ")
    assert document["refused"].endswith(
        "; 1 of 2 customers are done, each whole, and the others are as they were;"
        " run the same command again with fresh credentials"
    )
    assert len(changed(two, before)) == 6
    two.place.relay.cut, two.place.relay.expired = (lambda *_: False), {}
    code, document = apply(two, "c7k2m", "m2x8v", *OUT_OF_WEST, digest=digest)
    assert (code, len(changed(two, before))) == (0, 12)
    assert len(two.recorded(EAST)) == 2, "one action, which was cut off and went on"


def test_a_switch_that_cannot_be_read_is_a_warning(two):
    two.place.relay.closed = {f"{WESTERN} ssm"}
    (warning,) = plan(two, "c7k2m", *OUT_OF_WEST)["warnings"]
    assert warning.startswith(f"{WESTERN} does not say whether {EASTERN} is out")


def test_a_stale_digest_says_what_changed(two):
    digest = plan(two, "c7k2m", *OUT_OF_WEST)["digest"]
    code, document = apply(two, "m2x8v", *OUT_OF_WEST, digest=digest)
    assert code == 1
    assert (
        "c7k2m: is no longer in the plan; m2x8v: is new in the plan; nothing was done: plan again"
        in document["refused"]
    )


def test_an_ambiguous_health_check_is_refused(two):
    reference = check_reference(NAMESPACE, two.place.cell, WEST, "out")
    config = {"Type": "CALCULATED", "ChildHealthChecks": two.leaves, "HealthThreshold": 2}
    two.leaves.append(two.make_check(f"{reference}-again", **config))
    result = two.place.ops("shift", "c7k2m", *OUT_OF_WEST)
    assert result.code == 1
    assert result.line.startswith(f"{WESTERN} has 2 health checks 'out', and must have exactly one; ")


def test_unknown_customers_and_regions_are_refused_with_the_nearest(two):
    assert two.place.ops("shift", "c7k2", *OUT_OF_WEST).line.endswith("did you mean c7k2m?")
    assert two.place.ops("shift", "c7k2m", "--region", "us-gov-west").line.endswith(
        f"did you mean {WESTERN}?"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--back",),
        ("c7k2m",),
        ("c7k2m", "--back", *OUT_OF_WEST),
        ("c7k2m", "--back", "--apply"),
        ("c7k2m", "--back", "--apply", "--digest", "0"),
        ("c7k2m", "--back", "--apply", *WHY),
    ],
)
def test_a_usage_error_exits_2(two, words):
    assert two.place.ops("shift", *words).code == 2
    assert two.place.relay.calls == []


def test_a_dead_control_plane_is_named_with_the_alternative_that_needs_none(two):
    two.place.relay.closed = {"route53"}
    result = two.place.ops("shift", "c7k2m", "--region", EASTERN)
    assert result.code == 1
    assert f"in {WESTERN}, does not answer" in result.line
    assert f"mft-ops evacuate {WESTERN}" in result.line
