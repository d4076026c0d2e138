"""Documents of runs as a drill writes them, for the tests of the report: usual ones, and extreme ones."""

from __future__ import annotations

from typing import Any

from runtime.contract import EAST, ENDPOINTS, PRIMARY, WEST

HOSTILE = "<script>document.title = 'taken'</script>\"'&\u202e.csv"


def run(scenario: str = "region-lost-at-rest", **changes: Any) -> dict[str, Any]:
    """Return a run in which West is lost and East takes over, with some fields replaced."""
    usual: dict[str, Any] = {
        "scenario": scenario,
        "title": scenario.replace("-", " ").capitalize(),
        "held": True,
        "seconds": 62.0,
        "scale": {"dns": 6, "workflow": 600},
        "expectations": [
            ["every name, CNAME and TXT, answers with East", True],
            ["every acknowledged file is accounted for", True],
        ],
        "timeline": [
            {"at": 0.0, "who": "platform", "what": "both cells stand"},
            {"at": 2.1, "who": "client", "what": "c7k2m uploads steady-west.csv to west."},
            {"at": 2.4, "who": "client", "what": "c7k2m uploads steady-east.csv to east."},
            {"at": 9.0, "who": "partner", "what": "partner-a refuses connections"},
            {
                "at": 11.2,
                "who": "platform",
                "what": "us-gov-west-1 is gone, Route 53's and IAM's APIs with it",
            },
            {"at": 14.0, "who": "operator", "what": "ops evacuate us-gov-west-1 --lost"},
            {"at": 14.9, "who": "partner", "what": "partner-a answers"},
            {"at": 24.8, "who": "dns", "what": "every name answers with east"},
            {"at": 31.5, "who": "platform", "what": "in-flight.csv goes on in East"},
            {"at": 47.0, "who": "operator", "what": "ops restore us-gov-west-1"},
        ],
        "measures": {
            "decision_at": 14.0,
            "dns_moved": 10.8,
            "first_delivered": 13.2,
            "all_accounted": 21.4,
            "rpo_files": 2,
            "rpo_ages": [3.4, 1.2],
        },
        "answers": answers("c7k2m"),
        "transfers": [
            transfer("c7k2m: steady-west.csv", by=WEST),
            transfer("c7k2m: steady-east.csv", side=EAST, by=EAST),
            transfer("c7k2m: in-flight.csv", fate="held", by="", sent=0),
            transfer("n3w0k: in-flight.csv", by=EAST),
            transfer("n3w0k: again.csv", fate="delivered, duplicate", by=EAST),
        ],
        "clients": [
            client("resolver that keeps to the TTL", after=17.5),
            client("client that ignores the TTL", failed=9),
            client("SFTP session that stays", failed=1),
        ],
        "calls": {
            "ops-evacuate": {
                "us-gov-east-1 ssm GetParameter": 2,
                "us-gov-east-1 ssm PutParameter": 1,
                "us-gov-east-1 monitoring PutMetricData": 1,
            }
        },
    }
    return {**usual, **changes}


def answers(customer: str, *, moved: float = 24.8, back: float = 57.0) -> list[dict[str, Any]]:
    """Return the answers of a customer's names while West is out for an interval."""
    found = []
    for endpoint in ENDPOINTS:
        usual = WEST if endpoint == PRIMARY else endpoint
        host = f"{endpoint}.{customer}.mft.example.gov"
        moments = [(0.1, usual)] if usual == EAST else [(0.1, usual), (moved, EAST), (back, WEST)]
        for name, kind in ((host, "CNAME"), (f"_bucket.{host}", "TXT")):
            found += [{"name": name, "type": kind, "at": at, "side": side} for at, side in moments]
    return found


def transfer(
    file: str, *, side: str = WEST, fate: str = "delivered", by: str, sent: int = 1
) -> dict[str, Any]:
    """Return what became of a file."""
    return {"file": file, "acknowledged_in": side, "fate": fate, "delivered_by": by, "sent": sent}


def client(kind: str, *, failed: int = 2, after: float | None = None) -> dict[str, Any]:
    """Return how the clients of a kind fared."""
    sides = {WEST: 8, EAST: 14} if after else {WEST: 8}
    return {
        "kind": kind,
        "asked": sum(sides.values()) + failed,
        "failed": failed,
        "acknowledged": sum(sides.values()),
        "by_side": sides,
        "reached_survivor_after": after,
    }


def repeated(scenario: str, decided: list[float]) -> list[dict[str, Any]]:
    """Return a run for each of these seconds to DNS moved."""
    return [
        run(scenario, measures={**run()["measures"], "dns_moved": each, "first_delivered": each + 2.5})
        for each in decided
    ]


def nothing(scenario: str = "planned-move-and-back") -> dict[str, Any]:
    """Return a run without any result."""
    measures = dict.fromkeys(run()["measures"]) | {"rpo_ages": []}
    empty: dict[str, Any] = {
        "expectations": [],
        "timeline": [],
        "answers": [],
        "transfers": [],
        "clients": [],
    }
    return run(scenario, held=False, measures=measures, calls={}, **empty)


def worst() -> dict[str, Any]:
    """Return a failed run with hostile and long names, and with many of everything."""
    long = "x" * 300
    busy = [
        {"at": 20 + number / 10, "who": who, "what": f"{HOSTILE} {number}"}
        for number in range(30)
        for who in ("client", "somebody else")
    ]
    return run(
        HOSTILE,
        title=f"{HOSTILE} {long}",
        held=False,
        expectations=[[f"{HOSTILE} {long}", False], ["nothing was lost", True]],
        timeline=busy,
        answers=[
            {"name": f"{number}-{long}.mft.example.gov", "type": HOSTILE, "at": 0, "side": HOSTILE}
            for number in range(20)
        ],
        transfers=[
            transfer(f"c7k2m: {HOSTILE}{long}", fate="under way", by=""),
            transfer("c7k2m: twice.csv", by="east, west", sent=2),
            transfer("c7k2m: failed.csv", fate="2 delivered, failed", by=WEST),
        ],
        clients=[client(f"{HOSTILE} {long}")],
        calls={HOSTILE: {f"us-gov-east-1 ssm {long}": 1, HOSTILE: 3}},
    )


def many() -> list[dict[str, Any]]:
    """Return a report: scenarios that were repeated, one that came to nothing, a hostile one."""
    return [
        *repeated("region-lost-at-rest", [10.8, 11.6, 9.4, 12.9, 10.1]),
        *repeated("west-with-its-control-planes", [11.2, 13.0]),
        *repeated("lost-mid-transfer", [14.2]),
        nothing(),
        worst(),
    ]
