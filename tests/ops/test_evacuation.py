"""`python -m ops evacuate` and `restore`: what they ask of which region, what they say, how they end."""

from __future__ import annotations

import json
import subprocess
import sys

import boto3
import pytest

from local.emulator import ROOT
from ops.environment import Environment, EnvironmentRefusedError
from runtime.contract import EAST, SIDES, WEST
from tests.ops.conftest import EASTERN, NAMESPACE, WESTERN, Place

READ, PUT, SAY = "ssm GetParameter", "ssm PutParameter", "monitoring PutMetricData"
DEAD = f"{WESTERN} "


def untouched(place: Place) -> bool:
    return not any(place.moved(side) or place.published(side) for side in SIDES)


# --- As a process of its own -------------------------------------------------------------------------


def test_from_evacuation_to_restoration(place):
    """Plan, do, plan again; what is asked of AWS at each step, and of whom."""
    asked = [f"{EASTERN} {READ}", f"{WESTERN} {READ}"]
    said = place.command("evacuate", WESTERN)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        f"take {WESTERN} out of DNS, through {EASTERN}: one parameter, one datapoint",
        f"its records then answer with {EASTERN}",
        "nothing was done; add --apply to do it",
    ]
    assert place.door.asked == asked
    assert untouched(place)

    place.door.forget()
    said = place.command("evacuate", WESTERN, "--apply")
    assert (said.code, said.err, said.out.splitlines()[-1]) == (0, "", "done")
    assert place.door.asked == [*asked, f"{EASTERN} {PUT}", f"{EASTERN} {SAY}"]
    assert (place.position(WEST), place.position(EAST)) == ("out", "in")
    assert (place.published(WEST), place.published(EAST)) == (True, False)

    said = place.command("evacuate", WESTERN, "--apply")
    assert (said.code, said.line) == (1, f"{WESTERN} is out already; nothing was done")

    place.door.forget()
    said = place.command("restore", WESTERN, "--apply", "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == {
        "applied": True,
        "region": WESTERN,
        "through": EASTERN,
        "position": "in",
        "now": "out",
        "warnings": [],
    }
    assert place.door.asked == [f"{EASTERN} {call}" for call in (READ, PUT, SAY)]
    assert place.position(WEST) == "in"


@pytest.mark.parametrize(
    "words", [(), ("evacuate",), ("evacuate", WESTERN, "--aply"), ("evacuate", WESTERN, EASTERN)]
)
def test_a_command_that_cannot_be_read_exits_2_and_asks_nothing(place, words):
    said = place.ops(*words) if words else place.command()
    assert said.code == 2
    assert place.door.asked == []


def test_it_starts_without_what_only_deployments_and_functions_need():
    code = "import ops.__main__, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    never = {"pulumi", "pulumi_aws", "grpc", "pydantic", "asyncssh", "aws_lambda_powertools"}
    assert not set(done.stdout.split()) & (never | {"components", "local", "ministack"})


# --- Plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "region", "through"), [(WEST, WESTERN, EASTERN), (EAST, EASTERN, WESTERN)])
def test_each_region_goes_out_and_comes_back_through_the_other(place, side, region, through):
    for verb, now, position in (("evacuate", "in", "out"), ("restore", "out", "in")):
        plan = {"region": region, "through": through, "position": position, "now": now, "warnings": []}
        assert place.json(verb, region) == (0, {"applied": False, **plan})
        assert place.position(side) == now
        place.door.forget()
        assert place.json(verb, region, "--apply") == (0, {"applied": True, **plan})
        assert place.position(side) == position
        elsewhere = [call for call in place.door.asked if not call.startswith(through)]
        assert elsewhere == ([f"{region} {READ}"] if verb == "evacuate" else [])
        assert {call.split()[1] for call in place.door.asked} == {"ssm", "monitoring"}


def test_what_a_restoration_says(west_out):
    assert west_out.ops("restore", WESTERN).out.splitlines() == [
        f"take {WESTERN} back into DNS, through {EASTERN}: one parameter, one datapoint",
        f"its records then answer with {WESTERN}",
        "nothing was done; add --apply to do it",
    ]


