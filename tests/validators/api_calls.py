"""How a resource becomes requests of AWS's API: by the calls that the provider makes for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.validators.service_models import ShapeNode, operation
from tests.validators.translation import Renames, translate


@dataclass(frozen=True)
class Call:
    """An operation of a service. `takes` are the inputs of a resource that go into it, renamed where needed.

    `beside` is what the provider adds to the request: ids of what an earlier call made.
    """

    service: str
    operation: str
    takes: Renames = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)

    def request(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request that carries some inputs; UnmappedError for one that it has no place for."""
        shape = operation(self.service, self.operation).input_shape
        return {**self.beside, **translate(ShapeNode(shape), inputs, self.takes)}


@dataclass(frozen=True)
class Made:
    """How a type is made: the first call takes every input that no later one takes.

    `prepare` rewrites what no renaming expresses.
    """

    calls: tuple[Call, ...]
    prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def requests(self, inputs: Mapping[str, Any]) -> list[tuple[Call, dict[str, Any]]]:
        """Return the calls that the provider makes for some inputs, each with its request."""
        inputs = self.prepare(inputs)
        first, *later = self.calls
        taken = {key.split(".")[0] for call in later for key in call.takes} - set(first.takes)
        made = [(first, first.request({k: v for k, v in inputs.items() if k not in taken}))]
        for call in later:
            own = {k: v for k, v in inputs.items() if k in call.takes}
            if own.keys() & taken:
                made.append((call, call.request(own)))
        return made


def made(*calls: Call, prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict) -> Made:
    """Return how a type is made by some calls."""
    return Made(calls, prepare)
