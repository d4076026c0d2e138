"""cfn-lint as a validator: resources of the program as a CloudFormation template, linted as in a region."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from local.program import Resource
from runtime.contract import PARTITION
from tests.validators.service_calls import CALLS
from tests.validators.translation import Node, Renames, translate


@dataclass(frozen=True)
class SchemaNode:
    """A place in a resource's schema that inputs can be translated to."""

    schema: Mapping[str, Any]
    definitions: Mapping[str, Any]

    @property
    def kind(self) -> Literal["structure", "list", "map", "text", "number", "other"]:
        schema = self._resolved()
        types = schema.get("type", ())
        types = {types} if isinstance(types, str) else set(types)
        if "items" in schema:
            return "list"
        if schema.get("properties"):
            return "structure"
        if schema.get("patternProperties"):
            return "map"
        for type, kind in {"object": "other", "string": "text", "integer": "number"}.items():
            if type in types:
                return kind
        return "other"

    @property
    def members(self) -> Mapping[str, Node]:
        properties = self._resolved()["properties"]
        return {name: SchemaNode(schema, self.definitions) for name, schema in properties.items()}

    @property
    def item(self) -> Node:
        schema = self._resolved()
        if "items" in schema:
            return SchemaNode(schema["items"], self.definitions)
        (pattern,) = schema["patternProperties"].values()
        return SchemaNode(pattern, self.definitions)

    def _resolved(self) -> Mapping[str, Any]:
        schema = self.schema
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
            if "properties" not in schema and ("properties" in choice or "$ref" in choice):
                return SchemaNode(choice, self.definitions)._resolved()
        return schema


@dataclass(frozen=True)
class Template:
    """The CloudFormation type of a type of the program, with the inputs that have another name there.

    `beside` is what CloudFormation requires and the provider adds.
    """

    type: str
    renames: Renames = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)


_RULE = {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "prefixListId": "DestinationPrefixListId"}
_BUCKET = {"bucket": "BucketName"}
_DOCUMENT = {"policy": "PolicyDocument"}
_HEALTH = {
    key: f"HealthCheckConfig.{member.rpartition('HealthCheckConfig.')[2]}"
    for key, member in CALLS["aws:route53/healthCheck:HealthCheck"].calls[0].takes.items()
}

