"""cfn-lint finds planted faults in resources as CloudFormation has them, and in the state machine."""

from __future__ import annotations

from typing import Any

import pytest

from local.program import Resource
from tests.validators.cloudformation import complaints
from tests.validators.planting import planted, planted_document

MACHINE = "aws:sfn/stateMachine:StateMachine"


@pytest.mark.parametrize(
    ("type", "inputs", "rule", "message"),
    [
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"description": "this cell's own probe"},
            "E3031",
            '"this cell\'s own probe" does not match',
        ),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 31}, "E3030", "31 is not one of"),
        ("aws:lambda/function:Function", {"runtime": "python2.7"}, "E2533", "'python2.7' was deprecated"),
        ("aws:sqs/queue:Queue", {"visibilityTimeoutSeconds": 43201}, "E3034", "43201 is greater than"),
        ("aws:iam/role:Role", {"name": "r" * 65}, "E3033", "is longer than 64"),
    ],
)
def test_a_planted_fault_is_found(
    resources: list[Resource], type: str, inputs: dict[str, Any], rule: str, message: str
) -> None:
    (said,) = complaints([planted(resources, type, **inputs)], "us-gov-west-1")
    assert said.startswith(f"{rule} ")
    assert message in said


def test_a_state_of_no_type_is_found(resources: list[Resource]) -> None:
    def change(definition: dict[str, Any]) -> None:
        definition["States"]["Claim"]["Type"] = "Work"

    found = complaints([planted_document(resources, MACHINE, "definition", change)], "us-gov-west-1")
    assert found
    assert {each.split()[0] for each in found} == {"E3601"}


def test_a_policy_with_a_wrong_element_is_found(resources: list[Resource]) -> None:
    def change(policy: dict[str, Any]) -> None:
        policy["Statement"][0]["Effect"] = "Permit"

    role = planted_document(resources, "aws:iam/rolePolicy:RolePolicy", "policy", change)
    (said,) = complaints([role], "us-gov-west-1")
    assert said.startswith("E3510 ")
    assert "'Permit' is not one of" in said
