"""Health checks of both stacks: the leaves, the checks over them, and the two kinds of switch."""

from __future__ import annotations

import json
from itertools import product

import pytest

from components.firewall import HEALTH_CHECKERS
from local.program import Graph, Resource
from runtime import contract
from runtime.metric_names import FORCE_METRIC, METRIC_ADDRESSES, METRIC_CANARY, METRICS
from tests.program.conftest import STACKS, record, recorded

CHECK, ALARM = "aws:route53/healthCheck:HealthCheck", "aws:cloudwatch/metricAlarm:MetricAlarm"
OWN = {"cell1-health-endpoint", "cell1-health-canary"}
#: Where the switch is an object, and where it is an alarm.
BY_OBJECT = OWN | {"cell1-health-switch"}
BY_ALARM = (
    OWN
    | {f"{each}-again" for each in OWN}
    | {f"cell1-health-{each}" for each in ("switch", "veto", "forced")}
)


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest, graphs: dict[str, Graph]) -> Graph:
    return graphs[request.param]


def carried(graph: Graph) -> set[str]:
    """Return the ids of the checks that records carry."""
    records = graph.of("aws:route53/record:Record")
    return {each.inputs["healthCheckId"] for each in records if "healthCheckId" in each.inputs}


def over_leaves(graph: Graph) -> list[Resource]:
    return [each for each in graph.of(CHECK) if each.id in carried(graph)]


def wanted(leaves: dict[str, bool], switch: str) -> bool:
    """Return whether a region is in: what its own leaves require, and what is said of it."""
    own = all(healthy for name, healthy in leaves.items() if name.removesuffix("-again") in OWN)
    said = {name: healthy for name, healthy in leaves.items() if name.removesuffix("-again") not in OWN}
    return own and sum(said.values()) >= {"alarm": 2, "endpoint": 1}[switch]


@pytest.mark.parametrize(("switch", "leaves"), [("alarm", BY_ALARM), ("endpoint", BY_OBJECT)])
@pytest.mark.parametrize("stack", STACKS)
def test_what_records_carry_weighs_every_leaf(stack: str, switch: str, leaves: set[str]) -> None:
    """Two checks of an alarm agree: `endpoint` and `canary` must be healthy, and two of the other three."""
    graph = recorded(stack, peer="present", switch=switch)
    checks = {each.id: each for each in graph.of(CHECK)}
    assert over_leaves(graph)
    for check in over_leaves(graph):
        children = check.inputs["childHealthchecks"]
        assert {checks[child].name for child in children} == leaves
        assert len(children) == len(leaves), "Route 53 counts a child once"
        assert all(checks[child].inputs["type"] != "CALCULATED" for child in children), "Route 53 refuses it"
        alarms = sorted({each.removesuffix("-again") for each in leaves})
        for states in product([True, False], repeat=len(alarms)):
            healthy = dict(zip(alarms, states, strict=True))
            healthy = {name: healthy[name.removesuffix("-again")] for name in leaves}
            assert (sum(healthy.values()) >= check.inputs["childHealthThreshold"]) is wanted(healthy, switch)


def test_checks_of_one_alarm_agree(graph: Graph) -> None:
    for role in ("endpoint", "canary"):
        one, other = (graph.one(CHECK, f"cell1-health-{each}").inputs for each in (role, f"{role}-again"))
        assert one == other
    switch, veto = (graph.one(CHECK, f"cell1-health-{each}").inputs for each in ("switch", "veto"))
    assert switch | {"insufficientDataHealthStatus": "Healthy"} == veto, "silence is no veto"


def test_a_region_that_is_forced_in_says_so_in_its_own_region(graph: Graph) -> None:
    (provider,) = graph.of("pulumi:providers:aws")
    check, alarm = graph.one(CHECK, "cell1-health-forced"), graph.one(ALARM, "cell1-health-forced")
    assert check.inputs["cloudwatchAlarmName"] == alarm.outputs["name"]
    assert check.inputs["cloudwatchAlarmRegion"] == provider.inputs["region"]
    assert check.inputs["insufficientDataHealthStatus"] == "Unhealthy", "a dead region is not forced in"
    assert "invertHealthcheck" not in check.inputs
    assert "region" not in alarm.inputs
    assert (alarm.inputs["metricName"], alarm.inputs["comparisonOperator"]) == (
        FORCE_METRIC,
        "LessThanThreshold",
    )
    parameter = graph.one("aws:ssm/parameter:Parameter", "cell1-failover-force")
    assert parameter.inputs["name"] == contract.force_parameter("example-mft", "1")
    assert parameter.inputs["value"] == contract.UNFORCED
    assert parameter.ignore_changes == ("value",), "a deployment takes no word back"


def test_out_is_never_healthy_and_never_inverted(graph: Graph) -> None:
    out = graph.one(CHECK, "cell1-health-out")
    assert out.inputs["childHealthThreshold"] > len(out.inputs["childHealthchecks"])
    assert "invertHealthcheck" not in out.inputs, "it would turn healthy when its region fails"
    assert out.id not in carried(graph)


