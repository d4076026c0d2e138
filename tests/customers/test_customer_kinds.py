"""Every member of the closed sets of words is handled by all code of the registry that depends on it."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any, get_args

import pytest
from customer_samples import KEY, SOUND, STEPS, broken, customer, said, write
from pydantic import ValidationError

from customers import checks, model, route_checks
from customers.change import stages_between
from customers.document import routing_document
from customers.kinds import (
    CheckOwner,
    DestinationKind,
    DuplicatesPolicy,
    IncomingClient,
    Lifecycle,
    MoveStep,
    OnUnknown,
    ReceiptKind,
    Side,
    Stage,
)
from customers.model import Customer
from customers.move import Move
from customers.quota import needs
from customers.registry import partner_ports
from runtime import temporary_names
from runtime.limits import MOST_TARGETS

#: A destination of each kind, and a field that makes it another place.
DESTINATIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sftp": (
        {"kind": "sftp", "host": "sftp.partner.example", "user": "mft", "host_key": KEY, "secret": "partner"},
        {"directory": "elsewhere"},
    ),
    "s3": ({"kind": "s3", "bucket": "partner-landing"}, {"prefix": "elsewhere/"}),
}
#: An address of each kind that belongs to the platform itself.
OURS = {"sftp": {"host": "sftp.west1.mft.example.gov"}, "s3": {"bucket": "mft-h4t9q-west"}}
RECEIPTS: dict[str, dict[str, Any]] = {
    "sqs": {"kind": "sqs", "arn": "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:receipts"},
    "https": {"kind": "https", "url": "https://hooks.agency.example/receipts"},
    "email": {"kind": "email", "address": "receipts@agency.example"},
}
#: What a customer is in the cell that it leaves and in the one that it moves to, at each step.
MOVES = {
    "prepared": ("active", "onboarding"),
    "opened": ("closing", "joining"),
    "switched": ("draining", "active"),
    "drained": ("retired", "active"),
    "abandoned": ("active", "retired"),
}
#: Whether a customer in each stage takes files, is routed, is in service, keeps its names, is retired.
STAGES = {
    "onboarding": (True, False, False, False, False),
    "joining": (True, True, False, False, False),
    "active": (True, True, True, True, False),
    "closing": (True, True, True, False, False),
    "draining": (False, True, False, False, False),
    "retired": (False, False, False, False, True),
}


def kinds_of(union: Any) -> set[str]:
    """Return the kinds of the members of a discriminated union."""
    members = get_args(get_args(union)[0])
    return {word for member in members for word in get_args(member.model_fields["kind"].annotation)}


def words_of(part: type[model.Value], field: str) -> set[str]:
    return set(get_args(part.model_fields[field].annotation))


def test_the_model_takes_the_words_and_no_others() -> None:
    assert kinds_of(model.Destination) == set(get_args(DestinationKind))
    assert kinds_of(model.Receipt) == set(get_args(ReceiptKind))
    assert words_of(Customer, "lifecycle") == set(get_args(Lifecycle))
    assert words_of(Move, "step") == set(get_args(MoveStep)) == set(MOVES)
    assert set(get_args(Stage)) == set(STAGES)
    assert words_of(Customer, "primary") == set(get_args(Side))
    assert words_of(model.Route, "on_unknown") == set(get_args(OnUnknown))
    assert words_of(model.Duplicates, "policy") == set(get_args(DuplicatesPolicy))
    assert words_of(model.Failover, "health_check") == set(get_args(CheckOwner))


def traits(one: Customer) -> tuple[bool, ...]:
    return one.takes_files, one.is_routed, one.is_in_service, one.keeps_names, one.is_retired


@pytest.mark.parametrize("step", get_args(MoveStep))
def test_what_a_customer_that_moves_is_in_both_cells(step: str) -> None:
    one = customer(move={"to": "2", "step": step})
    both = [one.in_cell(cell) for cell in one.cells]
    assert [each.cell for each in both] == ["1", "2"]
    assert tuple(each.stage for each in both) == MOVES[step]
    assert [traits(each) for each in both] == [STAGES[stage] for stage in MOVES[step]]
    assert [each.waits for each in both] == [False, step in ("opened", "switched")]
    assert [routing_document(each)["waits"] for each in both] == [each.waits for each in both]
    # Its names exist throughout, and are in one stack of each region or, while they pass, in none twice.
    assert sum(each.is_in_service for each in both) == 1
    # Health checks: 18 of each cell; the customer's are there before its records carry them.
    checks = sum(STAGES[stage][2] or stage == "joining" for stage in MOVES[step])
    assert needs(both).health_checks == 2 * 18 + 2 * checks
    assert (needs(both).records, needs(both).buckets) == (2 + 2 * 2 + 12, 2 * 10 + 2 * 2)
    with pytest.raises(KeyError):
        one.in_cell("3")


@pytest.mark.parametrize("stage", get_args(Lifecycle))
def test_what_each_stage_means(stage: str) -> None:
    one = customer(lifecycle=stage)
    assert traits(one) == STAGES[stage]
    # Eighteen health checks and four records are the cell's and the zone's own.
    own_checks, own_records = needs([one]).health_checks - 18, needs([one]).records - 4
    assert (own_checks, own_records) == ((2, 12) if one.is_in_service else (0, 0))
    assert routing_document(one)["lifecycle"] == stage


@pytest.mark.parametrize(("was", "now"), list(product(get_args(Lifecycle), repeat=2)))
def test_every_stage_can_be_reached_from_every_other(was: Lifecycle, now: Lifecycle) -> None:
    between = stages_between(was, now)
    assert bool(between) is (now not in STEPS[was] | {was})
    path = (was, *between, now)
    for step, following in pairwise(path):
        assert was == now or following in STEPS[step]


@pytest.mark.parametrize("owner", get_args(CheckOwner))
def test_whose_health_check_a_customer_has(owner: str) -> None:
    one = customer(failover={"health_check": owner})
    assert one.has_own_check is (owner == "customer")
    assert needs([one]).health_checks - 18 == {"customer": 2, "cell": 0}[owner]


@pytest.mark.parametrize("kind", get_args(DestinationKind))
def test_no_two_files_meet_at_a_destination_of_any_kind(kind: str) -> None:
    same, elsewhere = DESTINATIONS[kind]
    for second, count in ((same, 1), ({**same, **elsewhere}, 0)):
        data = {
            "sdk": {"principals": ["arn:aws-us-gov:iam::123456789012:role/uploader"]},
            "destinations": {"a": same, "b": second},
            "routes": [{"match": "sdk/x/**", "to": ["a"]}, {"match": "sdk/y/**", "to": ["b"]}],
        }
        found = [message for _, message in checks.findings(data) if "two files under one name" in message]
        assert len(found) == count, found


@pytest.mark.parametrize("kind", get_args(DestinationKind))
def test_no_destination_of_any_kind_is_the_platform_itself(kind: str, tmp_path: Any) -> None:
    ((key, ours),) = OURS[kind].items()
    (usual,) = [line for line in SOUND.splitlines() if line.strip().startswith(f"{key}:")]
    text = broken((usual, f"    {key}: {ours}"))
    (line,) = said(write(tmp_path, acme=text), namespace="mft", zone="mft.example.gov")
    assert f"{ours!r} belongs to this platform" in line


@pytest.mark.parametrize("kind", get_args(DestinationKind))
def test_each_kind_of_destination_has_its_port_and_is_in_the_document(kind: str) -> None:
    one = customer(
        destinations={"partner": DESTINATIONS[kind][0]}, routes=[{"match": "sdk/**", "to": ["partner"]}]
    )
    assert partner_ports([one], "us-gov-west-1") == ({"sftp": 22, "s3": 443}[kind],)
    written = routing_document(one)["destinations"]["partner"]
    assert DESTINATIONS[kind][0].items() <= written.items()


@pytest.mark.parametrize("kind", get_args(ReceiptKind))
def test_no_receipt_of_any_kind_goes_twice_to_one_place(kind: str) -> None:
    once, twice = ({"receipts": [RECEIPTS[kind]] * count} for count in (1, 2))
    assert not [message for _, message in checks.findings(once) if "listed twice" in message]
    assert [message for _, message in checks.findings(twice) if "listed twice" in message]


@pytest.mark.parametrize("word", get_args(OnUnknown))
def test_each_answer_to_an_unknown_delivery_is_in_the_document(word: str) -> None:
    one = customer(routes=[{"match": "sdk/**", "to": ["landing"], "on_unknown": word}])
    assert routing_document(one)["routes"][0]["on_unknown"] == word


@pytest.mark.parametrize("word", get_args(DuplicatesPolicy))
def test_each_policy_about_duplicates_is_in_the_document(word: str) -> None:
    assert routing_document(customer(duplicates={"policy": word}))["duplicates"]["policy"] == word


def test_each_client_has_its_temporary_names() -> None:
    assert words_of(model.Incoming, "client") == set(get_args(IncomingClient))
    assert set(get_args(IncomingClient)) == {"any", *temporary_names.OF_CLIENT}
    for client in get_args(IncomingClient):
        document = routing_document(customer(incoming={"client": client}))
        known = temporary_names.ANY if client == "any" else temporary_names.OF_CLIENT[client]
        assert tuple(document["temporary_names"]) == known


@pytest.mark.parametrize(
    ("match", "client", "is_legal"),
    [
        ("sftp/c7k2m-batch/*.tmp", "any", False),
        ("sftp/c7k2m-batch/*.TMP", "any", False),
        ("sftp/c7k2m-batch/*.tmp", "in-place", True),
        ("sftp/c7k2m-batch/*.tmp", "winscp", True),
        ("sftp/c7k2m-batch/*.filepart", "winscp", False),
        ("sdk/*.tmp", "any", True),
        ("**", "any", True),
    ],
)
def test_a_route_matches_some_name_that_its_client_gives_a_finished_file(
    match: str, client: str, is_legal: bool
) -> None:
    data = {"routes": [{"match": match, "to": ["partner"]}], "incoming": {"client": client}}
    found = [text for _, text in route_checks.waits(data)]
    assert bool(found) is not is_legal


def test_the_most_destinations_of_a_route_are_legal_and_one_more_is_not() -> None:
    def routed(count: int) -> Customer:
        names = [f"to-{number}" for number in range(count)]
        places = {name: {"kind": "s3", "bucket": f"partner-{name}"} for name in names}
        return customer(destinations=places, routes=[{"match": "sdk/**", "to": names}])

    assert len(routed(MOST_TARGETS).routes[0].to) == 32
    with pytest.raises(ValidationError) as refused:
        routed(MOST_TARGETS + 1)
    assert "has 33 destinations; at most 32 are allowed, because the errors" in str(refused.value)
