"""The emulated EC2 refuses the descriptions of security groups and rules that EC2 refuses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import WEST, World

ALLOWED = "strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"


def permission(**target: Any) -> dict[str, Any]:
    """Return a rule of TCP port 22."""
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **target}


@pytest.mark.parametrize("description", ["this cell's own probe", "d" * 256])
def test_a_description_that_ec2_does_not_take(aws: World, description: str) -> None:
    ec2 = aws("ec2", WEST)
    name = f"refused-{len(description)}"
    with pytest.raises(ClientError) as refused:
        ec2.create_security_group(GroupName=name, Description=description)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValue"
    assert error["Message"] == f"Invalid security group description. Valid descriptions are {ALLOWED}"
    groups = ec2.describe_security_groups()["SecurityGroups"]
    assert name not in [each["GroupName"] for each in groups]


def test_descriptions_that_ec2_takes(aws: World) -> None:
    ec2 = aws("ec2", WEST)
    whole = "a-zA-Z0-9. _-:/()#,@[]+=;{}!$*".ljust(255, "d")
    group = ec2.create_security_group(GroupName="taken", Description=whole)["GroupId"]
    rule = permission(IpRanges=[{"CidrIp": "192.0.2.0/24", "Description": whole}])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert found["Description"] == whole


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("authorize_security_group_ingress", {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]}),
        ("authorize_security_group_egress", {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]}),
        ("authorize_security_group_egress", {"PrefixListIds": [{"PrefixListId": "pl-1"}]}),
    ],
)
def test_a_rules_description_that_ec2_does_not_take(aws: World, verb: str, target: dict[str, Any]) -> None:
    ec2 = aws("ec2", WEST)
    group = ec2.create_security_group(GroupName=f"{verb}-{next(iter(target))}", Description="rules")[
        "GroupId"
    ]
    ((kind, (its,)),) = target.items()
    rule = permission(**{kind: [{**its, "Description": "somebody's network"}]})
    with pytest.raises(ClientError) as refused:
        getattr(ec2, verb)(GroupId=group, IpPermissions=[rule])
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterValue"
    assert error["Message"] == f"Invalid rule description. Valid descriptions are {ALLOWED}"