@pytest.mark.parametrize("switch", ["alarm", "endpoint"])
@pytest.mark.parametrize("stack", STACKS)
def test_an_alarm_that_feeds_a_check_wants_all_of_its_periods(stack: str, switch: str) -> None:
    """Route 53 supports no alarm of M out of N datapoints; unset, M is N."""
    graph = recorded(stack, peer="present", switch=switch)
    alarms = {each.outputs["name"]: each for each in graph.of(ALARM)}
    fed = [
        each.inputs["cloudwatchAlarmName"]
        for each in graph.of(CHECK)
        if each.inputs["type"] == "CLOUDWATCH_METRIC"
    ]
    assert len(fed) == {"alarm": 7, "endpoint": 2}[switch]
    for name in fed:
        assert "datapointsToAlarm" not in alarms[name].inputs, name
        assert "extendedStatistic" not in alarms[name].inputs, "Route 53 does not support it"


@pytest.mark.parametrize("automatic", [False, True])
def test_who_moves_traffic_never_changes_the_number_of_leaves(automatic: bool) -> None:
    graph = record("gov-west", config={"mft:automaticFailover": str(automatic).lower()})
    for role in ("endpoint", "canary", "endpoint-again", "canary-again"):
        check = graph.one(CHECK, f"cell1-health-{role}")
        assert check.inputs.get("disabled", False) is not automatic
        assert check.inputs["insufficientDataHealthStatus"] == "Unhealthy", "a dead region sends no data"
    for role in ("switch", "veto", "forced"):
        assert not graph.one(CHECK, f"cell1-health-{role}").inputs.get("disabled")
    for check in over_leaves(graph):
        assert (len(check.inputs["childHealthchecks"]), check.inputs["childHealthThreshold"]) == (7, 6)


def test_leaves_that_see_the_cell_watch_alarms_of_its_own_region(graph: Graph) -> None:
    (provider,) = graph.of("pulumi:providers:aws")
    metrics = {"endpoint": METRIC_ADDRESSES, "canary": METRIC_CANARY}
    for role, metric in metrics.items():
        check, alarm = graph.one(CHECK, f"cell1-health-{role}"), graph.one(ALARM, f"cell1-health-{role}")
        assert check.inputs["cloudwatchAlarmName"] == alarm.outputs["name"]
        assert check.inputs["cloudwatchAlarmRegion"] == provider.inputs["region"]
        assert "region" not in alarm.inputs
        assert (alarm.inputs["namespace"], alarm.inputs["metricName"]) == (METRICS, metric)
        assert alarm.inputs["period"] >= 60, "checks read standard resolution only"


def test_the_switch_is_watched_in_the_peer_region(graphs: dict[str, Graph]) -> None:
    for stack, here in (("gov-west", "us-gov-west-1"), ("gov-east", "us-gov-east-1")):
        (alarm,) = [each for each in graphs[stack].of(ALARM) if "region" in each.inputs]
        assert alarm.inputs["region"] != here, "the lever must work while this region is dead"
        check = graphs[stack].one(CHECK, "cell1-health-switch")
        assert check.inputs["cloudwatchAlarmName"] == alarm.outputs["name"]
        assert check.inputs["cloudwatchAlarmRegion"] == alarm.inputs["region"]
        assert check.inputs["insufficientDataHealthStatus"] == "LastKnownStatus"
        assert "invertHealthcheck" not in check.inputs, "it would turn healthy when its region fails"


def test_a_switch_published_as_an_object_that_only_checkers_can_read() -> None:
    graphs = {stack: record(stack, config={"mft:switch": "endpoint"}) for stack in STACKS}
    for stack, peer in zip(STACKS, reversed(STACKS), strict=True):
        side = stack.removeprefix("gov-")
        check = graphs[stack].one(CHECK, "cell1-health-switch").inputs
        keeper = graphs[peer].one("aws:s3/bucket:Bucket", "cell1-publication").inputs["bucket"]
        assert check["fqdn"].startswith(f"{keeper}.s3.us-gov-{peer.removeprefix('gov-')}-1.")
        assert check["resourcePath"] == f"/{contract.switch_object(side)}"
        assert check["invertHealthcheck"], "the object says out; its region's loss must not"
        policies = {
            each.inputs["bucket"]: json.loads(each.inputs["policy"])["Statement"]
            for each in graphs[peer].of("aws:s3/bucketPolicy:BucketPolicy")
        }
        (read,) = [each for each in policies[keeper] if each["Effect"] == "Allow"]
        assert read["Action"] == ["s3:GetObject"]
        assert read["Resource"] == [f"arn:aws-us-gov:s3:::{keeper}/switch/*"]
        assert read["Condition"] == {"IpAddress": {"aws:SourceIp": list(HEALTH_CHECKERS)}}
        encryption = graphs[peer].one(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "cell1-publication",
        )
        (rule,) = encryption.inputs["rules"]
        assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}, "no key for checkers"
        assert not [each for each in graphs[stack].of(ALARM) if "region" in each.inputs]
        expiry = graphs[peer].one(
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "cell1-publication"
        )
        assert not any(each.get("expiration") for each in expiry.inputs["rules"]), "out lasts until it is in"


def test_without_objects_there_is_no_bucket_for_them(graph: Graph) -> None:
    assert not [each for each in graph.of("aws:s3/bucket:Bucket") if "publication" in each.name]
