"""`python -m ops evacuate`: its calls, its output, its effects and its exit codes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import boto3
import pytest

from local.aws.emulator import ROOT
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.environment import Environment, EnvironmentRefusedError
from ops.failover import switching
from runtime.contract import EAST, REGION_OF, SIDES, WEST, peer_of
from tests.ops.conftest import EASTERN, NAMESPACE, WESTERN, Place
from tests.ops.customer_zone import zone  # noqa: F401 - a fixture
from tests.ops.fleet import EASTERNER, WESTERNER, WHY, Fleet, fleet  # noqa: F401 - a fixture
from tests.ops.well_cells import WellCell

READ, PUT, SAY = "ssm GetParameter", "ssm PutParameter", "monitoring PutMetricData"
LIST, WRITE, WHO = "s3 list", "s3 write", "sts"
DEAD = f"{WESTERN} "
BACK = f"to put it back: mft-ops restore {WESTERN}"
EVERYBODY_IN_EAST = {id: dict.fromkeys(("east", "west", "primary"), EAST) for id in (WESTERNER, EASTERNER)}
AT_HOME = {
    WESTERNER: {"east": EAST, "west": WEST, "primary": WEST},
    EASTERNER: {"east": EAST, "west": WEST, "primary": EAST},
}


@pytest.fixture(autouse=True)
def _well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every cell as well, except in the tests of that."""
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [])


def untouched(place: Place) -> bool:
    return not any(place.moved(side) or place.published(side) for side in SIDES)


def take_calls(place: Place) -> list[str]:
    """Return the calls so far, as region, service and operation, and clear the list."""
    found = []
    for call in place.relay.calls:
        region, service, *what = call.split()
        kind = "list" if "list-type" in call else "write"
        found.append(" ".join([region, service, kind] if service == "s3" else [region, service, *what]))
    place.relay.forget()
    return found


def apply(place: Place, region: str = WESTERN, *words: str, digest: str | None = None):
    """Evacuate by the current plan; return the result."""
    digest = digest or place.json("evacuate", region, *words)[1]["digest"]
    return place.ops("evacuate", region, *words, *WHY, "--apply", "--digest", digest)


# --- From plan to outcome ----------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "region"), [(WEST, WESTERN), (EAST, EASTERN)])
def test_a_region_goes_out_with_all_customers_and_every_call_goes_to_its_peer(fleet, side, region):  # noqa: F811
    place, through = fleet.place, REGION_OF[peer_of(side)]
    assert fleet.answers() == AT_HOME
    place.relay.forget()
    plan = fleet.plan("evacuate", region)
    assert {name: plan[name] for name in ("applied", "region", "through", "position", "now")} == {
        "applied": False,
        "region": region,
        "through": through,
        "position": "out",
        "now": "in",
    }
    assert (plan["customers"], plan["names"], plan["warnings"]) == (2, 8, [])
    assert take_calls(place) == [f"{through} {READ}", f"{through} {LIST}"]
    assert untouched(place)
    assert fleet.recorded(peer_of(side)) == {}

    result = fleet.apply_as_text("evacuate", region, digest=plan["digest"])
    assert (result.code, result.err) == (0, "")
    assert take_calls(place) == [
        f"{through} {call}" for call in (READ, LIST, WHO, LIST, WRITE, PUT, SAY, WRITE)
    ], "neither Route 53, IAM nor the region that goes out"
    assert fleet.answers() == {
        id: dict.fromkeys(("east", "west", "primary"), peer_of(side)) for id in (WESTERNER, EASTERNER)
    }
    assert (place.position(side), place.position(peer_of(side))) == ("out", "in")


def test_the_number_of_customers_changes_no_call(fleet):  # noqa: F811
    fleet.plan("evacuate", WESTERN)
    few = take_calls(fleet.place)
    for side in SIDES:
        s3 = fleet.client("s3", side)
        for number in range(150):
            s3.put_object(Bucket=fleet.bucket("config", side), Key=f"customers/n{number:03}.json", Body=b"{}")
    take_calls(fleet.place)
    plan = fleet.plan("evacuate", WESTERN)
    assert take_calls(fleet.place) == few
    assert plan["customers"] == 2, "who has no records is not in service"


