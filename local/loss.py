"""The second half of the drill: West dies with files in flight, East carries on, West returns."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from typing import Any

from customers import names
from local.evidence import Evidence
from local.ledger import Ledger
from local.partners import Partner
from local.program import ROOT
from local.sender import Sender
from local.story import Story, StoryError, until
from local.world import ADDRESSES, DNS_SPEED_UP, World
from ops.name_servers import ENV_NAME_SERVERS
from runtime.contract import EAST, ENDPOINTS, PRIMARY, REGION_OF, SIDES, WEST, BucketRecord, is_canary

_SOON = 120


class RegionLoss:
    """Plays the loss of West in a world whose cells stand and have delivered `report.csv`."""

    def __init__(
        self,
        world: World,
        story: Story,
        evidence: Evidence,
        *,
        by_sftp: Sender,
        by_sdk: Sender,
        newcomer: Sender,
    ) -> None:
        """`newcomer`'s route delivers when a fate is unknown; `by_sftp`'s may hold."""
        self._world, self._story, self._evidence = world, story, evidence
        self._by_sftp, self._by_sdk, self._newcomer = by_sftp, by_sdk, newcomer
        self._ledger = Ledger(evidence)
        self._unseen = secrets.token_bytes(20_000)
        self._decided = 0.0

    def play(self, report: bytes) -> None:
        """Play every step; `report` is what `report.csv` held when it was last delivered."""
        self.steady_state()
        self.west_dies()
        self.evacuate()
        self.carry_on(report)
        self.take_over()
        self.west_returns()
        self.restore()
        self.account()

    def steady_state(self) -> None:
        """Clients find their way by name only, in both regions."""
        story = self._story
        with story.step("Steady state: clients find their way by name only"):
            for sender in (self._by_sftp, self._by_sdk):
                found = self._answers(sender) == self._usual(sender)
                story.expect(f"{sender.customer.id}: east., west. and primary. answer as they should", found)
            for side in (WEST, EAST):
                self._send(self._by_sftp, f"steady-{side}.csv", secrets.token_bytes(5000), endpoint=side)
                story.expect(f"{side}.: delivered", bool(self._delivered(side, f"steady-{side}.csv")))

    def west_dies(self) -> None:
        """West dies: one file is under way there, and one was acknowledged a moment before."""
        world, story = self._world, self._story
        with story.step("West dies with files in flight, and Route 53's and IAM's APIs with it"):
            partners = [self._partner(sender) for sender in (self._by_sftp, self._newcomer)]
            for partner in partners:
                partner.faults.refuse()
            for sender in (self._by_sftp, self._newcomer):
                self._send(sender, "in-flight.csv", secrets.token_bytes(20_000), endpoint=WEST)
                key = sender.key("in-flight.csv")
                tries = until(
                    lambda s=sender, k=key: self._evidence.failed_attempts(s.customer, WEST, k), within=_SOON
                )
                story.expect(f"{sender.customer.id}: in-flight.csv is being tried in West", bool(tries))
            world.aws.replication_lag(s3=600, dynamodb=600)
            self._send(self._by_sftp, "unseen.csv", self._unseen, endpoint=WEST)
            received = until(lambda: self._facts(WEST, "unseen.csv"), within=_SOON)
            story.expect("unseen.csv was acknowledged and received in West", bool(received))
            lost = world.aws.replication_pending()
            world.lose(WEST)
            for partner in partners:
                partner.faults.clear()
            files = {str(each.key) for each in lost if each.kind == "s3"}
            keys = sorted(file.rpartition("/")[2] for file in files if not is_canary(file))
            story.expect(
                f"RPO, acknowledged files that had not replicated: {', '.join(keys)}", keys == ["unseen.csv"]
            )
            story.figure("RPO (files acknowledged, not replicated when West died)", len(keys))

    def evacuate(self) -> None:
        """NIS evacuates West, through East's data plane only."""
        world, story = self._world, self._story
        with story.step("NIS evacuates us-gov-west-1 from East"):
            self._decided = time.monotonic()
            self._ops("evacuate", REGION_OF[WEST], "--lost")
            moved = {EAST: EAST, WEST: EAST, PRIMARY: EAST}
            resolver = world.serve_names()
            for sender in (self._by_sftp, self._by_sdk):
                found = until(lambda sender=sender: self._answers(sender) == moved, within=_SOON)
                story.expect(
                    f"{sender.customer.id}: every name, CNAME and TXT, answers with East", bool(found)
                )
            resolver.forget()
            seconds = time.monotonic() - self._decided
            story.figure(
                "decision to DNS moved", f"{seconds:.1f} s, with periods and TTL scaled {DNS_SPEED_UP} times"
            )
            story.figure("the same at production settings", "60 s metric period + 30 s evaluation + 60 s TTL")

    def carry_on(self, report: bytes) -> None:
        """Clients carry on by name; a file sent before is recognised by the facts that East has."""
        story = self._story
        with story.step("Clients carry on by name, in East"):
            self._send(self._by_sftp, "after.csv", secrets.token_bytes(5000), endpoint=PRIMARY)
            story.expect("primary.: a file by SFTP is delivered", bool(self._delivered(EAST, "after.csv")))
            seconds = time.monotonic() - self._decided
            story.figure("decision to first file delivered by the survivor", f"{seconds:.1f} s, scaled")
            record = self._bucket_of(self._by_sdk, WEST)
            s3 = self._world.aws.client("s3", record.region)
            key = self._by_sdk.key("after.csv")
            s3.put_object(Bucket=record.bucket, Key=key, Body=secrets.token_bytes(5000))
            self._ledger.add(self._by_sdk, EAST, "after.csv")
            told = self._evidence.receipt(self._by_sdk.customer, EAST, key, "delivered", within=_SOON)
            story.expect("_bucket.west. TXT: a file by boto3 is delivered", bool(told))
            self._send(self._by_sftp, "report.csv", report, endpoint=WEST)
            duplicate = self._receipt(EAST, "report.csv", "duplicate")
            story.expect("report.csv, delivered by West before, is recognised in East", bool(duplicate))

    def take_over(self) -> None:
        """East finishes what West had received and East knows of."""
        story, world = self._story, self._world
        with story.step("Takeover: East finishes what West had received"):
            function = world.graphs[EAST].one("aws:lambda/function:Function", "cell1-failover-takeover")
            answer = world.client("lambda", EAST).invoke(FunctionName=function.outputs["name"], Payload=b"{}")
            done = json.loads(answer["Payload"].read())
            story.say(f"the schedule's minute is played by hand: {done}")
            # The schedule's own minute may have come first.
            taken = until(lambda: len(self._taken_over()) == 2, within=_SOON)
            story.expect("each transfer under way in West goes on here", bool(taken))
            key = self._newcomer.key("in-flight.csv")
            told = self._evidence.receipt(self._newcomer.customer, EAST, key, "delivered", within=_SOON)
            story.expect(f"{self._newcomer.customer.id}: in-flight.csv was delivered by East", bool(told))
            route = self._by_sftp.route("in-flight.csv")
            fate = "held" if route and route.on_unknown == "hold" else "delivered"
            told = self._receipt(EAST, "in-flight.csv", fate)
            story.expect(
                f"{self._by_sftp.customer.id}: in-flight.csv is {fate}, as its route says", bool(told)
            )
            seconds = time.monotonic() - self._decided
            story.figure("decision to last in-flight file settled", f"{seconds:.1f} s, scaled")

    def west_returns(self) -> None:
        """West returns, replication catches up, what was frozen there goes on."""
        story, world = self._story, self._world
        with story.step("West returns, and replication catches up"):
            world.aws.replication_lag(s3=0, dynamodb=0)
            world.find_again(WEST)
            story.expect(
                "unseen.csv was delivered by West after all", bool(self._delivered(WEST, "unseen.csv"))
            )
            still = until(lambda: not self._running(), within=_SOON)
            story.expect("no execution is left over", bool(still))
            pending = until(lambda: not world.aws.replication_pending(), within=_SOON)
            story.expect("nothing is waiting for replication", bool(pending))
            items = until(self._same_items, within=_SOON)
            story.expect("both trackers hold the same", bool(items))
            archives = {side: world.graphs[side].exports["archive"] for side in SIDES}
            versions = self._evidence.versions
            same = until(lambda: len(set(map(str, versions(archives).values()))) == 1, within=_SOON)
            story.expect("both archives hold the same", bool(same))

    def restore(self) -> None:
        """West goes back into DNS."""
        with (story := self._story).step("NIS restores us-gov-west-1"):
            self._close_gaps()
            self._ops("restore", REGION_OF[WEST])
            for sender in (self._by_sftp, self._by_sdk):
                found = until(lambda s=sender: self._answers(s) == self._usual(s), within=_SOON)
                story.expect(f"{sender.customer.id}: every name answers as before", bool(found))

    def _close_gaps(self) -> None:
        """Do what restoring waits for: send what is held, for its partner was down, and what had failed."""
        asked, *lines = self._gaps()
        for line in lines:
            if line.get("gap", {}).get("where", "").startswith("held"):
                self._ops("release", line["gap"]["transfer"], "--resend")
        self._ops("gaps", "--repair", *(f"--{end}={time}" for end, time in asked["window"].items()))
        closed = until(lambda: not any("gap" in line for line in self._gaps()), within=_SOON)
        self._story.expect("the gap report is empty", bool(closed))

    def _gaps(self) -> list[dict[str, Any]]:
        found = self._run("gaps", "--window", "1h", "--json", found=True).stdout
        return [json.loads(line) for line in found.splitlines()]

    def account(self) -> None:
        """Account for every acknowledged file."""
        story = self._story
        with story.step("Every acknowledged file is accounted for"):
            fates = self._ledger.fates()
            columns = ("file", "acknowledged in", "delivered by", "sent to one destination", "transfers")
            rows = [(each.file, each.side, each.by, str(each.sent), each.transfers) for each in fates]
            story.table(columns, rows)
            story.expect(
                "each was delivered, or is held as its route says", all(each.is_settled for each in fates)
            )
            story.expect("none was sent to one destination twice", all(each.sent <= 1 for each in fates))

    def _send(self, sender: Sender, name: str, content: bytes, *, endpoint: str) -> None:
        """Upload to where a customer's name points now."""
        host = names.endpoint_host(endpoint, sender.customer.id, self._world.zone)
        address = self._world.serve_names().lookup(host)
        self._world.sftp_at(sender.user, address).upload(name, content)
        side = next(side for side, its in ADDRESSES.items() if its == address)
        self._ledger.add(sender, side, name)

    def _taken_over(self) -> set[str]:
        """Return the transfers that East has taken over."""
        states, machine = self._world.client("stepfunctions", EAST), self._world.graphs[EAST]
        pages = states.get_paginator("list_executions").paginate(
            stateMachineArn=machine.exports["stateMachine"]
        )
        names = [each["name"] for page in pages for each in page["executions"]]
        return {name.partition("-takeover-")[0] for name in names if "-takeover-" in name}

    def _answers(self, sender: Sender) -> dict[str, str]:
        """Return the side that each of a customer's names points at; CNAME and TXT have to agree."""
        resolver, found = self._world.serve_names(), {}
        for endpoint in ENDPOINTS:
            address = resolver.lookup(names.endpoint_host(endpoint, sender.customer.id, self._world.zone))
            side = next(side for side, its in ADDRESSES.items() if its == address)
            record = self._bucket_of(sender, endpoint)
            found[endpoint] = side if record.region == REGION_OF[side] else "CNAME and TXT disagree"
        return found

    def _usual(self, sender: Sender) -> dict[str, str]:
        return {EAST: EAST, WEST: WEST, PRIMARY: sender.customer.primary}

    def _bucket_of(self, sender: Sender, endpoint: str) -> BucketRecord:
        name = names.bucket_record(endpoint, sender.customer.id, self._world.zone)
        return BucketRecord.parse(self._world.serve_names().txt(name))

    def _ops(self, verb: str, *words: str) -> None:
        """Run an operators' verb as they would: look at its plan, then do that."""
        words = (*words, "--reason", "the drill")
        plan = json.loads(self._run(verb, *words, "--json", found=True).stdout.splitlines()[-1])
        if refused := plan.get("refused"):
            raise StoryError(f"ops {verb} refused: {refused}")
        digest = plan.get("plan", plan)["digest"]  # of the gap report it is the last document
        for line in self._run(verb, *words, "--apply", "--digest", digest).stdout.splitlines():
            self._story.say(line)

    def _run(self, verb: str, *words: str, found: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a verb once; StoryError when it refuses, unless it is to be `found` so."""
        aws, names = self._world.aws, self._world.dns
        assert names is not None
        settings = {"AWS_ENDPOINT_URL": aws.endpoint, ENV_NAME_SERVERS: f"{names.address}:{names.port}"}
        settings |= {"AWS_ACCESS_KEY_ID": aws.account, "AWS_SECRET_ACCESS_KEY": "local"}
        settings["AWS_SDK_UA_APP_ID"] = f"ops-{verb}"  # its calls are told by this name
        command = [sys.executable, "-m", "ops", verb, *words, "--root", str(self._world.folder)]
        how = {"cwd": ROOT, "env": {**os.environ, **settings}, "capture_output": True, "text": True}
        done = subprocess.run(command, **how, check=False)  # noqa: S603 - our own command
        if done.returncode and not found:
            raise StoryError(f"ops {verb} failed: {(done.stderr or done.stdout).strip()}")
        return done

    def _delivered(self, side: str, name: str) -> bool:
        return bool(self._receipt(side, name, "delivered"))

    def _receipt(self, side: str, name: str, outcome: str) -> object:
        key = self._by_sftp.key(name)
        return self._evidence.receipt(self._by_sftp.customer, side, key, outcome, within=_SOON)

    def _facts(self, side: str, name: str) -> tuple:
        return self._evidence.facts(self._by_sftp.customer, side, self._by_sftp.key(name))

    def _running(self) -> list:
        found = []
        for side in SIDES:
            machine = self._world.graphs[side].exports["stateMachine"]
            states = self._world.client("stepfunctions", side)
            found += states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        return found

    def _same_items(self) -> bool:
        items = self._evidence.items()
        return items[WEST] == items[EAST]

    def _partner(self, sender: Sender) -> Partner:
        """Return the server that a sender's files go to first."""
        route = sender.route("in-flight.csv")
        assert route is not None
        return self._world.outside.partners[sender.customer.id, route.to[0]]
