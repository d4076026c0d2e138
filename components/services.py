"""VPC endpoints of AWS services for the private subnets: bulk data never crosses a NAT gateway."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components import policy
from components.network import Network
from components.settings import Settings
from components.tracker import Tracker
from runtime.metric_names import METRICS

#: Secrets Manager has an endpoint service for its FIPS host; CloudWatch's usual host in GovCloud is one.
#: https://docs.aws.amazon.com/secretsmanager/latest/userguide/vpc-endpoint-overview.html
_SECRETS = "secretsmanager-fips"


def hosts(settings: Settings) -> dict[str, str]:
    """Return what a function in the VPC has in its environment to reach the hosts that the endpoints serve.

    S3 and DynamoDB are called at their usual hosts: those are what gateway endpoints are documented for.
    """
    return {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"https://{_SECRETS}.{settings.region}.amazonaws.com"}


class Gateways(pulumi.ComponentResource):
    """Gateway endpoints of S3 and DynamoDB in the private route tables; `lists` are their prefix lists."""

    lists: list[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: Network,
        tracker: Tracker,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:services:Gateways", name, None, opts)
        of_this_account = {"StringEquals": {"aws:PrincipalAccount": settings.account}}
        policies = {
            # Destinations are others' buckets, so any bucket is allowed; the roles' policies are narrower.
            "s3": policy.allow(
                "Files",
                [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListBucket",
                ],
                [settings.bucket_arn("*")],
                principals={"AWS": "*"},
                conditions=of_this_account,
            ),
            "dynamodb": tracker.use(
                "Facts",
                actions=("dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                principals={"AWS": "*"},
                conditions=of_this_account,
            ),
        }
        self.lists = []
        for service, statement in policies.items():
            gateway = aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=network.vpc_id,
                service_name=f"com.amazonaws.{settings.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=network.private_route_table_ids,
                policy=policy.document(statement),
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.lists.append(gateway.prefix_list_id)
        self.register_outputs({"lists": self.lists})


class Interfaces(pulumi.ComponentResource):
    """Interface endpoints of the other services that functions in the private subnets call."""

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        network: Network,
        group_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:services:Interfaces", name, None, opts)
        statements: dict[str, Sequence[policy.Statement]] = {
            _SECRETS: [
                policy.allow(
                    "PartnerKeys",
                    ["secretsmanager:GetSecretValue"],
                    [settings.arn("secretsmanager", f"secret:{settings.namespace}/*")],
                    principals={"AWS": "*"},
                    conditions={"StringEquals": {"aws:PrincipalAccount": settings.account}},
                )
            ],
            "monitoring": [
                policy.allow(
                    "Metrics",
                    ["cloudwatch:PutMetricData"],
                    ["*"],  # the action has no resources
                    principals={"AWS": "*"},
                    conditions={
                        "StringEquals": {
                            "aws:PrincipalAccount": settings.account,
                            "cloudwatch:namespace": METRICS,
                        }
                    },
                )
            ],
        }
        for service, allowed in statements.items():
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=network.vpc_id,
                service_name=f"com.amazonaws.{settings.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=network.private_subnet_ids,
                security_group_ids=[group_id],
                private_dns_enabled=True,
                policy=policy.document(*allowed),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
