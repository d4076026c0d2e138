"""Simulated SNS, Parameter Store, CloudWatch and Secrets Manager: as much of them as the runtime calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from local.published_messages import checked
from tests.simulation.aws import Client, ParameterNotFound, ResourceNotFound, failed
from tests.simulation.clock import Clock
from tests.simulation.regions import Region


class Topics(Client):
    """A client of SNS; every message is shown to `published` at the moment it goes out."""

    service = "sns"

    def __init__(
        self,
        clock: Clock,
        region: Region,
        trace: Any,
        published: Callable[[dict[str, Any], str], None],
    ) -> None:
        super().__init__(clock, region, trace)
        self._published = published

    def publish(
        self, *, TopicArn: str, Subject: str, Message: str, MessageStructure: str = "", **_: Any
    ) -> dict[str, Any]:
        assert len(Subject) <= 100, Subject
        assert self._region
        side = self._region.side
        document = checked(json.loads(Message)["default"] if MessageStructure == "json" else Message)

        def publish() -> dict[str, Any]:
            self._published(document, side)
            return {"MessageId": "1"}

        return self._effect("Publish", Subject, publish)


class Parameters(Client):
    """A client of Parameter Store. `held` has the values by name, `written` the times of their writes."""

    service = "ssm"

    def __init__(
        self, clock: Clock, region: Region, trace: Any, held: dict[str, str], written: dict[str, list[float]]
    ) -> None:
        super().__init__(clock, region, trace)
        self._held, self._written = held, written

    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            if Name not in self._held:
                raise failed(ParameterNotFound, "ParameterNotFound", "GetParameter")
            times = [self._clock.started, *self._written.get(Name, ())]  # of its creation first
            about = {"LastModifiedDate": datetime.fromtimestamp(times[-1], UTC), "Version": len(times)}
            return {"Parameter": {"Name": Name, "Value": self._held[Name], **about}}

        return self._effect("GetParameter", Name, get)

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> dict[str, Any]:
        def put() -> dict[str, Any]:
            self._held[Name] = Value
            self._written.setdefault(Name, []).append(self._clock.now)
            return {}

        return self._effect("PutParameter", f"{Name} {Value}", put)


class Metrics(Client):
    """A client of CloudWatch."""

    service = "cloudwatch"

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> dict[str, Any]:
        return self._effect("PutMetricData", Namespace, dict)


class SessionLog:
    """The SFTP endpoint's log in one region; an entry can be found some seconds after it was written."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[tuple[float, float, str]] = []

    def write(self, kind: str, **about: str) -> None:
        """Write an entry, in the form of https://docs.aws.amazon.com/transfer/latest/userguide/cw-structure-logs.html."""
        assert self._clock.current
        now, message = self._clock.now, json.dumps({"activity-type": kind, **about})
        self.entries.append((now, now + self._clock.current.dice.between(1, 60), message))


class Logs(Client):
    """A client of CloudWatch Logs."""

    service = "logs"

    def __init__(self, clock: Clock, region: Region, trace: Any, log: SessionLog) -> None:
        super().__init__(clock, region, trace)
        self._log = log

    def get_paginator(self, operation: str) -> Any:
        assert operation == "filter_log_events", f"the simulated CloudWatch Logs do not know {operation}"
        return self

    def paginate(self, *, logGroupName: str, startTime: int, filterPattern: str) -> Iterator[dict[str, Any]]:
        """Yield one page: the entries since a time, whatever the pattern."""

        def found() -> list[dict[str, Any]]:
            return [
                {"timestamp": int(at * 1000), "message": message}
                for at, visible, message in self._log.entries
                if at * 1000 >= startTime and visible <= self._clock.now
            ]

        yield {"events": self._effect("FilterLogEvents", logGroupName, found)}


class Secrets(Client):
    """A client of Secrets Manager; every secret is there but those in `missing`."""

    service = "secretsmanager"
    missing: frozenset[str] = frozenset()

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            if SecretId in self.missing:
                raise failed(ResourceNotFound, "ResourceNotFoundException", "GetSecretValue")
            return {"SecretString": "a private key"}

        return self._effect("GetSecretValue", SecretId, get)
