"""The audit chains of an environment, verified several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from ops.audit.verification import ChainResult, Trail
from ops.cell import cells, known_customers
from ops.environment import Environment
from ops.recovery.regions import Regions

#: How many chains are verified at once, and how many links are fetched at once for all of them.
_CHAINS, _READERS = 8, 16


class AuditVerification:
    """Verifies the chains of the regions that answer; `unknowns` says why the others are not verified."""

    def __init__(self, environment: Environment, *, only: str | None = None) -> None:
        """Ask both regions, or `only` one; RefusedError if none answers."""
        self._regions = Regions.find(environment, only=only)
        self._current = frozenset(self._regions.customers())
        self._trails = {
            cell.region: Trail(cell, self._regions)
            for cell in cells(environment)
            if cell.side in self._regions.sides
        }
        self.unknowns = () if only else tuple(self._regions.unknowns)

    def chains(self, customers: Iterable[str]) -> list[tuple[str, str]]:
        """Return the region and customer of these customers' chains, or of all chains if none is named.

        Former customers have chains too. Raises RefusedError for a customer that never existed.
        """
        chained = {region: trail.customers() for region, trail in self._trails.items()}
        wanted = known_customers(customers, self._current.union(*chained.values()))
        return [
            (region, name)
            for region, names in chained.items()
            for name in sorted(self._current | names)
            if not wanted or name in wanted
        ]

    def verify(
        self, chains: Sequence[tuple[str, str]], *, grace: timedelta, read: Callable[[], None]
    ) -> Iterator[ChainResult]:
        """Yield the result of each chain when it is complete; `read` is called after each link.

        A fact younger than `grace` may still be missing from its chain.
        """
        with ThreadPoolExecutor(_READERS) as readers, ThreadPoolExecutor(_CHAINS) as verifiers:

            def verified(region: str, customer: str) -> ChainResult:
                try:
                    is_current = customer in self._current
                    days = self._regions.customer(customer).tracker_days if is_current else 0
                    trail = self._trails[region]
                    return trail.verify(customer, tracker_days=days, grace=grace, readers=readers, read=read)
                except (ClientError, BotoCoreError) as error:
                    finding = f"the chain could not be verified: {error}"
                    return ChainResult(customer=customer, region=region, findings=[finding])

            for coming in as_completed([verifiers.submit(verified, *each) for each in chains]):
                yield coming.result()
