"""The whole drill, end to end, as a newcomer runs it; and its messages when something prevents it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from customers import names
from local.aws.emulator import ACCOUNT
from local.loopback import ADDRESSES
from local.program import ROOT
from ops.acceptance.observation import Check
from runtime.contract import REGION_OF
from tests.local.conftest import LIMIT, Played, eventually, start
from tests.local.permissions import BY_AWS, FOR_EACH_PARTNER, RARE, Compared, compare
from tests.ops import acceptance


def children(pid: int) -> list[int]:
    """Return every process that descends from a process."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in pairs if its_parent == parent]
    return found[1:]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int], within: float = 60) -> bool:
    give_up = time.monotonic() + within
    while time.monotonic() < give_up and any(alive(pid) for pid in pids):
        time.sleep(0.1)
    return not any(alive(pid) for pid in pids)


def while_it_is_made(process: subprocess.Popen[str]) -> int:
    """Wait until a starting world has a table, which is within the first run of the program.

    Return the process id of its emulated AWS.
    """

    def emulator() -> int | None:
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                if b"local.aws.ministack" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        return None

    found = eventually(emulator, within=LIMIT)
    environment = Path(f"/proc/{found}/environ").read_text().split("\0")
    [port] = [each.partition("=")[2] for each in environment if each.startswith("GATEWAY_PORT=")]
    tables = client_at("dynamodb", f"http://127.0.0.1:{port}")
    while not tables.list_tables()["TableNames"]:
        time.sleep(0.2)
    tables.close()
    return int(found)


def client_at(service: str, endpoint: str) -> Any:
    """Return a client of a service in the West of an emulated AWS."""
    return boto3.client(
        service,
        region_name="us-gov-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="local",
    )


def test_a_drill_beside_another_world_plays_the_whole_story(played: Played) -> None:
    assert played.story, played.errors
    steps = played.story["steps"]
    broken = [what for step in steps for what, held in step["expectations"] if not held]
    assert (played.status, played.story["held"], broken) == (0, True, []), played.errors
    assert len(steps) == 14
    assert sum(len(step["expectations"]) for step in steps) >= 87
    assert [*played.folder.iterdir()] == [], "the drill left something behind"


def test_a_region_that_is_lost_is_measured_and_so_are_the_clients(played: Played) -> None:
    [run] = [each for each in played.story["runs"] if each["scenario"] == "region-lost-mid-transfer"]
    measures = run["measures"]
    assert 0 < measures["dns_moved"] < measures["all_accounted"]
    assert measures["first_delivered"] is not None
    assert len(measures["rpo_ages"]) == measures["rpo_files"] >= 1
    assert len(run["clients"]) == 5
    for clients in run["clients"]:
        assert clients["asked"] == clients["failed"] + clients["acknowledged"]
        assert set(clients["by_side"]) == {"east", "west"}
        assert clients["reached_survivor_after"] > 0
    stuck = [each for each in run["clients"] if each["kind"].endswith(("for ever", "hard-coded"))]
    assert len(stuck) == 2
    assert all(each["failed"] for each in stuck), "their region died, and they looked up nothing else"
    [notice] = [each["at"] for each in run["timeline"] if each["what"].endswith(" customers with ops notice")]
    for clients in stuck:
        reached = measures["decision_at"] + clients["reached_survivor_after"]
        assert reached > notice - 0.02, "nobody else informed them; all three are rounded to 0.01"


def test_a_lost_region_is_evacuated_through_its_peer_alone(played: Played) -> None:
    [run] = [each for each in played.story["runs"] if each["scenario"] == "region-lost-mid-transfer"]
    calls = run["calls"]["ops-evacuate"]
    assert calls["us-gov-east-1 cloudwatch PutMetricData"] >= 1
    assert not [call for call in calls if "us-gov-west-1" in call or "route53" in call or " iam " in call]


def test_every_file_of_the_loss_has_one_fate(played: Played) -> None:
    [run] = [each for each in played.story["runs"] if each["scenario"] == "region-lost-mid-transfer"]
    assert run["transfers"]
    assert {each["sent"] for each in run["transfers"]} <= {0, 1}, "sent to one destination twice"
    fates = {each["file"].partition("-")[2]: each["delivered_by"] for each in run["transfers"]}
    assert fates["after.csv"] == "east"


