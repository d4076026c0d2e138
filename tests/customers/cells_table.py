"""How many customers a cell, a zone and an account hold, by the code of the quotas: tables of docs/cells.md.

`python -m tests.customers.cells_table` prints the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from customers import quota, service_quotas
from customers.model import Customer, Failover
from customers.quota import BUCKET_LIMIT, needs
from customers.registry import load
from customers.route53.zone import ZONE_LIMIT

#: For how many customers the tables are.
WANTED = 10_000
#: Customers of a cell above which a first deployment takes too long: docs/deploy.md.
ADVISED = 500
_ENOUGH = 1_000_000

_SAMPLE = load(Path(__file__).resolve().parents[2] / "customers").customers[0]


def customers(count: int, *, a_cell: int, check: str = "cell") -> list[Customer]:
    """Return so many customers, each with one network, spread over cells that hold `a_cell` each."""
    failover = Failover(health_check=check)
    return [
        _SAMPLE.model_copy(
            update={
                "id": f"c{number:06}",
                "cell": str(number // a_cell + 1),
                "failover": failover,
                "sftp": _of_network(number),
            }
        )
        for number in range(count)
    ]


def _of_network(number: int) -> object:
    """Return the sample's users with one network of their own, which no other one adjoins."""
    network = f"{11 + number // 16384}.{number // 128 % 128}.{number % 128 * 2}.0/25"
    users = tuple(each.model_copy(update={"source_cidrs": (network,)}) for each in _SAMPLE.sftp.users)
    return _SAMPLE.sftp.model_copy(update={"users": users})


def most(fits: Callable[[int], bool], ceiling: int = 5_000) -> int:
    """Return the greatest number of customers that fits."""
    low, high = 1, ceiling
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _refused(count: int, *, a_cell: int, check: str = "cell", rules: int = 200, checks: int = _ENOUGH) -> str:
    of_all = customers(count, a_cell=a_cell, check=check)
    return "\n".join(quota.refusals(of_all, health_checks=checks, group_rules=rules))


def of_a_cell() -> dict[str, int]:
    """Return how many customers with one network each a cell holds, by what limits it."""

    def fits(word: str, **how: int) -> Callable[[int], bool]:
        return lambda count: word not in _refused(count, a_cell=count, **how)

    return {
        "lifecycle rules of the archive bucket (fixed)": most(fits("lifecycle rules")),
        "networks let in, 60 rules a group (default)": most(fits("lets in", rules=60)),
        "networks let in, 200 rules a group (most)": most(fits("lets in")),
        "time of the first deployment (advice)": ADVISED,
    }


def of_a_zone() -> int:
    """Return how many customers a zone, with one registry, holds in cells of the advised size."""
    return most(lambda count: needs(customers(count, a_cell=ADVISED)).records <= ZONE_LIMIT)


def of_an_account() -> int:
    """Return how many customers an account's buckets suffice for, in cells of the advised size."""
    return most(lambda count: needs(customers(count, a_cell=ADVISED)).buckets <= BUCKET_LIMIT)


def cells_table() -> Iterator[str]:
    """Yield the lines of the table of a cell's limits."""
    yield f"| what limits a cell | customers a cell | cells for {WANTED:,} |"
    yield "|---|---|---|"
    for what, count in of_a_cell().items():
        yield f"| {what} | {count:,} | {-(-WANTED // count):,} |"


def places_table() -> Iterator[str]:
    """Yield the lines of the table of what zones and accounts hold."""
    zone, account = of_a_zone(), of_an_account()
    yield f"| what is shared by cells | customers it holds | for {WANTED:,} |"
    yield "|---|---|---|"
    yield f"| a zone with its registry, by {ZONE_LIMIT:,} records | {zone:,} | {-(-WANTED // zone):,} zones |"
    yield f"| an account, by {BUCKET_LIMIT:,} buckets | {account:,} | {-(-WANTED // account):,} accounts |"


def registry_size() -> int:
    """Return how many customers each registry has when all are spread over as few as possible."""
    return -(-WANTED // -(-WANTED // of_a_zone()))


def needs_table() -> Iterator[str]:
    """Yield the lines of the table of what an account needs that has as many such registries as fit."""
    size = registry_size()
    registries = of_an_account() // size
    cells = -(-size // ADVISED) * registries
    count = size * registries
    yield f"| quota | default | {count:,} customers, {registries} registries, {cells} cells need |"
    yield "|---|---|---|"
    for check in ("cell", "customer"):
        of_all = customers(count, a_cell=-(-count // cells), check=check)
        needed = service_quotas.needed(of_all, group_rules=200)
        for each, number in needed.items():
            label = f"{each.what}, {each.label}"
            if each is service_quotas.HEALTH_CHECKS:
                share = "all share" if check == "cell" else "none shares"
                yield f"| {label}, if {share} their cell's | {each.default:,} | {number:,} |"
            elif check == "cell" and each is not service_quotas.RECORDS and number > each.default:
                yield f"| {label} | {each.default:,} | {number:,} |"


def page() -> str:
    """Return all tables, as the page has them."""
    return "\n\n".join("\n".join(each()) for each in (cells_table, places_table, needs_table))


if __name__ == "__main__":
    print(page())
