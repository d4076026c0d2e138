"""The SFTP endpoint, DNS records and health checks. The VPC is only recorded: the network is loopback."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from local.aws.resources.making import Clients, Made

#: Stand-ins for Elastic IPs, from the range that is reserved for documentation (RFC 5737).
_ADDRESSES = (f"203.0.113.{number}" for number in itertools.count(1))


def _address(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    address = next(_ADDRESSES)
    id = f"eipalloc-{address.rpartition('.')[2]}"
    return id, {"allocationId": id, "publicIp": address}


def _flow_log(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("ec2").create_flow_logs(
        ResourceIds=[inputs["vpcId"]],
        ResourceType="VPC",
        TrafficType=inputs["trafficType"],
        LogDestinationType=inputs["logDestinationType"],
        LogDestination=inputs["logDestination"],
        DeliverLogsPermissionArn=inputs["iamRoleArn"],
    )
    return made["FlowLogIds"][0], {}


def _server(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    details = inputs["endpointDetails"]
    made = clients("transfer").create_server(
        Domain=inputs["domain"],
        Protocols=inputs["protocols"],
        IdentityProviderType=inputs["identityProviderType"],
        EndpointType=inputs["endpointType"],
        EndpointDetails={
            "VpcId": details["vpcId"],
            "SubnetIds": details["subnetIds"],
            "AddressAllocationIds": details["addressAllocationIds"],
            "SecurityGroupIds": details["securityGroupIds"],
        },
        SecurityPolicyName=inputs["securityPolicyName"],
        HostKey=inputs["hostKey"],
    )
    return made["ServerId"], {}


def _host_key(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("transfer").import_host_key(
        ServerId=inputs["serverId"], HostKeyBody=inputs["hostKeyBody"], Description=inputs["description"]
    )
    return made["HostKeyId"], {}


def _user(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("transfer").create_user(
        ServerId=inputs["serverId"],
        UserName=inputs["userName"],
        Role=inputs["role"],
        Policy=inputs["policy"],
        HomeDirectoryType=inputs["homeDirectoryType"],
        HomeDirectoryMappings=[
            {"Entry": each["entry"], "Target": each["target"]} for each in inputs["homeDirectoryMappings"]
        ],
    )
    return f"{inputs['serverId']}/{inputs['userName']}", {}


def _ssh_key(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("transfer").import_ssh_public_key(
        ServerId=inputs["serverId"], UserName=inputs["userName"], SshPublicKeyBody=inputs["body"]
    )
    return made["SshPublicKeyId"], {}


def _alarm(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    name = inputs["name"]
    statistics = {"statistic": "Statistic", "extendedStatistic": "ExtendedStatistic"}
    judged = {field: inputs[name] for name, field in statistics.items() if name in inputs}
    if "datapointsToAlarm" in inputs:
        judged["DatapointsToAlarm"] = int(inputs["datapointsToAlarm"])
    clients("cloudwatch").put_metric_alarm(
        AlarmName=name,
        AlarmDescription=inputs["alarmDescription"],
        Namespace=inputs["namespace"],
        MetricName=inputs["metricName"],
        Dimensions=[{"Name": key, "Value": value} for key, value in inputs["dimensions"].items()],
        Period=int(inputs["period"]),
        EvaluationPeriods=int(inputs["evaluationPeriods"]),
        Threshold=inputs["threshold"],
        ComparisonOperator=inputs["comparisonOperator"],
        TreatMissingData=inputs["treatMissingData"],
        AlarmActions=inputs.get("alarmActions", []),
        **judged,
    )
    arn = clients("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    return name, {"name": name, "arn": arn}


def _parameter(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("ssm").put_parameter(
        Name=inputs["name"], Type=inputs["type"], Value=inputs["value"], Overwrite=True
    )
    return inputs["name"], {}


def _health_check(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    config: dict[str, Any] = {"Type": inputs["type"]}
    match inputs["type"]:
        case "CALCULATED":
            config["ChildHealthChecks"] = inputs["childHealthchecks"]
            config["HealthThreshold"] = int(inputs["childHealthThreshold"])
        case "CLOUDWATCH_METRIC":
            region, name = inputs["cloudwatchAlarmRegion"], inputs["cloudwatchAlarmName"]
            config["AlarmIdentifier"] = {"Region": region, "Name": name}
            config["InsufficientDataHealthStatus"] = inputs["insufficientDataHealthStatus"]
            config["Disabled"] = inputs.get("disabled", False)
        case "HTTPS":
            config["FullyQualifiedDomainName"], config["Port"] = inputs["fqdn"], int(inputs["port"])
            config["ResourcePath"], config["EnableSNI"] = inputs["resourcePath"], inputs["enableSni"]
            config["RequestInterval"] = int(inputs["requestInterval"])
            config["FailureThreshold"] = int(inputs["failureThreshold"])
            config["Inverted"] = inputs["invertHealthcheck"]
        case other:
            raise ValueError(f"health check {inputs['name']}: the local world has no maker for type {other}")
    # As the provider does: the given name, and something unique.
    reference = "-".join(filter(None, (inputs.get("referenceName"), inputs["name"])))
    made = clients("route53").create_health_check(CallerReference=reference, HealthCheckConfig=config)[
        "HealthCheck"
    ]
    return made["Id"], {}


def _record(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    # The provider adds the quotes that Route 53 requires around TXT values.
    values = [f'"{value}"' if inputs["type"] == "TXT" else value for value in inputs["records"]]
    record: dict[str, Any] = {
        "Name": inputs["name"],
        "Type": inputs["type"],
        "TTL": int(inputs["ttl"]),
        "ResourceRecords": [{"Value": value} for value in values],
    }
    if "setIdentifier" in inputs:
        record["SetIdentifier"] = inputs["setIdentifier"]
        record["Failover"] = inputs["failoverRoutingPolicies"][0]["type"]
        record["HealthCheckId"] = inputs["healthCheckId"]
    clients("route53").change_resource_record_sets(
        HostedZoneId=inputs["zoneId"],
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
    )
    return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}_{inputs.get('setIdentifier', '')}", {}


MAKERS = {
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:transfer/server:Server": _server,
    "aws:transfer/hostKey:HostKey": _host_key,
    "aws:transfer/user:User": _user,
    "aws:transfer/sshKey:SshKey": _ssh_key,
    "aws:ssm/parameter:Parameter": _parameter,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:route53/healthCheck:HealthCheck": _health_check,
    "aws:route53/record:Record": _record,
}

RECORDED_ONLY = (
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)
