"""What a world leaves behind, and how a signal ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import eventually

from local import leftovers
from local.levers import LeverError, Levers
from local.program import ROOT
from tests.local.conftest import LIMIT, start

#: The parent of the tests may ignore SIGINT, as shells let what runs in the background do.
_INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def run(code: str, folder: Path, *, stop: signal.Signals | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a process with a temporary folder of its own; stop it when it has printed a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTIBLE + code],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if stop is not None:
        process.send_signal(stop)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(code, process.returncode, line + out, err)


FOLDER = "from local import leftovers; print(leftovers.folder(), flush=True); "


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_live_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = run(FOLDER + "import time; time.sleep(60)", tmp_path, stop=signal.SIGKILL)
    assert [str(path) for path in tmp_path.iterdir()] == [killed.stdout.strip()]
    monkeypatch.setattr(leftovers.tempfile, "tempdir", str(tmp_path))
    mine = leftovers.folder()
    assert [*tmp_path.iterdir()] == [mine]
    assert mine.stat().st_mode & 0o777 == 0o700
    (mine / "key").touch()
    run(FOLDER + "leftovers.remove_all()", tmp_path)
    assert [*tmp_path.iterdir()] == [mine]
    assert [*mine.iterdir()] == [mine / "key"]
    leftovers.remove(mine)
    assert not [*tmp_path.iterdir()]


SWALLOWED = """
import subprocess, sys, time
from local import interrupts, leftovers
interrupts.watch()
leftovers.folder()
child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=-3, stderr=-3)
leftovers.note_group(child.pid)
is_told = False
while True:
    try:
        if not is_told:
            is_told = True
            print(child.pid, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        pass  # as Python does where a finalizer runs
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_nobody_notices_ends_the_process_and_leaves_nothing(
    tmp_path: Path, stop: signal.Signals
) -> None:
    done = run(SWALLOWED, tmp_path, stop=stop)
    assert (done.returncode, done.stderr) == (
        1,
        "interrupted; everything that was started has been stopped\n",
    )
    assert not [*tmp_path.iterdir()]
    stat = Path(f"/proc/{int(done.stdout)}/stat")
    eventually(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")  # it has been killed


ENDED_TWICE = """
import sys, threading, time
from local import interrupts
write = sys.stderr.write
sys.stderr.write = lambda text: (write(text), time.sleep(0.3))  # meanwhile the other thread goes on
print(flush=True)
threading.Thread(target=interrupts.end).start()
interrupts.end()
"""


def test_an_end_in_order_during_one_by_force_is_said_once(tmp_path: Path) -> None:
    done = run(ENDED_TWICE, tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "interrupted; everything that was started has been stopped\n",
    )


def test_a_signal_that_was_ignored_from_the_beginning_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from local import interrupts; "
    code += "interrupts.watch(); print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    assert run(code, tmp_path).stdout == "True\n"


@pytest.mark.exhaustive
@pytest.mark.parametrize("moment", range(24))
def test_a_world_ends_at_any_moment_of_its_start(tmp_path: Path, moment: int) -> None:
    up = start("up", folder=tmp_path / "up")
    time.sleep(moment / 2)
    up.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[moment % 3])
    up.communicate(timeout=LIMIT)
    assert up.returncode != 0 or moment > 12
    assert not [*(tmp_path / "up").iterdir()]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lsoe us-gov-west-1", "'lsoe us-gov-west-1' is not one of:\nlose REGION"),
        ("lose west", "'west' is not one of us-gov-east-1, us-gov-west-1"),
        ("return us-gov-west-1", "us-gov-west-1 is not lost"),
        ("stop c7k2m", "'c7k2m' is not a partner's SFTP server; these are: c7k2m/partner-a"),
    ],
)
def test_a_line_that_is_no_lever_is_refused(line: str, message: str) -> None:
    servers = {("c7k2m", "partner-a"): None}
    world: Any = SimpleNamespace(external_parties=SimpleNamespace(partners=servers))
    with pytest.raises(LeverError) as refused:
        Levers(world, Path()).pull(line)
    assert str(refused.value).startswith(message)


@pytest.mark.exhaustive
def test_levers_of_a_world(tmp_path: Path) -> None:
    from local.world import World

    registry = tmp_path / "customers"
    registry.mkdir()
    for path in (ROOT / "customers").glob("*.yaml"):
        (registry / path.name).write_text(path.read_text())
    with World(registry) as world:
        for _ in world.deploy():
            pass
        levers = Levers(world, registry)
        assert levers.pull("lose us-gov-west-1") == "us-gov-west-1 is lost"
        for line in ("lose us-gov-west-1", "apply"):
            with pytest.raises(LeverError, match="return us-gov-west-1"):
                levers.pull(line)
        assert levers.pull("return us-gov-west-1") == "us-gov-west-1 is back"
        assert levers.pull("stop c7k2m/partner-a") == "c7k2m/partner-a is down"
        assert levers.pull("start c7k2m/partner-a") == "c7k2m/partner-a is up"
        (registry / "newcomer.yaml").write_text((ROOT / "local/drill/newcomer.yaml").read_text())
        before = {each.id for each in world.customers()}
        assert levers.pull("apply") == "gov-west, gov-east: applied"
        (new,) = {each.id for each in world.customers()} - before
        assert world.graphs["west"].one("aws:sns/topic:Topic", f"{new}-receipts")
