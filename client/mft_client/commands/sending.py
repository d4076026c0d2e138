"""`send` and `resend`: bring files to the platform, and bring those again that have no receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mft_client.cli import (
    SETTINGS,
    As,
    AsJson,
    Bars,
    Endpoint,
    SettingsFile,
    client_of,
    name_for,
    printable,
    warn,
    warn_of,
)
from mft_client.client import Client
from mft_client.errors import ClaimedError, FileChangedError, MftError
from mft_client.file_names import key_of, name_of
from mft_client.protocol import PRIMARY
from mft_client.submissions import Planned, Sent

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Files to send.")]


def send(
    files: Files,
    as_name: As = None,
    endpoint: Endpoint = PRIMARY,
    as_json: AsJson = False,
    settings: SettingsFile = SETTINGS,
) -> None:
    """Send files to the bucket that DNS names now.

    If that moves or fails, the file goes to the next one that DNS names. A file is sent under its own
    name, below a folder if --as ends with a slash. When S3 has acknowledged it, it is in the journal,
    until a receipt says what became of it. A file that changes while it is sent is refused, and nothing
    of it arrives.

    Exit 1: not every file was acknowledged. What was not is in the journal, and `mft resend` sends it.

    Example: mft send report.csv --as daily/
    """
    if as_name and not as_name.endswith("/") and len(files) > 1:
        raise typer.BadParameter("--as is the name of one file; end it with / to name a folder for several")
    with client_of(settings, as_json=as_json) as client:
        names = {name_for(path, as_name): path for path in files}
        if len(names) < len(files):
            raise MftError("two of these files have the same name; send them one by one, with --as")
        for name, path in names.items():
            key_of(name)
            if not path.is_file():
                raise FileChangedError(f"{path}: there is no such file; name one that exists")
        report = _Report(as_json=as_json)
        for name, path in names.items():
            try:
                with report.bars.of(name, path.stat().st_size) as bar:
                    report.sent(client.send(path, name, endpoint=endpoint, progress=bar))
            except (ClaimedError, FileChangedError) as error:  # of this file alone
                report.refused(name, error)
            except MftError as error:
                report.refused(name, error)
                report.skipped(list(names)[list(names).index(name) + 1 :])
                break
        report.end()


def resend(endpoint: Endpoint = PRIMARY, as_json: AsJson = False, settings: SettingsFile = SETTINGS) -> None:
    """Send again exactly what has no receipt.

    The receipts in the queues are read first. Without one are files that no region has acknowledged,
    files without a receipt after the time that one may take, files that failed, and files that went to a
    region which a notice says to leave. The platform recognises what it already has by its content. What
    was first sent longer ago than it remembers is only listed: ask the platform's operators whether it
    arrived, and send it with `mft send` if it did not.

    Exit 1: something is left that was not sent again.

    Example: mft resend
    """
    with client_of(settings, as_json=as_json) as client:
        collected = client.collect()
        warn_of(collected)
        due, report = client.due(), _Report(as_json=as_json)
        for each in due.again:
            _send_again(client, each, endpoint, report)
        for each in due.late:
            report.late(each)
        report.end()


def _send_again(client: Client, due: Planned, endpoint: str, report: _Report) -> None:
    name = name_of(due.key)
    try:
        with report.bars.of(name, due.size) as bar:
            sent = client.resend(due, endpoint=endpoint, progress=bar)
    except ClaimedError as error:  # the other process reports it
        warn(str(error))
        return
    except MftError as error:
        report.refused(name, error)
        return
    if sent:
        report.sent(sent)


class _Report:
    """What became of the files of one run, printed as it happens or, as JSON, at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self.bars = Bars()
        self._as_json = as_json
        self._sent: list[Sent] = []
        self._refused: dict[str, str] = {}
        self._late: list[Planned] = []

    def sent(self, sent: Sent) -> None:
        self._sent.append(sent)
        if not self._as_json:
            name = printable(name_of(sent.key))
            typer.echo(f"{name}: {sent.size:,} bytes are in {sent.region}, version {sent.version_id}")

    def refused(self, name: str, error: MftError) -> None:
        self._refused[name] = printable(str(error))
        if not self._as_json:
            warn(str(error))

    def skipped(self, names: list[str]) -> None:
        for name in names:
            self._refused[name] = "was not tried; send it again"
        if names and not self._as_json:
            warn(f"{len(names)} further files were not tried; send them again")

    def late(self, due: Planned) -> None:
        self._late.append(due)
        if not self._as_json:
            warn(
                f"{name_of(due.key)}: has no receipt, and was sent too long ago to be recognised; ask the"
                f" platform's operators whether it arrived, and if not: mft send {due.source} --as"
                f" {name_of(due.key)}"
            )

    def end(self) -> None:
        if self._as_json:
            document = {
                "sent": [each.document() for each in self._sent],
                "refused": self._refused,
                "late": [each.document() for each in self._late],
            }
            typer.echo(json.dumps(document, sort_keys=True))
        if self._refused or self._late:
            raise typer.Exit(1)
