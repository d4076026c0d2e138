"""Restoring a region: when nothing of what it left is missing any more, and it is well itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from customers.route53 import Record
from ops.cell import DeployedCell, side_of
from ops.dns.dns_routing import halves, look
from ops.environment import Environment
from ops.failover import interlocks
from ops.failover.evacuation import SwitchPlan, document, resumed, standing_of
from ops.plan import RefusedError
from ops.progress import Bar
from ops.recovery.gaps import Counts, GapReport, ScanListener
from ops.recovery.reconcile import GRACE
from ops.recovery.regions import Regions
from ops.recovery.window import Window
from ops.registry import read_registry
from runtime.contract import PRIMARY, Position, peer_of
from runtime.timing import REPLICATION_MINUTES


def restoration(
    environment: Environment, root: Path, region: str, *, override: str | None = None
) -> SwitchPlan:
    """Return the plan that puts a region back into DNS. The registry, which says who is at home there, is
    beside the stack files below `root`.

    Raises RefusedError when it is in already, while it does not answer, while gaps remain of what was
    submitted from 15 minutes before it went out, and when it is not ready, unless `override` says so.
    """
    side = side_of(region)
    peer = DeployedCell(environment=environment, side=peer_of(side))
    now = standing_of(environment, side)
    is_resumed = now.position is Position.IN
    doubts = []
    if is_resumed:
        plan = resumed(peer, side, Position.IN, now)
    else:
        plan = document(side, Position.IN, now)
        _no_gaps(environment, interlocks.switch_of(environment, side).out_since() or now.since)
        doubts = interlocks.ready(DeployedCell(environment=environment, side=side))
    override = interlocks.settle(doubts, override)
    found = look(peer, side)
    primaries, warnings = _primaries(environment, root)
    return SwitchPlan(
        region=region,
        through=peer.region,
        position=Position.IN,
        now=now.position,
        document=plan,
        customers=len(found.sides),
        wanted=tuple(_answers(environment, found.sides, side, primaries)),
        servers=found.servers,
        override=override,
        is_resumed=is_resumed,
        warnings=(*found.warnings, *warnings),
    )


def _no_gaps(environment: Environment, out_since: datetime) -> None:
    """RefusedError when anything that was submitted since is missing anywhere, or nobody can tell."""
    window = Window.of(since=out_since - GRACE)
    command = f"python -m ops gaps --since {window.document()['since']}"
    counts = _counts(environment, window)
    for region, why in counts.silent.items():
        raise RefusedError(
            f"whether gaps remain is not known, because {region} cannot be looked at, {why}; when it can:"
            f" {command}"
        )
    if counts.remaining:
        told = ", ".join(f"{number:,} {kind}" for kind, number in counts.document().items() if number)
        raise RefusedError(
            f"{counts.remaining:,} gaps remain of what was submitted from {REPLICATION_MINUTES} minutes"
            f" before it went out: {told}; they are shown by: {command}; and closed by: {command} --repair"
        )


def _counts(environment: Environment, window: Window) -> Counts:
    regions = Regions.find(environment)
    names = regions.customers()
    with Bar(len(names), "customers", "objects") as bar:
        report = GapReport(regions, names, window, ScanListener(listed=bar.count, finished=bar.step))
        for _ in report.lines():
            pass
    return report.counts


def _primaries(environment: Environment, root: Path) -> tuple[dict[str, str], list[str]]:
    """Return by customer where `primary.` belongs, as the registry says; a warning when it says nothing."""
    try:
        registry = read_registry(environment, root)
    except RefusedError as error:
        problem = str(error).splitlines()[0]
        return {}, [f"the registry does not say where `primary.` belongs, so it is not watched: {problem}"]
    return {each.id: each.primary for each in registry.of_cell(environment.cell)}, []


def _answers(
    environment: Environment, customers: Iterable[str], side: str, primaries: dict[str, str]
) -> Iterable[Record]:
    """Yield what names answer when a side is back: its own with it, and `primary.` with where it belongs."""
    for customer in customers:
        yield from halves(environment, customer, side, side)
        if customer in primaries:
            yield from halves(environment, customer, PRIMARY, primaries[customer])
