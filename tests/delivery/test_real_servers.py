"""Servers that partners run, each configured as people do it: what becomes of a file.

Every delivery ends with one whole file, or with the true reason and nothing new under the final name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.sftp.partners import OpenSshPartner, Partner, openssh_missing
from local.sftp.partners.openssh import BESIDES
from runtime.delivery import Delivery, DeliveryError, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.sftp import deliver_now
from tests.delivery.real_servers import DropbearPartner, ProftpdPartner, RclonePartner
from tests.delivery.support import QUICK, destination_of, source_of

CONTENT = os.urandom(300_017)
OLDER = b"older"

#: How older versions behave.
OLD = "SFTPExtensions -posixRename -fsync"

#: What stays where an older file could be set aside, and could not be removed.
LEFT = (".b.bin.try-1.old",)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A server in one configuration, and what becomes of a file there.

    `what` is the configuration, as the page of partners says it. Without `reason` the file is delivered. With
    it, the delivery of the file `name` fails with that reason, and succeeds with the options of the
    destination in `instead`, where there are any. `left` are files that stay although the file has arrived,
    and `is_quick` says that the row is tried on every change.
    """

    server: str
    what: str
    make: Callable[[], Partner]
    reason: str = ""
    instead: dict[str, Any] = field(default_factory=dict)
    error: type[DeliveryError] = PermanentDeliveryError
    left: tuple[str, ...] = ()
    name: str = "a.bin"
    is_quick: bool = False

    @property
    def ends(self) -> str:
        """What becomes of a file, as the page of partners says it."""
        if self.left:
            return "delivered; the receipt names the older file, which stays beside it"
        if not self.reason:
            return "delivered"
        if self.instead:
            helps = " and ".join(OPTIONS[name] for name in self.instead)
            return f"{helps} help{'s' * (len(self.instead) == 1)}: fails at once, and the receipt says so"
        kind = "fails at once" if self.error is PermanentDeliveryError else "tried for two hours, then failed"
        return f"{kind}: *{self.reason}*"


def openssh(*denied: str) -> Callable[[], Partner]:
    return partial(OpenSshPartner, denied=denied)


def proftpd(*directives: str) -> Callable[[], Partner]:
    return partial(ProftpdPartner, directives="".join(f"{each}\n" for each in directives))


def limit(commands: str) -> tuple[str, ...]:
    return (f"<Limit {commands}>", "DenyAll", "</Limit>")


#: Fields of a destination, as the registry has them.
OPTIONS = {
    "renames": "`publish: write`",
    "verifies": "`verify: none`",
    "temporary_name": "`temporary_name`",
}
RENAME = {"reason": "set `publish: write`", "instead": {"renames": False}}
NAME = {"reason": "set `temporary_name`", "instead": {"temporary_name": "*.up.bin"}}
LOOK = {"reason": "set `verify: none`", "instead": {"verifies": False}}
NO_FILE = {"reason": "whether this login may create files there"}
NO_FOLDER = {"reason": "let this login create folders", "name": "2026/a.bin"}
NO_WRITE = {"reason": "whether this login may write to the files that it creates"}

_O, _P = "OpenSSH", "ProFTPD, mod_sftp"
_UNUSED = (*BESIDES, "read")

