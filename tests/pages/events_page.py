"""The page about events: what a cell reads, what it runs by the clock, what it emits."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.pages.approved import Approved, approved, of
from tests.pages.markdown import WRITTEN, code, listed, table

_HEAD = f"""{WRITTEN}
# Events

What a cell reads from EventBridge and S3, and what it emits. Names are those of the first cell, without
the prefix `cell1-`; `example-mft` is the sample environment's stem, and customers' buckets begin with it.

## What the intake reads

These rules of the region's default bus select events about customers' files and put them into the ingest
queue. An event that EventBridge cannot deliver for a day lies in a dead-letter queue, and `mft-ops
redrive` brings it back.
"""

_PATTERNS = """
The patterns in full:
"""

_CLOCK = """
## What runs by the clock
"""

_S3 = """
## What S3 reports

Every customer's bucket, and the archive, send the events of replication to a queue, from which a function
counts them:
"""

_EMITTED = """
## What a cell emits

No function puts events on a bus of EventBridge: no policy of the program allows `events:PutEvents`. What
leaves a cell:

| what | by which way | for whom |
|---|---|---|
| [receipts and notices](messages.md) | the customer's SNS topic | its queue, web address or mailbox |
| [metrics](metrics.md) | logs and PutMetricData | alarms, dashboard, health checks |
| [alarms](metrics.md#alarms) | the cell's topic of alarms in SNS | the operators |
| *Object Created* in a partner's bucket | S3, because a file is delivered | the partner |
"""


def events_page() -> str:
    """Return the page as Markdown; ValueError if a policy allows putting events on a bus."""
    putting = [each.name for each in approved() if "events:PutEvents" in json.dumps(each.inputs)]
    if putting:
        raise ValueError(f"the page says that nothing puts events on a bus, but {', '.join(putting)} may")
    rules = of("aws:cloudwatch/eventRule")
    selecting = [each for each in rules if "eventPattern" in each.inputs]
    notifications = of("aws:s3/bucketNotification")
    queues = [queue for each in notifications for queue in each.inputs.get("queues", ())]
    reported = sorted({event for queue in queues for event in queue["events"]})
    return "".join(
        (
            _HEAD,
            "\n",
            table(("rule", "source", "events", "goes to"), map(_selected, selecting)),
            _PATTERNS,
            *map(_in_full, selecting),
            _CLOCK,
            "\n",
            table(("rule", "how often", "function"), _scheduled(rules)),
            _S3,
            "\n",
            "".join(f"- {code(event)}\n" for event in reported),
            _EMITTED,
        )
    )


def _pattern(rule: Approved) -> dict[str, list[str]]:
    found: dict[str, list[str]] = rule.inputs["eventPattern"]["(JSON)"]
    return found


def _in_full(rule: Approved) -> str:
    return f"\n{code(rule.role)}:\n\n```json\n{json.dumps(_pattern(rule), indent=2)}\n```\n"


def _selected(rule: Approved) -> tuple[str, ...]:
    pattern = _pattern(rule)
    return code(rule.role), listed(pattern["source"]), listed(pattern["detail-type"]), _target(rule)


def _scheduled(rules: list[Approved]) -> Iterator[tuple[str, ...]]:
    for rule in rules:
        if schedule := rule.inputs.get("scheduleExpression"):
            every = schedule.removeprefix("rate(").removesuffix(")")
            yield code(rule.role), f"every {every.removeprefix('1 ')}", _target(rule)


def _target(rule: Approved) -> str:
    """Return what a rule calls, by its role in the cell."""
    (target,) = (each for each in of("aws:cloudwatch/eventTarget") if each.name == rule.name)
    kind, name = target.inputs["arn"].split(":")[2], target.inputs["arn"].split(":")[-1]
    role = name.removeprefix("cell1-").removesuffix("-0000000")
    return f"{'queue' if kind == 'sqs' else 'function'} {code(role)}"
