"""Servers that behave in their own way: what becomes of a file, and what the partner is asked to change.

Each imitates a behaviour that people have reported of partners' servers. Every delivery ends with one whole
file, or with the true reason and nothing under the final name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from local.sftp.partners.inprocess import AsyncsshPartner, Files
from runtime.delivery import (
    Delivery,
    DeliveryUnknownError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from runtime.delivery.sftp import SftpTarget, Way, deliver_now
from tests.delivery.support import QUICK, destination_of, source_of

CONTENT = os.urandom(300_017)


def send(partner: AsyncsshPartner, *, to: SftpTarget | None = None, **how: Any) -> Delivery:
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key, "patience": QUICK}
    return deliver_now(source_of(CONTENT), to or destination_of(partner), **usual | how)


@pytest.fixture
def serving() -> Iterator[Callable[..., AsyncsshPartner]]:
    """Return a function that starts a partner with the files of a class."""
    started: list[AsyncsshPartner] = []

    def serve(files: type[Files], **settings: Any) -> AsyncsshPartner:
        started.append(AsyncsshPartner(files=files, **settings))
        started[-1].start()
        return started[-1]

    yield serve
    for each in started:
        each.close()


def below(files: Files, path: bytes) -> Path:
    return Path(os.fsdecode(files.map_path(path)))


# --- Servers that a delivery must cope with --------------------------------------------------------


class RefusesToReplace(Files):
    """Advertises posix-rename, and refuses it when the name is taken."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if below(self, newpath).exists():
            raise asyncssh.SFTPFailure("file exists")
        super().posix_rename(oldpath, newpath)


class DeniesPosixRename(Files):
    """Denies posix-rename, and allows rename."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("not allowed")


class RenamesAndFails(Files):
    """Renames, and then responds with a failure."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().posix_rename(oldpath, newpath)
        raise asyncssh.SFTPFailure("could not set the owner")


class DeniesRenameAfterwards(Files):
    """Renames, and then responds that permission is denied."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().posix_rename(oldpath, newpath)
        raise asyncssh.SFTPPermissionDenied("could not set the owner")


class FsyncFails(Files):
    """Responds to fsync with a failure."""

    def fsync(self, file_obj: Any) -> None:
        raise asyncssh.SFTPFailure("no fsync")


class FsyncEndsTheFile(Files):
    """Responds to fsync with the end of the file."""

    def fsync(self, file_obj: Any) -> None:
        raise asyncssh.SFTPEOFError("no fsync")


class FsyncKnowsNoFile(Files):
    """Responds to fsync that there is no such file."""

    def fsync(self, file_obj: Any) -> None:
        raise asyncssh.SFTPNoSuchFile("no fsync")


class NotExclusive(Files):
    """Responds to an exclusive create with a failure."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if pflags & asyncssh.FXF_EXCL:
            raise asyncssh.SFTPFailure("unknown flags")
        return super().open(path, pflags, attrs)