#: Every type of the program that CloudFormation has too.
TEMPLATES = {
    "aws:cloudwatch/dashboard:Dashboard": Template("AWS::CloudWatch::Dashboard"),
    "aws:cloudwatch/eventRule:EventRule": Template("AWS::Events::Rule"),
    "aws:cloudwatch/logGroup:LogGroup": Template("AWS::Logs::LogGroup", {"name": "LogGroupName"}),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Template(
        "AWS::CloudWatch::Alarm",
        {
            "name": "AlarmName",
            "region": "",
            "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
        },
    ),
    "aws:dynamodb/table:Table": Template(
        "AWS::DynamoDB::Table",
        {
            **CALLS["aws:dynamodb/table:Table"].calls[0].takes,
            "serverSideEncryption.enabled": "SSEEnabled",
            "streamEnabled": "",
            "ttl": "TimeToLiveSpecification",
            "pointInTimeRecovery": "PointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
        },
    ),
    "aws:ec2/eip:Eip": Template("AWS::EC2::EIP"),
    "aws:ec2/flowLog:FlowLog": Template(
        "AWS::EC2::FlowLog",
        {"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
        {"ResourceType": "VPC"},
    ),
    "aws:ec2/internetGateway:InternetGateway": Template(
        "AWS::EC2::VPCGatewayAttachment", {}, {"InternetGatewayId": "igw-0123456789abcdef0"}
    ),
    "aws:ec2/natGateway:NatGateway": Template("AWS::EC2::NatGateway"),
    "aws:ec2/route:Route": Template("AWS::EC2::Route"),
    "aws:ec2/routeTable:RouteTable": Template("AWS::EC2::RouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Template("AWS::EC2::SubnetRouteTableAssociation"),
    "aws:ec2/securityGroup:SecurityGroup": Template(
        "AWS::EC2::SecurityGroup",
        {"name": "GroupName", "description": "GroupDescription", "ingress": "SecurityGroupIngress"},
    ),
    "aws:ec2/subnet:Subnet": Template("AWS::EC2::Subnet"),
    "aws:ec2/vpc:Vpc": Template("AWS::EC2::VPC"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Template("AWS::EC2::VPCEndpoint", _DOCUMENT),
    "aws:iam/role:Role": Template(
        "AWS::IAM::Role", {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}
    ),
    "aws:iam/rolePolicy:RolePolicy": Template(
        "AWS::IAM::RolePolicy", {**_DOCUMENT, "name": "PolicyName", "role": "RoleName"}
    ),
    "aws:kms/alias:Alias": Template("AWS::KMS::Alias", {"name": "AliasName"}),
    "aws:kms/key:Key": Template(
        "AWS::KMS::Key", {"policy": "KeyPolicy", "deletionWindowInDays": "PendingWindowInDays"}
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Template("AWS::Lambda::EventSourceMapping"),
    "aws:lambda/function:Function": Template(
        "AWS::Lambda::Function",
        {"name": "FunctionName", "code": ""},
        {"Code": {"S3Bucket": "code", "S3Key": "runtime.zip"}},
    ),
    "aws:lambda/permission:Permission": Template(
        "AWS::Lambda::Permission", {"function": "FunctionName", "statementId": ""}
    ),
    "aws:route53/healthCheck:HealthCheck": Template(
        "AWS::Route53::HealthCheck", {**_HEALTH, "referenceName": "", "disabled": ""}
    ),
    "aws:route53/record:Record": Template(
        "AWS::Route53::RecordSet",
        {"zoneId": "HostedZoneId", "failoverRoutingPolicies": "Failover", "records": "ResourceRecords"},
    ),
    "aws:s3/bucket:Bucket": Template("AWS::S3::Bucket", _BUCKET),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "rules": "LifecycleConfiguration.Rules",
            "rules.filter": "",
            "rules.expiration": "",
            "rules.prefix": "Prefix",
            "rules.expirationInDays": "ExpirationInDays",
            "rules.expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
        },
    ),
    "aws:s3/bucketNotification:BucketNotification": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "eventbridge": "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled",
            "queues": "NotificationConfiguration.QueueConfigurations",
            "queues.queueArn": "Queue",
            "queues.events": "Event",
            "queues.id": "",
        },
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Template(
        "AWS::S3::Bucket",
        {**_BUCKET, "rule": "ObjectLockConfiguration.Rule"},
        {"ObjectLockEnabled": True},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Template("AWS::S3::BucketPolicy", _DOCUMENT),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            **CALLS["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"].calls[0].takes,
        },
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            **CALLS["aws:s3/bucketReplicationConfig:BucketReplicationConfig"].calls[0].takes,
            "rules.destination.encryptionConfiguration.replicaKmsKeyId": "ReplicaKmsKeyID",
        },
        {"VersioningConfiguration": {"Status": "Enabled"}},
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "rules": "BucketEncryption.ServerSideEncryptionConfiguration",
            "rules.applyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault",
        },
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Template("AWS::S3::Bucket", _BUCKET),
    "aws:sfn/stateMachine:StateMachine": Template(
        "AWS::StepFunctions::StateMachine",
        {
            "name": "StateMachineName",
            "type": "StateMachineType",
            "loggingConfiguration.logDestination": "Destinations[].CloudWatchLogsLogGroup.LogGroupArn",
        },
    ),
    "aws:sns/topic:Topic": Template("AWS::SNS::Topic", {"name": "TopicName"}),
    "aws:sns/topicPolicy:TopicPolicy": Template(
        "AWS::SNS::TopicInlinePolicy", {**_DOCUMENT, "arn": "TopicArn"}
    ),
    "aws:sns/topicSubscription:TopicSubscription": Template("AWS::SNS::Subscription", {"topic": "TopicArn"}),
    "aws:sqs/queue:Queue": Template(
        "AWS::SQS::Queue",
        {
            "name": "QueueName",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Template(
        "AWS::SQS::QueueInlinePolicy", {**_DOCUMENT, "queueUrl": "Queue"}
    ),
    "aws:ssm/parameter:Parameter": Template("AWS::SSM::Parameter"),
    "aws:transfer/server:Server": Template("AWS::Transfer::Server", {"hostKey": ""}),
    "aws:transfer/user:User": Template("AWS::Transfer::User"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Template(
        "AWS::EC2::SecurityGroupEgress", {**_RULE, "referencedSecurityGroupId": "DestinationSecurityGroupId"}
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Template(
        "AWS::EC2::SecurityGroupIngress", {**_RULE, "referencedSecurityGroupId": "SourceSecurityGroupId"}
    ),
}

#: Types of the program that are not linted, with the reason.
UNLINTED = {
    "aws:cloudwatch/eventTarget:EventTarget": "CloudFormation has targets within rules only",
    "aws:dynamodb/tableReplica:TableReplica": "CloudFormation has replicas within global tables only",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "CloudFormation does not manage it",
    "aws:kms/grant:Grant": "CloudFormation has no grants",
    "aws:s3/bucketObjectv2:BucketObjectv2": "CloudFormation has no objects",
    "aws:transfer/hostKey:HostKey": "CloudFormation has no imported host keys",
    "aws:transfer/sshKey:SshKey": "CloudFormation has public keys within users only",
}

#: Rules of cfn-lint that are about templates and not about resources, with the reason.
_NOT_ABOUT_RESOURCES = {
    "E3019": "one bucket of ours is several resources, and so several of the template's",
    "W3010": "a stack stands in one region, so its zones are written out",
}


def properties(resource: Resource, region: str) -> dict[str, Any]:
    """Return a resource's properties as CloudFormation has them; UnmappedError for an input that it lacks."""
    template = TEMPLATES[resource.type]
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, template.type).schema
    node = SchemaNode(schema, schema.get("definitions", {}))
    return {**translate(node, _prepared(resource), template.renames), **template.beside}


def complaints(resources: Iterable[Resource], region: str) -> list[str]:
    """Return what cfn-lint finds wrong with resources in a region: rule, resource, message."""
    named = {f"R{number}": each for number, each in enumerate(resources)}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {"Type": TEMPLATES[each.type].type, "Properties": properties(each, region)}
            for name, each in named.items()
        },
    }
    settings = ManualArgs(regions=[region], ignore_checks=list(_NOT_ABOUT_RESOURCES))
    found = []
    for match in lint(json.dumps(template), config=settings):
        whose = named.get(match.path[1]) if len(match.path or ()) > 1 else None
        where = ".".join(str(step) for step in (match.path or ())[3:])
        found.append(f"{match.rule.id} {whose.urn if whose else ''} {where}: {match.message}")
    return found


