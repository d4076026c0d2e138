"""Which step of a move to another cell may follow which. Pure."""

from __future__ import annotations

from typing import assert_never

from customers.kinds import MoveStep
from customers.model import Customer


def next_steps(step: MoveStep | None) -> tuple[MoveStep | None, ...]:
    """Return the steps that may follow a step; None is a customer that does not move."""
    match step:
        case None:
            return ("prepared",)
        case "prepared":
            return ("opened", "abandoned")
        case "opened":
            return ("switched", "abandoned")
        case "switched":
            return ("drained",)
        case "drained" | "abandoned":
            return (None,)
        case _:
            assert_never(step)


def end(customer: Customer) -> str:
    """Return the cell in which a customer will be when its move has ended."""
    return customer.cell if customer.move is None or customer.move.step == "abandoned" else customer.move.to


def refused(was: Customer, now: Customer) -> str | None:
    """Return why a customer cannot go from one step of a move, or from none, to another; None if it can.

    The cell changes with the end of a move, and with nothing else.
    """
    before, after = was.move, now.move
    if (was.cell, before) == (now.cell, after):
        return None
    there = now.cell if after is None else after.to
    remedy = f"mft-ops cell move {was.id} --to {there}" if before is None else f"mft-ops cell move {was.id}"
    step, to = (before.step if before else None), (after.step if after else None)
    if before is None and after is None:
        return (
            f"goes from {was.cell!r} to {now.cell!r}, but the customer's buckets cannot be renamed; put"
            f" {was.cell!r} back, and run: {remedy}"
        )
    if to not in next_steps(step):
        allowed = " or ".join(repr(each or "no move any more") for each in next_steps(step))
        return (
            f"goes from {_named(step)} to {_named(to)}, but only {allowed} may follow; put back what is"
            f" deployed, and run: {remedy}"
        )
    if before and after and before.to != after.to:
        return f"goes to {after.to!r}, but the move to {before.to!r} has not ended; put {before.to!r} back"
    cell = was.cell if after else end(was)
    return None if now.cell == cell else f"is {now.cell!r}, but has to be {cell!r} at this step of the move"


def _named(step: MoveStep | None) -> str:
    return repr(step) if step else "no move"
