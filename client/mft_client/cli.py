"""What all verbs share: their options, how they refuse, and the bars of what is on its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from mft_client.client import Client
from mft_client.errors import MftError
from mft_client.protocol import ENDPOINTS
from mft_client.queues import Collected
from mft_client.settings import Settings

COMMAND = "mft"


def _one_of_the_endpoints(text: str) -> str:
    if text not in ENDPOINTS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(ENDPOINTS)}")
    return text


SettingsFile = Annotated[
    Path, typer.Option("--settings", metavar="FILE", envvar="MFT_SETTINGS", help="File of settings.")
]
#: The default of `--settings`.
SETTINGS = Path("mft.toml")

Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        metavar="ENDPOINT",
        parser=_one_of_the_endpoints,
        help="Whose TXT record is followed: east, west or primary.",
    ),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", help="Name at the platform; with a final /, a folder.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead of text.")]


@contextmanager
def client_of(settings: Path, *, as_json: bool) -> Iterator[Client]:
    """Yield a client with the settings of a file; turn what stops the verb into one line and exit 1."""
    try:
        with Client(Settings.read(settings)) as client:
            yield client
    except (MftError, OSError) as error:
        refuse(str(error), as_json=as_json)
    except (BotoCoreError, ClientError) as error:
        refuse(f"AWS did not confirm it: {error}; run the same command again", as_json=as_json)


def refuse(message: str, *, as_json: bool) -> None:
    """Print one line, and end with exit 1."""
    line = printable(message)
    typer.echo(json.dumps({"refused": line}) if as_json else line, err=not as_json)
    raise typer.Exit(1)


def warn(message: str) -> None:
    """Print one line on standard error."""
    typer.echo(printable(message), err=True)


def warn_of(collected: Collected) -> None:
    """Print the lines about queues and messages that could not be read."""
    for line in (*collected.silent, *(f"{each}; it was left there" for each in collected.left)):
        warn(line)


def printable(text: str) -> str:
    """Return text that somebody else chose, such as a name, so that it stays on one line."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def name_for(path: Path, given: str | None) -> str:
    """Return the name of a file at the platform: its own, below the folder if one was given, or the given."""
    if given is None or given.endswith("/"):
        return f"{given or ''}{path.name}"
    return given


class Bars:
    """A bar for the file that is on its way, on standard error where that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextmanager
    def of(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        """Show a bar until the context ends; yield what is called with the number of bytes that are there."""
        with self._progress:
            task = self._progress.add_task(printable(name), total=size)
            try:
                yield lambda done: self._progress.update(task, completed=done)
            finally:
                self._progress.remove_task(task)
