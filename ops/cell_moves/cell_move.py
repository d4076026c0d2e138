"""A customer's move from one cell to another: the next step, what has to be proven for it, and what it does.

Each step ends in an edit of the customer's file, which both cells' stacks then deploy. What a step does in
AWS comes before its edit and may be repeated, so a step that was killed is done again.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

from customers import cell_moves
from customers.kinds import MoveStep
from customers.model import Customer
from ops import chosen_cell, customer_file, whole_file
from ops.cell import DeployedCell
from ops.cell_moves import moved_names, proofs
from ops.cell_moves.carried_facts import CarriedFacts
from ops.cell_moves.moved_names import MovedNames
from ops.dns.dns_changes import CONTROL_SIDE, HostedZone
from ops.environment import Environment, served_cells
from ops.failover import interlocks
from ops.logbook import Logbook, Recording
from ops.onboarding.lifecycle_step import unexpired, unfinished
from ops.plan import COMMAND, RefusedError, digest
from ops.recovery.reconcile import GapKind
from ops.recovery.regions import Regions
from ops.registry import read_all_cells

#: Gaps that a move need not wait for: files whose fate is read from their facts, and names without a file.
_BESIDES = (GapKind.UNDELIVERED, GapKind.UNRENAMED)


@dataclass(frozen=True, kw_only=True)
class MovePlan:
    """A step of a move: `was` and `step` are None where there is no move.

    `missing` has a sentence for each proof that is missing; without any, the step may be taken.
    """

    customer: str
    file: str
    cell: str
    to: str
    was: MoveStep | None
    step: MoveStep | None
    missing: tuple[str, ...] = ()
    names: MovedNames | None = None
    override: str | None = None
    """The sentence that was typed because clients will see other host keys."""

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """The step by the customer's id; the digest stands for it."""
        about = {"cell": self.cell, "to": self.to, "was": self.was, "step": self.step}
        return {self.customer: {**about, **(self.names.document if self.names else {})}}

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)


