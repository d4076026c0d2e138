"""What the drill looks at: receipts, facts, destinations, archives and replicas, as anybody can."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from customers.model import Customer, SftpDestination
from local.story import until
from local.world import World
from runtime import contract
from runtime.contract import REGION_OF, SIDE_OF, SIDES, WEST, Kind
from runtime.facts import Fact
from runtime.tracker import Tracker


class Evidence:
    """The state of a world, read from outside the platform's own code where there is an outside."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._receipts: list[Mapping[str, Any]] = []

    def receipt(
        self, customer: Customer, side: str, key: str, outcome: str, *, within: float
    ) -> Mapping[str, Any] | None:
        """Return, once, a receipt of this outcome about this key, when it comes within so many seconds."""

        def look() -> Mapping[str, Any] | None:
            self._receipts += self._world.outside.take_receipts(customer.id, side)
            for receipt in self._receipts:
                told = (receipt["key"], receipt["outcome"], receipt["region"])
                if told == (key, outcome, REGION_OF[side]):
                    self._receipts.remove(receipt)
                    return receipt
            return None

        return until(look, within=within)

    def policies(self) -> dict[str, Mapping[str, Any]]:
        """Return what each function may do: its policy, by the name that it gives in its calls."""
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
        return tracker.history(contract.file_id(customer.id, key)).facts

    def failed_attempts(self, customer: Customer, side: str, key: str) -> int:
        """Return how many tasks of a file's workflow have failed so far."""
        received = [fact for fact in self.facts(customer, side, key) if fact.kind is Kind.RECEIVED]
        if not received:
            return 0
        machine = self._world.graphs[side].exports["stateMachine"]
        execution = f"{machine.replace(':stateMachine:', ':execution:')}:{received[0].transfer}-g1"
        states = self._world.client("stepfunctions", side)
        history = states.get_execution_history(executionArn=execution)["events"]
        return sum(event["type"] == "TaskFailed" for event in history)

    def delivered(self, customer: Customer, destination: str, name: str) -> bytes | None:
        """Return the content of a file at a destination; None where it is not."""
        to = customer.destinations[destination]
        if isinstance(to, SftpDestination):
            return self._world.outside.partners[customer.id, destination].files().get(name)
        s3 = self._world.client("s3", SIDE_OF[to.region or REGION_OF[WEST]])
        prefix = to.prefix.strip("/")
        try:
            return s3.get_object(Bucket=to.bucket, Key=f"{prefix}/{name}" if prefix else name)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    def archived(self, side: str, fact: Fact) -> bytes:
        """Return the archived copy that an ARCHIVED fact speaks of."""
        s3 = self._world.client("s3", side)
        answer = s3.get_object(Bucket=fact.detail["bucket"], Key=fact.detail["archive_key"])
        return answer["Body"].read()

    def versions(self, buckets: Mapping[str, str]) -> dict[str, dict[tuple[str, str], str]]:
        """Return, per side, the ETag of every version in a bucket of that side."""

        def listed(side: str) -> dict[tuple[str, str], str]:
            pages = self._world.client("s3", side).get_paginator("list_object_versions")
            found = [v for page in pages.paginate(Bucket=buckets[side]) for v in page.get("Versions", ())]
            return {(each["Key"], each["VersionId"]): each["ETag"] for each in found}

        return {side: listed(side) for side in SIDES}

    def items(self) -> dict[str, dict[tuple[str, str], Any]]:
        """Return, per side, everything in the tracker."""

        def scanned(side: str) -> dict[tuple[str, str], Any]:
            table = self._world.graphs[side].exports["tracker"]
            pages = self._world.client("dynamodb", side).get_paginator("scan").paginate(TableName=table)
            found = [item for page in pages for item in page["Items"]]
            return {(i[contract.TRACKER_PK]["S"], i[contract.TRACKER_SK]["S"]): i for i in found}

        return {side: scanned(side) for side in SIDES}
