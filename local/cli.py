"""What the commands have in common: options, the project's folder, and errors that a person can fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from customers import project
from local import interrupts, leftovers

if TYPE_CHECKING:
    from local.world import World

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)

Registry = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        metavar="FOLDER",
        help="Folder of the customers' YAML files.",
        show_default="the project's",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def project_root() -> Path:
    """Return the project's folder; exit 1 with a message if there is none."""
    try:
        return project.find()
    except project.ProjectNotFoundError as error:
        ERRORS.print(str(error), markup=False)
        raise typer.Exit(1) from error


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors that a person can fix into one message on standard error and exit 1."""
    try:
        yield
    except KeyboardInterrupt:
        interrupts.noticed()
        interrupts.end()
    except _refused() as error:
        ERRORS.print(str(error), markup=False)
        raise typer.Exit(1) from error
    finally:
        leftovers.remove_all()


def _refused() -> tuple[type[Exception], ...]:
    """Return the errors that a person can fix; called when there is one, and so its module is loaded."""
    from components.bundle import BundleError
    from customers.names import NameRefusedError
    from customers.problems import RegistryError
    from local.aws.emulator import EmulatorError
    from local.aws.provision import CannotMakeError
    from local.drill.story import StoryError
    from local.loopback import LoopbackError
    from local.preview.preview import PreviewError
    from local.program import ProgramError
    from local.sftp.clients import UploadError
    from local.world import WorldError

    return (
        *(BundleError, CannotMakeError, EmulatorError, LoopbackError, NameRefusedError, OSError),
        *(PreviewError, ProgramError, RegistryError, StoryError, UploadError, WorldError),
    )


@contextmanager
def while_alive(world: World) -> Iterator[None]:
    """Raise WorldError in place of any failure that comes of the end of the emulated AWS."""
    from botocore.exceptions import BotoCoreError, ClientError

    from local.program import ProgramError
    from local.world import WorldError

    try:
        yield
    except (BotoCoreError, ClientError, ProgramError) as error:
        if world.aws.alive():
            raise
        raise WorldError(
            "the emulated AWS has ended; run the command again. If it ends again, these are the last lines "
            f"of its log:\n{world.aws.tail()}"
        ) from error