def test_the_text_of_a_plan_and_of_an_evacuation(fleet):  # noqa: F811
    result = fleet.place.ops("evacuate", WESTERN)
    digest = result.out.split("plan ")[1][:12]
    assert result.out.splitlines() == [
        f"take {WESTERN} out of DNS, through {EASTERN}: one parameter, one datapoint",
        f"its records then answer with {EASTERN}: 8 names of 2 customers in service",
        f"plan {digest}; nothing was done; to do it:",
        f"  mft-ops evacuate {WESTERN} --reason WHY --apply --digest {digest}",
    ]
    command = result.out.splitlines()[-1].split()[1:]
    result = fleet.place.ops(*["West is dead" if word == "WHY" else word for word in command])
    lines = result.out.splitlines()
    assert lines[2].startswith(f"the switch of {WESTERN} stands at out, and that is published; the name")
    assert "TTL, 60 s at most" in lines[3]
    assert "open SFTP sessions stay" in lines[4]
    assert "ignore the TTL" in lines[5]
    assert "SDK clients that do not use TXT" in lines[6]
    assert "mft-ops notice" in lines[6]
    assert lines[7].startswith(f"recorded: s3://{fleet.bucket('audit', EAST)}/actions/evacuate/")
    assert lines[8].startswith("done; every answer of 1 name server moved within ")


def test_an_evacuation_is_recorded_in_the_peer_with_who_when_and_why(fleet):  # noqa: F811
    _, document = fleet.apply("evacuate", WESTERN)
    (before, intent), (after, outcome) = sorted(fleet.recorded(EAST).items())
    assert before.startswith("actions/evacuate/")
    assert before.removesuffix("intent.json") == after.removesuffix("outcome.json")
    assert document["recorded"] == f"s3://{fleet.bucket('audit', EAST)}/{before.removesuffix('intent.json')}"
    assert (intent["verb"], intent["digest"], intent["why"]) == ("evacuate", document["digest"], WHY[1])
    assert intent["who"].startswith("arn:aws-us-gov:")
    assert intent["plan"][WESTERN]["position"] == "out"
    assert outcome["dns_moved_seconds"] == document["dns_moved_seconds"] > 0
    assert outcome["duration_seconds"] >= outcome["dns_moved_seconds"]
    assert outcome["left"] == []
    assert fleet.recorded(WEST) == {}


def test_a_stale_digest_says_what_changed(fleet):  # noqa: F811
    digest = fleet.plan("evacuate", WESTERN)["digest"]
    fleet.place.hold(WEST, "in")
    result = fleet.apply_as_text("evacuate", WESTERN, digest=digest)
    assert result.code == 1
    assert result.err == (
        f"plan {digest} no longer holds: {WESTERN}: version is 2, was 1;"
        " nothing was done: plan again, and review the new plan\n"
    )
    assert fleet.place.position(WEST) == "in"
    assert fleet.recorded(EAST) == {}
    digest = fleet.plan("evacuate", WESTERN)["digest"]
    assert fleet.apply_as_text("evacuate", WESTERN, digest=digest[:-1]).code == 1
    assert fleet.place.position(WEST) == "in", "a digest is a whole one"
    result = fleet.apply_as_text("evacuate", WESTERN, "--lost", digest=digest)
    assert "position is 'lost', was 'out'" in result.err
    assert fleet.place.position(WEST) == "in"


@pytest.mark.parametrize("verb", ["evacuate", "restore"])
@pytest.mark.parametrize(
    "words",
    [
        ("--apply",),
        ("--apply", "--digest", "0"),
        ("--apply", *WHY),
        ("--apply", "--digest", "0", "--reason", " "),
        (EASTERN,),
        ("--aply",),
    ],
)
def test_a_usage_error_exits_2_and_makes_no_call(place, verb, words):
    assert place.ops(verb, WESTERN, *words).code == 2
    assert place.ops(verb).code == 2
    assert place.relay.calls == []


def test_evacuate_starts_without_the_packages_of_deployments_and_functions():
    code = "import ops.__main__, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    never = {"pulumi", "pulumi_aws", "grpc", "pydantic", "asyncssh", "aws_lambda_powertools"}
    never |= {"werkzeug", "jinja2", "markdown_it"}
    assert not set(done.stdout.split()) & (never | {"components", "local", "ministack"})


# --- When West is gone -------------------------------------------------------------------------------


