"""Answers in the protocols of AWS's SDK for Go, as the AWS provider of Pulumi and Terraform asks for them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import asyncssh
import botocore.session
import pytest

from local.aws.ministack import SERVICES
from tests.local.conftest import EAST, ROLE, WEST, World
from tests.local.wire import Wire

ALARM = {
    "AlarmName": "wire",
    "AlarmDescription": "Files <wait> & wait",
    "Namespace": "AWS/Lambda",
    "MetricName": "Duration",
    "Period": 300,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 1.5,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "ExtendedStatistic": "p99",
    "EvaluateLowSampleCountPercentile": "ignore",
    "Dimensions": [{"Name": "FunctionName", "Value": "ingest"}],
    "AlarmActions": [f"arn:aws-us-gov:sns:{WEST}:123456789012:alerts"],
    "OKActions": [f"arn:aws-us-gov:sns:{WEST}:123456789012:alerts"],
    "InsufficientDataActions": [f"arn:aws-us-gov:sns:{WEST}:123456789012:silent"],
}


@pytest.fixture
def wire(aws: World) -> Wire:
    return Wire(aws)


def texts(element: Any, path: str) -> list[str]:
    return [each.text or "" for each in element.findall(path)]


def flat(alarm: dict[str, Any]) -> dict[str, str]:
    """Return an alarm as the Query protocol writes it."""
    fields = {}
    for name, value in alarm.items():
        for number, each in enumerate(value if isinstance(value, list) else [], 1):
            members = each.items() if isinstance(each, dict) else [("", each)]
            fields |= {f"{name}.member.{number}.{key}".rstrip("."): text for key, text in members}
        if not isinstance(value, list):
            fields[name] = str(value)
    return fields


# --- CloudWatch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("made_by", ["query", "cbor"])
def test_an_alarm_in_the_query_protocol(wire: Wire, made_by: str) -> None:
    alarm = {**ALARM, "AlarmName": f"query-{made_by}"}
    put_by(wire, made_by, alarm)
    root = wire.query("monitoring", "DescribeAlarms", **{"AlarmNames.member.1": alarm["AlarmName"]})
    (found,) = root.findall("DescribeAlarmsResult/MetricAlarms/member")
    plain = {each.tag: each.text for each in found if len(each) == 0}
    wanted = {name: str(value) for name, value in alarm.items() if not isinstance(value, list)}
    assert plain.items() >= wanted.items()
    assert plain["ActionsEnabled"] == "true"
    assert "Statistic" not in plain, "an alarm has one statistic or the other"
    assert texts(found, "Dimensions/member/Name") == ["FunctionName"]
    assert texts(found, "Dimensions/member/Value") == ["ingest"]
    for actions in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        assert texts(found, f"{actions}/member") == alarm[actions]
    for time in ("StateUpdatedTimestamp", "AlarmConfigurationUpdatedTimestamp"):
        assert datetime.fromisoformat(plain[time]).tzinfo is not None


@pytest.mark.parametrize("made_by", ["query", "cbor"])
def test_an_alarm_in_cbor(wire: Wire, made_by: str) -> None:
    alarm = {**ALARM, "AlarmName": f"cbor-{made_by}"}
    put_by(wire, made_by, alarm)
    (found,) = wire.cbor("DescribeAlarms", AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    assert found.items() >= alarm.items()
    assert "Statistic" not in found
    assert None not in found.values(), "the SDK refuses a null"
    for time in ("StateUpdatedTimestamp", "AlarmConfigurationUpdatedTimestamp"):
        assert isinstance(found[time], datetime), "a time is tagged as one"


def put_by(wire: Wire, protocol: str, alarm: dict[str, Any]) -> None:
    if protocol == "cbor":
        wire.cbor("PutMetricAlarm", **alarm)
    else:
        wire.query("monitoring", "PutMetricAlarm", **flat(alarm))


def test_a_plain_statistic_is_kept(wire: Wire) -> None:
    alarm = {name: value for name, value in ALARM.items() if name not in ("ExtendedStatistic",)}
    put_by(wire, "query", {**alarm, "AlarmName": "plain", "Statistic": "Sum"})
    root = wire.query("monitoring", "DescribeAlarms", AlarmNamePrefix="plain")
    assert texts(root, ".//member/Statistic") == ["Sum"]
    assert texts(root, ".//member/ExtendedStatistic") == []


def test_no_other_service_speaks_cbor() -> None:
    """One that begins to needs its answers looked at, as CloudWatch's were."""
    session = botocore.session.get_session()
    known = set(session.get_available_services())
    names = {"logs", "lambda", "s3", "stepfunctions", "cloudwatch", *(set(SERVICES) & known)}
    speaking = {
        name
        for name in names
        if "smithy-rpc-v2-cbor" in session.get_service_model(name).metadata.get("protocols", ())
    }
    assert speaking == {"cloudwatch"}


