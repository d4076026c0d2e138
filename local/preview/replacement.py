"""What the AWS provider cannot change in place, and what is lost with a resource.

Only the running provider can say so itself. These are its `ForceNew` and `RequiresReplace` marks, from
https://github.com/hashicorp/terraform-provider-aws (6.x, which pulumi-aws 7 bridges), below
`internal/service/` in the file that each comment names. A path stands for everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from local.preview.values import within

_NAME = ("name", "namePrefix")

#: Per type, the properties whose change makes Pulumi delete the resource and create another.
REPLACES: dict[str, tuple[str, ...]] = {
    # A provider in another region manages none of the same resources.
    "pulumi:providers:aws": ("region",),
    "aws:cloudwatch/dashboard:Dashboard": ("dashboardName",),  # cloudwatch/dashboard.go
    "aws:cloudwatch/eventRule:EventRule": (*_NAME, "eventBusName"),  # events/rule.go
    "aws:cloudwatch/eventTarget:EventTarget": ("rule", "targetId", "eventBusName"),  # events/target.go
    "aws:cloudwatch/logGroup:LogGroup": (*_NAME, "logGroupClass"),  # logs/group.go
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("name",),  # cloudwatch/metric_alarm.go
    # dynamodb/table.go
    "aws:dynamodb/table:Table": ("name", "hashKey", "rangeKey", "localSecondaryIndexes"),
    # dynamodb/table_replica.go
    "aws:dynamodb/tableReplica:TableReplica": ("globalTableArn", "kmsKeyArn", "tableClassOverride"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ("vpcId",),  # ec2/vpc_default_security_group.go
    # ec2/ec2_eip.go
    "aws:ec2/eip:Eip": ("domain", "address", "networkBorderGroup", "publicIpv4Pool", "ipamPoolId"),
    # ec2/vpc_flow_log.go; everything but tags
    "aws:ec2/flowLog:FlowLog": (
        "destinationOptions",
        "eniId",
        "iamRoleArn",
        "logDestination",
        "logDestinationType",
        "logFormat",
        "maxAggregationInterval",
        "subnetId",
        "trafficType",
        "vpcId",
    ),
    "aws:ec2/internetGateway:InternetGateway": (),  # ec2/vpc_internet_gateway.go; moves to another VPC
    # ec2/vpc_nat_gateway.go
    "aws:ec2/natGateway:NatGateway": ("allocationId", "connectivityType", "privateIp", "subnetId"),
    # ec2/vpc_route.go
    "aws:ec2/route:Route": (
        "routeTableId",
        "destinationCidrBlock",
        "destinationIpv6CidrBlock",
        "destinationPrefixListId",
    ),
    "aws:ec2/routeTable:RouteTable": ("vpcId",),  # ec2/vpc_route_table.go
    # ec2/vpc_route_table_association.go; the table itself is exchanged in place
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("subnetId", "gatewayId"),
    "aws:ec2/securityGroup:SecurityGroup": (*_NAME, "description", "vpcId"),  # ec2/vpc_security_group.go
    # ec2/vpc_subnet.go
    "aws:ec2/subnet:Subnet": ("availabilityZone", "availabilityZoneId", "cidrBlock", "ipv6Native", "vpcId"),
    "aws:ec2/vpc:Vpc": ("cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength"),  # ec2/vpc_.go
    # ec2/vpc_endpoint.go
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("serviceName", "serviceRegion", "vpcEndpointType", "vpcId"),
    "aws:iam/role:Role": (*_NAME, "path"),  # iam/role.go
    "aws:iam/rolePolicy:RolePolicy": (*_NAME, "role"),  # iam/role_policy.go
    "aws:kms/alias:Alias": _NAME,  # kms/alias.go
    # kms/grant.go; a grant is never edited
    "aws:kms/grant:Grant": (
        "constraints",
        "grantCreationTokens",
        "granteePrincipal",
        "keyId",
        "name",
        "operations",
        "retireOnDelete",
        "retiringPrincipal",
    ),
    # kms/key.go
    "aws:kms/key:Key": ("customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"),
    # lambda/event_source_mapping.go
    "aws:lambda/eventSourceMapping:EventSourceMapping": (
        "eventSourceArn",
        "queues",
        "selfManagedEventSource",
        "startingPosition",
        "startingPositionTimestamp",
        "topics",
    ),
    "aws:lambda/function:Function": ("name", "packageType"),  # lambda/function.go
    # lambda/function_event_invoke_config.go
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": ("functionName", "qualifier"),
    # lambda/permission.go; a statement is never edited
    "aws:lambda/permission:Permission": (
        "action",
        "eventSourceToken",
        "function",
        "principal",
        "principalOrgId",
        "qualifier",
        "sourceAccount",
        "sourceArn",
        "statementId",
        "statementIdPrefix",
    ),
    # route53/health_check.go
    "aws:route53/healthCheck:HealthCheck": (
        "measureLatency",
        "referenceName",
        "requestInterval",
        "routingControlArn",
        "type",
    ),
    # route53/record.go; another type or set identifier is an update, in one change batch
    "aws:route53/record:Record": ("name", "zoneId"),
    "aws:s3/bucket:Bucket": ("bucket", "bucketPrefix", "objectLockEnabled"),  # s3/bucket.go
    # s3/bucket_lifecycle_configuration.go and its sisters: one per bucket, and never another bucket's
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("bucket", "expectedBucketOwner"),
    "aws:s3/bucketNotification:BucketNotification": ("bucket",),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": ("bucket", "expectedBucketOwner"),
    "aws:s3/bucketPolicy:BucketPolicy": ("bucket",),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("bucket",),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": ("bucket",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "bucket",
        "expectedBucketOwner",
    ),
    "aws:s3/bucketVersioning:BucketVersioning": ("bucket", "expectedBucketOwner"),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("bucket", "key"),  # s3/object.go
    "aws:secretsmanager/secret:Secret": _NAME,  # secretsmanager/secret.go
    "aws:secretsmanager/secretVersion:SecretVersion": (
        "secretId",
        "secretBinary",
        "secretString",
        "secretStringWoVersion",
    ),  # secretsmanager/secret_version.go
    "aws:sfn/stateMachine:StateMachine": (*_NAME, "type"),  # sfn/state_machine.go
    "aws:sns/topic:Topic": (*_NAME, "fifoTopic"),  # sns/topic.go
    "aws:sns/topicPolicy:TopicPolicy": ("arn",),  # sns/topic_policy.go
    # sns/topic_subscription.go
    "aws:sns/topicSubscription:TopicSubscription": ("endpoint", "protocol", "topic"),
    "aws:sqs/queue:Queue": (*_NAME, "fifoQueue"),  # sqs/queue.go
    "aws:sqs/queuePolicy:QueuePolicy": ("queueUrl",),  # sqs/queue_policy.go
    "aws:ssm/parameter:Parameter": ("name", "dataType"),  # ssm/parameter.go
    "aws:transfer/hostKey:HostKey": ("hostKeyBody", "serverId"),  # transfer/host_key.go
    # transfer/server.go; its endpoint type is changed in place, the server offline meanwhile
    "aws:transfer/server:Server": ("domain", "endpointDetails.vpcId", "identityProviderType"),
    "aws:transfer/sshKey:SshKey": ("body", "serverId", "userName"),  # transfer/ssh_key.go
    "aws:transfer/user:User": ("serverId", "userName"),  # transfer/user.go
    # ec2/vpc_security_group_ingress_rule.go, which the egress rule shares; the rule itself is edited
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("securityGroupId",),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("securityGroupId",),
}

#: For every regional type: https://www.pulumi.com/registry/packages/aws/how-to-guides/enhanced-region-support/
_ANYWHERE = ("region",)

#: What is lost for good with a resource, for the types whose content a new resource does not bring back.
LOSES = {
    "aws:dynamodb/table:Table": "every fact in it",
    "aws:dynamodb/tableReplica:TableReplica": "every fact in this region",
    "aws:ec2/eip:Eip": "an address that customers or partners allow",
    "aws:kms/key:Key": "everything that it encrypts",
    "aws:s3/bucket:Bucket": "every object in it",
    "aws:sqs/queue:Queue": "every message in it",
    "aws:transfer/server:Server": "the endpoint that every customer connects to",
}


def forces_replacement(type: str, path: str, also: Sequence[str] = ()) -> bool:
    """Return whether a change at a path, e.g. `endpointDetails.vpcId`, makes the provider replace a resource.

    `also` are the paths in the resource's own `replaceOnChanges`.
    """
    changed = re.sub(r"\[[^]]*\]", "", path)
    marked = (*REPLACES.get(type, ()), *_ANYWHERE, *also)
    return any(each == "*" or within(changed, each) or within(each, changed) for each in marked)
