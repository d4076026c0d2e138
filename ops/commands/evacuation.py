"""`evacuate`, `restore` and `force-in`: a whole region out of DNS, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.cli import Apply, AsJson, Digest, OfCell, Override, Reason, Region, Root, approval
from ops.commands.region_moves import carry_out
from ops.environment import ROOT, Environment
from ops.failover.evacuation import SwitchPlan, evacuation
from ops.failover.force_in import forcing
from runtime.contract import Position

Lost = Annotated[
    bool, typer.Option("--lost", help="Declare it lost: its peer takes over what it has left unfinished.")
]


def evacuate(
    region: Region,
    lost: Lost = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Take a region out of DNS, through its peer's data plane only.

    A region that is well finishes what it has. If it will not come back soon, declare it lost: its peer then
    takes over what it has left unfinished. After acting, the command watches the zone's name servers until
    they answer with the peer. It works while the region is dead, and the control planes of Route 53 and IAM
    with it.

    Example: mft-ops evacuate us-gov-west-1 --lost
    """
    approved = approval(apply=apply, digest=digest, reason=reason)

    def plan(environment: Environment) -> SwitchPlan:
        position = Position.LOST if lost else Position.OUT
        return evacuation(environment, region, position, override=override)

    options = ["--lost"] if lost else []
    carry_out(plan, options, reason=reason, approved=approved, as_json=as_json, root=root, cell=cell)


def restore(
    region: Region,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Put a region back into DNS, once it is well and has caught up.

    Nothing overrides what replication may still bring. Files that failed at their partner, with a receipt,
    do not matter. Other gaps are named, and may be left open by the sentence that is printed. After acting,
    the command watches the zone's name servers until they answer as usual.

    Example: mft-ops restore us-gov-west-1
    """
    approved = approval(apply=apply, digest=digest, reason=reason)

    def plan(environment: Environment) -> SwitchPlan:
        from ops.failover.restoration import restoration  # loads pydantic, which `evacuate` does without

        return restoration(environment, root, region, override=override)

    carry_out(plan, [], reason=reason, approved=approved, as_json=as_json, root=root, cell=cell)


def force_in(
    region: Region,
    back: Annotated[bool, typer.Option("--back", help="Take it back: the region no longer says so.")] = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Put a region in from its own side (break glass).

    A region's switch is kept in the other region. While that is dead, `restore` cannot move it, and this acts
    in its place, through REGION's data plane only. It is refused while the other region can be heard, and
    asks for a sentence to be typed. When the other region is back, `restore` or `evacuate` ends it: what its
    switch says then is newer.

    Example: mft-ops force-in us-gov-west-1 --override "us-gov-east-1 is silent"
    """
    approved = approval(apply=apply, digest=digest, reason=reason)

    def plan(environment: Environment) -> SwitchPlan:
        return forcing(environment, region, is_on=not back, override=override)

    carry_out(
        plan,
        ["--back"] if back else [],
        reason=reason,
        approved=approved,
        as_json=as_json,
        root=root,
        cell=cell,
    )
