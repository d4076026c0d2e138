"""`status`: what became of the files that were sent."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any, assert_never

import typer

from mft_client.cli import SETTINGS, AsJson, SettingsFile, client_of, printable, warn_of
from mft_client.errors import MftError
from mft_client.file_names import name_of
from mft_client.protocol import Outcome
from mft_client.submissions import Due, Planned, Sent

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", help="Names at the platform; all that are not delivered if none is given."
    ),
]


def status(names: Names = None, as_json: AsJson = False, settings: SettingsFile = SETTINGS) -> None:
    """Print what became of each file.

    The receipts in the queues are read first. `waiting` has no receipt yet, `due` has none in time and is
    what `mft resend` sends, `late` is due, and was sent too long ago to be recognised. The other states
    are those of receipts: `delivered`, `duplicate`, `failed`, `held` (the platform's operators look after
    it) and `rejected` (its receipt says why).

    Exit 1: a file is in another state than `waiting`, `delivered` or `duplicate`.

    Example: mft status daily/report.csv
    """
    with client_of(settings, as_json=as_json) as client:
        collected = client.collect()
        warn_of(collected)
        due = client.due()
        every = {name_of(file.key): (file, _state(file, outcome, due)) for file, outcome in client.files()}
        for name in names or ():
            if name not in every:
                raise MftError(f"{name!r} was never sent with this journal; see `mft status` for what was")
    shown = {
        name: found
        for name, found in sorted(every.items())
        if (name in names if names else found[1] not in _DONE)
    }
    counts = Counter(state for _, state in every.values())
    if as_json:
        files = [{**_document(file), "state": state} for file, state in shown.values()]
        typer.echo(
            json.dumps({"counts": counts, "files": files, "receipts": collected.taken}, sort_keys=True)
        )
    else:
        for name, (file, state) in shown.items():
            where = file.region if isinstance(file, Sent) else "no region"
            at = f"{file.at.astimezone():%Y-%m-%d %H:%M:%S}"
            typer.echo(f"{state:9}  {at}  {where:13}  {file.size:>15,}  {printable(name)}")
        said = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.items()))
        typer.echo(said or "nothing was sent yet")
    if any(state not in (*_DONE, "waiting") for _, state in shown.values()):
        raise typer.Exit(1)


_DONE = (Outcome.DELIVERED.value, Outcome.DUPLICATE.value)


def _state(file: Planned, outcome: Outcome | None, due: Due) -> str:
    if file in due.late:
        return "late"
    match outcome:
        case Outcome.DELIVERED | Outcome.DUPLICATE | Outcome.HELD | Outcome.REJECTED | Outcome.FAILED:
            return outcome.value
        case None:
            return "due" if file in due.again else "waiting"
        case _:
            assert_never(outcome)


def _document(file: Planned) -> dict[str, Any]:
    return {"name": name_of(file.key), **file.document()}