def _prepared(resource: Resource) -> Mapping[str, Any]:
    """Return inputs with what CloudFormation nests in a way that no renaming expresses."""
    inputs = dict(resource.inputs)
    if resource.type == "aws:ec2/securityGroup:SecurityGroup":
        inputs["ingress"] = [
            {"ipProtocol": rule["protocol"], "cidrIp": cidr}
            | {key: rule[key] for key in ("fromPort", "toPort", "description")}
            for rule in inputs.get("ingress", ())
            for cidr in rule["cidrBlocks"]
        ]
    elif resource.type == "aws:dynamodb/table:Table":
        inputs = dict(CALLS[resource.type].prepare(inputs))
    elif resource.type == "aws:route53/record:Record":
        policies = inputs.pop("failoverRoutingPolicies", None)
        if policies:
            inputs["failoverRoutingPolicies"] = policies[0]["type"]
        if inputs["type"] == "TXT":
            inputs["records"] = [f'"{each}"' for each in inputs["records"]]
    elif resource.type == "aws:sfn/stateMachine:StateMachine":
        # cfn-lint knows the ARNs of integrations in the commercial partition only.
        inputs["definition"] = inputs["definition"].replace(
            f"arn:{PARTITION}:states:::", "arn:aws" + ":states:::"
        )
    elif "rules" in inputs and "Lifecycle" in resource.type:
        inputs["rules"] = [
            {
                **rule,
                "prefix": rule["filter"]["prefix"],
                "expirationInDays": rule.get("expiration", {}).get("days"),
                "expiredObjectDeleteMarker": rule.get("expiration", {}).get("expiredObjectDeleteMarker"),
            }
            for rule in inputs["rules"]
        ]
    elif "queues" in inputs:
        one = [{**queue, "events": event} for queue in inputs["queues"] for event in queue["events"]]
        inputs["queues"] = one
    return inputs
