"""A customer's move from one cell to another: its steps, and what the customer is in both cells at each."""

from __future__ import annotations

from typing import assert_never

from customers import fields, kinds
from customers.value import Value


class Move(Value):
    """A move to another cell. Written by `mft-ops cell move`, which proves each step; see docs/cells.md."""

    to: fields.Cell
    step: kinds.MoveStep
    """`prepared`: the other cell has buckets and logins. `opened`: it takes files, which wait. `switched`:
    the customer's names lead there. `drained`: the first cell has finished, and what waited is delivered.
    `abandoned`: the other cell releases what it has."""

    def stage_there(self) -> kinds.Stage:
        """Return what the customer is in the cell that it moves to."""
        match self.step:
            case "prepared":
                return "onboarding"
            case "opened":
                return "joining"
            case "switched" | "drained":
                return "active"
            case "abandoned":
                return "retired"
            case _:
                assert_never(self.step)

    def stage_here(self) -> kinds.Stage:
        """Return what the customer is in the cell that it moves out of."""
        match self.step:
            case "prepared" | "abandoned":
                return "active"
            case "opened":
                return "closing"
            case "switched":
                return "draining"
            case "drained":
                return "retired"
            case _:
                assert_never(self.step)
