"""Each gap of MiniStack that the adapter closes, tested through boto3."""

from __future__ import annotations

import json
import time
import urllib.request

import asyncssh
import pytest
from botocore.exceptions import ClientError

from local.aws.ministack.controls import TRANSFER_AGENT
from tests.local.conftest import EAST, ROLE, WEST, World

OTHER_PARTITION = "arn:" + "aws:"


def code_of(problem: pytest.ExceptionInfo[ClientError]) -> str:
    return problem.value.response["Error"]["Code"]


# --- partition -----------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [WEST, EAST])
def test_every_service_answers_with_the_govcloud_partition(aws: World, region: str) -> None:
    name = f"part-{region}"
    aws.bucket(name, region)
    function = aws.function(name, region)
    _, queue = aws.queue(name, region)
    topic = aws("sns", region).create_topic(Name=name)["TopicArn"]
    aws("sns", region).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    key, alias = aws.key(region, name)
    table = aws("dynamodb", region).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    server = aws("transfer", region).create_server()["ServerId"]
    role = aws("iam", region).create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    aws("events", region).put_rule(Name=name, EventPattern='{"source": ["x"]}')
    aws("logs", region).create_log_group(logGroupName=name)
    aws("cloudwatch", region).put_metric_alarm(
        AlarmName=name,
        MetricName="m",
        Namespace="n",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    aws("scheduler", region).create_schedule(
        Name=name,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": ROLE},
    )
    answers = [
        function, queue, topic, key, alias, table, role,
        aws("sts", region).get_caller_identity(),
        aws("sns", region).list_subscriptions_by_topic(TopicArn=topic),
        aws("kms", region).describe_key(KeyId=alias),
        aws("lambda", region).get_function(FunctionName=function),
        aws("lambda", region).create_event_source_mapping(EventSourceArn=queue, FunctionName=function),
        aws("stepfunctions", region).create_state_machine(
            name=name, roleArn=ROLE, definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
        ),
        aws("transfer", region).describe_server(ServerId=server),
        aws("events", region).list_rules(),
        aws("events", region).describe_event_bus(),
        aws("scheduler", region).get_schedule(Name=name),
        aws("logs", region).describe_log_groups(),
        aws("cloudwatch", region).describe_alarms(AlarmNames=[name]),
        aws("secretsmanager", region).create_secret(Name=name, SecretString="s"),
        aws("ssm", region).get_parameter(
            Name=aws("ssm", region).put_parameter(Name=name, Value="v", Type="String") and name
        ),
        aws("iam", region).list_policies(Scope="AWS", MaxItems=5),
        aws("ec2", region).create_vpc(CidrBlock="10.9.0.0/16"),
        aws("resourcegroupstaggingapi", region).get_resources(),
    ]  # fmt: skip
    text = json.dumps(answers, default=str)
    assert OTHER_PARTITION not in text
    assert text.count("arn:aws-us-gov:") > 30


# --- Route 53 ------------------------------------------------------------------------------------


def test_health_checks_keep_their_booleans_and_children(aws: World) -> None:
    route53 = aws("route53")

    def make(reference: str, **config: object) -> dict[str, object]:
        made = route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)["HealthCheck"]
        return route53.get_health_check(HealthCheckId=made["Id"])["HealthCheck"]

    alarm = {"Region": EAST, "Name": "switch"}
    leaf = make("leaf", Type="CLOUDWATCH_METRIC", AlarmIdentifier=alarm, Disabled=True, Inverted=False)
    assert (leaf["HealthCheckConfig"]["Disabled"], leaf["HealthCheckConfig"]["Inverted"]) == (True, False)
    both = make("both", Type="CALCULATED", ChildHealthChecks=[leaf["Id"]], HealthThreshold=1)
    assert both["HealthCheckConfig"]["ChildHealthChecks"] == [leaf["Id"]]
    route53.update_health_check(HealthCheckId=leaf["Id"], Disabled=False)
    again = route53.get_health_check(HealthCheckId=leaf["Id"])["HealthCheck"]["HealthCheckConfig"]
    assert again["Disabled"] is False
    regions = ["us-gov-west-1", "us-gov-east-1", "us-east-1"]
    probed = make("probed", Type="TCP", IPAddress="192.0.2.1", Port=22, Regions=regions)
    assert probed["HealthCheckConfig"]["Regions"] == regions
    for each in (probed, both, leaf):  # a name server would look at them for the rest of the run
        route53.delete_health_check(HealthCheckId=each["Id"])


