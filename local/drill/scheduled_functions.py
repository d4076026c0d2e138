"""What functions do by the clock, played by hand: the drill is over before some of it would come round."""

from __future__ import annotations

import json
from typing import Any

from local.drill.observations import messages_in
from local.drill.story import SOON, Story, until
from local.world import World
from runtime.contract import REGION_OF, SIDES, Position, peer_of


class ScheduledFunctions:
    """One round in both regions of a world whose cells stand and have delivered files."""

    def __init__(self, world: World, story: Story) -> None:
        self._world, self._story = world, story

    def play(self) -> None:
        """Play a canary, the probe, the switch, the export of facts, and S3's report of a late copy."""
        with self._story.step("What runs by the clock: canary, probe, switch, audit, reports of replication"):
            for side in SIDES:
                self._fly(side)
                self._watch(side)
                self._export(side)
                self._report(side)

    def _fly(self, side: str) -> None:
        flight = self._call(side, "cell1-canary")
        came = f"{side}: a synthetic transfer came out as it went in"
        self._story.expect(f"{came}: {flight['failure'] or 'in time'}", flight["failure"] is None)

    def _watch(self, side: str) -> None:
        silent = self._call(side, "cell1-probe").get("silent")
        self._story.expect(f"{side}: every address of the endpoint answers its probe", silent == {})
        position = self._call(side, "cell1-failover-switch").get("position")
        self._story.expect(f"{side}: {peer_of(side)} is said to be {position}", position == Position.IN)

    def _export(self, side: str) -> None:
        found = self._call(side, "cell1-audit-export").get("facts", -1)
        self._story.expect(f"{side}: {found} facts are in the audit chains now", found > 0)
        again = self._call(side, "cell1-audit-export").get("facts", -1)
        self._story.expect(f"{side}: the next pass finds {again} that are not", again == 0)

    def _report(self, side: str) -> None:
        """Put into the queue what S3 would: the emulated one keeps no time, and is never late."""
        graph = self._world.graphs[side]
        queue = graph.one("aws:sqs/queue:Queue", "cell1-replication-queue").outputs["url"]
        place = {
            "bucket": {"name": graph.exports["archive"]},
            "object": {"key": "late.csv", "versionId": "v"},
        }
        report = {"Records": [{"eventName": "Replication:OperationMissedThreshold", "s3": place}]}
        sqs = self._world.client("sqs", side)
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(report))
        taken = until(lambda: not messages_in(sqs, queue), within=SOON)
        self._story.expect(f"{side}: S3's report of a late copy was counted", bool(taken))

    def _call(self, side: str, function: str) -> dict[str, Any]:
        name = self._world.graphs[side].one("aws:lambda/function:Function", function).outputs["name"]
        answer = self._world.client("lambda", side).invoke(FunctionName=name, Payload=b"{}")
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            self._story.say(f"{function} in {REGION_OF[side]} failed: {told['errorMessage']}")
            return {"failure": told["errorMessage"]}
        return dict(told)
