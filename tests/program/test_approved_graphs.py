"""No input and no option of any resource changes unseen: each graph is what was approved last."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.program import Graph, Resource
from tests.program.approved_graphs import path_of, rendering
from tests.program.conftest import STACKS

#: Lines of a difference that are shown; `make approve` and `git diff` show the rest.
SHOWN = 120


@pytest.mark.parametrize("stack", STACKS)
def test_a_graph_is_as_it_was_approved(graphs: dict[str, Graph], stack: str) -> None:
    approved, found = (text.splitlines() for text in (path_of(stack).read_text(), rendering(graphs[stack])))
    if approved == found:
        return
    lines = difflib.unified_diff(approved, found, f"approved {stack}", f"recorded {stack}", n=4, lineterm="")
    shown = "\n".join(itertools.islice(lines, SHOWN))
    pytest.fail(f"run `make approve`, and review what it changes\n{shown}", pytrace=False)


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Resource], Resource]:
    return lambda each: replace(each, inputs={**each.inputs, name: change(each.inputs[name])})


@pytest.mark.parametrize(
    ("type", "name", "change"),
    [
        ("aws:s3/bucket:Bucket", "cell1-storage-archive", lambda each: replace(each, protect=False)),
        (
            "aws:s3/bucket:Bucket",
            "cell1-storage-archive",
            lambda each: replace(each, depends_on=each.depends_on[1:] or (each.urn,)),
        ),
        ("aws:route53/record:Record", "c7k2m-primary-txt", lambda each: replace(each, ignore_changes=())),
        ("aws:route53/record:Record", "c7k2m-primary-txt", changed("ttl", lambda ttl: ttl + 1)),
        (
            "aws:s3/bucketPolicy:BucketPolicy",
            "c7k2m-inbound",
            changed("policy", lambda text: text.replace("false", "true")),
        ),
        ("aws:lambda/function:Function", "cell1-workflow-claim", changed("environment", lambda _: {})),
    ],
)
def test_a_change_is_seen(west: Graph, type: str, name: str, change: Callable[[Resource], Resource]) -> None:
    one = west.one(type, name)
    was, now = (rendering(replace(west, resources=(each,))) for each in (one, change(one)))
    assert was != now


def test_neither_code_nor_secrets_are_approved(west: Graph) -> None:
    text = rendering(west)
    assert "PRIVATE KEY" not in text
    assert "hostKey: (secret)" in text
    function = west.of("aws:lambda/function:Function")[0]
    other = replace(function, inputs={**function.inputs, "code": "other"})
    one, two = (rendering(replace(west, resources=(each,))) for each in (function, other))
    assert one == two