# --- EventBridge ---------------------------------------------------------------------------------


def test_only_the_sftp_endpoint_may_emit_its_own_source(aws: World) -> None:
    url = aws.listen("uploads", WEST, {"source": ["aws.transfer"]})
    detail_type = "SFTP Server File Upload Completed"

    def put(client: object, *sources: str) -> int:
        entries = [{"Source": s, "DetailType": detail_type, "Detail": "{}"} for s in sources]
        return client.put_events(Entries=entries)["FailedEntryCount"]

    endpoint = aws.emulator.new_client("events", WEST, user_agent_extra=TRANSFER_AGENT)
    assert put(aws("events"), "aws.transfer") == 1
    assert put(endpoint, "aws.s3") == 1
    assert put(endpoint, "aws.transfer", "aws.s3") == 2
    assert put(endpoint, "aws.transfer") == 0
    endpoint.close()
    events = aws.bodies(url, 1)
    assert [(e["source"], e["detail-type"]) for e in events] == [("aws.transfer", detail_type)]


# --- a retried call ------------------------------------------------------------------------------


def test_a_repeated_request_is_answered_from_memory(aws: World) -> None:
    def create(call: str, attempt: int) -> str:
        credential = f"{aws.emulator.account}/20260101/{WEST}/ec2/aws4_request"
        request = urllib.request.Request(
            aws.emulator.endpoint,
            data=b"Action=CreateVpc&CidrBlock=10.0.0.0/16&Version=2016-11-15",
            headers={
                "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
                "amz-sdk-invocation-id": call,
                "amz-sdk-request": f"attempt={attempt}; max=5",
            },
        )
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode().partition("<vpcId>")[2].partition("<")[0]

    first = create("call-1", 1)
    assert first.startswith("vpc-")
    assert create("call-1", 2) == first
    assert create("call-2", 1) != first


# --- Transfer Family -----------------------------------------------------------------------------