def test_west_is_evacuated_while_it_is_dead_and_route_53_and_iam_with_it(fleet, aws):  # noqa: F811
    """Runs in a process of its own, with the real check of East."""
    place = fleet.place
    WellCell(place, EAST).make()
    aws.region_down(WESTERN, control_planes=True)
    try:
        place.relay.forget()
        result = place.command("evacuate", WESTERN, "--lost", "--json")
        assert (result.code, result.err) == (0, "")
        plan = json.loads(result.out)
        assert (plan["warnings"], plan["override"], plan["customers"]) == ([], None, 2)
        words = ("evacuate", WESTERN, "--lost", *WHY, "--apply", "--digest", plan["digest"])
        result = place.command(*words)
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[-1].startswith("done; every answer of 1 name server moved within")
        assert fleet.answers() == EVERYBODY_IN_EAST
        assert len(fleet.recorded(EAST)) == 2
        assert {call.split()[0] for call in place.relay.calls} == {EASTERN}
        assert not {"route53", "iam"} & {call.split()[1] for call in place.relay.calls}
        for words in (
            ("shift", WESTERNER, "--region", WESTERN),
            ("shift", WESTERNER, "--back"),
            ("rehome", WESTERNER, "--to", EASTERN),
        ):
            result = place.ops(*words)
            assert result.code == 1
            assert "Route 53's control plane, in us-gov-west-1, does not answer" in result.line
            assert "All customers are out of us-gov-west-1 already, which is lost" in result.line
            assert "mft-ops evacuate" not in result.line, "that was done"
        result = place.ops("restore", WESTERN)
        assert result.code == 1
        assert f"whether gaps remain is not known, because {WESTERN} cannot be looked at" in result.line
    finally:
        aws.region_up(WESTERN)
    assert place.position(WEST) == "lost"


# --- Who would be nowhere ----------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["out", "lost"])
def test_both_regions_are_never_out(fleet, position):  # noqa: F811
    assert fleet.apply("evacuate", EASTERN, *(["--lost"] if position == "lost" else []))[0] == 0
    for words in ((), ("--override", f"{EASTERN} is not ready")):
        result = fleet.place.ops("evacuate", WESTERN, *words)
        assert result.code == 1
        assert result.line.startswith(f"{EASTERN} is out of DNS already, for all customers; both regions are")
        assert f"mft-ops restore {EASTERN};" in result.line
    assert fleet.place.position(WEST) == "in"


def test_a_customer_who_is_shifted_out_of_the_peer_is_named_with_the_way_out(fleet, monkeypatch):  # noqa: F811
    monkeypatch.setattr(switching, "GIVE_UP", 2.0)
    fleet.shift_out(EASTERNER, EAST)
    result = fleet.place.ops("evacuate", WESTERN)
    assert result.code == 1
    problem, way = result.err.splitlines()
    assert problem.startswith(f"{EASTERNER} is out of {EASTERN}: 1 of 2 customers would be nowhere")
    assert problem.endswith(f"mft-ops shift {EASTERNER} --back")
    assert way == f"to do it all the same: --override '{EASTERNER} is out of {EASTERN}'"
    assert untouched(fleet.place)
    assert fleet.place.ops("evacuate", EASTERN).code == 0, "into where the customer is"

    sentence = f"{EASTERNER} is out of {EASTERN}"
    assert fleet.place.ops("evacuate", WESTERN, "--override", sentence.upper()).code == 1
    code, document = fleet.apply("evacuate", WESTERN, "--override", sentence)
    assert (code, document["override"]) == (1, sentence)
    assert any(EASTERNER in each and "answers sftp.west" in each for each in document["left"])
    (intent, outcome) = (each for _, each in sorted(fleet.recorded(EAST).items()))
    assert (intent["override"], outcome["dns_moved_seconds"]) == (sentence, None)
    assert outcome["left"] == document["left"]


def test_a_peer_that_is_not_ready_takes_the_sentence_typed_in_full(fleet, monkeypatch):  # noqa: F811
    found = ["its workflow is gone", "3 dead letters wait"]
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: found if cell.side == EAST else [])
    fleet.shift_out(EASTERNER, EAST)
    sentence = f"{EASTERNER} is out of {EASTERN}, and {EASTERN} is not ready"
    result = fleet.place.ops("evacuate", WESTERN, "--override", f"{EASTERN} is not ready")
    assert result.code == 1
    assert result.err.splitlines()[1:] == [
        f"{EASTERN} is not ready: its workflow is gone",
        f"{EASTERN} is not ready: 3 dead letters wait",
        f"--override '{EASTERN} is not ready' is not the sentence that overrides this",
        f"to do it all the same: --override '{sentence}'",
    ]
    plan = fleet.plan("evacuate", WESTERN, "--override", sentence)
    assert f"--override '{sentence}'" in plan["command"]
    found.clear()
    result = fleet.apply_as_text("evacuate", WESTERN, "--override", sentence, digest=plan["digest"])
    assert result.code == 1, "what was typed is about more than there is now"
    assert untouched(fleet.place)


