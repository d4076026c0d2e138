"""The program's resources, made in the emulated AWS by the calls that the AWS provider makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jmespath

from local.program import Resource
from tests.local.conftest import CODES, World
from tests.validators.recordings import GENERATED, as_aws, generated_name
from tests.validators.service_calls import CALLS

#: Where the answer of the call that makes a resource has its id; the ids of other types are names.
_IDS = {
    "aws:ec2/eip:Eip": "AllocationId",
    "aws:ec2/flowLog:FlowLog": "FlowLogIds[0]",
    "aws:ec2/natGateway:NatGateway": "NatGateway.NatGatewayId",
    "aws:ec2/routeTable:RouteTable": "RouteTable.RouteTableId",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "AssociationId",
    "aws:ec2/securityGroup:SecurityGroup": "GroupId",
    "aws:ec2/subnet:Subnet": "Subnet.SubnetId",
    "aws:ec2/vpc:Vpc": "Vpc.VpcId",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "VpcEndpoint.VpcEndpointId",
    "aws:kms/key:Key": "KeyMetadata.KeyId",
    "aws:lambda/eventSourceMapping:EventSourceMapping": "UUID",
    "aws:route53/healthCheck:HealthCheck": "HealthCheck.Id",
    "aws:secretsmanager/secret:Secret": "ARN",
    "aws:sfn/stateMachine:StateMachine": "stateMachineArn",
    "aws:sns/topicSubscription:TopicSubscription": "SubscriptionArn",
    "aws:sqs/queue:Queue": "QueueUrl",
    "aws:transfer/hostKey:HostKey": "HostKeyId",
    "aws:transfer/server:Server": "ServerId",
    "aws:transfer/sshKey:SshKey": "SshPublicKeyId",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "SecurityGroupRules[0].SecurityGroupRuleId",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "SecurityGroupRules[0].SecurityGroupRuleId",
}

#: Outputs that such an answer has, and no name spells out.
_OUTPUTS = {
    "aws:ec2/eip:Eip": {"allocationId": "AllocationId", "publicIp": "PublicIp"},
    "aws:kms/key:Key": {"arn": "KeyMetadata.Arn", "keyId": "KeyMetadata.KeyId"},
    "aws:lambda/function:Function": {"arn": "FunctionArn", "version": "Version"},
    "aws:sqs/queue:Queue": {"url": "QueueUrl"},
}

#: Types that no call for another resource needs.
_LEAVES = (
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lambda/permission:Permission",
    "aws:route53/record:Record",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:transfer/sshKey:SshKey",
)

#: What is sent only when a resource goes.
_AT_THE_END = ("ScheduleKeyDeletion",)


@dataclass
class MadeResources:
    """Makes the resources of one stack, and keeps them, with the names and ids that they got, by URN.

    With `few`, of leaves that have the same inputs, in whatever values, only the first is made.
    """

    aws: World
    stack: str
    region: str
    few: bool
    all: dict[str, Resource] = field(default_factory=dict)

    def make(self, resource: Resource) -> tuple[str, Mapping[str, Any]]:
        """Make a resource; return its id and outputs."""
        if resource.type.startswith("pulumi:"):
            return resource.name, {}
        resource = _named(resource)
        id, outputs = _as_aws(self.stack)(resource)
        if self.few and resource.type in _LEAVES and self._has_alike(resource):
            return id, outputs
        if resource.type in CALLS:
            answer, id = self._call(resource, id)
            outputs = {**outputs, **self._found(resource, id, answer)}
        self.all[resource.urn] = replace(resource, id=id, outputs=outputs)
        return id, outputs

    def _has_alike(self, resource: Resource) -> bool:
        alike = [each for each in self.all.values() if each.type == resource.type]
        return any(each.inputs.keys() == resource.inputs.keys() for each in alike)

    def client(self, resource: Resource, service: str) -> Any:
        """Return a client of a service in the region of a resource."""
        return self.aws(service, resource.inputs.get("region", self.region))

    def _call(self, resource: Resource, id: str) -> tuple[Mapping[str, Any], str]:
        first: Mapping[str, Any] | None = None
        for call, request in CALLS[resource.type].requests(resource.inputs):
            if call.operation in _AT_THE_END:
                continue
            ec2 = self.client(resource, "ec2")
            if call.operation == "AttachInternetGateway":
                id = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
                request["InternetGatewayId"] = id
            elif first is not None:
                request |= {name: id for name, value in call.beside.items() if isinstance(value, str)}
            answer = self._send(resource, call.service, call.operation, request)
            if first is None:
                first = answer
                id = jmespath.search(_IDS[resource.type], answer) if resource.type in _IDS else id
        assert first is not None
        return first, id

    def _send(self, resource: Resource, service: str, operation: str, request: dict[str, Any]) -> Any:
        match operation:
            case "CreateBucket":
                request["CreateBucketConfiguration"] = {"LocationConstraint": self.region}
            case "CreateFunction":
                request["Code"] = {"ZipFile": CODES["spawned"]}
            case "CreateHealthCheck":
                request["CallerReference"] = f"{self.stack} {resource.name}"
            case "PutObjectLockConfiguration":
                request["ObjectLockConfiguration"]["ObjectLockEnabled"] = "Enabled"
            case "PutObject":
                request["Body"] = resource.inputs["content"]
            case "Subscribe":
                request["ReturnSubscriptionArn"] = True
            case "UpdateTable" | "UpdateContinuousBackups":
                request["TableName"] = request["TableName"].rpartition("/")[2]
        client = self.client(resource, service)
        if operation == "UpdateTable":  # a replica is made by a call to the table's region
            origin = self.aws(service, resource.inputs["globalTableArn"].split(":")[3])
            request["ReplicaUpdates"][0]["Create"]["RegionName"] = self.region
            table, replicas = request["TableName"], request.pop("ReplicaUpdates")
            origin.update_table(TableName=table, ReplicaUpdates=replicas)
        method = {each.replace("_", ""): each for each in dir(client)}[operation.lower()]
        return getattr(client, method)(**_whole(request))

    def _found(self, resource: Resource, id: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: jmespath.search(place, answer) for name, place in _OUTPUTS.get(resource.type, {}).items()
        }
        if resource.type == "aws:lambda/function:Function":
            found["qualifiedArn"] = f"{found['arn']}:{found['version']}"
        if "globalTableArn" in resource.inputs:
            found["table"] = resource.inputs["globalTableArn"].rpartition("/")[2]
        if resource.inputs.get("vpcEndpointType") == "Gateway":
            name = {"Name": "prefix-list-name", "Values": [resource.inputs["serviceName"]]}
            lists = self.client(resource, "ec2").describe_prefix_lists(Filters=[name])["PrefixLists"]
            found["prefixListId"] = lists[0]["PrefixListId"]
        return found


@cache
def _as_aws(stack: str) -> Any:
    return as_aws(stack)


def _named(resource: Resource) -> Resource:
    name = GENERATED.get(resource.type)
    if name is None or name in resource.inputs:
        return resource
    inputs = {key: value for key, value in resource.inputs.items() if key != "namePrefix"}
    return replace(resource, inputs={**inputs, name: generated_name(resource)})


def _whole(value: Any) -> Any:
    """Return a request with whole numbers where Pulumi has 1.0: it has one type of number."""
    if isinstance(value, Mapping):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
