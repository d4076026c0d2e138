"""Restoring a region, once replication has caught up and the region itself is well.

Which gaps keep a region out, and which an operator may leave open, is in `ops.recovery.causes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from customers.route53 import Record
from ops.cell import DeployedCell, side_of
from ops.dns.dns_routing import halves, look
from ops.environment import Environment
from ops.failover import interlocks
from ops.failover.evacuation import SwitchPlan, document, resumed
from ops.failover.interlocks import Doubt
from ops.plan import RefusedError, command
from ops.progress import Bar
from ops.recovery.causes import Bearing, Cause, bearing
from ops.recovery.gaps import Counts, GapReport, ScanListener
from ops.recovery.reconcile import GapKind
from ops.recovery.regions import Regions
from ops.recovery.window import DAYS, Window
from ops.registry import read_registry
from ops.switches import force_of, switch_of
from runtime.contract import PRIMARY, Position, peer_of


def restoration(
    environment: Environment, root: Path, region: str, *, override: str | None = None
) -> SwitchPlan:
    """Return the plan that puts a region back into DNS.

    The registry below `root` says where each customer's `primary.` belongs. Raises RefusedError when the
    region is in already; while it or its peer does not answer; while replication may still bring what was
    submitted from three days before it went out; and when other gaps remain or it is not ready, unless
    `override` is the sentence that names those doubts. A region that was forced in waits for none of that.
    """
    side = side_of(region)
    peer = DeployedCell(environment=environment, side=peer_of(side))
    now = interlocks.standing_of(environment, side)
    is_forced = force_of(environment, side).overrules(now)
    is_resumed = now.position is Position.IN and not is_forced
    doubts: list[Doubt] = []
    notes: list[str] = []
    if is_resumed:
        plan = resumed(peer, side, Position.IN, now)
    else:
        plan = document(side, Position.IN, now)
        if not is_forced:  # otherwise customers are sent there already
            out_since = switch_of(environment, side).out_since() or now.since
            doubts, notes = _open_gaps(environment, region, out_since)
            doubts += interlocks.ready(DeployedCell(environment=environment, side=side))
    override = interlocks.settle(doubts, override)
    found = look(peer, side)
    primaries, warnings = _primaries(environment, root)
    if is_forced:  # its peer may be out, and who belongs there is sent here
        primaries = {customer: belongs for customer, belongs in primaries.items() if belongs == side}
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
        warnings=(*notes, *found.warnings, *warnings),
    )


def _open_gaps(environment: Environment, region: str, out_since: datetime) -> tuple[list[Doubt], list[str]]:
    """Return the doubt about what would stay open, and a warning about what does not matter.

    What was submitted up to three days before the region went out counts too: it may still be under way.
    RefusedError while something of all that may still be replicated, or when that is not known.
    """
    window = Window.of(since=out_since - DAYS)
    words = ("gaps", "--since", window.document()["since"])
    counts = _counts(environment, window)
    for silent, why in counts.silent.items():
        raise RefusedError(
            f"whether gaps remain is not known, because {silent} cannot be looked at, {why}; when it can:"
            f" {command(*words)}"
        )
    found = {means: _of(counts, means) for means in Bearing}
    look = f"to see them: {command(*words)}; to close them: {command(*words, '--repair')}"
    if any(cause is Cause.HELD for gaps in found.values() for _, cause in gaps):
        held = command("transfers", *words[1:], "--state", "held")
        look += f"; the command that releases each that is held: {held}"
    if waits := found[Bearing.WAITS]:
        raise RefusedError(
            f"{sum(waits.values()):,} gaps remain of what was submitted from {DAYS.days} days"
            f" before it went out, and replication may still close them: {_text(waits)}; wait, or {look}"
        )
    doubts, warnings = [], []
    if stays := found[Bearing.OVERRIDABLE]:
        number = sum(stays.values())
        remain = "1 gap remains" if number == 1 else f"{number:,} gaps remain"
        doubts = [Doubt(sentence=f"{remain} open in {region}: {_text(stays)}", problems=[look])]
    if passes := {kind: n for kind, n in found[Bearing.PASSES].items() if Cause.YOUNG not in kind}:
        warnings = [f"not held back by {sum(passes.values()):,} gaps: {_text(passes)}"]
    return doubts, warnings


def _of(counts: Counts, means: Bearing) -> dict[tuple[GapKind, Cause], int]:
    return {of: n for of, n in sorted(counts.causes.items()) if bearing(of[1]) is means}


def _text(gaps: Mapping[tuple[GapKind, Cause], int]) -> str:
    return ", ".join(f"{number:,} {kind} ({cause})" for (kind, cause), number in gaps.items())


def _counts(environment: Environment, window: Window) -> Counts:
    regions = Regions.find(environment)
    names = regions.customers()
    with Bar(len(names), "customers", "objects") as bar:
        listener = ScanListener(listed=bar.count, finished=bar.step)
        report = GapReport(regions, names, window, listener, with_causes=True)
        for _ in report.lines():
            pass
    return report.counts


def _primaries(environment: Environment, root: Path) -> tuple[dict[str, str], list[str]]:
    """Return where each customer's `primary.` belongs; a warning instead when the registry cannot be read."""
    try:
        registry = read_registry(environment, root)
    except RefusedError as error:
        problem = str(error).splitlines()[0]
        return {}, [f"the registry cannot be read, so where `primary.` points is not watched: {problem}"]
    return {each.id: each.primary for each in registry.of_cell(environment.cell)}, []


def _answers(
    environment: Environment, customers: Iterable[str], side: str, primaries: dict[str, str]
) -> Iterable[Record]:
    """Yield what customers' names answer when a side is back: its own with it, `primary.` as it belongs."""
    for customer in customers:
        yield from halves(environment, customer, side, side)
        if customer in primaries:
            yield from halves(environment, customer, PRIMARY, primaries[customer])