# --- Name servers ------------------------------------------------------------------------------------


def test_names_that_do_not_move_are_listed_and_the_evacuation_is_done(fleet, monkeypatch):  # noqa: F811
    monkeypatch.setattr(switching, "GIVE_UP", 0.3)
    fleet.client("cloudwatch", EAST).delete_alarms(AlarmNames=[f"switch-{fleet.place.cell}-{WEST}"])
    result = fleet.apply_as_text("evacuate", WESTERN)
    assert result.code == 1
    otherwise = [line for line in result.out.splitlines() if line.startswith("answers otherwise: ")]
    assert len(otherwise) == 6, "primary. of who is at home in East needs not move"
    assert all(f"sftp.{WEST}" in line or f"-{WEST};" in line for line in otherwise)
    assert result.out.splitlines()[-1] == (
        f"done, the switch has moved; 6 answers have not after 0 s; if {EASTERN} is out itself,"
        " bring it back: mft-ops status shows how"
    )
    assert fleet.place.position(WEST) == "out"
    assert list(fleet.recorded(EAST).values())[-1]["left"] == [line[19:] for line in otherwise]


class Nonsense:
    """A server on a loopback port that answers every question with the same bytes, or never."""

    def __init__(self, answer: bytes | None) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._answer, self.port = answer, self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                self._socket.close()
                return
            if self._answer is not None:
                self._socket.sendto(question[:2] + self._answer, client)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()


@pytest.fixture(params=[b"", b"nonsense", b"\xff" * 40, None], ids=["short", "text", "ones", "silent"])
def nonsense(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nonsense]:
    monkeypatch.setattr("ops.dns.name_servers._TIMEOUT", 0.3)
    server = Nonsense(request.param)
    yield server
    server.stop()


def test_without_a_usable_name_server_the_switch_moves_with_a_warning(
    fleet,  # noqa: F811
    nonsense,
    monkeypatch,
):
    monkeypatch.setenv(ENV_NAME_SERVERS, f"127.0.0.1:{nonsense.port}")
    plan = fleet.plan("evacuate", WESTERN)
    (warning,) = plan["warnings"]
    assert warning.startswith("DNS cannot be looked at: no name server of mft.example.gov can be asked: 127.")
    assert (plan["customers"], plan["names"]) == (None, None), "not known, and not none"
    result = fleet.apply_as_text("evacuate", WESTERN)
    assert result.code == 0
    lines = result.out.splitlines()
    assert f"its records then answer with {EASTERN}: of how many names and customers is not known" in lines
    assert lines[-1] == "done, the switch has moved; whether DNS has is not known: no name server was asked"
    assert fleet.answers() == EVERYBODY_IN_EAST


def test_an_unusable_name_server_is_named_and_the_others_are_asked(fleet, nonsense, monkeypatch):  # noqa: F811
    server = fleet.estate.server
    monkeypatch.setenv(ENV_NAME_SERVERS, f"127.0.0.1:{nonsense.port} {server.address}:{server.port}")
    plan = fleet.plan("evacuate", WESTERN)
    (warning,) = plan["warnings"]
    assert warning.startswith("the name server 127.0.0.1 gives no usable answer: ")
    code, document = fleet.apply("evacuate", WESTERN)
    assert (code, document["left"], len(document["asked"])) == (0, [], 1)


def test_a_name_that_points_nowhere_known_is_a_warning(fleet):  # noqa: F811
    route53, zone_id = fleet.estate.route53, fleet.estate.zone_id
    pages = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    halves = [
        each | {"ResourceRecords": [{"Value": "elsewhere.example.gov"}]}
        for each in pages
        if each["Name"].startswith(f"east.{WESTERNER}.")
    ]
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": each} for each in halves]}
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    fleet.estate.server.refresh()
    plan = fleet.plan("evacuate", WESTERN)
    assert plan["warnings"] == [
        f"east.{WESTERNER}.mft.example.gov points at elsewhere.example.gov., which is neither region"
    ]
    assert plan["customers"] == 2


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:dns", ":53", "ns.example.gov:0 127.0.0.1:53"])
def test_name_servers_that_cannot_be_read_are_named(fleet, monkeypatch, text):  # noqa: F811
    monkeypatch.setenv(ENV_NAME_SERVERS, text)
    (warning,) = fleet.plan("evacuate", WESTERN)["warnings"]
    assert f"{ENV_NAME_SERVERS}: {text.split()[0]!r} is not an address and port" in warning


