"""Names that are too long are found; those that providers generate have their suffix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.program import Graph
from runtime.contract import secret_name
from tests.validators.longest_names import IDS, NAMESPACE, customer
from tests.validators.name_limits import LIMITS, complaints
from tests.validators.planting import planted
from tests.validators.recordings import GENERATED, generated_name


@pytest.mark.parametrize(("type", "name"), LIMITS)
def test_a_name_that_is_too_long_is_found(sample: Graph, type: str, name: str) -> None:
    limit = LIMITS[type, name]
    (said,) = complaints(
        replace(sample, resources=(planted(sample.resources, type, **{name: "n" * limit + "n"}),))
    )
    assert said.endswith(f"has {limit + 1} characters, {limit} are allowed")


def test_every_generated_name_has_a_limit() -> None:
    assert set(GENERATED.items()) <= LIMITS.keys()


def test_a_generated_name_has_the_suffix_of_its_provider(sample: Graph) -> None:
    role = sample.of("aws:iam/role:Role")[0]
    assert len(generated_name(role)) == len(f"{role.name}-1234567")
    prefixed = replace(role, inputs={"namePrefix": "mft-"})
    assert len(generated_name(prefixed)) == len("mft-20260101000000000000000001")


def test_the_longest_secret_is_as_long_as_secrets_manager_takes() -> None:
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html"""
    id = IDS[0]
    destination = customer(id, "key")["destinations"]["d" * 40]
    assert len(secret_name(NAMESPACE, id, destination["secret"])) == 512
