"""What validators look at: one graph, in which faults are planted."""

from __future__ import annotations

import pytest

from components import bundle
from local.program import Graph, Resource
from tests.program.conftest import RUNTIME
from tests.validators.recordings import distinct, recorded


@pytest.fixture(scope="session", autouse=True)
def dependencies() -> None:
    """The bundle's dependencies are installed, as `python -m components.bundle` does."""
    bundle.install(RUNTIME)


@pytest.fixture(scope="session")
def sample(dependencies: None) -> Graph:
    """The graph of the sample registry in the West."""
    return recorded("gov-west", "present", "endpoint")


@pytest.fixture(scope="session")
def resources(sample: Graph) -> list[Resource]:
    """The AWS resources of that graph."""
    return distinct([sample])
