"""Alarms, their runbook, the dashboard, and what watches a cell, on the recorded graphs of both stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.network import ZONES
from customers import names
from local.program import ROOT, Graph, Resource
from runtime import canary_legs, contract, metric_names
from runtime.canary_legs import Leg
from runtime.contract import SIDE_OF
from runtime.environment import ENV_ADDRESSES, ENV_ZONE
from runtime.metric_names import (
    FORCE_METRIC,
    METRIC_ADDRESSES,
    METRIC_CANARY,
    METRIC_CANARY_SECONDS,
    METRIC_PEER_OUT,
    METRIC_REPLICATION_FAILED,
    METRIC_REPLICATION_MISSED,
    METRICS,
    SWITCH_METRIC,
    SWITCH_NAMESPACE,
)
from tests.program.conftest import SECRETS, STACKS, policies, record

RUNBOOK = ROOT / "docs" / "runbook.md"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"

OWN = {"Namespace", "Cell"}
#: What AWS publishes, by namespace: the names of metrics, and each set of dimensions that they have.
#: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
#: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
#: https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html
#: https://docs.aws.amazon.com/transfer/latest/userguide/monitoring.html
#: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-cloudwatch.html
PUBLISHED: dict[str, list[tuple[set[str], set[str]]]] = {
    METRICS: [
        ({value for name, value in vars(metric_names).items() if name.startswith("METRIC_")}, OWN),
        ({METRIC_CANARY, METRIC_CANARY_SECONDS}, OWN | {"Leg"}),
        ({METRIC_ADDRESSES}, OWN | {"Zone"}),
    ],
    SWITCH_NAMESPACE: [({SWITCH_METRIC, FORCE_METRIC}, OWN | {"Region"})],
    "AWS/Lambda": [({"Errors", "Throttles", "Duration"}, {"FunctionName"})],
    "AWS/SQS": [
        (
            {
                "ApproximateNumberOfMessagesVisible",
                "ApproximateAgeOfOldestMessage",
                "NumberOfMessagesSent",
            },
            {"QueueName"},
        ),
    ],
    "AWS/Events": [({"FailedInvocations"}, {"RuleName"})],
    "AWS/States": [
        (
            {
                "ExecutionsStarted",
                "ExecutionsSucceeded",
                "ExecutionsFailed",
                "ExecutionsTimedOut",
                "ExecutionThrottled",
            },
            {"StateMachineArn"},
        )
    ],
    "AWS/DynamoDB": [
        ({"ReadThrottleEvents", "WriteThrottleEvents"}, {"TableName"}),
        ({"ReadThrottleEvents", "WriteThrottleEvents"}, {"TableName", "GlobalSecondaryIndexName"}),
        ({"ReplicationLatency"}, {"TableName", "ReceivingRegion"}),
    ],
    "AWS/NATGateway": [({"ErrorPortAllocation"}, {"NatGatewayId"})],
    "AWS/Transfer": [({"FilesIn"}, {"ServerId"})],
    "AWS/Route53": [({"HealthCheckStatus"}, {"HealthCheckId"}), ({"DNSQueries"}, {"HostedZoneId"})],
}


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def is_published(namespace: str, metric: str, dimensions: set[str]) -> bool:
    return any(metric in metrics and dimensions == known for metrics, known in PUBLISHED.get(namespace, ()))


def there_is(graph: Graph) -> dict[str, set[str]]:
    """Return the names of the graph's resources, by the dimension that refers to them."""
    regions = set(contract.REGION_OF.values())
    (provider,) = graph.of("pulumi:providers:aws")
    tables = {names.tracker_table("1")}
    return {
        "FunctionName": {each.outputs["name"] for each in graph.of("aws:lambda/function:Function")},
        "RuleName": {each.outputs["name"] for each in graph.of("aws:cloudwatch/eventRule:EventRule")},
        "QueueName": {each.outputs["name"] for each in graph.of("aws:sqs/queue:Queue")},
        "StateMachineArn": {each.outputs["arn"] for each in graph.of("aws:sfn/stateMachine:StateMachine")},
        "NatGatewayId": {each.id for each in graph.of("aws:ec2/natGateway:NatGateway")},
        "ServerId": {each.id for each in graph.of("aws:transfer/server:Server")},
        "HealthCheckId": {each.id for each in graph.of("aws:route53/healthCheck:HealthCheck")},
        "HostedZoneId": {"Z0123456789EXAMPLE"},
        "TableName": tables,
        "GlobalSecondaryIndexName": {contract.TRACKER_INDEX},
        "ReceivingRegion": regions - {provider.inputs["region"]},
        "Namespace": {"example-mft"},
        "Cell": {"1"},
        "Region": regions,
        "Leg": {"sftp", "s3"},
        "Zone": set(ZONES),
    }


