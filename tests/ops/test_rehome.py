"""`python -m ops rehome` with the emulated Route 53, a name server and the files of a registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from customers import rehoming
from local.aws.emulator import ROOT
from ops.dns import dns_changes
from ops.dns.name_servers import ENV_NAME_SERVERS
from runtime.contract import REGION_OF, SIDES
from tests.ops.conftest import EASTERN, WESTERN
from tests.ops.customer_zone import ZONE, Estate, programs_records, zone  # noqa: F401 - a fixture

WHY = ("--reason", "planned maintenance")


@pytest.fixture
def three(zone: Estate) -> Estate:  # noqa: F811
    zone.registry({"id": "c7k2m"}, {"id": "h4t9q"}, {"id": "m2x8v", "failover": {"health_check": "cell"}})
    zone.deploy()
    return zone


def small_batches(estate: Estate, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
    """Limit the changes that Route 53 accepts in one request."""
    monkeypatch.setattr(dns_changes, "RECORDS_LIMIT", changes)


def is_change(what: str) -> bool:
    return what.startswith("POST") and "rrset" in what


def plan(estate: Estate, *words: str) -> dict:
    code, document = estate.place.json("rehome", *words)
    assert code == 0, document
    return document


def apply(estate: Estate, *words: str, digest: str | None = None) -> tuple[int, dict]:
    digest = digest or plan(estate, *words)["digest"]
    return estate.place.json("rehome", *words, *WHY, "--apply", "--digest", digest)


def test_a_plan_changes_nothing_and_lists_the_changes(three):
    before, text = three.records(), three.text("c7k2m")
    document = plan(three, "c7k2m", "--to", EASTERN)
    assert (document["applied"], document["batches"]) == (False, 1)
    assert document["moves"] == [{"customer": "c7k2m", "route53": "moves", "registry": "is edited"}]
    assert (three.records(), three.text("c7k2m")) == (before, text)
    assert not (three.place.root / "rehomes").exists()


def test_a_customer_moves_in_route_53_at_the_name_servers_and_in_the_registry(three):
    before, requests = three.records(), []
    three.place.relay.cut = lambda when, what: requests.append(what)
    code, document = apply(three, "c7k2m", "--to", EASTERN)
    assert (code, document["unseen"]) == (0, [])
    assert any("/change/" in what for what in requests), "it waits until all servers have it"
    assert three.primaries("c7k2m", "h4t9q") == {"c7k2m": {"east"}, "h4t9q": {"west"}}
    for key, (_, *rest) in three.records().items():
        assert rest == list(before[key][1:]), "values, TTL and checks stay"
    (value,) = three.server.answer(f"primary.c7k2m.{ZONE}", "CNAME").values
    assert value.startswith("sftp.east")
    assert "\nprimary: east # nearest to them: west of all\n" in three.text("c7k2m")
    assert three.as_the_program_has_them() == three.wanted(), "the next update changes nothing"
    (move,) = rehoming.read(three.place.root)["c7k2m"]
    assert (move.from_, move.to, move.why, move.digest) == ("west", "east", WHY[1], document["digest"])
    assert move.who.startswith("arn:aws-us-gov:")
    assert set(rehoming.read(three.place.root)) == {"c7k2m"}


def test_the_rehomed_registry_passes_ops_check_and_matches_what_the_program_makes(three):
    for side in SIDES:
        three.place.write(side, zoneId=three.zone_id, healthCheckQuota="200")

    def git(*words: str) -> None:
        name = ("-c", "user.name=J. Doe", "-c", "user.email=j.doe@example.gov")
        subprocess.run(["git", *name, *words], cwd=three.place.root, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "deployed")
    assert apply(three, "c7k2m", "m2x8v", "--to", EASTERN)[0] == 0
    assert three.place.ops("check").err == ""
    assert three.place.ops("check").out.endswith(", nothing refused\n")
    # The same change by hand is refused.
    (three.place.root / "rehomes" / "c7k2m.json").unlink()
    assert "without a new record" in three.place.ops("check").out

    assert programs_records(three, *SIDES) == three.as_the_program_has_them()


def test_all_move_there_and_back_and_every_move_is_recorded(three):
    for to in ("east", "west"):
        assert apply(three, "--all", "--to", REGION_OF[to])[0] == 0
        assert three.as_the_program_has_them() == three.wanted()
    for id, moves in rehoming.read(three.place.root).items():
        assert [(move.customer, move.to) for move in moves] == [(id, "east"), (id, "west")]


def test_a_rehoming_that_the_registry_already_shows_is_carried_out(three):
    path = three.place.root / "customers" / "agency-h4t9q.yaml"
    path.write_text(path.read_text().replace("primary: west", "primary: east"))
    text = path.read_text()
    assert [each["customer"] for each in plan(three, "--from-registry", "--to", EASTERN)["moves"]] == [
        "h4t9q"
    ]
    assert apply(three, "--from-registry", "--to", EASTERN)[0] == 0
    assert three.as_the_program_has_them() == three.wanted()
    assert path.read_text() == text
    assert len(rehoming.read(three.place.root)["h4t9q"]) == 1


def test_a_finished_rehoming_is_not_repeated(three):
    digest = plan(three, "--all", "--to", EASTERN)["digest"]
    apply(three, "--all", "--to", EASTERN, digest=digest)
    three.place.relay.forget()
    changes = []
    three.place.relay.cut = lambda when, what: is_change(what) and changes.append(what)
    code, document = apply(three, "--all", "--to", EASTERN, digest=digest)
    assert (code, document["batches"], changes) == (0, 0, [])
    assert {len(moves) for moves in rehoming.read(three.place.root).values()} == {1}


# --- Crashes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_a_rehoming_killed_around_any_batch_is_continued(three, monkeypatch, when, request_number):
    digest = plan(three, "--all", "--to", EASTERN)["digest"]
    command = (
        "import ops.dns.dns_changes as d, ops.health.cell_health as h;"
        "d.RECORDS_LIMIT = 8; h.problems = lambda _: [];"
        "import ops.__main__ as m; m.app()",
        *("rehome", "--all", "--to", EASTERN, *WHY, "--apply", "--digest", digest),
        *("--root", str(three.place.root)),
    )
    process = None
    seen = []

    def cut(now: str, what: str) -> bool:
        if is_change(what) and now == when:
            seen.append(what)
            if len(seen) == request_number:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
        return False

    three.place.relay.cut = cut
    environment = {"PATH": os.environ["PATH"], **three.place.credentials}
    process = subprocess.Popen(
        [sys.executable, "-c", *command], cwd=ROOT, env=environment, stdout=-3, stderr=-3
    )
    assert process.wait() == -signal.SIGKILL
    moved = request_number - (when == "before")
    now = three.primaries("c7k2m", "h4t9q", "m2x8v")
    assert sorted(map(sorted, now.values())) == [["east"]] * moved + [["west"]] * (3 - moved)

    three.place.relay.cut = lambda *_: False
    small_batches(three, monkeypatch, 8)
    code, document = apply(three, "--all", "--to", EASTERN, digest=digest)
    assert (code, document["unseen"]) == (0, [])
    assert three.as_the_program_has_them() == three.wanted()
    for moves in rehoming.read(three.place.root).values():
        assert [move.digest for move in moves] == [digest]
    assert [key.rpartition("/")[2] for key in sorted(three.recorded("east"))] == [
        "intent.json",
        "outcome.json",
    ]


def test_a_lost_answer_is_not_a_refusal(three):
    lost = []

    def cut(when: str, what: str) -> bool:
        if when == "before" or not is_change(what) or lost:
            return False
        lost.append(what)
        return True

    digest = plan(three, "c7k2m", "--to", EASTERN)["digest"]
    three.place.relay.cut = cut
    code, document = apply(three, "c7k2m", "--to", EASTERN, digest=digest)
    assert (code, document["unseen"], len(lost)) == (0, [], 1)
    assert three.as_the_program_has_them() == three.wanted()


# --- Refused -----------------------------------------------------------------------------------------


def test_a_stale_digest_says_what_changed_and_does_nothing(three):
    digest = plan(three, "c7k2m", "--to", EASTERN)["digest"]
    three.check("east", "cell")
    pages = three.route53.list_resource_record_sets(HostedZoneId=three.zone_id)["ResourceRecordSets"]
    (half,) = [
        each
        for each in pages
        if each["Name"].startswith("primary.c7k2m") and each.get("SetIdentifier") == "east"
    ]
    half["TTL"] = 30
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": half}]}
    three.route53.change_resource_record_sets(HostedZoneId=three.zone_id, ChangeBatch=batch)
    before = three.records()
    code, document = apply(three, "c7k2m", "--to", EASTERN, digest=digest)
    assert code == 1
    assert f"plan {digest} no longer holds: c7k2m: primary.c7k2m.{ZONE}. CNAME east is" in document["refused"]
    assert "30" in document["refused"]
    assert "60" in document["refused"]
    assert three.records() == before
    assert apply(three, "c7k2m", "--to", EASTERN, digest="../secret")[0] == 1


def test_all_problems_with_the_customers_are_reported_at_once(three):
    three.registry({"id": "z9z9z", "lifecycle": "draining"})
    result = three.place.ops("rehome", "c7k2n", "z9z9z", "h4t9q", "--to", EASTERN)
    assert result.code == 1
    assert result.err.splitlines() == [
        "'c7k2n' is not a customer of this cell; did you mean c7k2m?",
        "z9z9z is draining, and has no DNS records: leave it out",
    ]


def test_a_customer_without_records_stops_the_whole_rehoming(three):
    three.registry({"id": "n3w3r"})
    result = three.place.ops("rehome", "--all", "--to", EASTERN)
    assert result.code == 1
    assert result.line.startswith(
        f"n3w3r: primary.n3w3r.{ZONE} CNAME has no half of east and west in Route 53"
    )


@pytest.mark.parametrize("position", ["out", "lost"])
def test_nobody_is_rehomed_into_a_region_that_is_out(three, position):
    digest = plan(three, "--all", "--to", EASTERN)["digest"]
    three.place.hold("east", position)
    before = three.records()
    code, document = apply(three, "--all", "--to", EASTERN, digest=digest)
    assert (code, three.records()) == (1, before)
    assert document["refused"] == (
        f"{EASTERN} is {position}, and nobody is sent there; bring it back first: mft-ops restore {EASTERN}"
    )
    assert plan(three, "--all", "--to", WESTERN)["batches"] == 0


def test_a_region_that_is_not_ready_takes_the_sentence_typed_in_full(three, monkeypatch):
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [f"{cell.region}: it has no server"])
    sentence = f"{EASTERN} is not ready"
    result = three.place.ops("rehome", "c7k2m", "--to", EASTERN)
    assert (result.code, result.err.splitlines()[-1]) == (
        1,
        f"to do it all the same: --override '{sentence}'",
    )
    code, document = apply(three, "c7k2m", "--to", EASTERN, "--override", sentence)
    assert (code, document["override"]) == (0, sentence)
    (intent,) = (each for each in three.recorded("east").values() if "plan" in each)
    assert (intent["override"], intent["why"], intent["digest"]) == (sentence, WHY[1], document["digest"])
    assert three.recorded("west") == {}


def test_expiring_credentials_are_reported_with_the_progress_and_the_work_goes_on_afterwards(
    three, monkeypatch
):
    digest = plan(three, "--all", "--to", EASTERN)["digest"]
    small_batches(three, monkeypatch, 8)

    def cut(when: str, what: str) -> bool:
        """Let the credentials expire after the second change."""
        if is_change(what) and when == "after":
            seen.append(what)
            three.place.relay.expired = {"route53": "ExpiredToken"} if len(seen) == 2 else {}
        return False

    seen = []
    three.place.relay.cut = cut
    code, document = apply(three, "--all", "--to", EASTERN, digest=digest)
    assert code == 1
    assert "; 2 of 3 customers are done, each whole, and the others are as they were;" in document["refused"]
    three.place.relay.cut, three.place.relay.expired = (lambda *_: False), {}
    code, document = apply(three, "--all", "--to", EASTERN, digest=digest)
    assert (code, document["unseen"]) == (0, [])
    assert three.as_the_program_has_them() == three.wanted()
    assert len(three.recorded("east")) == 2, "one action, which was cut off and went on"


def test_with_unreachable_name_servers_the_rehoming_is_done_and_not_verified(three, monkeypatch):
    digest = plan(three, "c7k2m", "--to", EASTERN)["digest"]
    monkeypatch.setenv(ENV_NAME_SERVERS, "127.0.0.1:9")
    code, document = apply(three, "c7k2m", "--to", EASTERN, digest=digest)
    assert code == 1
    assert document["refused"].startswith("the changes are made but not verified: no name server of mft.")
    assert three.primaries("c7k2m") == {"c7k2m": {"east"}}


@pytest.mark.parametrize(
    "words",
    [
        ("--to", EASTERN),
        ("c7k2m", "--all", "--to", EASTERN),
        ("c7k2m", "--to", EASTERN, "--apply", "--digest", "0"),
    ],
)
def test_a_usage_error_exits_2(three, words):
    assert three.place.ops("rehome", *words).code == 2
    assert three.place.relay.calls == []


@pytest.mark.parametrize(("region", "hint"), [("north", ""), ("east", f"; did you mean {EASTERN}?")])
def test_an_unknown_region_is_refused_without_a_call(three, region, hint):
    result = three.place.ops("rehome", "c7k2m", "--to", region)
    assert (result.code, result.line) == (1, f"{region!r} is not one of {EASTERN}, {WESTERN}{hint}")
    assert three.place.relay.calls == []


def test_a_dead_control_plane_is_named_with_the_alternative_that_needs_none(three):
    three.place.relay.closed = {"route53"}
    result = three.place.ops("rehome", "--all", "--to", EASTERN)
    assert result.code == 1
    assert "Route 53's control plane, in us-gov-west-1, does not answer" in result.line
    assert "mft-ops evacuate us-gov-west-1" in result.line


def test_names_that_do_not_answer_with_the_new_region_are_listed(three, monkeypatch):
    monkeypatch.setattr("ops.failover.rehome._SEEN_WITHIN", 0.5)
    out = three.check("east", "out")
    pages = three.route53.list_resource_record_sets(HostedZoneId=three.zone_id)["ResourceRecordSets"]
    halves = [each for each in pages if "primary.c7k2m" in each["Name"] and each["SetIdentifier"] == "east"]
    changes = [{"Action": "UPSERT", "ResourceRecordSet": each | {"HealthCheckId": out}} for each in halves]
    three.route53.change_resource_record_sets(HostedZoneId=three.zone_id, ChangeBatch={"Changes": changes})
    code, document = apply(three, "c7k2m", "--to", EASTERN)
    assert code == 1
    assert len(document["unseen"]) == 2
    assert "answers sftp.west" in document["unseen"][0]
    assert three.primaries("c7k2m") == {"c7k2m": {"east"}}
    assert json.loads((three.place.root / "rehomes" / "c7k2m.json").read_text())


# --- Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("primary: west # nearest to them: west of all", "primary: 'west' # west"),
        ("primary: west # nearest to them: west of all", "primary:\n  west"),
        ("primary: west # nearest to them: west of all", '"primary" : west\r'),
    ],
)
def test_only_the_value_of_primary_changes_in_a_customers_file(three, old, new):
    path = three.place.root / "customers" / "agency-c7k2m.yaml"
    text = path.read_bytes().decode().replace(old, new)
    path.write_bytes(text.encode())
    assert apply(three, "c7k2m", "--to", EASTERN)[0] == 0
    before, after = text.splitlines(keepends=True), path.read_bytes().decode().splitlines(keepends=True)
    ((was, now),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert now == was.replace("west", "east", 1)


def test_a_broken_registry_or_record_stops_a_rehoming(three):
    (three.place.root / "rehomes").mkdir()
    (three.place.root / "rehomes" / "c7k2m.json").write_text("[{}]")
    result = three.place.ops("rehome", "c7k2m", "--to", EASTERN)
    assert result.code == 1
    assert "rehomes/c7k2m.json: [0].customer: Field required" in result.err