# --- Cut off -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dies", ["PutParameter", "PutMetricData"])
def test_an_unconfirmed_action_is_completed_by_the_same_command(fleet, dies):  # noqa: F811
    place, digest = fleet.place, fleet.plan("evacuate", WESTERN)["digest"]
    place.relay.closed = {dies}
    result = fleet.apply_as_text("evacuate", WESTERN, digest=digest)
    assert result.code == 1
    assert result.err.startswith("AWS does not answer: Connection was closed")
    assert "run the same command again" in result.err
    assert place.position(WEST) == ("out" if dies == "PutMetricData" else "in")
    assert [key.rpartition("/")[2] for key in fleet.recorded(EAST)] == ["intent.json"]
    place.relay.closed = set()
    if dies == "PutMetricData":
        plan = fleet.plan("evacuate", WESTERN)
        assert (plan["resumed"], plan["digest"]) == (True, digest)
    code, document = fleet.apply("evacuate", WESTERN, digest=digest)
    assert (code, document["left"], place.moved(WEST)) == (0, [], 1)
    assert [key.rpartition("/")[2] for key in sorted(fleet.recorded(EAST))] == ["intent.json", "outcome.json"]
    assert fleet.answers() == EVERYBODY_IN_EAST
    result = place.ops("evacuate", WESTERN)
    assert (result.code, result.line) == (1, f"{WESTERN} is out already; nothing was done; {BACK}")


def test_a_plan_that_was_cut_off_is_not_gone_on_with_once_somebody_else_has_moved_the_switch(fleet):  # noqa: F811
    place, digest = fleet.place, fleet.plan("evacuate", WESTERN)["digest"]
    place.relay.closed = {"PutMetricData"}
    assert fleet.apply_as_text("evacuate", WESTERN, digest=digest).code == 1
    place.relay.closed = set()
    place.hold(WEST, "in")
    place.hold(WEST, "out")
    result = place.ops("evacuate", WESTERN)
    assert (result.code, result.line) == (1, f"{WESTERN} is out already; nothing was done; {BACK}")


def test_an_evacuation_killed_while_it_watches_names_goes_on_watching(fleet, monkeypatch):  # noqa: F811
    digest = fleet.plan("evacuate", WESTERN)["digest"]

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("ops.dns.name_servers.NameServers.unseen", die)
        assert fleet.apply_as_text("evacuate", WESTERN, digest=digest).code != 0
    assert len(fleet.recorded(EAST)) == 1
    result = fleet.place.ops("evacuate", WESTERN)
    assert (
        "its switch stands at out already, moved by a command that was cut off: this goes on from there"
        in result.out
    )
    assert fleet.apply("evacuate", WESTERN, digest=digest)[0] == 0
    assert len(fleet.recorded(EAST)) == 2
    assert fleet.place.moved(WEST) == 1


_NOT_PUBLISHED = f"the switch of {WESTERN} stands at out, and that was not published by this command"


@pytest.mark.parametrize(
    ("call", "code", "so_far", "position"),
    [
        (READ, "ExpiredTokenException", "nothing was done", "in"),
        (WHO, "ExpiredToken", "nothing was done", "in"),
        (WHO, "InvalidClientTokenId", "nothing was done", "in"),
        (PUT, "UnrecognizedClientException", "nothing was done", "in"),
        (SAY, "ExpiredToken", _NOT_PUBLISHED, "out"),
    ],
)
def test_credentials_that_expire_midway(fleet, call, code, so_far, position):  # noqa: F811
    place, digest = fleet.place, fleet.plan("evacuate", WESTERN)["digest"]
    place.relay.expired = {f"{EASTERN} {call}": code}
    result = fleet.apply_as_text("evacuate", WESTERN, digest=digest)
    assert result.code == 1
    assert result.err.startswith("the credentials are not valid any more: ")
    assert f"; {so_far}" in result.err
    assert result.err.endswith("run the same command again with fresh credentials\n")
    assert place.position(WEST) == position
    place.relay.expired = {}
    assert fleet.apply("evacuate", WESTERN, digest=digest)[0] == 0
    assert fleet.answers() == EVERYBODY_IN_EAST


