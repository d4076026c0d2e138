"""A cell needs nothing from the other region to work: every reference to the peer has a listed reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local import program
from local.program import Graph, Resource
from runtime.contract import REGION_OF, SIDE_OF, peer_of
from runtime.metric_names import SwitchKind
from tests.iam import matches
from tests.program.conftest import STACKS, recorded

_ALARM = "docs/adr/0001-peer-alarm.md"
_REPLICATION = "docs/adr/0012-replication-targets.md"
_TABLE = "docs/adr/0013-table-replica.md"
_OBJECT = "docs/adr/0015-switch-by-object.md"
_FORCE = "docs/adr/0034-force-in.md"
_ACCOUNTS = "docs/adr/0024-other-accounts.md"

#: References to the peer (type, logical name, place in the inputs), and the decision that explains each.
EXCEPTIONS = {
    ("MetricAlarm", "cell1-health-switch", "region"): _ALARM,
    ("HealthCheck", "cell1-health-switch", "cloudwatchAlarmRegion"): _ALARM,
    ("HealthCheck", "cell1-health-switch", "fqdn"): _OBJECT,
    # The peer's switch is kept here, under a name that contains its side, and two functions here read it.
    ("Parameter", "cell1-failover-switch", "name"): _ALARM,
    ("RolePolicy", "cell1-failover-switch", "policy.Statement[ReadSwitch].Resource[]"): _ALARM,
    ("RolePolicy", "cell1-failover-takeover", "policy.Statement[ReadSwitch].Resource[]"): _ALARM,
    ("HealthCheck", "cell1-health-veto", "cloudwatchAlarmRegion"): _FORCE,
    # Which word is the later one is asked while a region is out, and a peer that is silent has none.
    ("RolePolicy", "cell1-failover-switch", "policy.Statement[ReadOwnSwitch].Resource[]"): _FORCE,
    ("RolePolicy", "cell1-failover-switch", "policy.Statement[ReadPeersForce].Resource[]"): _FORCE,
    ("RolePolicy", "cell1-failover-takeover", "policy.Statement[ReadPeersForce].Resource[]"): _FORCE,
    ("BucketReplicationConfig", "*", "rules[].destination.bucket"): _REPLICATION,
    (
        "BucketReplicationConfig",
        "*",
        "rules[].destination.encryptionConfiguration.replicaKmsKeyId",
    ): _REPLICATION,
    (
        "RolePolicy",
        "cell1-storage-replication",
        "policy.Statement[WriteReplicas].Resource[]",
    ): _REPLICATION,
    (
        "RolePolicy",
        "cell1-storage-replication",
        "policy.Statement[EncryptThere].Resource[]",
    ): _REPLICATION,
    (
        "RolePolicy",
        "cell1-workflow-deliver",
        "policy.Statement[UsePartnersKeys].Condition.StringEquals.kms:ViaService[]",
    ): _ACCOUNTS,
    ("TableReplica", "cell1-tracker-replica", "globalTableArn"): _TABLE,
    ("MetricAlarm", "cell1-monitoring-facts-delayed", "dimensions.ReceivingRegion"): _TABLE,
}

#: Texts for people. Nothing depends on them; a widget without data is blank.
SAID = {
    ("MetricAlarm", "alarmDescription"),
    ("Parameter", "description"),
    ("Dashboard", "dashboardBody.widgets[].properties.markdown"),
    ("Dashboard", "dashboardBody.widgets[].properties.region"),
    ("Dashboard", "dashboardBody.widgets[].properties.metrics[][]"),
    ("Dashboard", "dashboardBody.widgets[].properties.metrics[][].label"),
    ("Dashboard", "dashboardBody.widgets[].properties.metrics[][].region"),
}

#: `east.` and `west.` are names of a customer's endpoints, made by both stacks; they answer with this cell.
NAMES = {("Record", "name")}

#: Places of customers' and partners' resources. A customer who names a queue of one region chose that.
OF_CUSTOMERS = {
    ("TopicSubscription", "endpoint"),
    ("TopicPolicy", "policy.Statement*.Condition.StringEquals.sns:Endpoint*"),
    ("RolePolicy", "policy.Statement*UsePartnersKeys*.Resource*"),
    ("BucketObjectv2", "content.destinations.*.region"),
}

_PLACES = [(stack, switch) for stack in STACKS for switch in SwitchKind]
_REGION = re.compile(r"\b(?:us|ca|eu|ap|sa|af|me|il|mx|cn)(?:-gov|-iso[a-z]?)?-[a-z]+-[0-9]\b")


@pytest.fixture(params=_PLACES, ids="-".join)
def graph(request: pytest.FixtureRequest) -> Graph:
    stack, switch = request.param
    return recorded(stack, peer="present", switch=switch)


def _region(graph: Graph) -> str:
    return program.stack_config(graph.stack)["mft:region"]


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with its place, also the texts inside JSON; statements are named by their Sid."""
    if isinstance(value, str):
        document = json.loads(value) if value[:1] == "{" else None
        if document is None:
            yield path, value
        else:
            yield from _texts(document, path)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            sid = inner.get("Sid", "") if isinstance(inner, dict) else ""
            yield from _texts(inner, f"{path}[{sid}]")


