"""Functions that run on a schedule, invoked by hand: the drill ends before some of them would be due."""

from __future__ import annotations

import json
from typing import Any

from components.network import ZONES
from local.drill.observations import messages_in
from local.drill.story import SOON, Story, until
from local.world import World
from runtime.canary_legs import Leg
from runtime.contract import REGION_OF, SIDES, Position, peer_of


class ScheduledFunctions:
    """Invokes every scheduled function once, in both regions of a world that has delivered files."""

    def __init__(self, world: World, story: Story) -> None:
        self._world, self._story = world, story

    def play(self) -> None:
        """Run the canary, the probes, the switch, the audit, the sweep, and the report of a late copy."""
        with self._story.step(
            "Scheduled functions: canary, probe, switch, audit, sweep, reports of replication"
        ):
            for side in SIDES:
                self.fly(side)
                self._watch(side)
                self._export(side)
                self._sweep(side)
                self._report(side)

    def fly(self, side: str) -> None:
        """Send synthetic transfers in a region, and expect each leg's to be delivered."""
        flights = self._call(side, "cell1-canary")
        for leg in Leg:
            failure = flights.get(leg, flights)["failure"]
            arrived = f"{side}: a synthetic transfer by {leg} was delivered unchanged"
            self._story.expect(f"{arrived}: {failure or 'in time'}", failure is None)

    def _watch(self, side: str) -> None:
        for zone in ZONES:
            silent = self._call(side, f"cell1-probe-{zone}").get("silent")
            self._story.expect(f"{side}: every address answers the probe of zone {zone}", silent == {})
        position = self._call(side, "cell1-failover-switch").get("position")
        self._story.expect(f"{side}: the switch of {peer_of(side)} is {position}", position == Position.IN)

    def _export(self, side: str) -> None:
        found = self._call(side, "cell1-audit-export").get("facts", -1)
        self._story.expect(f"{side}: {found} facts were added to the audit chains", found > 0)
        again = self._call(side, "cell1-audit-export").get("facts", -1)
        self._story.expect(f"{side}: the next export adds {again}", again == 0)

    def _sweep(self, side: str) -> None:
        """Sweep buckets whose objects are all too young: their events have brought them."""
        done = self._call(side, "cell1-sweep")
        nothing = {"taken": 0, "doubts": 0, "restarted": 0, "failed": 0, "left": 0}
        self._story.expect(
            f"{side}: the sweep ends, and has nothing to do: {done}", done.items() >= nothing.items()
        )

    def _report(self, side: str) -> None:
        """Put S3's event into the queue: the emulated S3 does not measure replication, and is never late."""
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
        payload = dict(json.loads(answer["Payload"].read()))
        if "FunctionError" in answer:
            self._story.say(f"{function} in {REGION_OF[side]} failed: {payload['errorMessage']}")
            return {"failure": payload["errorMessage"]}
        return payload
