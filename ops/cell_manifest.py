"""What a cell is made of, as the program wrote it down in the cell's own region."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from runtime import contract


class PartsError(ValueError):
    """What a cell is made of is not written down where it has to be; the message names it and the remedy."""


@dataclass(frozen=True, kw_only=True)
class CellManifest:
    """A cell's SFTP server and its public addresses, its queues' URLs, its workflow, functions, topic.

    `dead_letters` are by the function whose messages they are, `functions` are names by handler, `alerts` is
    the ARN of the topic that the cell's alarms tell.
    """

    server: str
    addresses: Sequence[str]
    queue: str
    dead_letters: Mapping[str, str]
    state_machine: str
    functions: Mapping[str, str]
    alerts: str

    @classmethod
    def read(cls, *, namespace: str, cell: str, side: str, parameters: Any) -> CellManifest:
        """Return those of a side's cell; PartsError when they are not there, and what AWS raises.

        `parameters` is the SSM client of its region.
        """
        name = contract.cell_parameter(namespace, cell, "parts")
        remedy = f"run `pulumi up --refresh` on gov-{side}"
        try:
            value = parameters.get_parameter(Name=name)["Parameter"]["Value"]
        except parameters.exceptions.ParameterNotFound as error:
            raise PartsError(
                f"there is no parameter {name}, which says what its cell is made of; {remedy}"
            ) from error
        try:
            found = json.loads(value)
            return cls(**{field.name: found[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError) as error:
            raise PartsError(f"parameter {name} does not say what it has to; {remedy}") from error
