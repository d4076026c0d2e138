"""What the drill observes: receipts, facts, destinations, archives and replicas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, assert_never

from customers.model import Customer, S3Destination, SftpDestination
from local.drill.story import until
from local.world import World
from runtime import contract
from runtime.contract import EAST, REGION_OF, SIDE_OF, SIDES, WEST
from runtime.facts import Fact
from runtime.tracker import Tracker


class Observations:
    """Reads the state of a world, where possible from outside the platform's own code."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._receipts: list[Mapping[str, Any]] = []

    def receipt(
        self, customer: Customer, side: str, key: str, outcome: str, *, within: float
    ) -> Mapping[str, Any] | None:
        """Return a receipt with this outcome for this key, each one once; None if none arrives in time.

        `within` is in seconds.
        """

        def look() -> Mapping[str, Any] | None:
            taken = self._world.external_parties.take_receipts(customer.id, side)
            self._receipts += [each for each in taken if each["outcome"] != "notice"]  # it is about no file
            for receipt in self._receipts:
                about = (receipt["key"], receipt["outcome"], receipt["region"])
                if about == (key, outcome, REGION_OF[side]):
                    self._receipts.remove(receipt)
                    return receipt
            return None

        return until(look, within=within)

    def policies(self) -> dict[str, Mapping[str, Any]]:
        """Return the policy of each function, by the name that the function gives in its calls."""
        return {
            function.inputs["environment"]["variables"]["AWS_SDK_UA_APP_ID"]: json.loads(
                graph.one("aws:iam/rolePolicy:RolePolicy", function.name).inputs["policy"]
            )
            for graph in self._world.graphs.values()
            for function in graph.of("aws:lambda/function:Function")
        }

    def facts(self, customer: Customer, side: str, key: str) -> tuple[Fact, ...]:
        """Return the facts about a file that one region's tracker holds."""
        table = self._world.graphs[side].exports["tracker"]
        tracker = Tracker(table=table, side=side, client=self._world.client("dynamodb", side))
        return tracker.newest(contract.file_id(customer.id, key)).facts

    def failed_attempts(self, customer: Customer, side: str, key: str) -> int:
        """Return how many tasks of a file's executions in one region have failed so far."""
        transfers = {fact.transfer for fact in self.facts(customer, side, key)}
        if not transfers:
            return 0
        states = self._world.client("stepfunctions", side)
        return sum(
            event["type"] == "TaskFailed"
            for execution in self.executions(side)
            if execution["name"].startswith(tuple(transfers))
            for event in states.get_execution_history(executionArn=execution["executionArn"])["events"]
        )

    def executions(self, side: str, **only: str) -> list[dict[str, Any]]:
        """Return the executions of one region's workflow; `only` narrows it down as ListExecutions does."""
        pages = self._world.client("stepfunctions", side).get_paginator("list_executions")
        machine = self._world.graphs[side].exports["stateMachine"]
        return [
            each for page in pages.paginate(stateMachineArn=machine, **only) for each in page["executions"]
        ]

    def delivered(self, customer: Customer, destination: str, name: str) -> bytes | None:
        """Return the content of a file at a destination, None if it is not there."""
        match to := customer.destinations[destination]:
            case SftpDestination():
                return self._world.external_parties.partners[customer.id, destination].file(name)
            case S3Destination():
                return self._in_bucket(to, name)
            case _:
                assert_never(to)

    def _in_bucket(self, to: S3Destination, name: str) -> bytes | None:
        s3 = self._world.client("s3", SIDE_OF[to.region or REGION_OF[WEST]])
        prefix = to.prefix.strip("/")
        try:
            answer = s3.get_object(Bucket=to.bucket, Key=f"{prefix}/{name}" if prefix else name)
        except s3.exceptions.NoSuchKey:
            return None
        return bytes(answer["Body"].read())

    def archived(self, side: str, fact: Fact) -> bytes:
        """Return the archived copy that an ARCHIVED fact names."""
        s3 = self._world.client("s3", side)
        answer = s3.get_object(Bucket=fact.detail["bucket"], Key=fact.detail["archive_key"])
        return bytes(answer["Body"].read())

    def versions(self, buckets: Mapping[str, str]) -> dict[str, dict[tuple[str, str], str]]:
        """Return, per side, the ETag of every version in that side's bucket, by key and version id."""

        def listed(side: str) -> dict[tuple[str, str], str]:
            pages = self._world.client("s3", side).get_paginator("list_object_versions")
            found = [v for page in pages.paginate(Bucket=buckets[side]) for v in page.get("Versions", ())]
            return {(each["Key"], each["VersionId"]): each["ETag"] for each in found}

        return {side: listed(side) for side in SIDES}

    def items(self) -> dict[str, dict[tuple[str, str], Any]]:
        """Return, per side, every item in the tracker, by its keys."""

        def scanned(side: str) -> dict[tuple[str, str], Any]:
            table = self._world.graphs[side].exports["tracker"]
            pages = self._world.client("dynamodb", side).get_paginator("scan").paginate(TableName=table)
            found = [item for page in pages for item in page["Items"]]
            return {(i[contract.TRACKER_PK]["S"], i[contract.TRACKER_SK]["S"]): i for i in found}

        return {side: scanned(side) for side in SIDES}

    def has_replicated(self, customer: Customer, side: str, key: str) -> bool:
        """Return whether a file from the other region, and a fact about it, have arrived in `side`."""
        bucket = self._world.graphs[side].exports["buckets"][customer.id]
        found = self._world.client("s3", side).list_objects_v2(Bucket=bucket, Prefix=key)
        return bool(found["KeyCount"] and self.facts(customer, side, key))

    def is_still(self) -> bool:
        """Return whether nothing is under way: no queued file, no execution, no copy between the regions."""
        return not (any(map(self.backlog, SIDES)) or self._world.aws.replication_pending())

    def is_alike(self) -> bool:
        """Return whether the trackers and archives of both regions have the same content."""
        archives = {side: self._world.graphs[side].exports["archive"] for side in SIDES}
        found = (self.items(), self.versions(archives))
        return all(each[EAST] == each[WEST] for each in found)

    def backlog(self, side: str) -> int:
        """Return how many files wait for intake or are under way in a region, which must be up."""
        name = f"{self._world.prefix}intake-queue"
        queue = self._world.graphs[side].one("aws:sqs/queue:Queue", name).outputs["url"]
        waiting = messages_in(self._world.client("sqs", side), queue)
        return waiting + len(self.executions(side, statusFilter="RUNNING"))


def messages_in(sqs: Any, url: str) -> int:
    """Return how many messages a queue holds, those that a consumer has received included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)