def test_an_audit_bucket_that_cannot_be_written_stops_no_emergency(fleet):  # noqa: F811
    fleet.place.relay.closed = {f"s3 {fleet.bucket('audit', EAST)}", "s3 json"}
    digest = fleet.plan("evacuate", WESTERN)["digest"]
    result = fleet.apply_as_text("evacuate", WESTERN, digest=digest)
    assert result.code == 0
    assert (
        f"warning: NOT RECORDED: {EASTERN} does not record it in {fleet.bucket('audit', EAST)}" in result.out
    )
    assert fleet.answers() == EVERYBODY_IN_EAST


def test_an_outcome_that_cannot_be_recorded_is_recorded_by_the_same_command(fleet):  # noqa: F811
    digest = fleet.plan("evacuate", WESTERN)["digest"]
    writes = []

    def cut(when: str, what: str) -> bool:
        """Lose every attempt to record the outcome."""
        return when == "before" and what.startswith("PUT") and "outcome" in what and not writes.append(what)

    fleet.place.relay.cut = cut
    result = fleet.apply_as_text("evacuate", WESTERN, digest=digest)
    assert result.code == 0
    assert "does not record how it ended" in result.out
    fleet.place.relay.cut = lambda *_: False
    assert fleet.apply("evacuate", WESTERN, digest=digest)[0] == 0
    assert len(fleet.recorded(EAST)) == 2


# --- Refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["evacuate", "restore"])
@pytest.mark.parametrize(
    ("region", "meant"),
    [("us-gov-wst-1", WESTERN), ("us-gov-east", EASTERN), ("west", WESTERN), ("EAST", ""), ("", "")],
)
def test_an_unknown_region_is_refused_with_the_nearest(place, verb, region, meant):
    hint = f"; did you mean {meant}?" if meant else ""
    result = place.ops(verb, region)
    assert (result.code, result.line) == (1, f"{region!r} is not one of {EASTERN}, {WESTERN}{hint}")
    assert place.relay.calls == []


def test_a_region_that_is_in_that_position_already_is_refused(west_out):
    before = west_out.moved(WEST)
    out = f"to take it out: mft-ops evacuate {EASTERN}"
    for verb, region, position, way in (("evacuate", WESTERN, "out", BACK), ("restore", EASTERN, "in", out)):
        for words in ((), (*WHY, "--apply", "--digest", "0")):
            result = west_out.ops(verb, region, *words)
            assert (result.code, result.line) == (
                1,
                f"{region} is {position} already; nothing was done; {way}",
            )
    assert (west_out.moved(WEST), west_out.moved(EAST)) == (before, 0)
    assert not west_out.published(WEST)


def test_a_refusal_is_one_json_document_too(west_out):
    code, document = west_out.json("evacuate", WESTERN)
    assert (code, document) == (1, {"refused": f"{WESTERN} is out already; nothing was done; {BACK}"})


# --- Regions that do not answer ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["evacuate", "restore"])
def test_without_the_peer_nothing_is_done(place, verb):
    place.relay.closed = {f"{EASTERN} ssm"}
    for as_json in (False, True):
        if as_json:
            code, document = place.json(verb, WESTERN)
            line = document["refused"]
        else:
            result = place.ops(verb, WESTERN)
            code, line = result.code, result.line
        assert code == 1
        assert line.startswith(f"{EASTERN} keeps the switch of {WESTERN}, in /{NAMESPACE}/cell")
        assert "does not say where it stands: Connection was closed" in line
    assert set(place.relay.calls) == {f"{EASTERN} {READ}"}
    assert untouched(place)


def test_without_customers_buckets_and_name_servers_a_region_is_evacuated_all_the_same(place):
    result = apply(place)
    assert result.code == 0
    assert f"warning: {EASTERN} does not list its customers, so DNS is not looked at" in result.out
    assert "warning: NOT RECORDED: " in result.out
    assert place.position(WEST) == "out"
    assert place.published(WEST)