# --- Transfer Family -----------------------------------------------------------------------------


def test_dates_of_a_users_keys_are_numbers(wire: Wire) -> None:
    server = wire.json("transfer", "CreateServer")["ServerId"]
    public = [
        asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip() for _ in range(2)
    ]
    who = {"ServerId": server, "UserName": "acme"}
    wire.json("transfer", "CreateUser", **who, Role=ROLE, SshPublicKeyBody=public[0])
    wire.json("transfer", "ImportSshPublicKey", **who, SshPublicKeyBody=public[1])
    keys = wire.json("transfer", "DescribeUser", **who)["User"]["SshPublicKeys"]
    assert [each["SshPublicKeyBody"] for each in keys] == public
    assert [type(each["DateImported"]) for each in keys] == [int, int]
    (host_key, *_) = wire.json("transfer", "ListHostKeys", ServerId=server)["HostKeys"]
    assert type(host_key["DateImported"]) is int


# --- SNS, SQS, Step Functions, KMS ---------------------------------------------------------------


@pytest.mark.parametrize(("asked", "is_arn"), [("true", True), ("false", False)])
def test_a_subscription_that_waits_for_its_owner(wire: Wire, asked: str, is_arn: bool) -> None:
    (topic,) = texts(wire.query("sns", "CreateTopic", Name=f"asked-{asked}"), ".//TopicArn")
    queue = f"arn:aws-us-gov:sqs:{WEST}:210987654321:theirs"
    root = wire.query(
        "sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=asked
    )
    (arn,) = texts(root, ".//SubscriptionArn")
    assert (arn.startswith(f"{topic}:"), arn == "pending confirmation") == (is_arn, not is_arn)
    if is_arn:
        entries = wire.query("sns", "GetSubscriptionAttributes", SubscriptionArn=arn).findall(".//entry")
        values = {each.findtext("key"): each.findtext("value") for each in entries}
        assert values["PendingConfirmation"] == "true"


