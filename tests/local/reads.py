"""By which calls the AWS provider reads each type of resource, and where the answers have its inputs.

What it reads it compares with what the program wants; a field that an answer lacks is a difference at every
run.
The calls are those of the Read functions below `internal/service/` in
https://github.com/hashicorp/terraform-provider-aws, which Pulumi's provider bridges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.validators import nesting


@dataclass(frozen=True)
class Read:
    """A call, its request, and for each input of the resource the place in the answer, as JMESPath.

    In both, `@id` is the resource's id and `@name` an input of it, or an output. JSON text in an answer is a
    document there.
    """

    service: str
    operation: str
    request: Mapping[str, Any]
    fields: Mapping[str, str]


def below(place: str, *same: str, **fields: str) -> dict[str, str]:
    """Return fields below a place in the answer: inputs that AWS names alike, and those with another name."""
    alike = {name: name[0].upper() + name[1:] for name in same}
    return {name: f"{place}.{field}" for name, field in (alike | fields).items()}


def _bucket(operation: str, **fields: str) -> tuple[Read, ...]:
    return (Read("s3", operation, {"Bucket": "@bucket"}, fields),)


def _rule() -> tuple[Read, ...]:
    fields = below(
        "SecurityGroupRules[0]",
        *("cidrIpv4", "fromPort", "ipProtocol", "prefixListId", "toPort"),
        securityGroupId="GroupId",
        referencedSecurityGroupId="ReferencedGroupInfo.GroupId",
    )
    return (Read("ec2", "DescribeSecurityGroupRules", {"SecurityGroupRuleIds": ["@id"]}, fields),)


READS: Mapping[str, tuple[Read, ...]] = {
    "aws:cloudwatch/dashboard:Dashboard": (
        Read(
            "cloudwatch",
            "GetDashboard",
            {"DashboardName": "@dashboardName"},
            {"dashboardName": "DashboardName", "dashboardBody": "DashboardBody"},
        ),
    ),
    "aws:cloudwatch/eventRule:EventRule": (
        Read(
            "events",
            "DescribeRule",
            {"Name": "@name"},
            {"name": "Name", "eventPattern": "EventPattern", "scheduleExpression": "ScheduleExpression"},
        ),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": (
        Read(
            "events",
            "ListTargetsByRule",
            {"Rule": "@rule"},
            below("Targets[0]", "arn", "deadLetterConfig", "retryPolicy", targetId="Id"),
        ),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        Read(
            "logs",
            "DescribeLogGroups",
            {"logGroupNamePrefix": "@name"},
            below(
                "logGroups[0]",
                name="logGroupName",
                retentionInDays="retentionInDays",
                kmsKeyId="kmsKeyId",
            ),
        ),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        Read(
            "cloudwatch",
            "DescribeAlarms",
            {"AlarmNames": ["@name"]},
            below(
                "MetricAlarms[0]",
                *("alarmActions", "alarmDescription", "comparisonOperator", "datapointsToAlarm"),
                *("evaluationPeriods", "extendedStatistic", "metricName", "namespace", "period"),
                *("statistic", "threshold", "treatMissingData", "dimensions"),
                name="AlarmName",
                okActions="OKActions",
                evaluateLowSampleCountPercentiles="EvaluateLowSampleCountPercentile",
            ),
        ),
    ),
    "aws:dynamodb/table:Table": (
        Read(
            "dynamodb",
            "DescribeTable",
            {"TableName": "@name"},
            below(
                "Table",
                "deletionProtectionEnabled",
                name="TableName",
                attributes="AttributeDefinitions[].{name: AttributeName, type: AttributeType}",
                billingMode="BillingModeSummary.BillingMode",
                hashKey="KeySchema[?KeyType=='HASH'].AttributeName | [0]",
                rangeKey="KeySchema[?KeyType=='RANGE'].AttributeName | [0]",
                globalSecondaryIndexes="GlobalSecondaryIndexes[]"
                ".{name: IndexName, keySchemas: KeySchema, projectionType: Projection.ProjectionType}",
                serverSideEncryption="SSEDescription"
                ".{enabled: Status=='ENABLED', kmsKeyArn: KMSMasterKeyArn}",
                streamEnabled="StreamSpecification.StreamEnabled",
                streamViewType="StreamSpecification.StreamViewType",
            ),
        ),
        Read(
            "dynamodb",
            "DescribeTimeToLive",
            {"TableName": "@name"},
            {
                "ttl": "TimeToLiveDescription"
                ".{attributeName: AttributeName, enabled: TimeToLiveStatus=='ENABLED'}"
            },
        ),
        Read(
            "dynamodb",
            "DescribeContinuousBackups",
            {"TableName": "@name"},
            {
                "pointInTimeRecovery": "ContinuousBackupsDescription.PointInTimeRecoveryDescription"
                ".{enabled: PointInTimeRecoveryStatus=='ENABLED'}"
            },
        ),
    ),
    "aws:dynamodb/tableReplica:TableReplica": (
        Read(
            "dynamodb",
            "DescribeTable",
            {"TableName": "@table"},
            {
                "kmsKeyArn": "Table.SSEDescription.KMSMasterKeyArn",
                "deletionProtectionEnabled": "Table.DeletionProtectionEnabled",
            },
        ),
        Read(
            "dynamodb",
            "DescribeContinuousBackups",
            {"TableName": "@table"},
            {
                "pointInTimeRecovery": "ContinuousBackupsDescription.PointInTimeRecoveryDescription"
                ".PointInTimeRecoveryStatus=='ENABLED'"
            },
        ),
    ),
    "aws:ec2/eip:Eip": (
        Read("ec2", "DescribeAddresses", {"AllocationIds": ["@id"]}, below("Addresses[0]", "domain")),
    ),
    "aws:ec2/flowLog:FlowLog": (
        Read(
            "ec2",
            "DescribeFlowLogs",
            {"FlowLogIds": ["@id"]},
            below(
                "FlowLogs[0]",
                *("logDestination", "logDestinationType", "trafficType"),
                iamRoleArn="DeliverLogsPermissionArn",
                vpcId="ResourceId",
            ),
        ),
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        Read(
            "ec2",
            "DescribeInternetGateways",
            {"InternetGatewayIds": ["@id"]},
            below("InternetGateways[0].Attachments[0]", "vpcId"),
        ),
    ),
    "aws:ec2/natGateway:NatGateway": (
        Read(
            "ec2",
            "DescribeNatGateways",
            {"NatGatewayIds": ["@id"]},
            below(
                "NatGateways[0]",
                "subnetId",
                allocationId="NatGatewayAddresses[?IsPrimary].AllocationId | [0]",
            ),
        ),
    ),
    "aws:ec2/route:Route": (
        Read(
            "ec2",
            "DescribeRouteTables",
            {"RouteTableIds": ["@routeTableId"]},
            below(
                "RouteTables[0]",
                "routeTableId",
                destinationCidrBlock="Routes[?GatewayId!='local'].DestinationCidrBlock | [0]",
                gatewayId="Routes[?GatewayId!='local'].GatewayId | [0]",
                natGatewayId="Routes[?GatewayId!='local'].NatGatewayId | [0]",
            ),
        ),
    ),
    "aws:ec2/routeTable:RouteTable": (
        Read("ec2", "DescribeRouteTables", {"RouteTableIds": ["@id"]}, below("RouteTables[0]", "vpcId")),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        Read(
            "ec2",
            "DescribeRouteTables",
            {"Filters": [{"Name": "association.route-table-association-id", "Values": ["@id"]}]},
            below(
                "RouteTables[].Associations[?RouteTableAssociationId=='@id'][]",
                routeTableId="RouteTableId | [0]",
                subnetId="SubnetId | [0]",
            ),
        ),
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        Read(
            "ec2",
            "DescribeSecurityGroups",
            {"GroupIds": ["@id"]},
            below(
                "SecurityGroups[0]",
                *("description", "vpcId"),
                name="GroupName",
                ipPermissions="IpPermissions",
            ),
        ),
    ),
    "aws:ec2/subnet:Subnet": (
        Read(
            "ec2",
            "DescribeSubnets",
            {"SubnetIds": ["@id"]},
            below("Subnets[0]", "availabilityZone", "cidrBlock", "vpcId"),
        ),
    ),
    "aws:ec2/vpc:Vpc": (
        Read("ec2", "DescribeVpcs", {"VpcIds": ["@id"]}, below("Vpcs[0]", "cidrBlock")),
        Read(
            "ec2",
            "DescribeVpcAttribute",
            {"VpcId": "@id", "Attribute": "enableDnsHostnames"},
            {"enableDnsHostnames": "EnableDnsHostnames.Value"},
        ),
        Read(
            "ec2",
            "DescribeVpcAttribute",
            {"VpcId": "@id", "Attribute": "enableDnsSupport"},
            {"enableDnsSupport": "EnableDnsSupport.Value"},
        ),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        Read(
            "ec2",
            "DescribeVpcEndpoints",
            {"VpcEndpointIds": ["@id"]},
            below(
                "VpcEndpoints[0]",
                *(
                    "privateDnsEnabled",
                    "routeTableIds",
                    "serviceName",
                    "subnetIds",
                    "vpcEndpointType",
                    "vpcId",
                ),
                policy="PolicyDocument",
                securityGroupIds="Groups[].GroupId",
            ),
        ),
    ),
    "aws:iam/role:Role": (
        Read(
            "iam",
            "GetRole",
            {"RoleName": "@name"},
            below("Role", name="RoleName", assumeRolePolicy="AssumeRolePolicyDocument"),
        ),
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        Read(
            "iam",
            "GetRolePolicy",
            {"RoleName": "@role", "PolicyName": "@name"},
            {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"},
        ),
    ),
    "aws:kms/alias:Alias": (
        Read(
            "kms",
            "ListAliases",
            {"KeyId": "@targetKeyId"},
            below("Aliases[0]", "targetKeyId", name="AliasName"),
        ),
    ),
    "aws:kms/key:Key": (
        Read("kms", "DescribeKey", {"KeyId": "@id"}, below("KeyMetadata", "description")),
        Read("kms", "GetKeyPolicy", {"KeyId": "@id", "PolicyName": "default"}, {"policy": "Policy"}),
        Read("kms", "GetKeyRotationStatus", {"KeyId": "@id"}, {"enableKeyRotation": "KeyRotationEnabled"}),
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": (
        Read(
            "lambda",
            "GetEventSourceMapping",
            {"UUID": "@id"},
            {
                "batchSize": "BatchSize",
                "eventSourceArn": "EventSourceArn",
                "functionName": "FunctionArn",
                "functionResponseTypes": "FunctionResponseTypes",
                "scalingConfig": "ScalingConfig",
            },
        ),
    ),
    "aws:lambda/function:Function": (
        Read(
            "lambda",
            "GetFunction",
            {"FunctionName": "@name"},
            below(
                "Configuration",
                *(
                    "architectures",
                    "environment",
                    "handler",
                    "loggingConfig",
                    "memorySize",
                    "role",
                    "runtime",
                ),
                *("timeout", "tracingConfig", "vpcConfig"),
                name="FunctionName",
                kmsKeyArn="KMSKeyArn",
            )
            | {"reservedConcurrentExecutions": "Concurrency.ReservedConcurrentExecutions"},
        ),
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        Read(
            "lambda",
            "GetFunctionEventInvokeConfig",
            {"FunctionName": "@functionName"},
            {
                "destinationConfig": "DestinationConfig",
                "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
                "maximumRetryAttempts": "MaximumRetryAttempts",
            },
        ),
    ),
    "aws:lambda/permission:Permission": (
        Read(
            "lambda",
            "GetPolicy",
            {"FunctionName": "@function"},
            below(
                "Policy.Statement[?Sid=='@statementId'] | [0]",
                action="Action",
                principal="Principal.Service",
                sourceArn='Condition.ArnLike."AWS:SourceArn"',
                statementId="Sid",
            ),
        ),
    ),
    "aws:route53/healthCheck:HealthCheck": (
        Read(
            "route53",
            "GetHealthCheck",
            {"HealthCheckId": "@id"},
            below(
                "HealthCheck.HealthCheckConfig",
                *("disabled", "failureThreshold", "insufficientDataHealthStatus", "port", "requestInterval"),
                *("resourcePath", "type"),
                childHealthThreshold="HealthThreshold",
                childHealthchecks="ChildHealthChecks",
                cloudwatchAlarmName="AlarmIdentifier.Name",
                cloudwatchAlarmRegion="AlarmIdentifier.Region",
                enableSni="EnableSNI",
                fqdn="FullyQualifiedDomainName",
                invertHealthcheck="Inverted",
            ),
        ),
    ),
    "aws:route53/record:Record": (
        Read(
            "route53",
            "ListResourceRecordSets",
            {
                "HostedZoneId": "@zoneId",
                "StartRecordName": "@name",
                "StartRecordType": "@type",
                "StartRecordIdentifier": "@setIdentifier",
                "MaxItems": "1",
            },
            below(
                "ResourceRecordSets[0]",
                *("failover", "healthCheckId", "name", "setIdentifier", "type"),
                ttl="TTL",
                records="ResourceRecords[].Value",
            ),
        ),
    ),
    "aws:s3/bucket:Bucket": (
        Read("s3", "HeadBucket", {"Bucket": "@bucket"}, {}),
        Read(
            "s3",
            "GetObjectLockConfiguration",
            {"Bucket": "@bucket"},
            {"objectLockEnabled": "ObjectLockConfiguration.ObjectLockEnabled=='Enabled'"},
        ),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket(
        "GetBucketLifecycleConfiguration", rules="Rules"
    ),
    "aws:s3/bucketNotification:BucketNotification": _bucket(
        "GetBucketNotificationConfiguration",
        eventbridge="EventBridgeConfiguration==`{}`",
        queues="QueueConfigurations",
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _bucket(
        "GetObjectLockConfiguration", rule="ObjectLockConfiguration.Rule"
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": (
        Read("s3", "HeadObject", {"Bucket": "@bucket", "Key": "@key"}, {"contentType": "ContentType"}),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _bucket("GetBucketPolicy", policy="Policy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket(
        "GetPublicAccessBlock",
        **below(
            "PublicAccessBlockConfiguration",
            *("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"),
        ),
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _bucket(
        "GetBucketReplication",
        role="ReplicationConfiguration.Role",
        rules="ReplicationConfiguration.Rules",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _bucket(
        "GetBucketEncryption", rules="ServerSideEncryptionConfiguration.Rules"
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket("GetBucketVersioning", versioningConfiguration="@"),
    "aws:sfn/stateMachine:StateMachine": (
        Read(
            "stepfunctions",
            "DescribeStateMachine",
            {"stateMachineArn": "@id"},
            {
                **{name: name for name in ("definition", "name", "roleArn", "tracingConfiguration", "type")},
                "loggingConfiguration": "loggingConfiguration.{level: level, includeExecutionData: "
                "includeExecutionData, logDestination: destinations[0].cloudWatchLogsLogGroup.logGroupArn}",
            },
        ),
    ),
    "aws:sns/topic:Topic": (
        Read(
            "sns",
            "GetTopicAttributes",
            {"TopicArn": "@arn"},
            below("Attributes", "kmsMasterKeyId", "signatureVersion"),
        ),
    ),
    "aws:sns/topicPolicy:TopicPolicy": (
        Read(
            "sns", "GetTopicAttributes", {"TopicArn": "@arn"}, below("Attributes", "policy", arn="TopicArn")
        ),
    ),
    "aws:sns/topicSubscription:TopicSubscription": (
        Read(
            "sns",
            "GetSubscriptionAttributes",
            {"SubscriptionArn": "@id"},
            below("Attributes", "endpoint", "protocol", "rawMessageDelivery", topic="TopicArn"),
        ),
    ),
    "aws:sqs/queue:Queue": (
        Read(
            "sqs",
            "GetQueueAttributes",
            {"QueueUrl": "@id", "AttributeNames": ["All"]},
            below(
                "Attributes",
                *("kmsMasterKeyId", "redrivePolicy"),
                messageRetentionSeconds="MessageRetentionPeriod",
                visibilityTimeoutSeconds="VisibilityTimeout",
                sqsManagedSseEnabled="SqsManagedSseEnabled",
            ),
        ),
    ),
    "aws:secretsmanager/secret:Secret": (
        Read(
            "secretsmanager",
            "DescribeSecret",
            {"SecretId": "@id"},
            {"name": "Name", "description": "Description", "kmsKeyId": "KmsKeyId"},
        ),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": (
        Read(
            "secretsmanager",
            "GetSecretValue",
            {"SecretId": "@secretId"},
            {"secretId": "ARN", "secretString": "SecretString"},
        ),
    ),
    "aws:sqs/queuePolicy:QueuePolicy": (
        Read(
            "sqs",
            "GetQueueAttributes",
            {"QueueUrl": "@queueUrl", "AttributeNames": ["Policy"]},
            below("Attributes", "policy"),
        ),
    ),
    "aws:ssm/parameter:Parameter": (
        Read("ssm", "GetParameter", {"Name": "@name"}, below("Parameter", "name", "type", "value")),
        Read(
            "ssm",
            "DescribeParameters",
            {"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": ["@name"]}]},
            below("Parameters[0]", "description"),
        ),
    ),
    "aws:transfer/hostKey:HostKey": (
        Read(
            "transfer",
            "DescribeHostKey",
            {"ServerId": "@serverId", "HostKeyId": "@id"},
            below("HostKey", "description"),
        ),
    ),
    "aws:transfer/server:Server": (
        Read(
            "transfer",
            "DescribeServer",
            {"ServerId": "@id"},
            below(
                "Server",
                *("domain", "endpointDetails", "endpointType", "identityProviderType", "loggingRole"),
                *("protocolDetails", "protocols", "securityPolicyName", "structuredLogDestinations"),
            ),
        ),
    ),
    "aws:transfer/sshKey:SshKey": (
        Read(
            "transfer",
            "DescribeUser",
            {"ServerId": "@serverId", "UserName": "@userName"},
            {
                "serverId": "ServerId",
                "userName": "User.UserName",
                "body": "User.SshPublicKeys[?SshPublicKeyId=='@id'].SshPublicKeyBody | [0]",
            },
        ),
    ),
    "aws:transfer/user:User": (
        Read(
            "transfer",
            "DescribeUser",
            {"ServerId": "@serverId", "UserName": "@userName"},
            {
                **below("User", "homeDirectoryMappings", "homeDirectoryType", "policy", "role", "userName"),
                "serverId": "ServerId",
            },
        ),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule(),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule(),
}


def _group(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a security group with one permission for each port, as EC2 answers."""
    if "ingress" not in inputs:
        return inputs  # its rules are resources of their own
    nested = nesting.security_group(inputs)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in nested["ipPermissions"] or ():
        ports = (each["ipProtocol"], each["fromPort"], each["toPort"])
        whole = found.setdefault(ports, {**each, "ipRanges": []})
        whole["ipRanges"] = [*whole["ipRanges"], *each["ipRanges"]]
    return {**nested, "ipPermissions": list(found.values())}