def monitoring(graph: Graph) -> list[Resource]:
    """Return the alarms that notify a topic."""
    return [each for each in graph.of(ALARM) if each.inputs.get("alarmActions")]


def on(graph: Graph, metric: str, **dimensions: str) -> list[Resource]:
    """Return the alarms on a metric whose dimensions include these."""
    return [
        each
        for each in monitoring(graph)
        if each.inputs["metricName"] == metric and dimensions.items() <= each.inputs["dimensions"].items()
    ]


# --- Alarms --------------------------------------------------------------------------------------


def test_every_alarm_is_on_a_metric_that_comes_from_something_in_the_graph(graph: Graph) -> None:
    known = there_is(graph)
    for alarm in graph.of(ALARM):
        asked = alarm.inputs["dimensions"]
        assert is_published(alarm.inputs["namespace"], alarm.inputs["metricName"], set(asked)), alarm.name
        strangers = {name: value for name, value in asked.items() if value not in known[name]}
        assert not strangers, alarm.name


def test_an_alarm_that_notifies_also_notifies_of_its_end(graph: Graph) -> None:
    (topic,) = (each for each in graph.of("aws:sns/topic:Topic") if each.name.endswith("-alerts"))
    for alarm in monitoring(graph):
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [topic.outputs["arn"]]
    assert topic.inputs["kmsMasterKeyId"]