@pytest.mark.parametrize("verb", ["CreateQueue", "SetQueueAttributes"])
def test_a_redrive_policy_is_compact(wire: Wire, verb: str) -> None:
    dead = wire.json("sqs", "CreateQueue", QueueName="dead")["QueueUrl"]
    target = wire.json("sqs", "GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])
    arn = target["Attributes"]["QueueArn"]
    given = {"RedrivePolicy": json.dumps({"maxReceiveCount": "5", "deadLetterTargetArn": arn}, indent=2)}
    first = given if verb == "CreateQueue" else {}
    url = wire.json("sqs", "CreateQueue", QueueName=f"redrive-{verb}", Attributes=first)["QueueUrl"]
    if verb == "SetQueueAttributes":
        wire.json("sqs", verb, QueueUrl=url, Attributes=given)
    found = wire.json("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["RedrivePolicy"] == f'{{"maxReceiveCount":5,"deadLetterTargetArn":"{arn}"}}'


def test_the_tracing_of_a_state_machine(wire: Wire) -> None:
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    given = {"name": "traced", "definition": definition, "roleArn": ROLE}
    arn = wire.json("states", "CreateStateMachine", **given, tracingConfiguration={"enabled": True})[
        "stateMachineArn"
    ]

    def tracing() -> Any:
        return wire.json("states", "DescribeStateMachine", stateMachineArn=arn)["tracingConfiguration"]

    assert tracing() == {"enabled": True}
    wire.json("states", "UpdateStateMachine", stateMachineArn=arn, definition=definition)
    assert tracing() == {"enabled": True}
    wire.json("states", "UpdateStateMachine", stateMachineArn=arn, tracingConfiguration={"enabled": False})
    assert tracing() == {"enabled": False}
    plain = wire.json("states", "CreateStateMachine", **{**given, "name": "untraced"})["stateMachineArn"]
    answer = wire.json("states", "DescribeStateMachine", stateMachineArn=plain)
    assert answer["tracingConfiguration"] == {"enabled": False}


@pytest.mark.parametrize("service", ["dynamodb", "s3", "sns", "sqs", "lambda", "secretsmanager", "ssm"])
def test_a_key_that_aws_manages_exists_when_it_is_asked_for(aws: World, service: str) -> None:
    east = Wire(aws, EAST)
    alias = f"alias/aws/{service}"
    found = east.json("kms", "DescribeKey", KeyId=alias)["KeyMetadata"]
    assert (found["KeyManager"], found["KeyState"], found["Enabled"]) == ("AWS", "Enabled", True)
    assert found["Arn"].startswith(f"arn:aws-us-gov:kms:{EAST}:123456789012:key/")
    assert type(found["CreationDate"]) is not str
    by_arn = f"arn:aws-us-gov:kms:{EAST}:123456789012:{alias}"
    again = east.json("kms", "DescribeKey", KeyId=by_arn)["KeyMetadata"]
    assert again["KeyId"] == found["KeyId"]
    listed = {each["AliasName"]: each["TargetKeyId"] for each in east.json("kms", "ListAliases")["Aliases"]}
    assert listed[alias] == found["KeyId"]


# --- EC2 -----------------------------------------------------------------------------------------


def test_a_flow_log_is_described_whole(wire: Wire) -> None:
    given = {
        "ResourceId.1": "vpc-1",
        "ResourceType": "VPC",
        "TrafficType": "REJECT",
        "DeliverLogsPermissionArn": ROLE,
        "LogDestinationType": "cloud-watch-logs",
        "LogDestination": f"arn:aws-us-gov:logs:{WEST}:123456789012:log-group:flows",
        "TagSpecification.1.ResourceType": "vpc-flow-log",
        "TagSpecification.1.Tag.1.Key": "cell",
        "TagSpecification.1.Tag.1.Value": "1",
    }
    (made,) = texts(wire.query("ec2", "CreateFlowLogs", **given), "flowLogIdSet/item")
    (found,) = wire.query("ec2", "DescribeFlowLogs", **{"FlowLogId.1": made}).findall("flowLogSet/item")
    assert {name: found.findtext(name) for name in FLOW_LOG} == FLOW_LOG
    assert (found.findtext("logFormat") or "").startswith("${version} ${account-id} ")
    assert texts(found, "tagSet/item/key") == ["cell"]


FLOW_LOG = {
    "resourceId": "vpc-1",
    "trafficType": "REJECT",
    "deliverLogsPermissionArn": ROLE,
    "logDestinationType": "cloud-watch-logs",
    "logDestination": f"arn:aws-us-gov:logs:{WEST}:123456789012:log-group:flows",
    "logGroupName": "flows",
    "maxAggregationInterval": "600",
    "flowLogStatus": "ACTIVE",
    "deliverLogsStatus": "SUCCESS",
}


def test_an_interface_endpoint_is_described_whole_and_changes(wire: Wire) -> None:
    given = {
        "VpcId": "vpc-1",
        "VpcEndpointType": "Interface",
        "ServiceName": f"com.amazonaws.{WEST}.monitoring",
        "SubnetId.1": "subnet-1",
        "SubnetId.2": "subnet-2",
        "SecurityGroupId.1": "sg-1",
        "PrivateDnsEnabled": "true",
        "PolicyDocument": '{"Statement": ["<&>"]}',
    }
    made = wire.query("ec2", "CreateVpcEndpoint", **given).findtext("vpcEndpoint/vpcEndpointId") or ""

    def endpoint() -> Any:
        root = wire.query("ec2", "DescribeVpcEndpoints", **{"VpcEndpointId.1": made})
        (found,) = root.findall("vpcEndpointSet/item")
        return found

    found = endpoint()
    assert texts(found, "groupSet/item/groupId") == ["sg-1"]
    assert texts(found, "subnetIdSet/item") == ["subnet-1", "subnet-2"]
    assert found.findtext("privateDnsEnabled") == "true"
    assert found.findtext("policyDocument") == given["PolicyDocument"]
    change = {"AddSecurityGroupId.1": "sg-2", "RemoveSecurityGroupId.1": "sg-1"}
    wire.query("ec2", "ModifyVpcEndpoint", VpcEndpointId=made, PrivateDnsEnabled="false", **change)
    found = endpoint()
    assert texts(found, "groupSet/item/groupId") == ["sg-2"]
    assert found.findtext("privateDnsEnabled") == "false"
    assert found.findtext("policyDocument") == given["PolicyDocument"]
    wire.query("ec2", "ModifyVpcEndpoint", VpcEndpointId=made, ResetPolicy="true")
    assert json.loads(endpoint().findtext("policyDocument"))["Statement"][0]["Action"] == "*"


def permission(number: int, **targets: str) -> dict[str, str]:
    ports = {"IpProtocol": "tcp", "FromPort": "443", "ToPort": "443"}
    named = {name.replace("__", "."): value for name, value in (ports | targets).items()}
    return {f"IpPermissions.{number}.{name}": value for name, value in named.items()}


def test_rules_to_two_prefix_lists_have_ids_of_their_own(aws: World, wire: Wire) -> None:
    group = aws("ec2", WEST).create_security_group(GroupName="lists", Description="lists")["GroupId"]

    def authorize(prefix_list: str) -> str:
        request = permission(1, PrefixListIds__1__PrefixListId=prefix_list)
        root = wire.query("ec2", "AuthorizeSecurityGroupEgress", GroupId=group, **request)
        assert texts(root, ".//prefixListId") == [prefix_list]
        return root.findtext("securityGroupRuleSet/item/securityGroupRuleId") or ""

    rules = {each: authorize(each) for each in ("pl-1", "pl-2")}
    assert len(set(rules.values())) == 2
    for prefix_list, rule in rules.items():
        root = wire.query("ec2", "DescribeSecurityGroupRules", **{"SecurityGroupRuleId.1": rule})
        (found,) = root.findall("securityGroupRuleSet/item")
        assert found.findtext("prefixListId") == prefix_list
        assert (found.findtext("isEgress"), found.findtext("toPort")) == ("true", "443")
    wire.query("ec2", "RevokeSecurityGroupEgress", GroupId=group, **{"SecurityGroupRuleId.1": rules["pl-1"]})
    root = wire.query("ec2", "DescribeSecurityGroups", **{"GroupId.1": group})
    assert texts(root, ".//prefixListIds/item/prefixListId") == ["pl-2"]


def test_one_network_of_several_is_revoked_alone(aws: World, wire: Wire) -> None:
    group = aws("ec2", WEST).create_security_group(GroupName="networks", Description="n")["GroupId"]
    both = permission(1, IpRanges__1__CidrIp="192.0.2.0/25", IpRanges__2__CidrIp="192.0.2.128/25")
    root = wire.query("ec2", "AuthorizeSecurityGroupIngress", GroupId=group, **both)
    assert len(set(texts(root, ".//securityGroupRuleId"))) == 2
    one = permission(1, IpRanges__1__CidrIp="192.0.2.0/25")
    wire.query("ec2", "RevokeSecurityGroupIngress", GroupId=group, **one)
    root = wire.query("ec2", "DescribeSecurityGroups", **{"GroupId.1": group})
    assert texts(root, ".//ipPermissions/item/ipRanges/item/cidrIp") == ["192.0.2.128/25"]