def _record(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record with a whole name, as Route 53 answers."""
    return {**nesting.record(inputs), "name": f"{inputs['name']}."}


#: Inputs that AWS answers in another form, which no place in an answer expresses.
ANSWERED_AS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "aws:ec2/securityGroup:SecurityGroup": _group,
    "aws:route53/record:Record": _record,
}

#: Inputs that no answer of AWS's has, with the reason. The provider keeps them in its own state.
UNREAD = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
        "vpcId": "AWS makes it; only its rules are removed"
    },
    "aws:kms/key:Key": {"deletionWindowInDays": "it is sent when the key is deleted"},
    "aws:lambda/function:Function": {
        "code": "the hash of the bundle is compared",
        "publish": "it is sent with new code",
    },
    "aws:lambda/permission:Permission": {"function": "it is part of the id"},
    "aws:route53/healthCheck:HealthCheck": {"referenceName": "it is sent when the check is made"},
    "aws:route53/record:Record": {"zoneId": "it is part of the id"},
    "aws:s3/bucket:Bucket": {"bucket": "it is the id", "forceDestroy": "it is the provider's own"},
    "aws:s3/bucketObjectv2:BucketObjectv2": {
        "bucket": "it is part of the id",
        "key": "it is part of the id",
        "content": "the ETag is compared",
    },
    "aws:dynamodb/tableReplica:TableReplica": {"globalTableArn": "it is part of the id"},
    "aws:secretsmanager/secret:Secret": {"recoveryWindowInDays": "it is sent when the secret is deleted"},
    "aws:sns/topic:Topic": {"name": "it is part of the ARN"},
    "aws:sqs/queue:Queue": {"name": "it is part of the URL"},
    "aws:sqs/queuePolicy:QueuePolicy": {"queueUrl": "it is the id"},
    "aws:transfer/hostKey:HostKey": {
        "hostKeyBody": "AWS does not give it away",
        "serverId": "it is part of the id",
    },
    "aws:transfer/server:Server": {"hostKey": "AWS does not give it away"},
}
