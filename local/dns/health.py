"""Health checks as Route 53's data plane evaluates them, against the emulated CloudWatch and loopback.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html

A check on an alarm evaluates the alarm's data stream, never its state: SetAlarmState has no effect on it.
Route 53 copies an alarm's settings when the check is created or updated, and does not notice later edits of
the alarm. https://docs.aws.amazon.com/Route53/latest/APIReference/API_CloudWatchAlarmConfiguration.html lists
the settings, which do not include DatapointsToAlarm and TreatMissingData: the latest `EvaluationPeriods`
datapoints must all breach. They are searched for in two more periods than that, up to the current one; if
there are none, or fewer that all breach, the data is insufficient. A region that is down adds none to those
that it had.

A period lasts max(1, round(Period * period_scale)) seconds here: with 1/60, an alarm of 60 s evaluates
seconds.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.thresholds import BREACHES

#: The errors of a request to a region, or to a control plane, that is down.
UNREACHABLE = (BotoCoreError, ClientError)

#: Periods that are searched beyond those that are evaluated:
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
EXTRA_PERIODS = 2
AT_ONCE = 100  # alarms in one request
SEARCHED = 5120  # bytes of a body
TCP_CONNECT, HTTP_CONNECT, HTTP_ANSWER = 10.0, 4.0, 2.0  # seconds
DEFAULT_FAILURE_THRESHOLD = 3
ENDPOINTS = ("HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP")

#: The status of a check on an alarm without enough data; with `LastKnownStatus` it stays as it is.
_WITHOUT_DATA = {"Healthy": True, "Unhealthy": False}

Alarm = Mapping[str, Any]


@dataclass
class _Check:
    """A health check with its state. A new one is healthy until there is data."""

    config: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    status: bool = True  # before Disabled and Inverted
    known: bool = True  # the status by the last sufficient data
    against: int = 0  # consecutive results that contradict the status
    taken: tuple[int, Alarm | None] = (0, None)  # the version that copied an alarm's settings, and the copy
    stream: Sequence[tuple[float, float]] = ()  # the times and values that the region gave last, newest first

    def settings(self, version: int, alarm: Alarm | None) -> Alarm | None:
        """Return the settings that apply: the alarm's, as they were when this version was first seen."""
        if alarm is None or self.taken[1] is None or self.taken[0] != version:
            self.taken = (version, alarm)
        return self.taken[1]


