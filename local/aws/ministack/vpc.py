"""What EC2 describes of flow logs, VPC endpoints and NAT gateways, of which MiniStack keeps a part.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_FlowLog.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGatewayAddress.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from local.aws.ministack.patching import Module, after, original

_CHANGE = "flow logs, VPC endpoints and NAT gateways"

#: The format of records if none is given.
#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol}"
    " ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"
)
_AGGREGATION = "600"

#: The policy of an endpoint if none is given: everything is allowed.
#: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
_FULL_ACCESS = json.dumps(
    {
        "Version": "2008-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
)

Request = Mapping[str, Any]


def _xml(**fields: str) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items() if value)


@after("services.ec2")
def _flow_logs(ec2: Module) -> None:
    value = original(_CHANGE, ec2, "_p")

    def given(request: Request) -> dict[str, str]:
        """Return what a flow log keeps of the request that made it, by the names of the answer."""
        fields = {
            "deliverLogsPermissionArn": value(request, "DeliverLogsPermissionArn"),
            "maxAggregationInterval": value(request, "MaxAggregationInterval") or _AGGREGATION,
            "logFormat": value(request, "LogFormat") or _FORMAT,
            "deliverLogsStatus": "SUCCESS",
        }
        to_logs = (value(request, "LogDestinationType") or "cloud-watch-logs") == "cloud-watch-logs"
        if to_logs:
            group = value(request, "LogDestination").partition(":log-group:")[2].removesuffix(":*")
            fields["logGroupName"] = group or value(request, "LogGroupName")
        return fields

    ec2._mft_flow_log = given
    ec2._mft_flow_log_xml = lambda flow_log: _xml(**flow_log["MftGiven"])


@after("services.ec2")
def _nat_gateways(ec2: Module) -> None:
    addresses = original(_CHANGE, ec2, "_addresses")

    def described(gateway: Mapping[str, Any]) -> str:
        allocation = gateway["AllocationId"]
        if not allocation:  # a private gateway has none
            return "<natGatewayAddressSet/>"
        item = _xml(
            allocationId=allocation,
            publicIp=addresses.get(allocation, {}).get("PublicIp", ""),
            isPrimary="true",
            status="succeeded",
        )
        return f"<natGatewayAddressSet><item>{item}</item></natGatewayAddressSet>"

    ec2._mft_nat_addresses = described


@after("services.ec2")
def _endpoints(ec2: Module) -> None:
    value, members = original(_CHANGE, ec2, "_p"), original(_CHANGE, ec2, "_parse_member_list")
    actions, groups = original(_CHANGE, ec2, "_ACTION_MAP"), original(_CHANGE, ec2, "_security_groups")
    endpoints = original(_CHANGE, ec2, "_vpc_endpoints")
    modify = actions["ModifyVpcEndpoint"]

    def given(request: Request) -> dict[str, Any]:
        """Return what an endpoint keeps of the request that made it, besides what MiniStack keeps."""
        is_interface = value(request, "VpcEndpointType") == "Interface"
        return {
            "PolicyDocument": value(request, "PolicyDocument") or _FULL_ACCESS,
            "PrivateDnsEnabled": value(request, "PrivateDnsEnabled") or str(is_interface).lower(),
            "SecurityGroupIds": members(request, "SecurityGroupId"),
        }

    def modified(request: Request) -> Any:
        answer = modify(request)
        if endpoint := endpoints.get(value(request, "VpcEndpointId")):
            if value(request, "ResetPolicy").lower() == "true":
                endpoint["PolicyDocument"] = _FULL_ACCESS
            if value(request, "PrivateDnsEnabled"):
                endpoint["PrivateDnsEnabled"] = value(request, "PrivateDnsEnabled")
            gone = members(request, "RemoveSecurityGroupId")
            wanted = [*endpoint["SecurityGroupIds"], *members(request, "AddSecurityGroupId")]
            endpoint["SecurityGroupIds"] = [each for each in dict.fromkeys(wanted) if each not in gone]
        return answer

    def described(endpoint: Mapping[str, Any]) -> str:
        items = "".join(
            f"<item>{_xml(groupId=each, groupName=groups.get(each, {}).get('GroupName', ''))}</item>"
            for each in endpoint["SecurityGroupIds"]
        )
        return f"<groupSet>{items}</groupSet>" + _xml(
            policyDocument=endpoint["PolicyDocument"],
            privateDnsEnabled=endpoint["PrivateDnsEnabled"].lower(),
            ipAddressType="ipv4",
            requesterManaged="false",
        )

    actions["ModifyVpcEndpoint"] = modified
    ec2._mft_endpoint, ec2._mft_endpoint_xml = given, described
