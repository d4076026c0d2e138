"""Functions and state machines in the emulated AWS: errors, retries, throttling, paths, batches."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from local.aws.ministack.states import retry_delay
from tests.local.conftest import CODES, HANDLER, WEST, World, eventually, zipped


@pytest.fixture(scope="module")
def function(aws: World) -> str:
    return aws.function("f", timeout=2)


def task(function: str, **more: object) -> dict[str, object]:
    return {
        "Type": "Task",
        "Resource": "arn:aws-us-gov:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload.$": "$"},
        "TimeoutSeconds": 20,
        "End": True,
    } | more


@pytest.mark.parametrize("how", CODES)
def test_the_error_type_is_the_class_of_the_exception(aws: World, how: str) -> None:
    aws.function(how, code=CODES[how], timeout=2)
    answer = aws.call(how, do="raise")
    assert (answer["errorType"], answer["errorMessage"]) == ("TransientDelivery", "the partner refused")
    assert "TransientDelivery" in "".join(answer["stackTrace"])
    assert aws.call(how, do="exit")["errorType"] == "Runtime.ExitError"
    assert aws.call(how, do="sleep", seconds=9)["errorType"] == "Sandbox.Timedout"


@pytest.mark.parametrize("how", CODES)
def test_a_worker_asks_for_no_fips_endpoint_as_it_is_given_one(aws: World, how: str) -> None:
    name = f"fips-{how}"
    aws.function(name, code=CODES[how], AWS_USE_FIPS_ENDPOINT="true", KEPT="yes")
    seen = aws.call(name, do="environment")
    assert (seen.get("AWS_USE_FIPS_ENDPOINT"), seen["KEPT"]) == (None, "yes")
    found = aws("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    assert found == {"AWS_USE_FIPS_ENDPOINT": "true", "KEPT": "yes"}


def test_a_state_machine_retries_and_catches_by_class(aws: World, function: str) -> None:
    retry = [{"ErrorEquals": ["TransientDelivery"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    catch = [{"ErrorEquals": ["TransientDelivery"], "ResultPath": "$.caught", "Next": "Caught"}]
    states = {"Try": task(function, Retry=retry, Catch=catch), "Caught": {"Type": "Pass", "End": True}}
    done = aws.run(aws.machine("by-class", states), do="raise")
    assert done["output"]["caught"]["Error"] == "TransientDelivery"
    assert json.loads(done["output"]["caught"]["Cause"])["errorMessage"] == "the partner refused"
    history = aws("stepfunctions").get_execution_history(executionArn=done["executionArn"])["events"]
    assert [e["type"] for e in history].count("TaskFailed") == 3


@pytest.mark.parametrize("wrapped", [False, True], ids=["task", "map"])
def test_retry_delays_follow_their_fields_and_the_scale(aws: World, function: str, wrapped: bool) -> None:
    # 100 + 150 s, at a hundredth; it would be 11 s without the maximum.
    retry = [
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100, "BackoffRate": 10, "MaxDelaySeconds": 150}
    ]
    retry[0]["MaxAttempts"] = 2
    state = task(function)
    if wrapped:
        items = {"StartAt": "Try", "States": {"Try": state}}
        state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": items, "End": True}
    machine = aws.machine(f"delays-{wrapped}", {"Try": state | {"Retry": retry}})
    started = time.monotonic()
    assert aws.run(machine, do="raise", items=[{"do": "raise"}])["status"] == "FAILED"
    assert 2.5 <= time.monotonic() - started < 7


def test_jitter_spreads_a_delay_and_no_maximum_leaves_it() -> None:
    retrier = {"IntervalSeconds": 100, "BackoffRate": 3}
    assert [retry_delay(retrier, count) for count in range(3)] == [100, 300, 900]
    spread = [
        retry_delay(retrier | {"JitterStrategy": "FULL", "MaxDelaySeconds": 200}, 1) for _ in range(200)
    ]
    assert 0 <= min(spread) < 50
    assert 150 < max(spread) <= 200


def test_a_throttled_task_can_be_retried_and_an_event_or_batch_waits(
    aws: World, request: pytest.FixtureRequest
) -> None:
    functions = aws("lambda")
    assert functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 3
    narrow = aws.function("narrow")
    functions.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)
    dead_url, dead = aws.queue("throttled-dead")
    once = {"MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": dead}}}
    functions.put_function_event_invoke_config(FunctionName="narrow", **once)
    busy = json.dumps({"do": "sleep", "seconds": 3})
    functions.invoke(FunctionName="narrow", InvocationType="Event", Payload=busy)
    impatient = aws.emulator.new_client("lambda", WEST, retries={"total_max_attempts": 1})
    request.addfinalizer(impatient.close)

    def refused() -> bool:
        try:
            impatient.invoke(FunctionName="narrow", Payload="{}")
        except impatient.exceptions.TooManyRequestsException:
            return True
        return False

    eventually(refused)
    catch = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "Full"}]
    states = {"Try": task(narrow, Catch=catch), "Full": {"Type": "Pass", "Result": "full", "End": True}}
    assert aws.run(aws.machine("full", states))["output"] == "full"
    functions.invoke(FunctionName="narrow", InvocationType="Event", Payload="{}")
    source, arn = aws.queue("throttled-source", VisibilityTimeout="600")
    functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="narrow", BatchSize=1)
    aws("sqs").send_message(QueueUrl=source, MessageBody="one")

    def left() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        got = aws("sqs").get_queue_attributes(QueueUrl=source, AttributeNames=names)["Attributes"]
        return sum(map(int, got.values()))

    eventually(lambda: left() == 0)
    assert aws.bodies(dead_url, 1, within=1) == []


def test_a_function_that_reserves_concurrency_runs_when_others_use_all_of_the_accounts(
    aws: World, request: pytest.FixtureRequest
) -> None:
    functions = aws("lambda")
    for name in ("greedy", "frugal"):
        aws.function(name)
    functions.put_function_concurrency(FunctionName="frugal", ReservedConcurrentExecutions=1)
    version = functions.publish_version(FunctionName="frugal")["Version"]
    qualifier = {"greedy": "$LATEST", "frugal": version}
    busy = json.dumps({"do": "sleep", "seconds": 4})
    for _ in range(3):
        functions.invoke(FunctionName="greedy", InvocationType="Event", Payload=busy)
    impatient = aws.emulator.new_client("lambda", WEST, retries={"total_max_attempts": 1})
    request.addfinalizer(impatient.close)

    def refused(name: str) -> str:
        try:
            impatient.invoke(
                FunctionName=name, Qualifier=qualifier[name], Payload=json.dumps({"do": "environment"})
            )
        except impatient.exceptions.TooManyRequestsException as error:
            return str(error.response["Reason"])
        return ""

    eventually(lambda: refused("greedy") == "ConcurrentInvocationLimitExceeded")
    assert refused("frugal") == ""
    functions.invoke(FunctionName="frugal", Qualifier=version, InvocationType="Event", Payload=busy)
    eventually(lambda: refused("frugal") == "ReservedFunctionConcurrentInvocationLimitExceeded")
    # What the reservation used is no part of what the others have, then or afterwards.
    eventually(lambda: refused("frugal") == "" and refused("greedy") == "")
    for _ in range(3):
        functions.invoke(FunctionName="greedy", InvocationType="Event", Payload=busy)
    eventually(lambda: refused("greedy") == "ConcurrentInvocationLimitExceeded")


def test_what_only_this_machine_has_no_room_for_waits_and_counts_as_no_throttle(aws: World) -> None:
    functions = aws("lambda")
    aws.function("roomy")
    functions.put_function_concurrency(FunctionName="roomy", ReservedConcurrentExecutions=20)
    began = datetime.now(UTC)
    for _ in range(6):  # two more than run at once here
        busy = json.dumps({"do": "sleep", "seconds": 1})
        functions.invoke(FunctionName="roomy", InvocationType="Event", Payload=busy)

    def total(metric: str) -> float:
        points = aws("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": "roomy"}],
            StartTime=began - timedelta(minutes=1),
            EndTime=began + timedelta(minutes=5),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    eventually(lambda: total("Invocations") == 6)
    assert total("Throttles") == 0


def test_starting_a_running_execution_again_is_idempotent(aws: World) -> None:
    states = aws("stepfunctions")
    machine = aws.machine("again", {"Wait": {"Type": "Wait", "Seconds": 200, "End": True}})
    start = {"stateMachineArn": machine, "name": "transfer-1", "input": '{"a": 1}'}
    first = states.start_execution(**start)
    assert states.start_execution(**start)["executionArn"] == first["executionArn"]
    assert states.start_execution(**start)["startDate"] == first["startDate"]
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**start | {"input": '{"a": 2}'})
    eventually(lambda: states.describe_execution(executionArn=first["executionArn"])["status"] == "SUCCEEDED")
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**start)


def test_a_path_that_is_not_there_fails_the_state(aws: World) -> None:
    missing = aws.machine("missing", {"P": {"Type": "Pass", "Parameters": {"x.$": "$.nope"}, "End": True}})
    assert aws.run(missing)["error"] == "States.ParameterPathFailure"
    assert aws.run(missing, nope=None)["output"] == {"x": None}
    rule = {"Variable": "$.nope", "StringEquals": "x", "Next": "End"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "End"}
    machine = aws.machine("choice", {"C": choice, "End": {"Type": "Succeed"}})
    assert aws.run(machine)["error"] == "States.Runtime"
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "End"}]
    items = {"StartAt": "C", "States": {"C": choice, "End": {"Type": "Succeed"}}}
    fan = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": items, "Catch": catch, "Next": "End"}
    caught = aws.machine("uncaught", {"Fan": fan, "End": {"Type": "Succeed"}})
    assert aws.run(caught, items=[{}])["error"] == "States.Runtime"  # which States.ALL does not catch
    assert aws.run(machine, nope="y")["status"] == "SUCCEEDED"


def test_a_stopped_execution_stops_the_items_of_its_map_and_stays_aborted(aws: World, function: str) -> None:
    url, _ = aws.queue("map-steps")
    send = {
        "Type": "Task",
        "Resource": "arn:aws-us-gov:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": {"from": "map"}},
        "End": True,
    }
    items = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "Next": "S"}, "S": send}}
    machine = aws.machine("stopped", {"M": {"Type": "Map", "ItemProcessor": items, "End": True}})
    states = aws("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input="[1, 2]")["executionArn"]
    time.sleep(0.4)
    states.stop_execution(executionArn=arn)
    assert aws.bodies(url, 1, within=1.5) == []
    assert states.describe_execution(executionArn=arn)["status"] == "ABORTED"


def test_a_map_passes_each_item_and_its_context(aws: World, function: str) -> None:
    selector = {
        "item.$": "$$.Map.Item.Value",
        "transfer.$": "$$.Execution.Name",
        "customer.$": "$.customer",
    }
    inner = {"StartAt": "Deliver", "States": {"Deliver": task(function, OutputPath="$.Payload")}}
    fan = {
        "Type": "Map",
        "ItemsPath": "$.destinations",
        "ItemSelector": selector,
        "MaxConcurrency": 2,
        "ItemProcessor": inner,
        "ResultPath": "$.results",
        "End": True,
    }
    done = aws.run(aws.machine("fan", {"Fan": fan}), customer="acme", destinations=["a", "b"])
    name = done["executionArn"].rpartition(":")[2]
    assert done["output"]["results"] == [
        {"item": item, "transfer": name, "customer": "acme"} for item in ("a", "b")
    ]


@pytest.mark.parametrize("how", CODES)
def test_a_worker_reaches_the_emulator_in_an_environment_of_its_own(aws: World, how: str) -> None:
    for name in "ab":
        aws.function(f"{how}-{name}", code=CODES[how], MINE=name, **{name: "only here"})
    seen, other = (aws.call(f"{how}-{name}", do="environment") for name in "ab")
    assert (seen["AWS_ENDPOINT_URL"], seen["AWS_REGION"]) == (aws.emulator.endpoint, WEST)
    assert (seen["MINE"], seen.get("b"), other["MINE"], other.get("a")) == ("a", None, "b", None)
    assert "PYTHONPATH" not in seen
    bucket = f"worker-{how}"
    aws.bucket(bucket, WEST)
    assert aws.call(f"{how}-a", do="put", bucket=bucket) == {"do": "put", "bucket": bucket}
    aws("s3").head_object(Bucket=bucket, Key="from-worker")


@pytest.mark.parametrize("own", [{}, {"boto3__nothing": ""}], ids=CODES)
def test_a_worker_prefers_the_libraries_of_its_zip(aws: World, own: dict[str, str]) -> None:
    handler = "import yaml\nhandler = lambda e, c: yaml.__version__"
    name = f"bundled-{len(own)}"
    aws.function(name, code=zipped(index=handler, yaml="__version__ = 'own'", **own))
    assert aws.call(name) == "own"


def test_workers_are_forked_from_a_process_that_has_imported_their_libraries(aws: World) -> None:
    """Otherwise boto3 is imported after all; what a fork does to the module's state stays in the fork."""
    code = zipped(
        index="import os, sys\nbefore = 'boto3.session' in sys.modules\nseen = []\n"
        "def handler(event, context):\n    seen.append(event['n'])\n    return before, os.getppid(), seen\n",
        boto3__nothing="",
    )
    for name in ("left", "right"):
        aws.function(name, code=code)
    answers = [aws.call(name, n=number) for number, name in enumerate(("left", "right", "left"))]
    assert [(before, seen) for before, _, seen in answers] == [(True, [0]), (True, [1]), (True, [0, 2])]
    (parent,) = {parent for _, parent, _ in answers}
    assert parent != aws.emulator.pid