def test_a_port_where_nobody_listens_is_reported(place, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    result = place.ops("evacuate", WESTERN)
    assert result.code == 1
    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"; nobody can be' in result.line


def test_missing_credentials_are_reported(place, monkeypatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has read them
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(place.root / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(place.root / "none"))
    result = place.ops("evacuate", WESTERN)
    assert result.code == 1
    assert "redentials" in result.line
    assert place.relay.calls == []


def test_a_switch_that_was_never_made_is_named(place):
    place.keeper(WEST).delete_parameter(**place.parameter(WEST))
    result = place.ops("evacuate", WESTERN)
    assert result.code == 1
    name = place.parameter(WEST)["Name"]
    assert result.line.startswith(
        f"{EASTERN} keeps the switch of {WESTERN}, in {name}, and does not say where it stands: "
    )
    assert "ParameterNotFound" in result.line
    assert not place.published(WEST)


def test_a_switch_that_holds_garbage_is_named(place):
    place.hold(WEST, "maybe")
    result = place.ops("evacuate", WESTERN)
    name = place.parameter(WEST)["Name"]
    assert result.code == 1
    assert result.line.endswith(f"parameter {name} holds 'maybe', none of 'in', 'out', 'lost'")
    assert place.position(WEST) == "maybe"


# --- Stack files -------------------------------------------------------------------------------------


def refused(place: Place) -> str:
    result = place.ops("evacuate", WESTERN)
    assert result.code == 1
    assert place.relay.calls == []
    return result.line


@pytest.mark.parametrize(
    ("side", "key", "value"),
    [
        (EAST, "cell", "2000"),
        (WEST, "namespace", "other"),
        (EAST, "accountId", None),
        (WEST, "zone", None),
        (WEST, "zoneId", ["Z1"]),
        (EAST, "cell", {"secure": "v1:abc"}),
        (WEST, "cell", True),
        (EAST, "namespace", ""),
    ],
)
def test_stack_files_that_disagree_are_refused_by_file_and_key(place, side, key, value):
    place.write(side, **{key: value})
    line = refused(place)
    assert line.startswith(f"mft:{key}: Pulumi.gov-west.yaml has ")
    assert ", Pulumi.gov-east.yaml has " in line
    assert line.endswith("; both must have the same")


@pytest.mark.parametrize("value", [None, "", [], {}, True])
def test_a_fact_that_is_in_neither_file_is_refused(place, value):
    for side in SIDES:
        place.write(side, cell=value)
    assert refused(place).startswith("mft:cell: ")


def test_a_number_without_quotes_is_what_pulumi_reads(place):
    place.write(WEST, cell=int(place.cell))
    assert place.ops("evacuate", WESTERN).code == 0
    assert Environment.read(place.root).cell == place.cell


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "content",
    [b"config: [", b"config:\n\tmft:cell: 1\n", b"\xff\xfe", b"", b"- config", b"config:", b"config: text"],
)
def test_a_malformed_stack_file_is_refused_by_name(place, side, content):
    place.file(side).write_bytes(content)
    assert refused(place).startswith(f"Pulumi.gov-{side}.yaml: ")


def test_a_stack_file_that_is_missing_is_refused_with_its_path(place):
    place.file(EAST).unlink()
    line = refused(place)
    assert line.startswith("Pulumi.gov-east.yaml: cannot be read as a stack file: ")
    assert str(place.file(EAST)) in line
    code, document = place.json("evacuate", WESTERN)
    assert (code, document) == (1, {"refused": line})


def test_the_projects_own_stack_files_agree():
    assert Environment.read().namespace == "example-mft"
    with pytest.raises(EnvironmentRefusedError):
        Environment.read(ROOT / "docs")


# --- Lost, and not only out --------------------------------------------------------------------------


def test_a_region_is_declared_lost_at_once_or_later(fleet):  # noqa: F811
    place = fleet.place
    assert "takes over" not in fleet.apply_as_text("evacuate", WESTERN).out
    result = fleet.apply_as_text("evacuate", WESTERN, "--lost")
    assert result.code == 0
    assert f"it is declared lost: {EASTERN} takes over what it has left unfinished" in result.out
    assert place.position(WEST) == "lost"
    result = place.ops("evacuate", EASTERN)
    assert (result.code, place.position(EAST)) == (1, "in"), "both regions are never out at once"
    result = place.ops("evacuate", WESTERN)
    assert result.code == 1
    assert result.line.endswith(f"restore it when it is back: mft-ops restore {WESTERN}")
    assert len(fleet.recorded(EAST)) == 4
