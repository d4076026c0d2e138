"""The emulated AWS as a process: it starts, answers, keeps to the loopback, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from local.aws.emulator import LOOPBACK, ROOT, Emulator, EmulatorError
from local.aws.ministack import patching
from local.aws.ministack.edits import EDITS
from tests.local.conftest import CODES, ROLE, WEST, World, eventually

#: The emulator's with one worker: a forked one has its fork server beside it.
PROCESSES = {"spawned": 2, "forked": 3}


def group(pid: int) -> list[int]:
    """Return the processes of a process group that run (a zombie does not)."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == pid and fields[0] not in "ZX":
            members.append(int(stat.parent.name))
    return members


def listening(pid: int) -> list[str]:
    """Return the local addresses, in the kernel's hex, that a process listens on."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(fd.readlink()))
        except FileNotFoundError:
            continue
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    return [f[1] for f in lines if f[3] == "0A" and f"socket:[{f[9]}]" in inodes]


def start_a_worker(emulator: Emulator, how: str = "spawned") -> None:
    functions = emulator.client("lambda", WEST)
    functions.create_function(
        FunctionName="w",
        Runtime="python3.13",
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": CODES[how]},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="w", WaiterConfig={"Delay": 0.05})
    functions.invoke(FunctionName="w", Payload="{}")


def test_the_emulator_listens_on_the_loopback_only(aws: World) -> None:
    aws("transfer").create_server()
    port = f"{aws.emulator.port:04X}"
    assert listening(aws.emulator.pid) == [f"0100007F:{port}"]


def test_the_account_is_the_access_key(aws: World) -> None:
    assert aws("sts").get_caller_identity()["Account"] == aws.emulator.account == "123456789012"


@pytest.mark.parametrize(("how", "processes"), PROCESSES.items())
def test_stopping_leaves_no_process_and_no_file(tmp_path: Path, how: str, processes: int) -> None:
    before = set(Path(tempfile.gettempdir()).glob("ministack*"))
    directory = tmp_path / "aws"
    with Emulator(directory) as emulator:
        start_a_worker(emulator, how)
        pid = emulator.pid
        assert emulator.alive()
        assert len(group(pid)) == processes
        assert list((directory / "tmp").iterdir())
    assert not emulator.alive()
    assert group(pid) == []
    assert list(tmp_path.iterdir()) == []
    assert set(Path(tempfile.gettempdir()).glob("ministack*")) == before
    emulator.stop()  # a second time is no error


@pytest.mark.parametrize(("how", "processes"), PROCESSES.items())
def test_the_emulator_dies_with_its_parent_and_takes_workers_and_directory_along(
    tmp_path: Path, how: str, processes: int
) -> None:
    code = f"""
import time
from pathlib import Path
from local.aws.emulator import Emulator
from tests.local.test_emulator import start_a_worker
emulator = Emulator(Path({str(tmp_path / "aws")!r})).start()
start_a_worker(emulator, {how!r})
print(emulator.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        assert len(group(pid)) == processes
        parent.send_signal(signal.SIGKILL)
    eventually(lambda: group(pid) == [] and not (tmp_path / "aws").exists(), 5)


@pytest.mark.parametrize("how", CODES)
def test_a_worker_does_not_outlive_an_emulator_that_was_killed(tmp_path: Path, how: str) -> None:
    with Emulator(tmp_path / "aws") as emulator:
        start_a_worker(emulator, how)
        functions = emulator.client("lambda", WEST)
        functions.invoke(FunctionName="w", InvocationType="Event", Payload='{"do": "sleep", "seconds": 60}')
        time.sleep(0.3)
        pid = emulator.pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: group(pid) == [], 5)
        assert not emulator.alive()


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            EmulatorError, match=f"^port {port} of 127.0.0.1 cannot be used: Address already in use$"
        ):
            Emulator(tmp_path / "aws", port=port).start()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_something_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    emulator = Emulator(tmp_path)
    with pytest.raises(EmulatorError, match="is not empty"):
        emulator.start()
    emulator.stop()
    assert (tmp_path / "mine").exists()


def test_a_child_that_ends_at_its_start_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.aws.emulator.Emulator._environment", lambda self: {})
    with pytest.raises(EmulatorError, match=r"(?s)ended while it started:\n.*KeyError: 'LOG_LEVEL'"):
        Emulator(tmp_path / "aws").start()
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    patching.check_version()
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.5.34")
    with pytest.raises(patching.PatchError, match=r"^ministack 1\.5\.34 is .* for 1\.5\.33 only$"):
        patching.check_version()


def test_a_change_whose_text_is_gone_is_named(tmp_path: Path) -> None:
    """In a process of its own, because the changes are made while MiniStack is imported."""
    code = """
import sys
from local.aws.ministack import __main__ as child, edits, patching
edits.EDITS.append(patching.Edit(name="a test", why="", module="services.route53", old="no such", new=""))
sys.argv = ["local.aws.ministack", "--socket", "0", "--parent", "0", "--directory", sys.argv[1]]
child.watch = lambda *_: None
child.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    reason = "change 'a test': its text occurs 0 times in ministack.services.route53, not once"
    assert ended.stderr.splitlines()[-1] == f"emulated AWS not started: {reason}"


def test_a_function_that_is_gone_is_named() -> None:
    with pytest.raises(patching.PatchError, match=r"^change 'x': local\.aws\.emulator has no '_gone'$"):
        patching.original("x", sys.modules["local.aws.emulator"], "_gone")


def test_every_edit_has_a_name_of_its_own_and_a_reason() -> None:
    assert len({edit.name for edit in EDITS}) == len(EDITS)
    assert all(edit.why for edit in EDITS)