class ExclusiveUnsupported(Files):
    """Does not support an exclusive create."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if pflags & asyncssh.FXF_EXCL:
            raise asyncssh.SFTPOpUnsupported("unknown flags")
        return super().open(path, pflags, attrs)


class CloseFails(Files):
    """Has all bytes, and responds to the close with a failure."""

    def close(self, file_obj: Any) -> None:
        super().close(file_obj)
        raise asyncssh.SFTPFailure("could not notify")


class HidesFiles(Files):
    """Shows no files: none that is asked for is there."""

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        raise asyncssh.SFTPNoSuchFile("no such file")


class DeniesRemove(Files):
    """Denies the removal of files."""

    def remove(self, path: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("not allowed")


SERVED = [
    RefusesToReplace,
    DeniesPosixRename,
    RenamesAndFails,
    DeniesRenameAfterwards,
    FsyncFails,
    FsyncEndsTheFile,
    FsyncKnowsNoFile,
    NotExclusive,
    ExclusiveUnsupported,
    CloseFails,
    HidesFiles,
    DeniesRemove,
]


@pytest.mark.parametrize("files", SERVED)
def test_a_server_of_its_own_kind_is_served(
    files: type[Files], serving: Callable[..., AsyncsshPartner]
) -> None:
    partner = serving(files)
    done = send(partner)
    assert (done.sent, done.size) == (True, len(CONTENT))
    assert partner.files() == {"a.bin": CONTENT}


@pytest.mark.parametrize("files", [RefusesToReplace, DeniesPosixRename, RenamesAndFails, NotExclusive])
def test_an_older_file_is_replaced(files: type[Files], serving: Callable[..., AsyncsshPartner]) -> None:
    partner = serving(files)
    (partner.inbox / "a.bin").write_bytes(b"older")
    assert send(partner).sent
    assert partner.files() == {"a.bin": CONTENT}


def test_what_has_worked_is_tried_first_the_next_time(serving: Callable[..., AsyncsshPartner]) -> None:
    asked: list[str] = []

    class Counts(DeniesPosixRename):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            asked.append("posix-rename")
            super().posix_rename(oldpath, newpath)

    partner = serving(Counts)
    ways: dict[str, Way] = {}
    for attempt in ("try-1", "try-2", "try-3"):
        assert send(partner, attempt=attempt, ways=ways).sent
    assert asked == ["posix-rename"]
    assert ways == {destination_of(partner).login: Way.RENAME}


# --- Partners that take a file away ----------------------------------------------------------------


class TakesAtClose(Files):
    """Moves each file away as soon as it is closed."""

    def close(self, file_obj: Any) -> None:
        super().close(file_obj)
        path = Path(os.fsdecode(file_obj.name))
        path.rename(path.parent.parent / f"taken{path.name}")


class TakesAtRename(Files):
    """Moves a file away before it can be renamed."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        path = below(self, oldpath)
        path.rename(path.parent.parent / f"taken{path.name}")
        super().posix_rename(oldpath, newpath)


TAKING = [TakesAtClose, TakesAtRename]


@pytest.mark.parametrize("files", TAKING)
def test_a_whole_file_that_is_gone_was_taken(
    files: type[Files], serving: Callable[..., AsyncsshPartner]
) -> None:
    """One copy is enough: it would otherwise be sent again at every attempt, and called failed."""
    partner = serving(files)
    done = send(partner)
    assert (done.sent, done.path) == (True, "/inbox/.a.bin.try-1.part")
    assert partner.files() == {}
    assert (partner.root / "taken.a.bin.try-1.part").read_bytes() == CONTENT


@pytest.mark.parametrize("files", TAKING)
def test_a_file_that_another_owner_may_have_removed_was_not_taken(
    files: type[Files], serving: Callable[..., AsyncsshPartner]
) -> None:
    """An attempt that has lost its lease cannot tell: whoever has the lease tidies up after it."""

    class LostError(Exception):
        pass

    asked = []

    def lease() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise LostError

    with pytest.raises(LostError):
        send(serving(files), before=lease)


# --- Refusals, and what the partner is asked -------------------------------------------------------


class RefusesHiddenNames(Files):
    """Refuses names that begin with a dot."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if b"/." in path:
            raise asyncssh.SFTPPermissionDenied("hidden files are forbidden")
        return super().open(path, pflags, attrs)


class ForbidsRenaming(Files):
    """Forbids every rename."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("renaming is forbidden")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("renaming is forbidden")


class DeniesStat(Files):
    """Denies looking files up."""

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        raise asyncssh.SFTPPermissionDenied("listing is forbidden")