class HealthChecks:
    """The health checks of an account. `address_of` returns the loopback address of an endpoint, or None.

    One request to an endpoint stands for one request interval of AWS, whatever the time between two requests.
    """

    def __init__(
        self,
        client: Callable[[str, str], Any],
        *,
        address_of: Callable[[str], str | None],
        period_scale: float,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._address_of = address_of
        self._scale = period_scale
        self._clock = clock
        self._checks: dict[str, _Check] = {}

    def read(self, route53: Any) -> None:
        """Read the current configuration of all checks; those that are known already keep their state."""
        found = {}
        for page in route53.get_paginator("list_health_checks").paginate():
            for listed in page["HealthChecks"]:
                check = found[listed["Id"]] = self._checks.get(listed["Id"]) or _Check()
                check.version, check.config = listed["HealthCheckVersion"], listed["HealthCheckConfig"]
        self._checks = found

    def jobs(self) -> dict[str, Callable[[], None]]:
        """Return the jobs that bring all checks up to date, by stable names. A job may hang on its own."""
        jobs: dict[str, Callable[[], None]] = {}
        for id, check in self._checks.items():
            if check.config.get("Disabled"):
                continue
            if check.config["Type"] == "CLOUDWATCH_METRIC":
                region = check.config["AlarmIdentifier"]["Region"]
                jobs[region] = partial(self._look_at_alarms, region)
            elif check.config["Type"] in ENDPOINTS:
                jobs[id] = partial(self._look_at_endpoint, check)
        return jobs

    def healthy(self, id: str) -> bool:
        """Return whether a check is healthy; one that does not exist counts as healthy."""
        check = self._checks.get(id)
        if check is None or check.config.get("Disabled"):
            return True
        status = self._calculated(check) if check.config["Type"] == "CALCULATED" else check.status
        return status != bool(check.config.get("Inverted"))

    def verdicts(self) -> dict[str, bool]:
        """Return whether each check is healthy, by id."""
        return {id: self.healthy(id) for id in self._checks}

    def reports(self) -> dict[str, bool]:
        """Return what health checkers report, by id, before it is inverted.

        They report nothing about calculated and disabled checks.
        """
        return {
            id: check.status
            for id, check in self._checks.items()
            if check.config["Type"] != "CALCULATED" and not check.config.get("Disabled")
        }

    def _calculated(self, check: _Check) -> bool:
        """Return whether enough children are healthy; a calculated child never counts as healthy."""
        children = check.config.get("ChildHealthChecks", [])
        threshold: int = check.config["HealthThreshold"]
        return threshold <= sum(
            self.healthy(id)
            for id in children
            if id not in self._checks or self._checks[id].config["Type"] != "CALCULATED"
        )

    def _look_at_alarms(self, region: str) -> None:
        checks = [
            check
            for check in self._checks.values()
            if check.config.get("AlarmIdentifier", {}).get("Region") == region
            and not check.config.get("Disabled")
        ]
        for first in range(0, len(checks), AT_ONCE):
            some = checks[first : first + AT_ONCE]
            try:
                self._judge(self._client("cloudwatch", region), some)
            except UNREACHABLE:
                for check in some:
                    self._conclude(check, check.config, check.taken[1])

    def _judge(self, cloudwatch: Any, checks: Sequence[_Check]) -> None:
        """Evaluate checks on alarms of one region, with two requests."""
        before = [(check, check.version, check.config) for check in checks]
        names = {config["AlarmIdentifier"]["Name"] for _, _, config in before}
        pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=sorted(names))
        there = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
        alarms = [
            check.settings(version, there.get(config["AlarmIdentifier"]["Name"]))
            for check, version, config in before
        ]
        streams = self._streams(cloudwatch, alarms)
        for (check, _, config), alarm, stream in zip(before, alarms, streams, strict=True):
            check.stream = stream
            self._conclude(check, config, alarm)

    def _conclude(self, check: _Check, config: Mapping[str, Any], alarm: Alarm | None) -> None:
        """Decide a check by what it has of its alarm's data."""
        found = None
        if alarm is not None:
            oldest = self._oldest(alarm)
            found = within(alarm, [value for at, value in check.stream if at >= oldest])
        if found is None:
            check.status = _WITHOUT_DATA.get(config.get("InsufficientDataHealthStatus", ""), check.known)
        else:
            check.status = check.known = found

    def _period(self, alarm: Alarm) -> int:
        seconds: int = alarm["Period"]
        return max(1, round(seconds * self._scale))

    def _oldest(self, alarm: Alarm) -> float:
        """Return the time of the oldest datapoint that an alarm evaluates."""
        period = self._period(alarm)
        periods: int = alarm["EvaluationPeriods"] + EXTRA_PERIODS
        return (self._clock() // period + 1 - periods) * period

    def _streams(self, cloudwatch: Any, alarms: Sequence[Alarm | None]) -> list[list[tuple[float, float]]]:
        """Return times and values of the datapoints that each alarm evaluates, the newest first."""
        now = self._clock()
        queries, since = [], {}
        for index, alarm in enumerate(alarms):
            if alarm is None or "Statistic" not in alarm:  # Route 53 only takes alarms on basic statistics
                continue
            since[f"m{index}"] = self._oldest(alarm)
            metric = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions") if alarm.get(key)}
            stat = {"Metric": metric, "Period": self._period(alarm), "Stat": alarm["Statistic"]}
            queries.append({"Id": f"m{index}", "MetricStat": stat})
        streams: list[list[tuple[float, float]]] = [[] for _ in alarms]
        if not queries:
            return streams
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=queries,
            StartTime=datetime.fromtimestamp(min(since.values()), UTC),
            EndTime=datetime.fromtimestamp(now + 1, UTC),
        )
        for result in answer["MetricDataResults"]:
            times = (at.timestamp() for at in result["Timestamps"])
            stream = sorted(zip(times, result["Values"], strict=True), reverse=True)
            oldest = since[result["Id"]]
            streams[int(result["Id"][1:])] = [(at, value) for at, value in stream if at >= oldest]
        return streams

    def _look_at_endpoint(self, check: _Check) -> None:
        """Send one request; `FailureThreshold` results in a row change the status, in either direction."""
        threshold = check.config.get("FailureThreshold", DEFAULT_FAILURE_THRESHOLD)
        check.against = 0 if self._answers(check.config) == check.status else check.against + 1
        if check.against >= threshold:
            check.status, check.against = not check.status, 0

    def _answers(self, config: Mapping[str, Any]) -> bool:
        address = self._address_of(config.get("IPAddress") or config.get("FullyQualifiedDomainName", ""))
        if address is None:
            return False
        try:
            if config["Type"] == "TCP":
                socket.create_connection((address, config["Port"]), timeout=TCP_CONNECT).close()
                return True
            return _http_answers(config, address)
        except (OSError, http.client.HTTPException):
            return False


def within(alarm: Alarm, values: Sequence[float]) -> bool | None:
    """Return whether an alarm's metric is within its threshold, None if the data is insufficient.

    `values` are those of the periods that are searched, the newest first.
    """
    latest = values[: alarm["EvaluationPeriods"]]
    breaches = BREACHES[alarm["ComparisonOperator"]]
    if not all(breaches(value, alarm["Threshold"]) for value in latest):
        return True
    return None if len(latest) < alarm["EvaluationPeriods"] else False


def _http_answers(config: Mapping[str, Any], address: str) -> bool:
    """Send a request as a health checker does: certificates are not verified, redirects are healthy."""
    secure = config["Type"].startswith("HTTPS")
    usual = 443 if secure else 80
    port, name = config.get("Port", usual), config.get("FullyQualifiedDomainName")
    host = name or config["IPAddress"]
    path = config.get("ResourcePath", "/")
    connection = http.client.HTTPConnection(address, port)
    with contextlib.closing(connection):
        connection.sock = socket.create_connection((address, port), timeout=HTTP_CONNECT)
        connection.sock.settimeout(HTTP_ANSWER)
        if secure:
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            sni = name if config.get("EnableSNI", True) else None
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=sni)
        connection.request(
            "GET",
            path if path.startswith("/") else f"/{path}",
            headers={"Host": host if port == usual else f"{host}:{port}"},
        )
        with connection.getresponse() as response:
            if not 200 <= response.status < 400:
                return False
            wanted = config.get("SearchString", "") if config["Type"].endswith("STR_MATCH") else ""
            return wanted.encode() in response.read(SEARCHED)
