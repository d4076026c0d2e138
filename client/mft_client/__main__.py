"""Send files to the file transfer platform, and learn what became of each."""

from __future__ import annotations

import typer

from mft_client.cli import COMMAND
from mft_client.commands import sending, status, watching

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=__doc__,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # paragraphs are wrapped to the terminal
)

for verb in (sending.send, watching.watch, status.status, sending.resend):
    app.command()(verb)

if __name__ == "__main__":
    app(prog_name=COMMAND)
