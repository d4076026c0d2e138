"""The partners' servers themselves: their ports, folders and processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.sftp import partners
from local.sftp.partners import Partner
from runtime.delivery import DeliveryError
from runtime.delivery.sftp import deliver_now
from tests.delivery.support import QUICK, destination_of, source_of

ROOT = Path(__file__).resolve().parents[2]
PROC = Path("/proc")


def send(partner: Partner, name: str = "a") -> None:
    how = {"private_key": partner.private_key, "name": name, "attempt": "1", "patience": QUICK}
    deliver_now(source_of(b"x"), destination_of(partner), **how)


def servers_of(pid: int) -> set[int]:
    """Return the processes below `pid` that still run; one that ended and waits to be collected does not."""
    states = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent, *_ = rest.split()
        states[int(stat.parent.name)] = (state, int(parent))
    found, more = set(), {pid}
    while more:
        more = {child for child, (state, parent) in states.items() if parent in more and state != "Z"} - found
        found |= more
    return found


def running(pids: set[int]) -> set[int]:
    def state(pid: int) -> str:
        try:
            return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2][0]
        except (FileNotFoundError, ProcessLookupError):
            return "Z"

    return {pid for pid in pids if state(pid) != "Z"}


def test_port_keys_and_files_outlive_a_stop(partner: Partner) -> None:
    port, host_key = partner.port, partner.host_key
    send(partner, "a")
    partner.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((partner.host, port), timeout=5)
    with pytest.raises(DeliveryError):
        send(partner, "b")
    partner.start()
    send(partner, "c")
    assert (partner.port, partner.host_key) == (port, host_key)
    assert set(partner.files()) == {"a", "c"}


def test_a_restart_cuts_open_connections(partner: Partner) -> None:
    with socket.create_connection((partner.host, partner.port), timeout=5) as client:
        assert client.recv(4) == b"SSH-"
        partner.restart()
        client.settimeout(5)
        with pytest.raises(ConnectionResetError), client.makefile("rb") as stream:
            stream.read()
    send(partner)


def test_faults_end_when_they_are_cleared(partner: Partner) -> None:
    faults = partner.faults
    faults.refuse()
    faults.disk_full(after=0)
    faults.wrong_host_key()
    faults.drop(after=0, connections=None)
    faults.clear()
    send(partner)


def test_a_fault_affects_as_many_connections_as_requested(partner: Partner) -> None:
    partner.faults.drop(after=100, connections=2)
    outcomes = []
    for _ in range(4):
        try:
            send(partner)
            outcomes.append("sent")
        except DeliveryError:
            outcomes.append("dropped")
    # The first delivery's second connection asks the server for its other keys.
    assert outcomes == ["dropped", "sent", "sent", "sent"]


def test_two_partners_at_a_time_and_nothing_left_after_them(make_partner: Callable[..., Partner]) -> None:
    others = servers_of(os.getpid())
    one, two = make_partner(), make_partner()
    for partner in (one, two, one):
        send(partner)
    assert one.port != two.port
    before = servers_of(os.getpid()) - others
    for partner in (one, two):
        partner.close()
        partner.close()
        assert not partner.root.exists()
    assert running(before) == set()


def test_the_kind_is_chosen_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with partners.partner() as chosen:
        assert chosen.kind == ("asyncssh" if partners.openssh_missing() else "openssh")
    monkeypatch.setattr("local.sftp.partners.openssh.shutil.which", lambda *_, **__: None)
    assert partners.openssh_missing() == "no OpenSSH server (sshd) on this machine"
    with partners.partner() as chosen:
        assert chosen.kind == "asyncssh"
        send(chosen)


def test_an_unknown_request_cannot_be_denied() -> None:
    with pytest.raises(ValueError, match="cannot deny"):
        partners.partner("asyncssh", denied=("fly",))


CHILD = """
import json, sys, time
from local.sftp.partners import OpenSshPartner
partner = OpenSshPartner().start()
print(json.dumps({"port": partner.port, "root": str(partner.root)}), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(bool(partners.openssh_missing()), reason=partners.openssh_missing() or "")
@pytest.mark.skipif(not PROC.exists(), reason="reads /proc")
def test_servers_end_with_a_process_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        started = json.loads(child.stdout.readline())
        with socket.create_connection(("127.0.0.1", started["port"]), timeout=5) as client:
            assert client.recv(4) == b"SSH-"
            servers = servers_of(child.pid)
            assert servers
            child.send_signal(signal.SIGKILL)
            child.wait()
            give_up = time.monotonic() + 5
            while running(servers) and time.monotonic() < give_up:
                time.sleep(0.02)
            assert running(servers) == set()
    # What a killed process cannot remove: its folder, and sshd's directory, which the next partner removes.
    shutil.rmtree(started["root"])
    with partners.OpenSshPartner():
        pass
