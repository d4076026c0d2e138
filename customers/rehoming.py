"""What `ops rehome` leaves: who moved a customer's `primary` from one region to the other, when and why.

One file a customer, `rehomes/<id>.json` beside `customers/`: a list, oldest first, that only ever grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from customers import fields
from customers.kinds import Side
from customers.model import Value
from customers.paths import dotted

FOLDER = "rehomes"
_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Rehoming(Value):
    """One move, signed off."""

    customer: fields.Id
    from_: Annotated[Side, Field(alias="from")]
    to: Side
    who: _Said
    why: _Said
    when: AwareDatetime
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """Of the plan that was applied."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.from_ == self.to:
            raise fields.refused(f"moves from {self.to!r} to {self.to!r}")
        return self


Rehomings = dict[str, tuple[Rehoming, ...]]
_LIST = TypeAdapter(tuple[Rehoming, ...])


class RehomingsRefusedError(ValueError):
    """Some of the files do not hold such lists. `problems` has all of them, a line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def path_of(id: str) -> str:
    """Return the path of a customer's file, from the folder that `customers/` is in."""
    return f"{FOLDER}/{id}.json"


def read(root: Path) -> Rehomings:
    """Return, by customer, the moves recorded below `root`; RehomingsRefusedError with all problems."""
    found: Rehomings = {}
    problems: list[str] = []
    for file in sorted((root / FOLDER).glob("*.json")):
        path = path_of(file.stem)
        try:
            found[file.stem] = _LIST.validate_json(file.read_bytes())
        except ValidationError as error:
            problems += [
                f"{path}: {dotted(one['loc'])}: {one['msg']}" if one["loc"] else f"{path}: {one['msg']}"
                for one in error.errors(include_url=False)
            ]
            continue
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
            continue
        strangers = sorted({move.customer for move in found[file.stem]} - {file.stem})
        problems += [f"{path}: holds a move of {id!r}, which belongs in {path_of(id)}" for id in strangers]
    if problems:
        raise RehomingsRefusedError(problems)
    return found