def test_only_alarms_of_this_region_may_tell(graph: Graph) -> None:
    (found,) = (
        document for urn, document in policies(graph).items() if "topicPolicy" in urn and "alerts" in urn
    )
    allowed = [each for each in found["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    region = graph.of("pulumi:providers:aws")[0].inputs["region"]
    assert allowed[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": f"arn:aws-us-gov:cloudwatch:{region}:123456789012:alarm:*"},
    }


def test_cloudwatch_takes_every_alarm(graph: Graph) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    for alarm in monitoring(graph):
        asked = alarm.inputs
        assert len(asked["alarmDescription"]) <= 1024, alarm.name
        assert ("statistic" in asked) != ("extendedStatistic" in asked), alarm.name
        assert 1 <= asked["datapointsToAlarm"] <= asked["evaluationPeriods"], alarm.name
        assert asked["period"] % 60 == 0, alarm.name
        assert asked["period"] * asked["evaluationPeriods"] <= 24 * 3600, alarm.name


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's sections, as GitHub makes them of headings."""
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert len(slugs) == len(headings)
    return slugs


def test_alarms_and_sections_of_the_runbook_belong_together(graphs: dict[str, Graph]) -> None:
    sections = anchors(RUNBOOK.read_text())
    for graph in graphs.values():
        named = {}
        for alarm in monitoring(graph):
            found = re.search(r"Runbook: docs/runbook\.md#([a-z-]+)$", alarm.inputs["alarmDescription"])
            assert found, alarm.name
            named[alarm.name] = found[1]
        assert set(named.values()) == sections
        others = [each.inputs["alarmDescription"] for each in graph.of(ALARM)]
        assert {anchor for text in others for anchor in re.findall(r"#([a-z-]+)", text)} <= sections


def test_every_section_says_what_it_means_how_to_see_it_what_to_do_and_when_to_evacuate() -> None:
    _, *sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    for section in sections:
        parts = re.findall(r"^\*\*(Means|See|Do|Evacuate)", section, re.MULTILINE)
        assert parts == ["Means", "See", "Do", "Evacuate"], section.splitlines()[0]


def test_the_runbook_names_only_what_the_program_exports(graph: Graph) -> None:
    assert set(re.findall(r"pulumi stack output (\w+)", RUNBOOK.read_text())) <= set(graph.exports)


def test_every_function_is_watched_for_errors_and_throttles(graph: Graph) -> None:
    """But for throttles of those that run once at a time: each run that takes long would set them off."""
    functions = there_is(graph)["FunctionName"]
    once = {
        each.outputs["name"]
        for each in graph.of("aws:lambda/function:Function")
        if each.inputs["reservedConcurrentExecutions"] == 1
    }
    assert len(once) == 1
    for metric, watched in (("Errors", functions), ("Throttles", functions - once)):
        assert {each.inputs["dimensions"]["FunctionName"] for each in on(graph, metric)} == watched


def test_every_queue_of_what_could_not_be_done_is_watched(graph: Graph) -> None:
    dead = {
        each.outputs["name"]
        for each in graph.of("aws:sqs/queue:Queue")
        if each.name.endswith("-dead-letters")
    }
    watched = [*on(graph, "ApproximateNumberOfMessagesVisible"), *on(graph, "NumberOfMessagesSent")]
    assert {each.inputs["dimensions"]["QueueName"] for each in watched} == dead
    assert len(dead) == len(watched) == 4


def test_every_rule_is_watched_for_events_that_it_cannot_deliver(graph: Graph) -> None:
    rules = there_is(graph)["RuleName"]
    assert {each.inputs["dimensions"]["RuleName"] for each in on(graph, "FailedInvocations")} == rules


def test_every_nat_gateway_is_watched(graph: Graph) -> None:
    watched = {each.inputs["dimensions"]["NatGatewayId"] for each in on(graph, "ErrorPortAllocation")}
    assert watched == there_is(graph)["NatGatewayId"]
    assert len(watched) == 3


@pytest.mark.parametrize("metric", [METRIC_CANARY, METRIC_ADDRESSES, METRIC_PEER_OUT])
def test_silence_of_what_reports_every_few_minutes_is_an_alarm(graph: Graph, metric: str) -> None:
    assert [each for each in on(graph, metric) if each.inputs["treatMissingData"] == "breaching"]


def test_a_lost_zone_and_a_lost_endpoint_are_two_alarms(graph: Graph) -> None:
    of_cell = [each for each in on(graph, METRIC_ADDRESSES) if set(each.inputs["dimensions"]) == OWN]
    assert {each.inputs["threshold"] for each in of_cell} == {1, 3}


def test_each_zone_and_each_leg_has_an_alarm_of_its_own(graph: Graph) -> None:
    for metric, dimension, values in (
        (METRIC_ADDRESSES, "Zone", set(ZONES)),
        (METRIC_CANARY, "Leg", {"sftp", "s3"}),
    ):
        own = [each for each in on(graph, metric) if dimension in each.inputs["dimensions"]]
        assert {each.inputs["dimensions"][dimension] for each in own} == values
        assert len(own) == len(values)


def test_both_ways_of_replication_are_watched_by_the_region_that_sends(graphs: dict[str, Graph]) -> None:
    ways = {
        (SIDE_OF[graph.of("pulumi:providers:aws")[0].inputs["region"]], SIDE_OF[to])
        for graph in graphs.values()
        for alarm in on(graph, "ReplicationLatency")
        for to in [alarm.inputs["dimensions"]["ReceivingRegion"]]
    }
    assert ways == {("west", "east"), ("east", "west")}
    for graph in graphs.values():
        for metric in (METRIC_REPLICATION_FAILED, METRIC_REPLICATION_MISSED):
            assert on(graph, metric)


def test_without_a_peer_nobody_waits_for_its_facts() -> None:
    alone = record("gov-west", config={"mft:peer": "absent"})
    assert not on(alone, "ReplicationLatency")


# --- The dashboard -------------------------------------------------------------------------------


def widgets(graph: Graph) -> list[dict[str, Any]]:
    (dashboard,) = graph.of("aws:cloudwatch/dashboard:Dashboard")
    return json.loads(dashboard.inputs["dashboardBody"])["widgets"]


def lines(graph: Graph) -> Iterator[tuple[str, str, dict[str, str], dict[str, Any], str]]:
    """Yield namespace, metric, dimensions, options and region of every line on the dashboard."""
    for widget in widgets(graph):
        for line in widget["properties"].get("metrics", ()):
            namespace, metric, *dimensions, options = line
            pairs = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
            yield namespace, metric, pairs, options, options.get("region", widget["properties"]["region"])


def test_cloudwatch_takes_the_dashboard(graph: Graph) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    regions = set(contract.REGION_OF.values())
    covered: set[tuple[int, int]] = set()
    for widget in widgets(graph):
        assert set(widget) == {"type", "x", "y", "width", "height", "properties"}
        assert 1 <= widget["width"] <= 24
        assert 1 <= widget["height"] <= 1000
        assert 0 <= widget["x"] <= 24 - widget["width"]
        own = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not own & covered, "two widgets overlap"
        covered |= own
        properties = widget["properties"]
        match widget["type"]:
            case "text":
                assert set(properties) == {"markdown"}
            case "alarm":
                assert set(properties) <= {"title", "alarms", "sortBy", "states"}
                assert 1 <= len(properties["alarms"]) <= 100
            case "metric":
                assert set(properties) <= {"title", "view", "region", "period", "metrics"}
                assert properties["view"] == "timeSeries"
                assert properties["region"] in regions
                assert properties["period"] % 60 == 0
                assert 1 <= len(properties["metrics"]) <= 500
            case other:
                pytest.fail(f"a widget of type {other}")


def test_every_line_is_of_a_metric_that_comes_from_something_in_the_graph(graph: Graph) -> None:
    known = there_is(graph)
    for namespace, metric, dimensions, options, _ in lines(graph):
        assert is_published(namespace, metric, set(dimensions)), (namespace, metric, dimensions)
        assert all(value in known[name] for name, value in dimensions.items()), (metric, dimensions)
        assert set(options) <= {"stat", "label", "yAxis", "region"}
        assert re.fullmatch(r"Sum|Average|Minimum|Maximum|SampleCount|p[0-9]{2}", options["stat"])
        assert options.get("yAxis", "right") in ("left", "right")


def test_all_that_the_cell_says_of_itself_is_on_the_dashboard(graph: Graph) -> None:
    published, _ = PUBLISHED[METRICS][0]
    assert {metric for namespace, metric, *_ in lines(graph) if namespace == METRICS} == published


def test_every_alarm_is_on_the_dashboard(graph: Graph) -> None:
    (shown,) = (each for each in widgets(graph) if each["type"] == "alarm")
    assert set(shown["properties"]["alarms"]) == {each.outputs["arn"] for each in monitoring(graph)}


def test_the_text_leads_into_the_runbook(graph: Graph) -> None:
    text = " ".join(each["properties"]["markdown"] for each in widgets(graph) if each["type"] == "text")
    named = set(re.findall(r"#([a-z-]+)`", text))
    assert named
    assert named <= anchors(RUNBOOK.read_text())


def test_the_peer_is_asked_for_one_thing_only(graph: Graph) -> None:
    """The peer publishes the position of this region's switch; Route 53's metrics are in West for both."""
    here = graph.of("pulumi:providers:aws")[0].inputs["region"]
    elsewhere = {(namespace, metric) for namespace, metric, *_, region in lines(graph) if region != here}
    assert elsewhere - {("AWS/Route53", "HealthCheckStatus"), ("AWS/Route53", "DNSQueries")} == {
        (METRICS, METRIC_PEER_OUT)
    }


def test_two_regions_have_two_dashboards(graphs: dict[str, Graph]) -> None:
    """An account has one list of dashboards: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html"""
    called = {
        graph.of("aws:cloudwatch/dashboard:Dashboard")[0].inputs["dashboardName"] for graph in graphs.values()
    }
    assert len(called) == len(graphs)


def test_no_customer_is_named_by_what_watches(graph: Graph) -> None:
    text = json.dumps([each.inputs for each in graph.of(ALARM)] + widgets(graph))
    for path in sorted((ROOT / "customers").glob("*.yaml")):
        customer = yaml.safe_load(path.read_text())
        assert customer["name"] not in text
        assert customer["id"] not in text


# --- Canary, probe -------------------------------------------------------------------------------


def of_component(graph: Graph, type: str) -> list[Resource]:
    (component,) = (each for each in graph.resources if each.type == type)
    return list(graph.below(component))


def test_the_canarys_files_are_not_replicated_and_gone_in_a_day(graph: Graph) -> None:
    made = of_component(graph, "mft:canary:Canary")
    assert not [each for each in made if "Replication" in each.type]
    (lifecycle,) = (each for each in made if each.type.endswith(":BucketLifecycleConfiguration"))
    expiring = [rule for rule in lifecycle.inputs["rules"] if "expiration" in rule]
    assert [(rule["expiration"]["days"], rule["filter"]["prefix"]) for rule in expiring] == [(1, "")]
    archive = graph.one(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "cell1-storage-archive"
    )
    days = {
        rule["id"]: rule["expiration"]["days"] for rule in archive.inputs["rules"] if "expiration" in rule
    }
    assert days[contract.canary("1")] == 1


def test_the_canary_is_a_sender_like_a_customer(graph: Graph) -> None:
    """Functions find its routing document, and its bucket sends events, like a customer's."""
    made = of_component(graph, "mft:canary:Canary")
    (bucket,) = (each for each in made if each.type == "aws:s3/bucket:Bucket")
    side = SIDE_OF[graph.of("pulumi:providers:aws")[0].inputs["region"]]
    id = contract.customer_of(bucket.inputs["bucket"], "example-mft", side)
    (document,) = (each for each in made if each.type == "aws:s3/bucketObjectv2:BucketObjectv2")
    assert document.inputs["key"] == contract.config_key(id)
    routing = json.loads(document.inputs["content"])
    (topic,) = (each for each in made if each.type == "aws:sns/topic:Topic")
    assert (routing["id"], routing["receipts_topic"]) == (id, topic.outputs["arn"])
    assert topic.inputs["namePrefix"].startswith("example-mft-"), "the functions may publish to no other"
    (notification,) = (each for each in made if each.type == "aws:s3/bucketNotification:BucketNotification")
    assert notification.inputs["eventbridge"]


def test_what_is_denied_to_deliveries_leaves_the_canarys_way_open(graph: Graph) -> None:
    (document,) = (
        found
        for urn, found in policies(graph).items()
        if urn.endswith("cell1-workflow-deliver policy") and "rolePolicy" in urn
    )
    denied = [
        each["Resource"]
        for each in document["Statement"]
        if each["Effect"] == "Deny" and "s3:PutObject" in each["Action"]
    ]
    patterns = [re.compile(re.escape(one).replace(r"\*", ".*")) for each in denied for one in each]
    (bucket,) = (
        each for each in of_component(graph, "mft:canary:Canary") if each.type == "aws:s3/bucket:Bucket"
    )

    def is_denied(place: str) -> bool:
        return any(pattern.fullmatch(f"arn:aws-us-gov:s3:::{place}") for pattern in patterns)

    own = bucket.inputs["bucket"]
    for leg in Leg:
        assert not is_denied(f"{own}/{canary_legs.delivered(leg)}x")
        inbound = canary_legs.inbound("1", leg)
        assert is_denied(f"{own}/{inbound}x"), "a delivery there would be taken in again"
    for each in graph.of("aws:s3/bucket:Bucket"):
        place = each.inputs["bucket"]
        assert is_denied(f"{place}/{contract.INBOUND}sdk/x"), place
        if "-cell1-" in place:
            assert is_denied(f"{place}/x"), place


def functions_of(graph: Graph, component: str) -> list[Resource]:
    return [each for each in of_component(graph, component) if each.type == "aws:lambda/function:Function"]


@pytest.mark.parametrize(("component", "count"), [("mft:probe:Probe", 3), ("mft:canary:Canary", 1)])
def test_canary_and_probes_try_every_address_at_the_sftp_port(
    graph: Graph, component: str, count: int
) -> None:
    functions = functions_of(graph, component)
    assert len(functions) == count
    addresses = [
        each.outputs["publicIp"] for each in graph.of("aws:ec2/eip:Eip") if "-endpoint-" in each.name
    ]
    for function in functions:
        tried = function.inputs["environment"]["variables"][ENV_ADDRESSES].split(",")
        assert sorted(tried) == sorted(f"{address}:22" for address in addresses)
        assert function.inputs["vpcConfig"], "only from a known address may it reach the port"


def test_each_probe_is_in_its_own_zone_and_in_no_other(graph: Graph) -> None:
    (provider,) = graph.of("pulumi:providers:aws")
    zones = {each.id: each.inputs["availabilityZone"] for each in graph.of("aws:ec2/subnet:Subnet")}
    gateways = {each.id: each.inputs["subnetId"] for each in graph.of("aws:ec2/natGateway:NatGateway")}
    tables = {
        each.inputs["subnetId"]: each.inputs["routeTableId"]
        for each in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    ways = {each.inputs["routeTableId"]: each.inputs for each in graph.of("aws:ec2/route:Route")}
    found = []
    for function in functions_of(graph, "mft:probe:Probe"):
        (subnet,) = function.inputs["vpcConfig"]["subnetIds"]
        gateway = ways[tables[subnet]]["natGatewayId"]
        assert zones[subnet] == zones[gateways[gateway]]
        zone = function.inputs["environment"]["variables"][ENV_ZONE]
        assert zones[subnet] == f"{provider.inputs['region']}{zone}"
        found.append(zone)
    assert sorted(found) == list(ZONES)


@pytest.mark.parametrize(
    ("function", "every"),
    [
        ("canary", "5 minutes"),
        ("sweep", "15 minutes"),
        *((f"probe-{zone}", "1 minute") for zone in ZONES),
    ],
)
def test_what_watches_runs_as_often_as_its_alarms_expect(graph: Graph, function: str, every: str) -> None:
    rule = graph.one("aws:cloudwatch/eventRule:EventRule", f"cell1-{function}")
    assert rule.inputs["scheduleExpression"] == f"rate({every})"


def test_the_canarys_key_is_encrypted_wherever_it_is_written(graph: Graph) -> None:
    (version,) = graph.of("aws:secretsmanager/secretVersion:SecretVersion")
    assert version.inputs["secretString"] == SECRETS["mft:canaryKey"]
    assert "secretString" in version.secrets
    assert "secretString" in version.secret_outputs, "the provider tells it again, for the state to keep"
    (secret,) = graph.of("aws:secretsmanager/secret:Secret")
    (key,) = (each for each in graph.of("aws:kms/key:Key"))
    assert secret.inputs["kmsKeyId"] == key.outputs["arn"], "both functions may decrypt under it"
