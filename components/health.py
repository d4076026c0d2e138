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

    A record carries the check of the cell or of its customer; both are healthy if every leaf is. The leaves
    that move traffic without an operator, `endpoint` and `canary`, are disabled unless the settings enable
    them: a disabled check counts as healthy, so the number of leaves is always the same.

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
        switch = self._switched_by_object(publication) if publication else self._switched_by_metric()
        endpoint = self._leaf(
            "endpoint",
            self._alarm(
                "endpoint",
                f"From no zone an address of the SFTP endpoint of {settings.region} answers. Runbook:"
                " #endpoint-silent",
                METRIC_ADDRESSES,
                "Maximum",
            ),
        )
        canary = self._leaf(
            "canary",
            self._alarm(
                "canary",
                f"Synthetic transfers through {settings.region} are not delivered; the same metric by Leg"
                " says which. Runbook: #canary-failing",
                METRIC_CANARY,
                "Maximum",
            ),
        )
        self._leaves = [endpoint, canary, switch]
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
            child_health_threshold=len(leaves),  # above the number of children is never healthy
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

    def _switched_by_metric(self) -> pulumi.Output[str]:
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
        check = aws.route53.HealthCheck(
            f"{self._name}-switch",
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=alarm.name,
            cloudwatch_alarm_region=settings.peer_region,
            insufficient_data_health_status="LastKnownStatus",
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