def test_a_batch_reports_its_bad_message_which_reaches_the_dead_letter_queue(
    aws: World, function: str
) -> None:
    dead_url, dead = aws.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    url, source = aws.queue("source", VisibilityTimeout="1", RedrivePolicy=redrive)
    mapping = aws("lambda").create_event_source_mapping(
        EventSourceArn=source,
        FunctionName=function,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 2},
    )
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(['"good"', "bad"])]
    aws("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    received = eventually(
        lambda: aws("sqs").receive_message(QueueUrl=dead_url, WaitTimeSeconds=1).get("Messages"), 15
    )
    assert [m["Body"] for m in received] == ["bad"]


@pytest.mark.parametrize("how", CODES)
def test_an_exception_keeps_the_environment_and_an_exit_does_not(aws: World, how: str) -> None:
    name = f"kept-{how}"
    aws.function(name, code=CODES[how])
    before, _ = aws.call(name, do="process")
    aws.call(name, do="raise")
    assert aws.call(name, do="process")[0] == before
    aws.call(name, do="exit")
    assert aws.call(name, do="process")[0] != before


def test_functions_with_the_same_code_run_from_one_unpacked_copy(aws: World) -> None:
    code = zipped(index=HANDLER + "\n# shared")
    aws.function("one", code=code)
    aws.function("two", code=code)
    (one, at_one), (two, at_two) = aws.call("one", do="process"), aws.call("two", do="process")
    assert one != two
    assert at_one == at_two