def test_a_server_and_its_host_keys_keep_what_they_were_given(aws: World) -> None:
    transfer = aws("transfer")
    own = asyncssh.generate_private_key("ssh-ed25519")
    given = {
        "EndpointType": "VPC",
        "SecurityPolicyName": "TransferSecurityPolicy-FIPS-2024-01",
        "LoggingRole": ROLE,
        "Protocols": ["SFTP"],
        "StructuredLogDestinations": [f"arn:aws-us-gov:logs:{WEST}:{aws.emulator.account}:log-group:x:*"],
    }
    place = {"VpcId": "vpc-1", "SubnetIds": ["subnet-1"], "AddressAllocationIds": ["eipalloc-1"]}
    server = transfer.create_server(
        **given,
        EndpointDetails=place,
        HostKey=own.export_private_key().decode(),
        Tags=[{"Key": "a", "Value": "1"}],
    )["ServerId"]
    seen = transfer.describe_server(ServerId=server)["Server"]
    assert {name: seen[name] for name in given} == given
    assert place.items() <= seen["EndpointDetails"].items()
    assert seen["HostKeyFingerprint"] == own.get_fingerprint()

    second = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    host_key = transfer.import_host_key(
        ServerId=server, HostKeyBody=second.export_private_key("pkcs1-pem").decode(), Description="second"
    )["HostKeyId"]
    shown = transfer.describe_host_key(ServerId=server, HostKeyId=host_key)["HostKey"]
    assert (shown["HostKeyFingerprint"], shown["Type"]) == (second.get_fingerprint(), "ecdsa-sha2-nistp256")
    listed = transfer.list_host_keys(ServerId=server)["HostKeys"]
    assert [key["Fingerprint"] for key in listed] == [own.get_fingerprint(), second.get_fingerprint()]
    assert "PRIVATE KEY" not in json.dumps([seen, shown, listed], default=str)
    with pytest.raises(transfer.exceptions.InvalidRequestException):
        transfer.import_host_key(ServerId=server, HostKeyBody="not a key")
    with pytest.raises(transfer.exceptions.InvalidRequestException, match="Invalid host key format"):
        transfer.import_host_key(ServerId=server, HostKeyBody=second.export_private_key().decode())
    transfer.delete_host_key(ServerId=server, HostKeyId=host_key)
    assert len(transfer.list_host_keys(ServerId=server)["HostKeys"]) == 1

    transfer.update_server(ServerId=server, SecurityPolicyName="TransferSecurityPolicy-FIPS-2025-01")
    seen = transfer.describe_server(ServerId=server)["Server"]
    assert seen["SecurityPolicyName"] == "TransferSecurityPolicy-FIPS-2025-01"
    assert seen["LoggingRole"] == ROLE
    transfer.tag_resource(Arn=seen["Arn"], Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    transfer.untag_resource(Arn=seen["Arn"], TagKeys=["b"])
    assert transfer.list_tags_for_resource(Arn=seen["Arn"])["Tags"] == [{"Key": "a", "Value": "2"}]

    plain = transfer.create_server()["ServerId"]
    kinds = {key["Type"] for key in transfer.list_host_keys(ServerId=plain)["HostKeys"]}
    assert "ssh-ed25519" in kinds


def test_a_user_keeps_what_it_was_given(aws: World) -> None:
    transfer = aws("transfer", EAST)
    server = transfer.create_server()["ServerId"]
    given = {
        "HomeDirectoryType": "LOGICAL",
        "HomeDirectoryMappings": [{"Entry": "/", "Target": "/bucket/inbound"}],
        "Policy": '{"Version": "2012-10-17"}',
        "Role": ROLE,
    }
    who = {"ServerId": server, "UserName": "acme"}
    transfer.create_user(**who, **given)
    public = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    transfer.import_ssh_public_key(**who, SshPublicKeyBody=public)
    seen = transfer.describe_user(**who)["User"]
    assert {name: seen[name] for name in given} == given
    (key,) = seen["SshPublicKeys"]
    assert abs(key["DateImported"].timestamp() - time.time()) < 60
    transfer.update_user(**who, Role=ROLE + "-2")
    seen = transfer.describe_user(**who)["User"]
    assert (seen["Role"], seen["Policy"]) == (ROLE + "-2", given["Policy"])
    with pytest.raises(transfer.exceptions.ResourceNotFoundException):
        transfer.update_user(ServerId=server, UserName="nobody", Role=ROLE)


# --- alarms --------------------------------------------------------------------------------------


def test_an_alarm_judges_its_own_dimensions_period_by_period(aws: World) -> None:
    cloudwatch, now = aws("cloudwatch"), time.time()

    def errors(function: str, *minutes_ago: int) -> None:
        for ago in minutes_ago:
            datum = {"MetricName": "Errors", "Value": 1, "Timestamp": now - 60 * ago}
            datum["Dimensions"] = [{"Name": "FunctionName", "Value": function}]
            cloudwatch.put_metric_data(Namespace="alarms", MetricData=[datum])

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=["keeps-failing"])["MetricAlarms"]
        return alarm["StateValue"]

    cloudwatch.put_metric_alarm(
        AlarmName="keeps-failing",
        Namespace="alarms",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": "mine"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=10,
        DatapointsToAlarm=3,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    errors("another", 0, 1, 2, 3)
    assert state() == "INSUFFICIENT_DATA"
    errors("mine", 1, 1, 1, 1)
    assert state() == "OK"
    errors("mine", 3, 5)
    assert state() == "ALARM"


def test_an_alarm_looks_back_from_now_and_not_from_where_a_period_begins(aws: World) -> None:
    """Otherwise a metric that is published once a day would be missing at every midnight."""
    cloudwatch, day = aws("cloudwatch"), 24 * 60 * 60
    cloudwatch.put_metric_alarm(
        AlarmName="silent",
        Namespace="alarms",
        MetricName="Reports",
        Statistic="SampleCount",
        Period=day,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    before_midnight = time.time() // day * day - 1
    datum = {"MetricName": "Reports", "Value": 1, "Timestamp": before_midnight}
    cloudwatch.put_metric_data(Namespace="alarms", MetricData=[datum])
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["silent"])["MetricAlarms"]
    assert alarm["StateValue"] == "OK"


def test_versions_of_names_with_any_character_are_listed(aws: World) -> None:
    aws.bucket("any-names", WEST)
    s3 = aws("s3")
    keys = sorted(f"inbound/{name}" for name in ("a\x1bb", "a\nb", "a b+c%", "\u00e9", "<&>"))
    for key in keys:
        s3.put_object(Bucket="any-names", Key=key, Body=b"x")
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket="any-names", Prefix="inbound/", PaginationConfig={"PageSize": 2}
    )
    assert sorted(version["Key"] for page in pages for version in page["Versions"]) == keys