def _mentions(graph: Graph) -> Iterator[tuple[Resource, str, str]]:
    """Yield the texts that name the peer's side: its region, its buckets and its hosts contain it."""
    side = peer_of(SIDE_OF[_region(graph)])
    for each in graph.resources:
        for path, text in _texts(dict(each.inputs)):
            if re.search(rf"(?<![a-z]){side}(?![a-z])", text):
                yield each, path, text


def _exception(resource: Resource, path: str) -> tuple[str, str, str] | None:
    kind = resource.type.rpartition(":")[2]
    return next(
        (each for each in EXCEPTIONS if each[::2] == (kind, path) and fnmatchcase(resource.name, each[1])),
        None,
    )


def _is_among(places: set[tuple[str, str]], resource: Resource, path: str) -> bool:
    kind = resource.type.rpartition(":")[2]
    return any(kind == its and matches(where, path) for its, where in places)


def test_nothing_refers_to_the_other_region_but_what_is_listed(graph: Graph) -> None:
    strays = [
        f"{each.type} {each.name}: {path}: {text}"
        for each, path, text in _mentions(graph)
        if not _exception(each, path) and not _is_among(SAID | NAMES | OF_CUSTOMERS, each, path)
    ]
    assert not strays, "a reference to the peer without a decision:\n" + "\n".join(strays)


def test_every_exception_is_needed_and_decided() -> None:
    graphs = [recorded(stack, peer="present", switch=switch) for stack, switch in _PLACES]
    found = [mention for graph in graphs for mention in _mentions(graph)]
    needed = {_exception(each, path) for each, path, _ in found}
    assert set(EXCEPTIONS) <= needed, "these refer to nothing any more"
    for places in (SAID, NAMES, OF_CUSTOMERS):
        for kind, where in places:
            its = [1 for each, path, _ in found if _is_among({(kind, where)}, each, path)]
            assert its, f"{kind} {where} refers to nothing any more"
    for decision in set(EXCEPTIONS.values()):
        number = decision.rpartition("/")[2][:4]
        assert (program.ROOT / decision).read_text().startswith(f"# {number}. "), decision


def test_what_is_of_customers_is_from_their_files(graph: Graph) -> None:
    files = "".join(path.read_text() for path in (program.ROOT / "customers").glob("*.yaml"))
    for each, path, text in _mentions(graph):
        if _is_among(OF_CUSTOMERS, each, path):
            assert text in files, f"{each.urn} {path}: {text} is of no customer"


def test_what_a_name_of_the_peer_answers_is_here(graph: Graph) -> None:
    here = SIDE_OF[_region(graph)]
    for each in graph.of("aws:route53/record:Record"):
        if each.inputs["type"] != "A":
            assert all(re.search(rf"\b{here}1?\b", value) for value in each.inputs["records"]), each.name


def test_no_function_is_configured_with_the_other_region(graph: Graph) -> None:
    """A function computes the name of the peer's switch from its own side."""
    region = _region(graph)
    for each in graph.of("aws:lambda/function:Function"):
        for name, value in each.inputs["environment"]["variables"].items():
            assert peer_of(SIDE_OF[region]) not in re.split(r"[^a-z]+", value), f"{each.name}: {name}={value}"


def test_only_one_resource_stands_in_another_region(graph: Graph) -> None:
    """A stack's provider has the stack's region, and only the alarm of the switch overrides it."""
    (provider,) = graph.of("pulumi:providers:aws")
    assert provider.inputs["region"] == _region(graph)
    used = {each.provider.rpartition("::")[0] for each in graph.resources if each.provider}
    assert used == {provider.urn}
    elsewhere = [each.name for each in graph.resources if each.inputs.get("region", "") and each != provider]
    assert set(elsewhere) <= {"cell1-health-switch"}


def test_no_region_is_named_but_the_two(graph: Graph) -> None:
    for each in graph.resources:
        for path, text in _texts(dict(each.inputs)):
            assert set(_REGION.findall(text)) <= set(REGION_OF.values()), f"{each.urn} {path}: {text}"


def test_no_stack_waits_for_the_other(graph: Graph) -> None:
    """A StackReference, like every other read of a foreign resource, would make the recording fail."""
    urns = {each.urn for each in graph.resources}
    for each in graph.resources:
        needed = {*each.depends_on, *(urn for of in each.property_dependencies.values() for urn in of)}
        assert needed <= urns, f"{each.urn} depends on what its stack does not make"


def test_without_a_peer_only_its_names_are_left() -> None:
    graph = recorded("gov-west", peer="absent", switch="alarm")
    needed = {exception for each, path, _ in _mentions(graph) if (exception := _exception(each, path))}
    kinds = {kind for kind, _, _ in needed}
    assert "BucketReplicationConfig" not in kinds, "its buckets do not exist yet"
