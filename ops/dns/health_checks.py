"""The health checks of both cells and of customers that Route 53 holds, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ops.environment import Environment
from ops.finding import Finding, deploy
from runtime.contract import REGION_OF, SIDES, check_reference

if TYPE_CHECKING:
    from customers.model import Customer

ROUTE53 = "Route 53"
_SILENCE = "InsufficientDataHealthStatus"
#: The length of the prefix that the program gives to a health check's caller reference.
_REFERENCE = len(check_reference("", "", "", ""))


def usual_check(customer: Customer) -> str:
    """Return the name of the health check that the registry gives a customer, in the cell of each side."""
    return f"customer/{customer.id}" if customer.has_own_check else "cell"


class Checks:
    """The health checks of an account, found by the prefixes of their caller references."""

    def __init__(self, environment: Environment, found: Iterable[Mapping[str, Any]]) -> None:
        self._environment = environment
        self._by_reference: dict[str, list[Mapping[str, Any]]] = {}
        self._configs: dict[str, Mapping[str, Any]] = {}
        for check in found:
            self._configs[check["Id"]] = check["HealthCheckConfig"]
            self._by_reference.setdefault(check["CallerReference"][:_REFERENCE], []).append(check)

    def find(self, side: str, check: str) -> Sequence[Mapping[str, Any]]:
        """Return a side's health checks of this name: exactly one, if all is well."""
        reference = check_reference(self._environment.namespace, self._environment.cell, side, check)
        return self._by_reference.get(reference, ())

    def id(self, side: str, check: str) -> str | None:
        """Return the id of the health check of this name; None unless there is exactly one."""
        found = self.find(side, check)
        return found[0]["Id"] if len(found) == 1 else None

    def differences(self, customers: Iterable[Customer]) -> Iterator[Finding]:
        """Yield what is wrong with the health checks of both cells and of these customers."""
        leaves = {}
        for side in SIDES:
            cell = self._one(side, "cell")
            out = self._one(side, "out")
            yield from (each for each in (cell, out) if isinstance(each, Finding))
            if not isinstance(out, Finding) and not _is_never_healthy(out):
                yield self._differs(side, "the check `out` can be healthy: a shift would move nobody")
            if not isinstance(cell, Finding):
                leaves[side] = cell["HealthCheckConfig"].get("ChildHealthChecks", [])
                yield from self._over(side, "cell", cell, leaves[side])
        for customer in customers:
            if customer.is_checked and customer.has_own_check:
                name = usual_check(customer)
                for side in SIDES:
                    check = self._one(side, name)
                    if isinstance(check, Finding):
                        yield check
                    else:
                        wanted = leaves.get(side, [])
                        yield from self._over(side, name, check, wanted)

    def _one(self, side: str, name: str) -> Mapping[str, Any] | Finding:
        found = self.find(side, name)
        if len(found) == 1:
            return found[0]
        customer = name.partition("/")[2] or None
        what = f"there are {len(found)} health checks `{name}` of {REGION_OF[side]} instead of one"
        return Finding(where=ROUTE53, customer=customer, what=what, remedy=deploy(side))

    def _over(
        self, side: str, name: str, check: Mapping[str, Any], leaves: Sequence[str]
    ) -> Iterator[Finding]:
        """Yield what is wrong with a check over the cell's leaves (docs/adr/0034-force-in.md).

        All must be healthy. Where the cell can be forced in, and so has a leaf that is healthy without data,
        one may be unhealthy.
        """
        config = check["HealthCheckConfig"]
        children = config.get("ChildHealthChecks", [])
        if missing := [each for each in children if each not in self._configs]:
            yield self._differs(
                side, f"the check `{name}` refers to {', '.join(missing)}, which do not exist"
            )
        if set(children) != set(leaves) or not children:
            yield self._differs(side, f"the check `{name}` does not consist of the leaves of its cell")
        configs = [self._configs.get(each, {}) for each in children]
        needed = len(children) - any(each.get(_SILENCE) == "Healthy" for each in configs)
        threshold = config.get("HealthThreshold")
        if threshold != needed:
            found = f"requires {threshold} of {len(children)} leaves to be healthy, not {needed}"
            yield self._differs(side, f"the check `{name}` {found}")
        if config.get("Disabled") or config.get("Inverted"):
            yield self._differs(side, f"the check `{name}` is disabled or inverted")

    def _differs(self, side: str, what: str) -> Finding:
        return Finding(where=ROUTE53, what=f"{REGION_OF[side]}: {what}", remedy=deploy(side))


def _is_never_healthy(check: Mapping[str, Any]) -> bool:
    config = check["HealthCheckConfig"]
    is_above = config.get("HealthThreshold", 0) > len(config.get("ChildHealthChecks", ()))
    return is_above and not (config.get("Disabled") or config.get("Inverted"))
