"""Health checks: what takes a cell, or one customer in it, out of DNS."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

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
    """One cell's leaf checks, the check over them that records carry, and one that is never healthy.

    A record may carry a check of the cell or of its customer; both are healthy when every leaf is. What
    moves traffic by itself, `endpoint` and `canary`, is disabled unless the settings say otherwise: a
    disabled check counts as healthy, and the number of leaves stays.

    Route 53 supports no alarms of M out of N datapoints, so the alarms that feed checks leave
    `datapoints_to_alarm` unset: all periods must breach.
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
        """With a `publication` the switch is an object in the peer region; without, a metric there."""
        super().__init__("mft:health:Health", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        switch = self._switched_by_object(publication) if publication else self._switched_by_metric()
        endpoint = self._leaf(
            "endpoint",
            self._alarm(
                "endpoint",
                f"No address of the SFTP endpoint of {settings.region} answers. Runbook: #endpoint-silent",
                METRIC_ADDRESSES,
                "Maximum",
            ),
        )
        canary = self._leaf(
            "canary",
            self._alarm(
                "canary",
                f"Synthetic transfers through {settings.region} are not delivered. Runbook: #canary-failing",
                METRIC_CANARY,
                "Maximum",
            ),
        )
        self._leaves = [endpoint, canary, switch]
        self.cell_check_id = self._over(self._leaves, f"{name}-cell", "cell", parent=self)
        out = aws.route53.HealthCheck(
            f"{name}-out",
            type="CALCULATED",
            child_healthchecks=[switch],
            child_health_threshold=2,  # more than there are children: never healthy
            reference_name=self._reference("out"),
            opts=self._child,
        )
        self.out_check_id = out.id
        self.register_outputs({"cell_check_id": self.cell_check_id, "out_check_id": self.out_check_id})

    def check_for(self, customer: Customer, *, parent: pulumi.Resource) -> pulumi.Output[str]:
        """Return the id of the check that this customer's records carry here, its own or the cell's."""
        if customer.failover.health_check == "cell":
            return self.cell_check_id
        return self._over(self._leaves, customer.id, f"customer/{customer.id}", parent=parent)

    def _over(
        self, leaves: list[pulumi.Output[str]], name: str, check: str, *, parent: pulumi.Resource
    ) -> pulumi.Output[str]:
        check = aws.route53.HealthCheck(
            name,
            type="CALCULATED",
            child_healthchecks=leaves,
            child_health_threshold=len(leaves),  # above the number of children is never healthy
            reference_name=self._reference(check),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return check.id

    def _reference(self, check: str) -> str:
        """Return what `ops shift` finds a check by."""
        settings = self._settings
        return contract.check_reference(settings.namespace, settings.cell, settings.side, check)

    def _leaf(self, role: str, alarm: aws.cloudwatch.MetricAlarm) -> pulumi.Output[str]:
        """Make a check that an alarm of this region feeds; no data is what a dead region sends."""
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
        """Make the alarm that says a metric of this cell stayed below 1 for three of its periods."""
        minutes = {METRIC_ADDRESSES: 1, METRIC_CANARY: 5}[metric]
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-{role}",
            alarm_description=description,
            namespace=METRICS,
            metric_name=metric,
            dimensions=cell_dimensions(self._settings.namespace, self._settings.cell),
            statistic=statistic,
            period=60 * minutes,
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
            region=settings.peer_region,  # the lever must work while this region is dead
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
        """Make the check for where alarms cannot feed one: it is unhealthy while an object is in the peer.

        Inverted, because the object is in the region that stays: should that one fail, this one is healthy.
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
