"""Queues, topics and event rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.aws.resources.making import Clients, Made


def _queue(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    sqs, name = clients("sqs"), inputs["name"]
    attributes = {
        "MessageRetentionPeriod": str(int(inputs["messageRetentionSeconds"])),
        "VisibilityTimeout": str(int(inputs.get("visibilityTimeoutSeconds", 30))),
    }
    if "kmsMasterKeyId" in inputs:
        attributes["KmsMasterKeyId"] = inputs["kmsMasterKeyId"]
    else:
        attributes["SqsManagedSseEnabled"] = str(inputs["sqsManagedSseEnabled"]).lower()
    if "redrivePolicy" in inputs:
        attributes["RedrivePolicy"] = inputs["redrivePolicy"]
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, {"arn": arn, "url": url, "name": name}


def _queue_policy(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("sqs").set_queue_attributes(QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]})
    return inputs["queueUrl"], {}


def _topic(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    name, attributes = inputs["name"], {"KmsMasterKeyId": inputs["kmsMasterKeyId"]}
    if version := inputs.get("signatureVersion"):
        attributes["SignatureVersion"] = str(version)
    arn = clients("sns").create_topic(Name=name, Attributes=attributes)
    return arn["TopicArn"], {"arn": arn["TopicArn"], "name": name}


def _subscription(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    attributes = {"RawMessageDelivery": "true"} if inputs.get("rawMessageDelivery") else {}
    arn = clients("sns").subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return arn, {"arn": arn}


def _rule(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    name = inputs["name"]
    asked = {
        "EventPattern": inputs.get("eventPattern"),
        "ScheduleExpression": inputs.get("scheduleExpression"),
    }
    given = {field: value for field, value in asked.items() if value is not None}
    arn = clients("events").put_rule(Name=name, **given)["RuleArn"]
    return name, {"arn": arn, "name": name}


def _target(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    id = inputs["name"]
    refused = clients("events").put_targets(Rule=inputs["rule"], Targets=[{"Id": id, "Arn": inputs["arn"]}])
    if refused["FailedEntryCount"]:
        raise RuntimeError(json.dumps(refused["FailedEntries"]))
    return id, {}


MAKERS = {
    "aws:sqs/queue:Queue": _queue,
    "aws:sqs/queuePolicy:QueuePolicy": _queue_policy,
    "aws:sns/topic:Topic": _topic,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
    "aws:cloudwatch/eventRule:EventRule": _rule,
    "aws:cloudwatch/eventTarget:EventTarget": _target,
}
