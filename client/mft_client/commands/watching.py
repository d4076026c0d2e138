"""`watch`: send what appears in a folder."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from mft_client.cli import (
    SETTINGS,
    AsLines,
    Bars,
    Endpoint,
    SettingsFile,
    client_of,
    printable,
    warn,
)
from mft_client.client import Client
from mft_client.errors import (
    ClaimedError,
    FileChangedError,
    MftError,
    NameRefusedError,
    NotAcknowledgedError,
    UploadRefusedError,
)
from mft_client.folder import Folder
from mft_client.protocol import PRIMARY

#: The most seconds between two looks at the folder.
_EVERY = 1.0

Watched = Annotated[
    Path, typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="Folder to watch.")
]
Below = Annotated[
    str,
    typer.Option("--as", metavar="NAME", help="Folder at the platform, with a final /.", show_default=False),
]
Quiet = Annotated[
    float,
    typer.Option(
        "--quiet", metavar="SECONDS", min=0.1, help="Seconds for which a complete file has not changed."
    ),
]


def watch(
    folder: Watched,
    below: Below = "",
    quiet: Quiet = 10.0,
    endpoint: Endpoint = PRIMARY,
    as_json: AsLines = False,
    settings: SettingsFile = SETTINGS,
) -> None:
    """Send each complete file that appears in a folder, once.

    This goes on until Ctrl-C or SIGTERM. A file is complete when its size and its time of modification
    have not changed for --quiet seconds. A writer that pauses for longer gives the file a temporary name
    and renames it at the end: names that begin with a dot, or end in .tmp, .temp, .part, .partial,
    .filepart, .crdownload, .download, .swp or ~, are not sent. The name at the platform is the path below
    the folder. What is rewritten is sent again, as is what gets another name; what was acknowledged
    before a restart is not. Files stay where they are.

    Exit 1: a file was refused, or what stops all files has come up.

    Example: mft watch outbox --as daily/ --quiet 30
    """
    if below and not below.endswith("/"):
        raise typer.BadParameter("--as names a folder here; end it with /")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    refused = False
    with client_of(settings, as_json=as_json) as client:
        watched = Folder(folder, client, prefix=below, quiet=quiet)
        try:
            while True:
                refused |= _look(watched, client, endpoint, as_json)
                time.sleep(min(_EVERY, quiet / 2))
        except KeyboardInterrupt:
            pass
    if refused:
        raise typer.Exit(1)


def _look(watched: Folder, client: Client, endpoint: str, as_json: bool) -> bool:
    """Send what is complete; return whether a file was refused."""
    refused = False
    for path, name in watched.complete():
        try:
            with Bars().of(name, path.stat().st_size) as bar:
                sent = client.send(path, name, endpoint=endpoint, progress=bar)
        except (NameRefusedError, UploadRefusedError) as error:
            refused = True
            watched.done(path)  # until it changes
            _say(name, error, as_json)
        except (ClaimedError, FileChangedError, FileNotFoundError):
            continue  # looked at again
        except NotAcknowledgedError as error:
            _say(name, error, as_json)  # tried again
        else:
            watched.done(path)
            line = f"{printable(name)}: {sent.size:,} bytes are in {sent.region}, version {sent.version_id}"
            typer.echo(json.dumps({"sent": sent.document()}, sort_keys=True) if as_json else line)
    return refused


def _say(name: str, error: MftError, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"refused": {name: printable(str(error))}}))
    else:
        warn(str(error))