# --- Refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["evacuate", "restore"])
@pytest.mark.parametrize(
    ("region", "meant"),
    [("us-gov-wst-1", WESTERN), ("us-gov-east", EASTERN), ("west", WESTERN), ("EAST", ""), ("", "")],
)
def test_a_region_that_is_not_ours_is_refused_with_the_nearest(place, verb, region, meant):
    hint = f"; did you mean {meant}?" if meant else ""
    said = place.ops(verb, region, "--apply")
    assert (said.code, said.line) == (1, f"{region!r} is not one of {EASTERN}, {WESTERN}{hint}")
    assert place.door.asked == []


def test_a_region_that_is_there_already_is_refused(west_out):
    west_out.hold(WEST, "out")
    before = west_out.moved(WEST)
    for verb, region, position in (("evacuate", WESTERN, "out"), ("restore", EASTERN, "in")):
        said = west_out.ops(verb, region, "--apply")
        assert (said.code, said.line) == (1, f"{region} is {position} already; nothing was done")
    assert (west_out.moved(WEST), west_out.moved(EAST)) == (before, 0)
    assert not west_out.published(WEST)


def test_both_regions_are_never_out(west_out):
    for apply in ((), ("--apply",)):
        said = west_out.ops("evacuate", EASTERN, *apply)
        assert said.code == 1
        assert said.line.startswith(f"{WESTERN} is out already; both regions are never out at once. ")
        assert said.line.endswith(f": python -m ops restore {WESTERN} --apply")
    assert west_out.position(EAST) == "in"
    assert west_out.ops(*said.line.rpartition("python -m ops ")[2].split()).code == 0
    assert west_out.ops("evacuate", EASTERN, "--apply").code == 0


def test_a_refusal_is_one_document_too(west_out):
    code, told = west_out.json("evacuate", WESTERN)
    assert (code, told) == (1, {"refused": f"{WESTERN} is out already; nothing was done"})


# --- Regions that do not answer ----------------------------------------------------------------------


def test_a_dead_region_is_evacuated_with_a_warning(place):
    place.door.closed = {DEAD}
    code, plan = place.json("evacuate", WESTERN, "--apply")
    assert (code, plan["applied"]) == (0, True)
    (warning,) = plan["warnings"]
    name = f"/{NAMESPACE}/cell{place.cell}/switch/east"
    assert warning.startswith(
        f"{WESTERN} keeps the switch of {EASTERN}, in {name}, and does not tell its position: "
    )
    assert place.position(WEST) == "out"
    assert place.published(WEST)
    assert {call for call in place.door.asked if call.startswith(DEAD)} == {f"{WESTERN} {READ}"}


def test_a_dead_region_is_evacuated_though_the_control_planes_died_with_it(place, aws):
    aws.region_down(WESTERN, control_planes=True)
    try:
        said = place.command("evacuate", WESTERN, "--apply")
    finally:
        aws.region_up(WESTERN)
    assert (said.code, said.err) == (0, "")
    assert "warning: " in said.out
    assert place.position(WEST) == "out"


def test_a_warning_is_no_reason_to_do_what_was_not_asked(place):
    place.door.closed = {DEAD}
    said = place.ops("evacuate", WESTERN)
    assert said.code == 0
    assert [line.split(":")[0] for line in said.out.splitlines()][2:3] == ["warning"]
    assert said.out.splitlines()[-1] == "nothing was done; add --apply to do it"
    assert untouched(place)


@pytest.mark.parametrize("verb", ["evacuate", "restore"])
def test_without_the_peer_nothing_is_done(place, verb):
    place.door.closed = {f"{EASTERN} ssm"}
    for as_json in (False, True):
        if as_json:
            code, told = place.json(verb, WESTERN, "--apply")
            line = told["refused"]
        else:
            said = place.ops(verb, WESTERN, "--apply")
            code, line = said.code, said.line
        assert code == 1
        assert line.startswith(f"{EASTERN} keeps the switch of {WESTERN}, in /{NAMESPACE}/cell")
        assert "does not tell its position: Connection was closed" in line
    assert set(place.door.asked) == {f"{EASTERN} {READ}"}
    assert untouched(place)


