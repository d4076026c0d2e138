"""What the AWS provider reads of each resource is what the program wants: a second run finds no difference.

Resources are made in the emulated AWS by the provider's calls, and read by its calls. The table of these,
`reads.py`, says where each input is in the answers. Types are checked in the bytes of the answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jmespath
import pytest

from components import bundle
from local import program
from local.aws.emulator import Emulator
from local.program import Resource
from tests.local import wire_types
from tests.local.conftest import World
from tests.local.made_resources import MadeResources
from tests.local.reads import ANSWERED_AS, READS, UNREAD, Read
from tests.program.conftest import RUNTIME, STACKS, ask
from tests.program.secret_settings import SECRETS

Known = list[tuple[MadeResources, Resource]]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """An emulated AWS of a test's own, and the id of the zone in it."""
    bundle.install(RUNTIME)
    with Emulator(tmp_path / "aws", lambdas=1) as emulator:
        aws = World(emulator)
        made = aws("route53").create_hosted_zone(Name="mft.example.gov", CallerReference="read-back")
        yield aws, made["HostedZone"]["Id"].rpartition("/")[2]


def make(stack: str, aws: World, zone: str, *, few: bool = False) -> Known:
    """Make the resources of a stack."""
    config = {**program.stack_config(stack), "mft:lambdaRuntime": RUNTIME, "mft:zoneId": zone}
    made = MadeResources(aws, stack, config["mft:region"], few)
    program.run(stack, make=made.make, ask=ask, config=config, secrets=SECRETS)
    return [(made, each) for each in made.all.values()]


def unlike(known: Known) -> Known:
    """Return one resource of each type for each set of inputs that it has."""
    return list({(each.type, frozenset(each.inputs)): (made, each) for made, each in known}.values())


def test_what_is_read_is_what_was_wanted(place: tuple[World, str]) -> None:
    known = make("gov-west", *place, few=True)
    every_input_is_read(known)
    what_is_read_is_what_was_wanted(unlike(known))


@pytest.mark.exhaustive
def test_of_every_resource_of_both_stacks(place: tuple[World, str]) -> None:
    known = [each for stack in STACKS for each in make(stack, *place)]
    every_input_is_read(known)
    what_is_read_is_what_was_wanted(known)


def every_input_is_read(known: Known) -> None:
    missing = {
        f"{resource.type} {name}"
        for _, resource in known
        for name in wanted_of(resource).keys()
        - _read(resource.type)
        - UNREAD.get(resource.type, {}).keys()
        - {"region"}
    }
    assert not missing


def what_is_read_is_what_was_wanted(known: Known) -> None:
    differences = [each for made, resource in known for each in _differences(made, resource)]
    assert not differences, "\n".join(differences)


def _read(type: str) -> set[str]:
    """Return the inputs of a type that an answer has, or that a request names."""
    reads = READS.get(type, ())
    named = {each.removeprefix("@") for read in reads for each in _texts(read.request) if each[:1] == "@"}
    return named | {name for read in reads for name in read.fields}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    else:
        for each in value:
            yield from _texts(each)


def wanted_of(resource: Resource) -> Mapping[str, Any]:
    """Return the inputs of a resource in the form in which AWS answers them."""
    return ANSWERED_AS.get(resource.type, dict)(resource.inputs)


def _differences(made: MadeResources, resource: Resource) -> Iterator[str]:
    inputs = wanted_of(resource)
    for read in READS.get(resource.type, ()):
        wanted = {name: inputs[name] for name in read.fields if name in inputs}
        if read.fields and not wanted:
            continue
        answer, ill_typed = _answer(made, resource, read)
        yield from (f"{resource.type} {resource.name}: {each}" for each in ill_typed)
        for name, value in wanted.items():
            found = jmespath.search(_placed(read.fields[name], resource), answer)
            if not same(value, found):
                yield f"{resource.type} {resource.name}: {name}: {value!r} is read as {found!r}"


def _answer(made: MadeResources, resource: Resource, read: Read) -> tuple[Any, list[str]]:
    """Return an answer, and what AWS's SDK for Go could not read in it."""
    client = made.client(resource, read.service)
    method = {each.replace("_", ""): each for each in dir(client)}[read.operation.lower()]
    ill_typed: list[str] = []

    def heard(response_dict: Mapping[str, Any], **_: Any) -> None:
        model = client.meta.service_model.operation_model(read.operation)
        ill_typed.extend(wire_types.complaints(model, response_dict["body"]))

    event = f"response-received.{client.meta.service_model.service_id.hyphenize()}.{read.operation}"
    client.meta.events.register(event, heard)
    try:
        return documents(getattr(client, method)(**_filled(read.request, resource))), ill_typed
    finally:
        client.meta.events.unregister(event, heard)


def documents(answer: Any) -> Any:
    """Return an answer with documents in place of JSON texts."""
    if isinstance(answer, Mapping):
        return {key: documents(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [documents(each) for each in answer]
    return json.loads(answer) if isinstance(answer, str) and answer[:1] == "{" else answer


def _placed(place: str, resource: Resource) -> str:
    """Return a place in an answer with the resource's own values in it."""
    return re.sub(r"'@(\w+)'", lambda found: f"'{_value(found[1], resource)}'", place)


def _value(name: str, resource: Resource) -> Any:
    return {**resource.outputs, **resource.inputs, "id": resource.id}.get(name)


def _filled(value: Any, resource: Resource) -> Any:
    if isinstance(value, Mapping):
        filled = {key: _filled(each, resource) for key, each in value.items()}
        return {key: each for key, each in filled.items() if each is not None}
    if isinstance(value, list):
        return [_filled(each, resource) for each in value]
    return _value(value.removeprefix("@"), resource) if value.startswith("@") else value


def same(wanted: Any, found: Any) -> bool:
    """Return whether an answer says what an input does, in the spelling and order of AWS."""
    match wanted:
        case Mapping():
            if isinstance(found, list):  # of dimensions
                return same(wanted, {each["Name"]: each["Value"] for each in found})
            if not isinstance(found, Mapping):
                return not wanted
            spelled = {key.lower(): value for key, value in found.items()}
            return all(same(value, spelled.get(key.lower())) for key, value in wanted.items())
        case list():
            found = found or []
            return len(wanted) == len(found) and all(any(same(a, b) for b in found) for a in wanted)
        case None | "":
            return not found
        case bool():
            return found in (wanted, str(wanted).lower()) or (not wanted and found is None)
        case int() | float():
            return found is not None and float(found) == wanted
        case str() if wanted[:1] == "{":
            return bool(json.loads(wanted) == found)
    return bool(wanted == found)
