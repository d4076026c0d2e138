"""The errors of the workflow's steps, and the largest state that they can add up to."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.brief_errors import LONGEST_TEXT, brief
from runtime.delivery.errors import PermanentDeliveryError, TransientDeliveryError
from runtime.limits import LARGEST_STATE, MOST_TARGETS
from runtime.transfer import Transfer


def deep(error: Exception, depth: int = 60) -> None:
    if depth:
        deep(error, depth - 1)
    raise error  # a line of code of some length, as it is in every frame of the stack of an error, to its end


def raised(error: Exception) -> Exception:
    with pytest.raises(Exception) as caught, brief():
        deep(error)
    return caught.value


def cause(error: Exception) -> str:
    """Return what Lambda answers for an error: the text that Step Functions has as its Cause."""
    stack = traceback.format_list(traceback.extract_tb(error.__traceback__))
    answer = {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": "r" * 36}
    return json.dumps(answer | {"stackTrace": stack})


@given(st.text(max_size=3000))
def test_a_text_is_cut_to_its_beginning_and_the_class_keeps_its_name(text):
    error = raised(TransientDeliveryError("p", "open", text))
    said = str(error)
    assert isinstance(error, TransientDeliveryError)
    assert type(error).__name__ == "TransientDeliveryError"
    assert len(json.dumps(said)) <= LONGEST_TEXT
    whole = str(TransientDeliveryError("p", "open", text))
    assert said == whole or (said.endswith("…") and whole.startswith(said[:-1]))


@pytest.mark.parametrize("letter", ["x", '"', "\n", "\N{PILE OF POO}", "\\", "é"])
def test_the_state_of_the_largest_route_that_fails_everywhere_fits(letter):
    key = "inbound/sdk/" + "\x01" * 940
    names = [f"{number:0>40}" for number in range(MOST_TARGETS)]
    transfer = Transfer(
        id="t" * 37,
        file="f" * 64,
        customer="c" * 12,
        bucket="b" * 63,
        key=key,
        version_id="v" * 1024,
        size=5 * 1024**4,
        etag="e" * 40,
        destinations=tuple(names),
        expires=2_000_000_000,
    ).document()
    failed = cause(raised(PermanentDeliveryError("p" * 300, "open", letter * 5000)))
    results: list[dict[str, Any]] = [
        {"destination": name, "failure": {"Error": "PermanentDeliveryError", "Cause": failed}}
        for name in names
    ]
    answer = {"action": "deliver", "destinations": names, "wait": 900, "at": "2026-01-02T03:04:05.678+00:00"}
    state = {"transfer": transfer, "verdict": {"answer": answer}, "results": results}
    again = {**state, "lost": results[0]["failure"], "incomplete": results[0]["failure"]}
    assert len(json.dumps(again | {"unarchived": results[0]["failure"]})) < LARGEST_STATE
