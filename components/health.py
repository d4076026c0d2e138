"""Health checks: what takes a cell, or one customer in it, out of DNS."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.settings import Settings
from customers.model import Customer
from runtime import contract


class Health(pulumi.ComponentResource):
    """One cell's leaf checks and the check over them that records carry."""

    cell_check_id: pulumi.Output[str]

    def __init__(self, name: str, *, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mft:health:Health", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        alarm = aws.cloudwatch.MetricAlarm(
            f"{name}-switch",
            region=settings.peer_region,  # the lever must work while this region is dead
            alarm_description=f"{settings.region} is out: its records answer with {settings.peer_region}",
            namespace=contract.SWITCH_NAMESPACE,
            metric_name=contract.SWITCH_METRIC,
            dimensions=contract.switch_dimensions(settings.namespace, settings.cell, settings.side),
            statistic="Maximum",
            period=60,
            evaluation_periods=1,
            datapoints_to_alarm=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="missing",
            opts=self._child,
        )
        switch = aws.route53.HealthCheck(
            f"{name}-switch",
            type="CLOUDWATCH_METRIC",
            cloudwatch_alarm_name=alarm.name,
            cloudwatch_alarm_region=settings.peer_region,
            insufficient_data_health_status="LastKnownStatus",
            opts=self._child,
        )
        self._leaves = [switch.id]
        self.cell_check_id = self._over_leaves(f"{name}-cell", parent=self)
        self.register_outputs({"cell_check_id": self.cell_check_id})

    def check_for(self, customer: Customer, *, parent: pulumi.Resource) -> pulumi.Output[str]:
        """Return the id of the check that this customer's records carry here, its own or the cell's."""
        if customer.failover.health_check == "cell":
            return self.cell_check_id
        return self._over_leaves(customer.id, parent=parent)

    def _over_leaves(self, name: str, *, parent: pulumi.Resource) -> pulumi.Output[str]:
        check = aws.route53.HealthCheck(
            name,
            type="CALCULATED",
            child_healthchecks=self._leaves,
            child_health_threshold=len(self._leaves),  # above the number of children is never healthy
            opts=pulumi.ResourceOptions(parent=parent),
        )
        return check.id
