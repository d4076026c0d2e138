"""The manifest of a cell on the recorded graphs, as the operators' tools read it."""

from __future__ import annotations

import json

import pytest

from components.private_keys import public
from local.program import Graph, Resource
from ops.cell_manifest import CellManifest
from ops.health.cell_health import ABOUT_PEER
from runtime import canary_legs
from runtime.canary_legs import Leg
from runtime.environment import ENV_NAMESPACE, ENV_ZONE
from tests.program.conftest import SECRETS, STACKS, record, with_lifecycle

#: Characters of a standard parameter: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
STANDARD = 4096


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def parameter(graph: Graph) -> Resource:
    return graph.one("aws:ssm/parameter:Parameter", "cell1-parts")


class Parameters:
    """SSM with the parameters that the program wrote."""

    class exceptions:
        ParameterNotFound = KeyError

    def __init__(self, graph: Graph) -> None:
        self._held = {each.inputs["name"]: each.inputs for each in graph.of("aws:ssm/parameter:Parameter")}

    def get_parameter(self, *, Name: str) -> dict:
        return {"Parameter": {"Value": self._held[Name]["value"]}}

    def hold(self, name: str, value: str) -> None:
        self._held[name] = {"value": value}


def test_what_it_names_is_there_and_every_function_and_queue_is_named(graph):
    namespace = next(
        each.inputs["environment"]["variables"][ENV_NAMESPACE]
        for each in graph.of("aws:lambda/function:Function")
    )
    parts = CellManifest.read(namespace=namespace, cell="1", side="west", parameters=Parameters(graph))
    assert parts.server == graph.one("aws:transfer/server:Server", "cell1-endpoint-server").id
    details = graph.one("aws:transfer/server:Server", "cell1-endpoint-server").inputs["endpointDetails"]
    assert len(details["addressAllocationIds"]) == len(parts.addresses)
    host = graph.one("aws:route53/record:Record", "cell1-endpoint-host")
    assert parts.addresses == host.inputs["records"]
    urls = {
        each.outputs["url"]
        for each in graph.of("aws:sqs/queue:Queue")
        if "replication-queue" not in each.name
    }
    assert {parts.queue, *parts.dead_letters.values()} == urls
    assert parts.queue == graph.one("aws:sqs/queue:Queue", "cell1-intake-queue").outputs["url"]
    (machine,) = graph.of("aws:sfn/stateMachine:StateMachine")
    assert parts.state_machine == machine.outputs["arn"]
    functions = {}
    for each in graph.of("aws:lambda/function:Function"):
        zone = each.inputs["environment"]["variables"].get(ENV_ZONE)
        handler = each.inputs["handler"].split(".")[-2]
        functions[f"{handler}-{zone}" if zone else handler] = each.outputs["name"]
    assert parts.functions == functions


def test_it_says_how_to_send_as_the_canary(graph):
    parts = CellManifest.read(namespace="example-mft", cell="1", side="west", parameters=Parameters(graph))
    canary = parts.canary
    assert canary is not None
    buckets = {each.inputs["bucket"] for each in graph.of("aws:s3/bucket:Bucket")}
    assert (canary.customer, canary.bucket in buckets) == ("canary1", True)
    (user,) = (u for u in graph.of("aws:transfer/user:User") if u.inputs["userName"] == canary.login)
    (home,) = user.inputs["homeDirectoryMappings"]
    assert f"{home['target']}/" == f"/{canary.bucket}/{canary_legs.inbound('1', Leg.SFTP)}"
    (secret,) = graph.of("aws:secretsmanager/secret:Secret")
    assert secret.inputs["name"] == canary.secret
    (key,) = (k for k in graph.of("aws:transfer/sshKey:SshKey") if k.inputs["userName"] == canary.login)
    assert key.inputs["body"] == public(SECRETS["mft:canaryKey"])
    assert canary.host_key == public(SECRETS["mft:hostKeyEcdsa"])
    assert canary.receipts in {each.outputs["arn"] for each in graph.of("aws:sns/topic:Topic")}


def test_a_cell_of_an_earlier_version_has_no_login_of_the_canary_and_is_read_nevertheless(graph):
    parameters = Parameters(graph)
    name = parameter(graph).inputs["name"]
    earlier = json.loads(parameter(graph).inputs["value"])
    del earlier["canary"]
    parameters.hold(name, json.dumps(earlier))
    parts = CellManifest.read(namespace="example-mft", cell="1", side="west", parameters=parameters)
    assert parts.canary is None
    assert parts.server == earlier["server"]


def test_the_state_machine_is_named_in_no_other_parameter(graph):
    (machine,) = graph.of("aws:sfn/stateMachine:StateMachine")
    parameters = graph.of("aws:ssm/parameter:Parameter")
    arn = machine.outputs["arn"]
    assert [each.name for each in parameters if arn in each.inputs["value"]] == ["cell1-parts"]


def test_the_alarms_of_its_topic_are_all_that_wake_an_operator(graph):
    namespace = parameter(graph).inputs["name"].split("/")[1]
    parts = CellManifest.read(namespace=namespace, cell="1", side="west", parameters=Parameters(graph))
    alarms = graph.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    notifying = {each.name for each in alarms if parts.alerts in each.inputs.get("alarmActions", ())}
    health = {f"cell1-health-{leaf}" for leaf in ("endpoint", "canary", "switch", "forced")}
    assert {each.name for each in alarms} - notifying == health, "Route 53 watches these"
    sections = {
        each.inputs["alarmDescription"].rpartition("#")[2] for each in alarms if each.name in notifying
    }
    assert sections >= ABOUT_PEER


def test_it_fits_into_a_parameter_of_any_cell(graph):
    inputs = parameter(graph).inputs
    assert inputs["type"] == "String"
    assert len(inputs["value"]) * 1.5 < STANDARD


def test_the_registry_is_recorded_as_deployed_when_every_customer_is(graph):
    recorded = graph.one("aws:ssm/parameter:Parameter", "cell1-registry")
    customers = graph.of("mft:tenant:Tenant")
    theirs = {each.urn for customer in customers for each in graph.below(customer) if each.custom}
    assert customers
    assert theirs <= set(recorded.depends_on)


def test_the_revision_changes_with_anything_that_a_file_says(tmp_path, graphs):
    def revision(graph: Graph) -> str:
        return graph.one("aws:ssm/parameter:Parameter", "cell1-registry").inputs["value"]

    west, east = (revision(graphs[stack]) for stack in STACKS)
    assert west == east
    changed = with_lifecycle("draining", id="c7k2m", to=tmp_path)
    assert revision(record("gov-west", root=changed)) != west