@pytest.fixture(scope="module")
def compared(played: Played) -> Compared:
    return compare(played.story)


def test_every_call_is_allowed(compared: Compared) -> None:
    assert not compared.lacking, "\n".join(sorted(compared.lacking))


def test_nothing_is_allowed_that_is_not_called(compared: Compared) -> None:
    to_some = {each.place for each in compared.used if each.sid in FOR_EACH_PARTNER}
    unused = {
        grant: resource
        for grant, resource in compared.allowed.items()
        if grant not in compared.used and not any(grant.fits(place) for place in (*BY_AWS, *RARE, *to_some))
    }
    assert not unused, "\n".join(
        f"{each.function} may {each.action} on {resource} ({each.sid}), and did not"
        for each, resource in unused.items()
    )


def test_calls_by_aws_itself_and_rare_calls_are_still_allowed(compared: Compared) -> None:
    for place in (*BY_AWS, *RARE):
        assert any(grant.fits(place) for grant in compared.allowed), f"nobody is allowed {place} any more"


def test_a_broken_registry_stops_a_drill_before_anything_starts(tmp_path: Path) -> None:
    customers = tmp_path / "customers"
    shutil.copytree(ROOT / "customers", customers, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    a, b = customers / "agency-a.yaml", customers / "agency-b.yaml"
    a.write_text(a.read_text().replace("primary: west", "primary: wst"))
    b.write_text(b.read_text().replace("id: h4t9q", "id: c7k2m"))
    drill = start("drill", "--registry", str(customers), folder=tmp_path / "drill")
    out, err = drill.communicate(timeout=LIMIT)
    assert drill.returncode == 1
    line = a.read_text().splitlines().index("primary: wst") + 1
    assert f"agency-a.yaml:{line}: primary: 'wst' is not one of east, west" in err
    assert "agency-b.yaml:" in err, "all problems at once"
    assert "Traceback" not in err
    assert "Both cells" not in out
    assert [*(tmp_path / "drill").iterdir()] == []


def test_a_killed_emulator_ends_the_drill_with_advice_and_leaves_no_process(tmp_path: Path) -> None:
    drill = start("drill", folder=tmp_path / "drill")
    emulator = while_it_is_made(drill)
    started = children(drill.pid)
    os.kill(emulator, signal.SIGKILL)
    _, err = drill.communicate(timeout=LIMIT)
    assert drill.returncode == 1
    assert "the emulated AWS has ended; run the command again" in err
    assert "Traceback" not in err
    assert gone(started)
    assert [*(tmp_path / "drill").iterdir()] == []


def test_an_environment_proves_itself_while_it_runs(played: Played) -> None:
    ways = played.ways
    environment = os.environ | ways["environment"] | {"AWS_DEFAULT_REGION": "us-gov-west-1"}
    for region in REGION_OF.values():  # otherwise they are due within minutes
        functions = boto3.client(
            "lambda",
            region_name=region,
            endpoint_url=ways["endpoint"],
            aws_access_key_id=ways["environment"]["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="local",
        )
        for page in functions.get_paginator("list_functions").paginate():
            for each in page["Functions"]:
                if each["FunctionName"].startswith(("cell1-canary", "cell1-probe")):
                    functions.invoke(FunctionName=each["FunctionName"])
        functions.close()
    words = ways["sftp"][f"{acceptance.USER} in west"].split()
    key = words[words.index("-i") + 1]

    def accept(*more: str) -> tuple[int, dict[str, Any]]:
        verb = ["accept", acceptance.CUSTOMER, "--key", key, "--with-failover", *more]
        command = [sys.executable, "-m", "ops", *verb, "--json", "--root", ways["root"]]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert not done.stderr
        return done.returncode, json.loads(done.stdout)

    code, plan = accept()
    assert code == 0
    code, done = accept("--apply", "--reason", "a test", "--digest", plan["digest"])
    unseen = [each for each in done["observations"] if not each["seen"]]
    assert (code, unseen) == (0, [])
    assert {each["check"] for each in done["observations"]} == {each.value for each in Check}


#: What sends FILE to a bucket in a line, with the printed variables and nothing else of AWS's.
AWS_CLIENTS = {
    "boto3": (sys.executable, "-c", "import boto3; boto3.client('s3').upload_file('FILE', 'BUCKET', 'KEY')"),
    "aws": ("aws", "s3", "cp", "FILE", "s3://BUCKET/KEY"),
}


@pytest.mark.parametrize("client", AWS_CLIENTS)
def test_aws_clients_send_with_the_variables_as_printed(played: Played, tmp_path: Path, client: str) -> None:
    words = [*AWS_CLIENTS[client]]
    if not shutil.which(words[0]):
        pytest.skip(f"no {client} on this machine")
    if client == "aws" and not reads_endpoint_url():
        words += ["--endpoint-url", played.ways["endpoint"]]
    (tmp_path / "file").write_bytes(b"1;2;3\n")
    key = f"inbound/sdk/{client}.csv"
    spelled = {
        "FILE": str(tmp_path / "file"),
        "BUCKET": names.bucket("example-mft", "h4t9q", "west"),
        "KEY": key,
    }
    for name, value in spelled.items():
        words = [word.replace(name, value) for word in words]
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | played.ways["environment"]
    done = subprocess.run(
        words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    s3 = client_at("s3", played.ways["endpoint"])
    assert s3.head_object(Bucket=spelled["BUCKET"], Key=key)["ContentLength"] == 6
    s3.close()


def reads_endpoint_url() -> bool:
    """Return whether the AWS CLI of this machine reads AWS_ENDPOINT_URL: since 1.29 and 2.13."""
    told = subprocess.run(
        ["aws", "--version"], capture_output=True, text=True, timeout=LIMIT, check=False
    ).stdout
    found = re.match(r"aws-cli/(\d+)\.(\d+)", told)
    assert found, told
    major, minor = int(found[1]), int(found[2])
    return minor >= {1: 29, 2: 13}.get(major, 0)


def test_up_prints_how_to_connect_and_runs_until_it_is_stopped(played: Played, tmp_path: Path) -> None:
    up, ways = played.up, played.ways
    host, port = ways["endpoint"].removeprefix("http://").split(":")
    socket.create_connection((host, int(port)), timeout=5).close()
    command = ways["sftp"]["c7k2m-batch in west"].split()
    if shutil.which("sftp"):
        report = tmp_path / "report.csv"
        report.write_text("1;2;3\n")
        batch = ["sftp", "-b", "-", *command[1:]]
        put = f"put {report}\nls\n"
        done = subprocess.run(batch, input=put, capture_output=True, text=True, timeout=LIMIT, check=False)
        assert (done.returncode, "report.csv" in done.stdout) == (0, True), done.stderr
    started = children(up.pid)
    up.send_signal(signal.SIGINT)
    _, err = up.communicate(timeout=LIMIT)
    assert "Traceback" not in err
    assert up.returncode == 0
    assert gone(started)
    assert [*played.up_folder.iterdir()] == []


def test_a_world_that_is_stopped_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    up = start("up", folder=tmp_path / "up")
    while_it_is_made(up)
    started = children(up.pid)
    up.send_signal(signal.SIGTERM)
    _, err = up.communicate(timeout=LIMIT)
    assert (up.returncode, err.strip()) == (1, "interrupted; everything that was started has been stopped")
    assert gone(started)
    assert [*(tmp_path / "up").iterdir()] == []


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind((ADDRESSES["east"], 0))
        busy.listen()
        port = busy.getsockname()[1]
        up = start("up", "--sftp-port", str(port), folder=tmp_path / "up")
        _, err = up.communicate(timeout=LIMIT)
    assert up.returncode == 1
    assert err.strip() == (
        f"port {port} of {ADDRESSES['east']} cannot be used (Address already in use); "
        "choose another with --sftp-port, or leave it out for a free one"
    )


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    wrong = start("drill", "--jason", folder=tmp_path / "wrong")
    wrong.communicate(timeout=LIMIT)
    assert wrong.returncode == 2


def test_a_registry_without_the_parts_of_the_story_is_refused(tmp_path: Path) -> None:
    customers = tmp_path / "customers"
    customers.mkdir()
    shutil.copy(ROOT / "customers/agency-b.yaml", customers)
    drill = start("drill", "--registry", str(customers), folder=tmp_path / "drill")
    _, err = drill.communicate(timeout=LIMIT)
    assert drill.returncode == 1
    assert "the drill needs an active customer with an SFTP user" in err
