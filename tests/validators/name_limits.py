"""How long names and other texts may be, by type and input; generated names have their suffix."""

from __future__ import annotations

from local.program import Graph

#: Characters.
LIMITS = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
    ("aws:cloudwatch/dashboard:Dashboard", "dashboardName"): 255,
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    ("aws:cloudwatch/eventRule:EventRule", "name"): 64,
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
    ("aws:cloudwatch/eventRule:EventRule", "eventPattern"): 2_048,
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
    ("aws:cloudwatch/eventTarget:EventTarget", "targetId"): 64,
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    ("aws:cloudwatch/logGroup:LogGroup", "name"): 512,
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    ("aws:cloudwatch/metricAlarm:MetricAlarm", "name"): 255,
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
    ("aws:dynamodb/table:Table", "name"): 255,
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    ("aws:ec2/securityGroup:SecurityGroup", "name"): 255,
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    ("aws:iam/role:Role", "name"): 64,
    ("aws:iam/rolePolicy:RolePolicy", "name"): 128,
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
    ("aws:kms/alias:Alias", "name"): 256,
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    ("aws:lambda/function:Function", "name"): 64,
    # https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
    ("aws:lambda/permission:Permission", "statementId"): 100,
    # https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHealthCheck.html
    # Of the 64 characters the provider keeps 37 for a suffix of its own.
    ("aws:route53/healthCheck:HealthCheck", "referenceName"): 27,
    # RFC 1035 section 2.3.4, without the root's empty label and the final dot.
    ("aws:route53/record:Record", "name"): 253,
    # https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
    ("aws:route53/record:Record", "setIdentifier"): 128,
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    ("aws:s3/bucket:Bucket", "bucket"): 63,
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
    ("aws:sfn/stateMachine:StateMachine", "name"): 80,
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    ("aws:sns/topic:Topic", "name"): 256,
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    ("aws:sqs/queue:Queue", "name"): 80,
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    ("aws:ssm/parameter:Parameter", "name"): 1_011,
    ("aws:ssm/parameter:Parameter", "value"): 4_096,  # of the standard tier
    # https://docs.aws.amazon.com/transfer/latest/APIReference/API_CreateUser.html
    ("aws:transfer/user:User", "userName"): 100,
}


def complaints(graph: Graph) -> list[str]:
    """Return every text of a graph that is too long."""
    return [
        f"{resource.urn}: {name} {value!r} has {len(value)} characters, {limit} are allowed"
        for (type, name), limit in LIMITS.items()
        for resource in graph.of(type)
        if len(value := resource.inputs.get(name, "")) > limit
    ]
