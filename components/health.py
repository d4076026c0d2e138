"""Health checks, which take a cell, or one customer in it, out of DNS."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.alarm import MINUTE
from components.canary import CANARY_MINUTES
from components.probe import PROBE_MINUTES
from components.publication import Publication
from components.settings import Settings
from customers.model import Customer
from runtime import contract, timing
from runtime.metric_names import (
    FORCE_METRIC,
    METRIC_ADDRESSES,
    METRIC_CANARY,
    METRICS,
    SWITCH_METRIC,
    SWITCH_NAMESPACE,
    cell_dimensions,
    switch_dimensions,
)


class Health(pulumi.ComponentResource):
    """One cell's leaf checks, the check over them that records carry, and a check that is never healthy.

    A record carries the check of the cell or of its customer, each over the same leaves. The leaves that move
    traffic without an operator, `endpoint` and `canary`, must be healthy; they are disabled unless the
    settings enable them: a disabled check counts as healthy, so the number of leaves is always the same.

    Where the switch is an alarm, two of `switch`, `veto` and `forced` must be healthy too: the region is in
    while the peer says so, stays what it was while the peer is silent, and can then be forced in from its own
    side; while the peer says that it is out, it is out (docs/adr/0034-force-in.md). All but one of the leaves
    must be healthy then. So that the one is always of these three, `endpoint` and `canary` count double: two
    checks watch the same alarm, since Route 53 counts a child once and takes no calculated child.

    Route 53 does not support alarms of M out of N datapoints, so the alarms that feed checks leave
    `datapoints_to_alarm` unset: every period must breach.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
    """

    cell_check_id: pulumi.Output[str]
    out_check_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        publication: Publication | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """With a `publication` the switch is an object in the peer region; otherwise it is a metric there."""
        super().__init__("mft:health:Health", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        endpoint = self._alarm(
            "endpoint",
            f"From no zone an address of the SFTP endpoint of {settings.region} answers. Runbook:"
            " #endpoint-silent",
            METRIC_ADDRESSES,
            "Maximum",
        )
        canary = self._alarm(
            "canary",
            f"Synthetic transfers through {settings.region} are not delivered; the same metric by Leg"
            " says which. Runbook: #canary-failing",
            METRIC_CANARY,
            "Maximum",
        )
        own = [self._leaf("endpoint", endpoint), self._leaf("canary", canary)]
        if publication:
            switch = self._switched_by_object(publication)
            self._leaves = [*own, switch]
            self._needed = len(self._leaves)
        else:
            own += [self._leaf("endpoint-again", endpoint), self._leaf("canary-again", canary)]
            switch, *others = self._switched_by_metric()
            self._leaves = [*own, switch, *others, self._forced()]
            self._needed = len(self._leaves) - 1
        self.cell_check_id = self._over(
            self._leaves, f"{name}-cell", "cell", pulumi.ResourceOptions(parent=self, protect=True)
        )
        out = aws.route53.HealthCheck(
            f"{name}-out",
            type="CALCULATED",
            child_healthchecks=[switch],
            child_health_threshold=2,  # more than the number of children, so never healthy
            reference_name=self._reference("out"),
            opts=self._child,
        )
        self.out_check_id = out.id
        self.register_outputs({"cell_check_id": self.cell_check_id, "out_check_id": self.out_check_id})

    def check_for(self, customer: Customer, *, parent: pulumi.Resource) -> pulumi.Output[str]:
        """Return the id of the check that this customer's records carry here: its own or the cell's."""
        if customer.has_own_check:
            opts = pulumi.ResourceOptions(parent=parent, protect=customer.keeps_names)
            return self._over(self._leaves, customer.id, f"customer/{customer.id}", opts)
        return self.cell_check_id

    def _over(
        self, leaves: list[pulumi.Output[str]], name: str, word: str, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[str]:
        check = aws.route53.HealthCheck(
            name,
            type="CALCULATED",
            child_healthchecks=leaves,
            child_health_threshold=self._needed,
            reference_name=self._reference(word),
            opts=opts,
        )
        return check.id

    def _reference(self, word: str) -> str:
        """Return the caller reference by which `ops shift` finds a check."""
        settings = self._settings
        return contract.check_reference(settings.namespace, settings.cell, settings.side, word)

    def _leaf(self, role: str, alarm: aws.cloudwatch.MetricAlarm) -> pulumi.Output[str]:
        """Make a check on an alarm of this region. Missing data is unhealthy: a dead region sends none."""
        check = aws.route53.HealthCheck(
            f"{self._name}-{role}",
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=alarm.name,
            cloudwatch_alarm_region=self._settings.region,
            insufficient_data_health_status="Unhealthy",
            disabled=not self._settings.automatic_failover,
            opts=self._child,
        )
        return check.id

    def _alarm(self, role: str, description: str, metric: str, statistic: str) -> aws.cloudwatch.MetricAlarm:
        """Make an alarm that goes off if a metric of this cell was below 1 for three of its periods."""
        minutes = {METRIC_ADDRESSES: PROBE_MINUTES, METRIC_CANARY: CANARY_MINUTES}[metric]
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-{role}",
            alarm_description=description,
            namespace=METRICS,
            metric_name=metric,
            dimensions=cell_dimensions(self._settings.namespace, self._settings.cell),
            statistic=statistic,
            period=minutes * MINUTE,
            evaluation_periods=3,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="missing",
            opts=self._child,
        )

    def _switched_by_metric(self) -> list[pulumi.Output[str]]:
        """Make two checks of one alarm in the peer region: `switch` keeps what the peer said last when it is
        silent, and `veto` is unhealthy only while the peer says that this region is out.
        """
        settings = self._settings
        alarm = aws.cloudwatch.MetricAlarm(
            f"{self._name}-switch",
            region=settings.peer_region,  # the switch must work while this region is dead
            alarm_description=f"{settings.region} is out: its records answer with {settings.peer_region}",
            namespace=SWITCH_NAMESPACE,
            metric_name=SWITCH_METRIC,
            dimensions=switch_dimensions(settings.namespace, settings.cell, settings.side),
            statistic="Maximum",
            period=timing.SWITCH_PERIOD,
            evaluation_periods=timing.SWITCH_PERIODS,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="missing",
            opts=self._child,
        )
        return [
            self._watching(role, alarm, settings.peer_region, silence)
            for role, silence in (("switch", "LastKnownStatus"), ("veto", "Healthy"))
        ]

    def _forced(self) -> pulumi.Output[str]:
        """Make the check that is healthy only while this region says that it is forced in.

        A region that is not, publishes nothing, like a dead one.
        """
        settings = self._settings
        alarm = aws.cloudwatch.MetricAlarm(
            f"{self._name}-forced",
            alarm_description=f"{settings.region} is not forced in from its own side, as is usual",
            namespace=SWITCH_NAMESPACE,
            metric_name=FORCE_METRIC,
            dimensions=switch_dimensions(settings.namespace, settings.cell, settings.side),
            statistic="Maximum",
            period=timing.SWITCH_PERIOD,
            evaluation_periods=timing.SWITCH_PERIODS,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="missing",
            opts=self._child,
        )
        return self._watching("forced", alarm, settings.region, "Unhealthy")

    def _watching(
        self, role: str, alarm: aws.cloudwatch.MetricAlarm, region: str, silence: str
    ) -> pulumi.Output[str]:
        """Make a check that is always enabled; `silence` is its status while the alarm has no data."""
        check = aws.route53.HealthCheck(
            f"{self._name}-{role}",
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=alarm.name,
            cloudwatch_alarm_region=region,
            insufficient_data_health_status=silence,
            opts=self._child,
        )
        return check.id

    def _switched_by_object(self, publication: Publication) -> pulumi.Output[str]:
        """Make the check for where no alarm can feed one: it is unhealthy while an object is in the peer.

        It is inverted, because the object is in the region that stays in service. If that region fails too,
        this one counts as healthy.
        """
        check = aws.route53.HealthCheck(
            f"{self._name}-switch",
            type="HTTPS",
            fqdn=publication.peer_host,
            port=443,
            resource_path=publication.path,
            request_interval=timing.SWITCH_INTERVAL,
            failure_threshold=timing.SWITCH_LOOKS,
            invert_healthcheck=True,
            enable_sni=True,
            opts=self._child,
        )
        return check.id