class ReadOnly(Files):
    """Is read-only."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        raise asyncssh.SFTPPermissionDenied("read-only server")


REFUSALS = [
    (
        RefusesHiddenNames,
        "open: /inbox/.a.bin.try-1.part: ",
        "set `temporary_name`",
        {"temporary_name": "*.up"},
    ),
    (ForbidsRenaming, "rename: /inbox/a.bin: ", "set `publish: write`", {"renames": False}),
    (DeniesStat, "verify: /inbox/.a.bin.try-1.part: ", "set `verify: none`", {"verifies": False}),
]


@pytest.mark.parametrize(("files", "where", "remedy", "instead"), REFUSALS)
def test_a_refusal_names_the_path_and_the_setting_that_helps(
    files: type[Files],
    where: str,
    remedy: str,
    instead: dict[str, Any],
    serving: Callable[..., AsyncsshPartner],
) -> None:
    partner = serving(files)
    with pytest.raises(PermanentDeliveryError) as failure:
        send(partner)
    assert where in str(failure.value)
    assert remedy in failure.value.reason
    assert partner.files() == {}
    assert send(partner, to=destination_of(partner, **instead)).sent
    assert partner.files() == {"a.bin": CONTENT}


def test_a_read_only_server_is_not_taken_for_a_name_that_it_refuses(
    serving: Callable[..., AsyncsshPartner],
) -> None:
    with pytest.raises(
        PermanentDeliveryError, match=r"read-only server; ask the partner whether .* may create"
    ):
        send(serving(ReadOnly))


def test_a_rename_that_fails_for_another_reason_is_not_a_delivery(
    serving: Callable[..., AsyncsshPartner],
) -> None:
    class Fails(Files):
        def rename(self, oldpath: bytes, newpath: bytes) -> None:
            raise asyncssh.SFTPFailure("busy")

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            raise asyncssh.SFTPFailure("busy")

    partner = serving(Fails)
    with pytest.raises(TransientDeliveryError, match=r"rename: /inbox/a\.bin: SFTPFailure: busy"):
        send(partner)
    assert partner.files() == {}


def test_a_hidden_file_that_could_not_be_renamed_is_not_taken_for_taken(
    serving: Callable[..., AsyncsshPartner],
) -> None:
    class Mailbox(HidesFiles):
        def rename(self, oldpath: bytes, newpath: bytes) -> None:
            raise asyncssh.SFTPPermissionDenied("renaming is forbidden")

        posix_rename = rename

    with pytest.raises(PermanentDeliveryError, match="renaming is forbidden"):
        send(serving(Mailbox))


def test_a_rename_that_cannot_be_looked_at_afterwards_is_unknown(
    serving: Callable[..., AsyncsshPartner],
) -> None:
    class Goes(Files):
        renamed = False

        def stat(self, path: bytes) -> Any:
            if Goes.renamed:
                raise asyncssh.SFTPFailure("out of order")
            return super().stat(path)

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            Goes.renamed = True
            raise asyncssh.SFTPFailure("out of order")

        rename = posix_rename

    with pytest.raises(DeliveryUnknownError, match="afterwards, look: "):
        send(serving(Goes))


# --- Answers that cannot be read ------------------------------------------------------------------


def test_a_text_in_another_encoding_is_shown_as_far_as_it_can_be_read(
    serving: Callable[..., AsyncsshPartner], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = asyncssh.SFTPError.encode

    def latin(self: asyncssh.SFTPError, version: int) -> bytes:
        return encoded(self, version).replace("größer".encode(), b"gr\xf6\xdfer  ")

    monkeypatch.setattr(asyncssh.SFTPError, "encode", latin)

    class Latin(Files):
        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
            raise asyncssh.SFTPPermissionDenied("größer als erlaubt")

    with pytest.raises(PermanentDeliveryError, match="gr\ufffd\ufffder"):
        send(serving(Latin))


@pytest.mark.parametrize("request_name", ["open", "write", "fsync", "close", "stat"])
@pytest.mark.parametrize("damage", [b"", b"\0\0\0\1x\0\0\0\0more"])
def test_an_answer_that_cannot_be_read_before_the_rename_is_transient(
    serving: Callable[..., AsyncsshPartner],
    monkeypatch: pytest.MonkeyPatch,
    request_name: str,
    damage: bytes,
) -> None:
    """A status without a language tag, and one with bytes behind it."""

    class DamagedError(asyncssh.SFTPError):
        def __init__(self) -> None:
            super().__init__(asyncssh.FX_FAILURE, "damaged")

        def encode(self, version: int) -> bytes:
            return asyncssh.FX_FAILURE.to_bytes(4, "big") + b"\0\0\0\1x" + damage

    def answers(files: Files, *arguments: Any) -> None:
        if request_name == "close":
            Files.close(files, *arguments)
        raise DamagedError

    partner = serving(type("Damaged", (Files,), {request_name: answers}))
    with pytest.raises(TransientDeliveryError):
        send(partner)
    assert "a.bin" not in partner.files()


# --- The page ------------------------------------------------------------------------------------


def test_the_page_of_partners_has_a_row_for_each_server() -> None:
    rows: dict[type[Files], str] = dict.fromkeys(SERVED, "delivered")
    rows |= dict.fromkeys(TAKING, "delivered under its temporary name")
    rows |= {files: remedy.removeprefix("set ") for files, _, remedy, _ in REFUSALS}
    page = (Path(__file__).parents[2] / "docs" / "partners.md").read_text()
    for files, end in rows.items():
        assert f"| {files.__doc__} | {end}" in page
