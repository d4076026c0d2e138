"""The records of `ops rehome`: who moved a customer's `primary` to the other region, when and why.

One file per customer, `rehomes/<id>.json` beside `customers/`: a list, oldest first, that only grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from customers import fields
from customers.kinds import Side
from customers.paths import dotted
from customers.value import Value

FOLDER = "rehomes"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Rehoming(Value):
    """One move, with the person who made it."""

    customer: fields.Id
    from_: Annotated[Side, Field(alias="from")]
    to: Side
    who: _Text
    why: _Text
    when: AwareDatetime
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """Digest of the plan that was applied."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.from_ == self.to:
            raise fields.refused(f"moves from {self.to!r} to {self.to!r}")
        return self


Rehomings = dict[str, tuple[Rehoming, ...]]
_LIST = TypeAdapter(tuple[Rehoming, ...])


class RehomingsRefusedError(ValueError):
    """Some of the files are not such lists. `problems` are all problems, one line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def path_of(id: str) -> str:
    """Return the path of a customer's file, relative to the folder that contains `customers/`."""
    return f"{FOLDER}/{id}.json"


def read(root: Path) -> Rehomings:
    """Return the moves recorded below `root`, by customer; RehomingsRefusedError with all problems."""
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
        others = sorted({move.customer for move in found[file.stem]} - {file.stem})
        problems += [f"{path}: contains a move of {id!r}, which belongs in {path_of(id)}" for id in others]
    if problems:
        raise RehomingsRefusedError(problems)
    return found