ROWS = [
    Row(server=_O, what="as it comes", make=openssh(), is_quick=True),
    Row(server=_O, what=f"`-P {','.join(_UNUSED)}`", make=openssh(*_UNUSED)),
    Row(server=_O, what="`-P fsync`", make=openssh("fsync")),
    Row(server=_O, what="`-P remove`", make=openssh("remove")),
    Row(server=_O, what="`-P rename`", make=openssh("rename")),
    Row(server=_O, what="`-P posix-rename`", make=openssh("posix-rename")),
    Row(server=_O, what="`-P posix-rename,remove`", make=openssh("posix-rename", "remove"), left=LEFT),
    Row(server=_O, what="`-P posix-rename,rename`", make=openssh("posix-rename", "rename"), **RENAME),
    Row(server=_O, what="`-P stat`", make=openssh("stat"), **LOOK),
    Row(server=_O, what="`-P mkdir`", make=openssh("mkdir"), **NO_FOLDER),
    Row(server=_O, what="`-P open`", make=openssh("open"), **NO_FILE),
    Row(server=_O, what="`-P write`", make=openssh("write"), **NO_WRITE),
    Row(server=_P, what="as it comes", make=proftpd(), is_quick=True),
    Row(server=_P, what="`HiddenStores on`", make=proftpd("HiddenStores on")),
    Row(
        server=_P,
        what="`HiddenStores on`, `DeleteAbortedStores on`",
        make=proftpd("HiddenStores on", "DeleteAbortedStores on"),
    ),
    Row(server=_P, what="`AllowOverwrite off`", make=proftpd("AllowOverwrite off")),
    Row(server=_P, what="`Umask 077 077`", make=proftpd("Umask 077 077")),
    Row(server=_P, what="`SFTPExtensions -posixRename -fsync`", make=proftpd(OLD)),
    Row(
        server=_P,
        what="`SFTPExtensions -posixRename`, `AllowOverwrite off`, `<Limit DELE>`",
        make=proftpd(OLD, "AllowOverwrite off", *limit("DELE")),
        left=LEFT,
        is_quick=True,
    ),
    Row(
        server=_P,
        what="`<Limit SETSTAT FSETSTAT SITE_CHMOD>`",
        make=proftpd(*limit("SETSTAT FSETSTAT SITE_CHMOD")),
    ),
    Row(
        server=_P,
        what="`PathDenyFilter` for hidden names",
        make=proftpd(r'PathDenyFilter "/\\.[^/]*$"'),
        **NAME,
    ),
    Row(server=_P, what="`PathDenyFilter` for `.part`", make=proftpd(r'PathDenyFilter "\\.part$"'), **NAME),
    Row(
        server=_P,
        what="`HideFiles` and `IgnoreHidden` for hidden names",
        make=proftpd(
            "<Directory /*>",
            r'HideFiles "^\\."',
            "<Limit ALL>",
            "IgnoreHidden on",
            "</Limit>",
            "</Directory>",
        ),
        **NAME,
    ),
    Row(server=_P, what="`<Limit STAT LSTAT FSTAT>`", make=proftpd(*limit("STAT LSTAT FSTAT")), **LOOK),
    Row(
        server=_P,
        what="`<Limit READ DIRS DELE>`, a mailbox that only takes files",
        make=proftpd(*limit("READ DIRS DELE")),
        reason="set `verify: none`",
        instead={"verifies": False, "renames": False},
    ),
    Row(server=_P, what="`<Limit RNFR RNTO>`", make=proftpd(*limit("RNFR RNTO")), **RENAME),
    Row(server=_P, what="`<Limit MKD XMKD>`", make=proftpd(*limit("MKD XMKD")), **NO_FOLDER),
    Row(server=_P, what="`<Limit WRITE>`", make=proftpd(*limit("WRITE")), **NO_FILE),
    Row(
        server=_P,
        what="`MaxStoreFileSize 100 Kb`, smaller than the file",
        make=proftpd("MaxStoreFileSize 100 Kb"),
        reason="Out of disk space",
        error=TransientDeliveryError,
    ),
    Row(server="dropbear", what="with the `sftp-server` of OpenSSH", make=DropbearPartner, is_quick=True),
    Row(server="rclone", what="`serve sftp`", make=RclonePartner, is_quick=True),
    Row(
        server="rclone",
        what="`serve sftp --read-only`",
        make=partial(RclonePartner, flags=("--read-only",)),
        reason="Read only file system",
        error=TransientDeliveryError,
    ),
]

MISSING = {
    _O: openssh_missing,
    _P: ProftpdPartner.missing,
    "dropbear": DropbearPartner.missing,
    "rclone": RclonePartner.missing,
}


def send(partner: Partner, name: str, attempt: str, **instead: Any) -> Delivery:
    how = {"private_key": partner.private_key, "patience": QUICK, "name": name, "attempt": attempt}
    return deliver_now(source_of(CONTENT), destination_of(partner, **instead), **how)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row, id=f"{row.server}: {row.what}", marks=[] if row.is_quick else pytest.mark.exhaustive
        )
        for row in ROWS
    ],
)
def test_a_server_in_a_configuration(row: Row) -> None:
    if why := MISSING[row.server]():
        pytest.skip(why)
    with row.make() as partner:
        (partner.inbox / "b.bin").write_bytes(OLDER)
        instead = {}
        if row.reason:
            with pytest.raises(row.error) as failure:
                send(partner, row.name, "try-0")
            assert row.reason in failure.value.reason
            assert row.name.removesuffix("/a.bin") in failure.value.reason
            files = partner.files()
            stays = {name for name in files if name.endswith(".part")}
            assert all(f"{name} is still there" in failure.value.reason for name in stays)
            assert set(files) - stays == {"b.bin"}
            assert files["b.bin"] == OLDER
            for name in stays:
                (partner.inbox / name).unlink()
            if not row.instead:
                return
            instead = row.instead
        done = send(partner, "a.bin", "try-1", **instead), send(partner, "b.bin", "try-1", **instead)
        assert all(each.sent for each in done)
        assert partner.files() == {"a.bin": CONTENT, "b.bin": CONTENT} | dict.fromkeys(row.left, OLDER)
        assert [path.removeprefix(f"{partner.directory}/") for path in done[1].left] == list(row.left)
        assert all(name in done[1].note for name in row.left)


def test_the_page_of_partners_has_a_row_for_each_configuration() -> None:
    page = (Path(__file__).parents[2] / "docs" / "partners.md").read_text()
    _, _, table = page.partition("| server | configured | a file is … |\n|---|---|---|\n")
    rows = [f"| {row.server} | {row.what} | {row.ends} |" for row in ROWS]
    assert table.partition("\n\n")[0].strip().splitlines() == rows, "\n".join(rows)
