"""A watched folder: which files are complete, and that each is sent once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mft_client import Client, FileChangedError
from mft_client.folder import Folder, is_temporary
from tests.client.conftest import WEST, Place


class Watched:
    """A folder with a clock, and what of it is sent at each look."""

    def __init__(self, place: Place, client: Client) -> None:
        self.path, self.now = place.folder / "outbox", 0.0
        self.path.mkdir(exist_ok=True)
        self.client = client
        self.folder = Folder(self.path, client, prefix="daily/", quiet=10.0, clock=lambda: self.now)

    def write(self, name: str, content: bytes = b"x", mode: str = "wb") -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        with path.open(mode) as file:
            file.write(content)
        return path

    def look(self, after: float) -> list[str]:
        """Let time pass; send what is complete then, and return the names."""
        self.now += after
        sent = []
        for path, name in self.folder.complete():
            self.client.send(path, name)
            self.folder.done(path)
            sent.append(name)
        return sent


@pytest.fixture
def watched(place: Place) -> Watched:
    return Watched(place, place.client())


def test_a_file_is_sent_once_when_it_has_been_quiet(watched: Watched, place: Place) -> None:
    watched.write("a.csv", b"1")
    assert watched.look(0) == []
    assert watched.look(9.9) == []
    watched.write("a.csv", b"2", mode="ab")
    assert watched.look(9.9) == []
    assert watched.look(9.9) == []
    assert watched.look(0.1) == ["daily/a.csv"]
    assert watched.look(3600) == []
    assert place.held(WEST, "inbound/sdk/daily/a.csv") == [b"12"]


def test_a_file_under_a_temporary_name_is_sent_after_its_rename(watched: Watched) -> None:
    watched.write("a.csv.part", b"1")
    watched.write(".b.csv", b"1")
    watched.write(".staging/c.csv", b"1")
    assert [watched.look(20), watched.look(20)] == [[], []]
    (watched.path / "a.csv.part").rename(watched.path / "a.csv")
    assert [watched.look(0), watched.look(10)] == [[], ["daily/a.csv"]]


def test_what_is_rewritten_or_renamed_is_sent_again(watched: Watched, place: Place) -> None:
    path = watched.write("below/a.csv", b"1")
    assert [watched.look(0), watched.look(10)] == [[], ["daily/below/a.csv"]]
    watched.write("below/a.csv", b"2")
    os.utime(path, ns=(1, 1))
    assert [watched.look(0), watched.look(10)] == [[], ["daily/below/a.csv"]]
    path.rename(watched.path / "b.csv")
    assert [watched.look(0), watched.look(10)] == [[], ["daily/b.csv"]]
    assert place.held(WEST, "inbound/sdk/daily/below/a.csv") == [b"1", b"2"]


def test_what_was_acknowledged_before_a_restart_is_not_sent_again(watched: Watched, place: Place) -> None:
    path = watched.write("a.csv", b"1")
    assert [watched.look(0), watched.look(10)] == [[], ["daily/a.csv"]]
    again = Watched(place, place.client())
    assert [again.look(0), again.look(10)] == [[], []]
    os.utime(path)  # touched: its content tells
    again = Watched(place, place.client())
    assert [again.look(0), again.look(10)] == [[], []]
    watched.write("a.csv", b"2")
    assert [again.look(0), again.look(10)] == [[], ["daily/a.csv"]]


def test_what_was_not_acknowledged_before_a_restart_is_sent(watched: Watched, place: Place) -> None:
    watched.write("a.csv", b"1")
    assert watched.look(0) == []
    watched.now += 10
    assert [name for _, name in watched.folder.complete()] == ["daily/a.csv"]  # and then it was killed
    again = Watched(place, place.client())
    assert [again.look(0), again.look(10)] == [[], ["daily/a.csv"]]


def test_links_and_what_is_no_file_are_left_alone(watched: Watched, place: Place) -> None:
    (watched.path / "link.csv").symlink_to(place.source)
    (watched.path / "folder").symlink_to(place.folder)
    os.mkfifo(watched.path / "pipe.csv")
    assert [watched.look(0), watched.look(10)] == [[], []]


def test_a_folder_that_is_gone_is_an_error(watched: Watched) -> None:
    watched.path.rmdir()
    with pytest.raises(FileNotFoundError):
        watched.look(0)


def test_a_file_that_goes_while_it_is_looked_at_is_no_error(watched: Watched) -> None:
    path = watched.write("a.csv")
    assert watched.look(0) == []
    watched.now += 10
    for found, name in watched.folder.complete():
        path.unlink()
        with pytest.raises(FileChangedError):
            watched.client.send(found, name)
    assert watched.look(10) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in (".a", "a.PART", "a.tmp", "a.filepart", "a.csv~", "a.csv.partial")),
        *((name, False) for name in ("a.csv", "part", "a.tmp.csv", "a")),
    ],
)
def test_temporary_names(name: str, expected: bool) -> None:
    assert is_temporary(name) is expected


def test_a_file_that_goes_while_it_is_compared_is_no_error(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.write("a.csv", b"1")
    assert [watched.look(0), watched.look(10)] == [[], ["daily/a.csv"]]
    os.utime(path)
    assert watched.look(0) == []
    last = watched.client.last

    def gone(name: str) -> Any:
        path.unlink(missing_ok=True)
        return last(name)

    monkeypatch.setattr(watched.client, "last", gone)
    assert [watched.look(10), watched.look(10)] == [[], []]
