"""statelint finds what is broken in a state machine's definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.program import Resource
from tests.validators.planting import planted_document
from tests.validators.states import complaints

Change = Callable[[dict[str, Any]], None]


def _dangling(states: dict[str, Any]) -> None:
    states["Claim"]["Next"] = "Nowhere"


def _endless(states: dict[str, Any]) -> None:
    del states["Claim"]["Next"]


def _typeless(states: dict[str, Any]) -> None:
    states["Claim"]["Type"] = "Work"


def _unreachable(states: dict[str, Any]) -> None:
    states["Nowhere"] = {"Type": "Succeed"}


def _misspelled(states: dict[str, Any]) -> None:
    states["Claim"]["TimeoutSecond"] = 90


def _caught(states: dict[str, Any]) -> None:
    states["Claim"]["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "Nowhere"}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_dangling, 'No state found named "Nowhere", referenced at State Machine.States.Claim.Next'),
        (_endless, 'State Machine.States.Claim does not have required field "Next"'),
        (_typeless, 'State Machine.States.Claim.Type is "Work", not one of the allowed values'),
        (_unreachable, "No transition found to state State Machine.Nowhere"),
        (_misspelled, 'Field "TimeoutSecond" not allowed in State Machine.States.Claim'),
        (_caught, 'No state found named "Nowhere", referenced at State Machine.States.Claim.Next'),
    ],
)
def test_a_broken_state_is_found(resources: list[Resource], change: Change, said: str) -> None:
    machine = planted_document(
        resources, "aws:sfn/stateMachine:StateMachine", "definition", lambda whole: change(whole["States"])
    )
    assert complaints(machine.inputs["definition"])[0].startswith(said)