class CellMove:
    """The move of one customer of the registry below `root`."""

    def __init__(self, root: Path, id: str, *, to: str | None = None, abandon: bool = False) -> None:
        """Raises RefusedError for an unknown customer or cell, and for a step that cannot follow."""
        self._root = root
        registry = read_all_cells(root)
        known = {each.id: each for each in registry.customers}
        if id not in known:
            near = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
            raise RefusedError(f"{id!r} is not a customer{f'; did you mean {near[0]}?' if near else ''}")
        self._customer, self._file = known[id], registry.files[id]
        self._to = _destination(self._customer, to, served_cells(root))
        self._was = self._customer.move.step if self._customer.move else None
        self._step = _next(self._customer, abandon)
        self._text()  # what cannot be edited is refused before anything is looked at

    @property
    def looks(self) -> int:
        """How many steps of progress `plan` takes, at most."""
        return 6 + self._customer.retention.tracker_days + 3

    def plan(self, stepped: Callable[[int], None], override: str | None = None) -> MovePlan:
        """Return the plan of the next step. `stepped` is called with the steps of progress.

        Raises RefusedError while clients would see other host keys, unless `override` is the sentence that
        says so.
        """
        with _any_cell():
            return self._plan(stepped, override)

    def _plan(self, stepped: Callable[[int], None], override: str | None) -> MovePlan:
        plan = MovePlan(
            customer=self._customer.id,
            file=self._file.path,
            cell=self._customer.cell,
            to=self._to,
            was=self._was,
            step=self._step,
        )
        if self._step == "switched":
            there = Environment.read(self._root, self._to)
            plan = replace(plan, names=MovedNames.plan(self._there, there, HostedZone(there)))
            if plan.names and not plan.names.changes:
                return plan  # a step that was killed: only the file is left
        plan = replace(plan, missing=tuple(self._missing(stepped)))
        if self._step == "switched" and not plan.missing:
            here, there = (Environment.read(self._root, cell) for cell in self._customer.cells)
            doubts = proofs.other_host_keys(self._customer, here, there)
            plan = replace(plan, override=interlocks.settle(doubts, override))
        return plan

    def apply(self, plan: MovePlan, *, why: str, stepped: Callable[[int], None]) -> Recording | None:
        """Carry out a plan without missing proofs, and edit the file.

        What is done in AWS is recorded in the new cell, in the region of Route 53's control plane; a step
        that does nothing there returns None. The outcome's `unseen` holds what the name servers do not answer
        as planned.
        """
        recording = None
        match plan.step:
            case "switched" | "drained":
                recording = self._record(plan, why, stepped)
            case "prepared" | "opened" | "abandoned" | None:
                pass
            case _:
                assert_never(plan.step)
        whole_file.replace(self._root / self._file.path, self._text())
        return recording

    @property
    def _there(self) -> Customer:
        return self._customer.in_cell(self._to)

    def _text(self) -> str:
        """Return the customer's file as it is after the step; RefusedError if it cannot be edited."""
        if self._step is None:
            return customer_file.with_move(self._root, self._file, None, cell_moves.end(self._customer))
        move = {"to": self._to, "step": str(self._step)}
        return customer_file.with_move(self._root, self._file, move, self._customer.cell)

    def _record(self, plan: MovePlan, why: str, stepped: Callable[[int], None]) -> Recording:
        number = plan.digest
        with _any_cell():
            there = Environment.read(self._root, self._to)
            book = Logbook(DeployedCell(environment=there, side=CONTROL_SIDE), "cell-move")
            recorded = book.recorded(digest=number, plan=plan.document, why=why, override=plan.override)
            with recorded as recording:
                comment = f"{plan.customer} to cell {plan.to}, plan {number}"
                recording.outcome = self._act(plan, there, comment, stepped)
        return recording

    def _act(
        self, plan: MovePlan, there: Environment, comment: str, stepped: Callable[[int], None]
    ) -> dict[str, Any]:
        if plan.names:
            return {"unseen": plan.names.apply(HostedZone(there), comment, name=there.zone)}
        here = Environment.read(self._root, self._customer.cell)
        facts = CarriedFacts(self._customer, Regions.find(here))
        return {"facts": facts.carry(Regions.find(there), stepped), "unseen": []}

    def _missing(self, stepped: Callable[[int], None]) -> Iterator[str]:
        here, there = self._customer.cell, self._to
        if self._step == "abandoned":
            environment = Environment.read(self._root, here)
            yield from moved_names.elsewhere(self._customer, environment, HostedZone(environment))
            yield from self._kept(there)
            return
        for cell in (here,) if self._was is None else (here, there):
            yield from proofs.alike(self._root, self._customer.id, cell, stepped)
        match self._step:
            case "prepared" | "opened":
                return
            case "switched":
                yield from proofs.subscribed(self._there, Environment.read(self._root, there))
            case "drained":
                yield from self._left(Environment.read(self._root, here), stepped)
            case None:
                yield from self._kept(there if self._was == "abandoned" else here)
            case _:
                assert_never(self._step)

    def _left(self, environment: Environment, stepped: Callable[[int], None]) -> Iterator[str]:
        """Yield what the cell that the customer leaves has not finished."""
        regions = Regions.find(environment)
        yield from unfinished(regions, self._customer, besides=_BESIDES)
        yield from CarriedFacts(self._customer, regions).unsettled(stepped)

    def _kept(self, cell: str) -> Iterator[str]:
        """Yield what a cell that the customer leaves still keeps of it."""
        environment = Environment.read(self._root, cell)
        yield from unexpired(environment, Regions.find(environment), self._customer.in_cell(cell))


@contextmanager
def _any_cell() -> Iterator[None]:
    """Let messages inside name the cell that they are about, and those afterwards none: `move` takes none."""
    try:
        yield
    finally:
        chosen_cell.choose(None, "")


def _destination(customer: Customer, to: str | None, served: frozenset[str]) -> str:
    """Return the cell that a customer moves to; RefusedError if that is not another one with stacks."""
    if customer.move:
        if to not in (None, customer.move.to):
            raise RefusedError(
                f"{customer.id} moves to cell {customer.move.to} already; first end that move:"
                f" {COMMAND} cell move {customer.id}"
            )
        return customer.move.to
    if customer.lifecycle != "active":
        raise RefusedError(f"{customer.id} is {customer.lifecycle!r}, and only an active customer moves")
    known = ", ".join(sorted(served - {customer.cell}, key=int)) or "there is no other"
    if to is None or to not in served or to == customer.cell:
        given = "no --to was given" if to is None else f"--to {to} is its own" if to == customer.cell else ""
        raise RefusedError(
            f"{customer.id} is in cell {customer.cell}: {given or f'no stacks make cell {to}'};"
            f" name another cell ({known})"
        )
    return to


def _next(customer: Customer, abandon: bool) -> MoveStep | None:
    """Return the step that follows; RefusedError if the move can no longer be abandoned."""
    following = cell_moves.next_steps(customer.move.step if customer.move else None)
    if not abandon:
        return following[0]
    if "abandoned" in following:
        return "abandoned"
    state = "does not move" if customer.move is None else f"is {customer.move.step!r}"
    raise RefusedError(
        f"{customer.id} {state}: only a move whose names still lead to the first cell can be abandoned"
    )