def test_a_port_where_nobody_listens_is_said_so(place, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    said = place.ops("evacuate", WESTERN, "--apply")
    assert said.code == 1
    assert said.line.endswith('Could not connect to the endpoint URL: "http://127.0.0.1:9/"')
    assert untouched(place)


def test_without_credentials_it_says_so(place, monkeypatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has read them
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(place.root / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(place.root / "none"))
    said = place.ops("evacuate", WESTERN, "--apply")
    assert said.code == 1
    assert "redentials" in said.line
    assert place.door.asked == []


def test_a_switch_that_was_never_made_is_named(place):
    place.keeper(WEST).delete_parameter(**place.parameter(WEST))
    said = place.ops("evacuate", WESTERN, "--apply")
    assert said.code == 1
    told = f"{EASTERN} keeps the switch of {WESTERN}, in {place.parameter(WEST)['Name']}, and does not tell"
    assert said.line.startswith(told)
    assert "ParameterNotFound" in said.line
    assert not place.published(WEST)
    place.hold(WEST, "in")
    place.keeper(EAST).delete_parameter(**place.parameter(EAST))
    code, plan = place.json("evacuate", WESTERN)
    assert (code, "ParameterNotFound" in plan["warnings"][0]) == (0, True)


def test_a_switch_that_holds_garbage_is_named(place):
    place.hold(WEST, "maybe")
    said = place.ops("evacuate", WESTERN, "--apply")
    name = place.parameter(WEST)["Name"]
    assert said.code == 1
    assert said.line.endswith(f"parameter {name} holds 'maybe', none of 'in', 'out', 'lost'")
    assert place.position(WEST) == "maybe"


def test_garbage_in_the_failed_region_is_a_warning(place):
    place.hold(EAST, "maybe")
    code, plan = place.json("evacuate", WESTERN, "--apply")
    assert (code, len(plan["warnings"])) == (0, 1)
    assert "'maybe'" in plan["warnings"][0]
    assert place.position(WEST) == "out"


@pytest.mark.parametrize(("dies", "position"), [("PutParameter", "in"), ("PutMetricData", "out")])
def test_what_was_not_confirmed_says_how_to_find_out(place, dies, position):
    """The remedy that it names has to be true whichever of the two calls went unanswered."""
    place.door.closed = {dies}
    for words in (("--apply",), ("--apply", "--json")):
        place.hold(WEST, "in")
        said = place.ops("evacuate", WESTERN, *words)
        assert said.code == 1
        line = json.loads(said.out)["refused"] if "--json" in words else said.line
        assert line.startswith("AWS did not confirm it: Connection was closed")
        assert "run it again: if that says `already`, the switch has moved" in line
        assert place.position(WEST) == position
    place.door.closed = set()
    again = place.ops("evacuate", WESTERN, "--apply")
    assert ("already" in again.err) is (position == "out")
    assert place.position(WEST) == "out"


# --- Stack files -------------------------------------------------------------------------------------


def refused(place: Place) -> str:
    said = place.ops("evacuate", WESTERN, "--apply")
    assert said.code == 1
    assert place.door.asked == []
    return said.line


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
def test_a_stack_file_that_is_none_is_refused_by_name(place, side, content):
    place.file(side).write_bytes(content)
    assert refused(place).startswith(f"Pulumi.gov-{side}.yaml: ")


def test_a_stack_file_that_is_missing_is_refused_with_its_path(place):
    place.file(EAST).unlink()
    line = refused(place)
    assert line.startswith("Pulumi.gov-east.yaml: cannot be read as a stack file: ")
    assert str(place.file(EAST)) in line
    code, told = place.json("evacuate", WESTERN)
    assert (code, told) == (1, {"refused": line})


def test_the_projects_own_stack_files_agree():
    assert Environment.read().namespace == "example-mft"
    with pytest.raises(EnvironmentRefusedError):
        Environment.read(ROOT / "docs")


# --- Lost, and not only out --------------------------------------------------------------------------


def test_a_region_is_declared_lost_at_once_or_later(place):
    said = place.ops("evacuate", WESTERN, "--apply")
    assert "takes over" not in said.out
    said = place.ops("evacuate", WESTERN, "--lost", "--apply")
    assert said.code == 0
    assert f"it is declared lost: {EASTERN} takes over what it has left unfinished" in said.out
    assert place.position(WEST) == "lost"
    said = place.ops("evacuate", EASTERN, "--apply")
    assert (said.code, place.position(EAST)) == (1, "in"), "both regions are never out at once"
    said = place.ops("evacuate", WESTERN, "--apply")
    assert said.code == 1
    assert said.line.endswith(f"restore it when it is back: python -m ops restore {WESTERN} --apply")
    assert place.ops("restore", WESTERN, "--apply").code == 0
    assert place.position(WEST) == "in"
