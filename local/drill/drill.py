"""The drill: one story, played by real clients against both cells, every step of it judged."""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from local.drill import scenarios
from local.drill.acknowledged_files import SentFile
from local.drill.observations import Observations
from local.drill.ops_cli import OpsCli
from local.drill.runs import Run
from local.drill.scenario_runner import NEWCOMER, ScenarioRunner, newcomer
from local.drill.scheduled_functions import ScheduledFunctions
from local.drill.sender import Cast, Sender
from local.drill.story import SOON, Story, until
from local.sftp.partners import Partner
from local.world import SPEED_UP, World
from runtime.contract import EAST, REGION_OF, SIDES, WEST, Kind
from runtime.facts import Fact

_AT_THE_END = "region-lost-mid-transfer"

_AFTER_ALL_RETRIES = 180  # seconds


class Drill:
    """The story, played once in a world that is running."""

    def __init__(self, world: World, story: Story) -> None:
        """Choose who sends; StoryError if the registry has no customer for a part."""
        self._world, self._story, self._observations = world, story, Observations(world)
        self._cast = Cast.of(world.customers())
        self._by_sftp, self._by_sdk = self._cast.by_sftp, self._cast.by_sdk

    def play(self) -> Run:
        """Play every step in order, the loss of a region last; return the record of that scenario."""
        self.cells_come_up()
        self.onboard()
        report = secrets.token_bytes(300_000)
        self.upload_by_sftp(WEST, report)
        self.upload_and_rename(EAST)
        for side in (WEST, EAST):
            self.upload_by_sdk(side)
        self.resend(report)
        self.drop_a_session()
        self.partner_is_down()
        self.partner_stays_down()
        self.regions_agree()
        ScheduledFunctions(self._world, self._story).play()
        run = ScenarioRunner(self._world, self._story, self._observations).play(scenarios.load(_AT_THE_END))
        self._story.keep("calls", self._world.aws.calls())
        self._story.keep("policies", self._observations.policies())
        return run

    def cells_come_up(self) -> None:
        """Run the program for both stacks, so that the emulated AWS holds what it registers."""
        world, story = self._world, self._story
        with story.step("Both cells come up, made by the program"):
            for step, seconds in world.deploy():
                story.say(f"{step}: {seconds:.1f} s")
            for side in (WEST, EAST):
                graph, provisioner = world.graphs[side], world.provisioners[side]
                made, recorded = provisioner.made.total(), provisioner.recorded.total()
                endpoint = world.endpoints[side]
                story.say(
                    f"{graph.stack}: {made} resources made, {recorded} recorded only (the VPC); "
                    f"SFTP on {endpoint.address} port {endpoint.port}"
                )
                tenants = sorted(
                    sum(each.custom for each in graph.below(tenant))
                    for tenant in graph.of("mft:tenant:Tenant")
                )
                story.figure(f"{graph.stack}: resources", sum(each.custom for each in graph.resources))
                story.figure(f"{graph.stack}: of these per customer", f"{tenants[0]} to {tenants[-1]}")
                buckets = {b["Name"] for b in world.client("s3", side).list_buckets()["Buckets"]}
                wanted = set(graph.exports["buckets"].values())
                story.expect(f"{graph.stack}: every customer has its bucket", wanted <= buckets)
            keys = {side: world.endpoints[side].fingerprints() for side in SIDES}
            story.expect("both cells present the same host keys", keys[EAST] == keys[WEST])
            kinds = Counter(partner.kind for partner in world.external_parties.partners.values())
            story.say(f"partners' servers: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}")

    def onboard(self) -> None:
        """Add a customer's file to the registry, run the program again, and send as that customer."""
        world, story = self._world, self._story
        with story.step("A customer's file is added, the program runs again"):
            before = {side: set(world.provisioners[side].known) for side in SIDES}
            world.add_customer(NEWCOMER)
            for side in (WEST, EAST):
                graph = world.up(side)
                added = set(world.provisioners[side].known) - before[side]
                # Its partner's server listens on its own port here, so the firewall gets a new rule.
                own = re.compile(r"::(n3w0k|cell1-firewall-delivery-partners-)[^:]*")
                story.expect(
                    f"{graph.stack}: {len(added)} more resources, all of them the customer's own",
                    all(own.search(urn) for urn in added),
                )
            sender, content = newcomer(world), secrets.token_bytes(2000)
            world.sftp(sender.user, WEST).upload("first-day.csv", content)
            self._expect_delivered(sender, WEST, "first-day.csv", content)

    def upload_by_sftp(self, side: str, content: bytes) -> None:
        """Upload by SFTP in one region."""
        with self._story.step(f"{side.title()}: a customer uploads by SFTP"):
            client = self._world.sftp(self._by_sftp.user, side)
            client.upload("report.csv", content)
            self._story.say(f"{client.kind} uploaded {len(content)} bytes to {REGION_OF[side]}")
            self._expect_delivered(self._by_sftp, side, "report.csv", content)

    def upload_and_rename(self, side: str) -> None:
        """Upload by SFTP under a temporary name, then rename, in one region."""
        content = secrets.token_bytes(100_000)
        with self._story.step(f"{side.title()}: a customer uploads by SFTP and renames"):
            client = self._world.sftp(self._by_sftp.user, side)
            client.upload_under_another_name("renamed.csv.filepart", "renamed.csv", content)
            self._expect_delivered(self._by_sftp, side, "renamed.csv", content)
            partial = self._observations.facts(
                self._by_sftp.customer, side, self._by_sftp.key("renamed.csv.filepart")
            )
            self._story.expect("nothing was recorded about the temporary name", not partial)

    def upload_by_sdk(self, side: str) -> None:
        """Upload with boto3 in one region."""
        content, sender = secrets.token_bytes(200_000), self._by_sdk
        with self._story.step(f"{side.title()}: a customer uploads with boto3"):
            bucket = self._world.graphs[side].exports["buckets"][sender.customer.id]
            name = f"feed-{side}.csv"
            self._world.client("s3", side).put_object(Bucket=bucket, Key=sender.key(name), Body=content)
            self._expect_delivered(sender, side, name, content)

    def resend(self, report: bytes) -> None:
        """Send the same file again, then other content under the same name."""
        story, sender = self._story, self._by_sftp
        with story.step("The same file again: recognised by its content"):
            self._world.sftp(sender.user, WEST).upload("report.csv", report)
            story.expect(
                "the receipt says duplicate", bool(self._receipt(sender, WEST, "report.csv", "duplicate"))
            )
            kinds = Counter(fact.kind for fact in self._facts(sender, WEST, "report.csv"))
            story.expect(
                "the tracker holds DUPLICATE, and one DELIVERED",
                kinds[Kind.DUPLICATE] == 1 == kinds[Kind.DELIVERED],
            )
        with story.step("The same name with other content: delivered, and marked"):
            other = secrets.token_bytes(len(report))
            self._world.sftp(sender.user, WEST).upload("report.csv", other)
            self._expect_delivered(sender, WEST, "report.csv", other)
            kinds = Counter(fact.kind for fact in self._facts(sender, WEST, "report.csv"))
            story.expect("the tracker holds CONFLICT", kinds[Kind.CONFLICT] == 1)

    def drop_a_session(self) -> None:
        """Break an SFTP session in the middle of an upload."""
        story, sender = self._story, self._by_sftp
        with story.step("An SFTP session drops in the middle of an upload"):
            self._world.sftp(sender.user, WEST).drop("half.csv", secrets.token_bytes(50_000))
            receipt = self._receipt(sender, WEST, "half.csv", "rejected")
            story.expect(f"the receipt says rejected: {receipt.get('reason')}", bool(receipt.get("reason")))
            kinds = {fact.kind for fact in self._facts(sender, WEST, "half.csv")}
            story.expect("the tracker holds REJECTED and no delivery", kinds == {Kind.REJECTED, Kind.RECEIPT})
            story.expect("the partner has no such file", "half.csv" not in self._partner().files())

    def partner_is_down(self) -> None:
        """Refuse connections to the partner until it was tried three times, then accept them."""
        story, sender = self._story, self._by_sftp
        content = secrets.token_bytes(10_000)
        with story.step("A partner is down, is retried, and then served"):
            self._partner().faults.refuse()
            self._world.sftp(sender.user, WEST).upload("patient.csv", content)
            key = sender.key("patient.csv")
            tries = until(
                lambda: self._observations.failed_attempts(sender.customer, WEST, key) >= 3, within=SOON
            )
            story.expect("it was tried at least three times while connections were refused", bool(tries))
            self._partner().faults.clear()
            self._expect_delivered(sender, WEST, "patient.csv", content)

    def partner_stays_down(self) -> None:
        """Refuse connections to the partner until every retry has failed, then replay the transfer."""
        story, sender = self._story, self._by_sftp
        with story.step("A partner that stays down: FAILED, with the reason"):
            self._partner().faults.refuse()
            self._world.sftp(sender.user, EAST).upload("hopeless.csv", secrets.token_bytes(10_000))
            receipt = self._receipt(sender, EAST, "hopeless.csv", "failed", within=_AFTER_ALL_RETRIES)
            self._partner().faults.clear()
            story.expect("the receipt says failed", bool(receipt))
            failed = [fact for fact in self._facts(sender, EAST, "hopeless.csv") if fact.kind is Kind.FAILED]
            reasons = [fact.detail["reason"] for fact in failed]
            story.expect(f"the tracker holds FAILED: {reasons}", len(failed) == 1)
            tries = self._observations.failed_attempts(sender.customer, EAST, sender.key("hopeless.csv"))
            story.say(f"attempts: {tries}; waits are scaled: {SPEED_UP} s of the real platform pass in 1 s")
            self._world.serve_names()
            OpsCli(self._world).replay(sender.customer.id, "failed")
            receipt = self._receipt(sender, EAST, "hopeless.csv", "delivered")
            story.expect("ops replay submits it again, and it is delivered", bool(receipt))

    def regions_agree(self) -> None:
        """Compare inbound objects, archives and facts of the two regions."""
        world, story = self._world, self._story
        with story.step("Inbound objects, archives and facts have reached the other region"):
            pairs = {
                customer.id: {side: world.graphs[side].exports["buckets"][customer.id] for side in SIDES}
                for customer in world.customers()
                if customer.is_in_service
            }
            pairs["archive"] = {side: world.graphs[side].exports["archive"] for side in SIDES}
            # A canary may be under way, so the two sides are compared until they agree.
            for name, buckets in pairs.items():
                count = until(partial(self._same_versions, buckets), within=SOON)
                story.expect(f"{name}: {count} versions, the same in both", bool(count))
            count = until(lambda: _same(self._observations.items()), within=SOON)
            story.expect(f"tracker: {count} items, the same in both", bool(count))

    def _same_versions(self, buckets: Mapping[str, str]) -> str | None:
        return _same(self._observations.versions(buckets))

    def _archived(self, sender: Sender, side: str, name: str, transfer: str) -> list[Fact] | None:
        """Return the facts about a transfer once one of them says that it is archived."""
        facts = [each for each in self._facts(sender, side, name) if each.transfer == transfer]
        return facts if any(each.kind is Kind.ARCHIVED for each in facts) else None

    def _expect_delivered(self, sender: Sender, side: str, name: str, content: bytes) -> None:
        """Expect the receipt, the content at every destination, the facts and the archived copy."""
        story = self._story
        receipt = self._receipt(sender, side, name, "delivered")
        story.expect("a receipt arrived: delivered", bool(receipt))
        route = sender.route(name)
        if not receipt or not route:
            return
        file = SentFile(sender=sender, name=name, side=side, at=time.time())
        for destination, path in file.destinations.items():
            there = self._observations.delivered(sender.customer, destination, path)
            story.expect(f"{destination} has it, byte for byte", there == content)
        # The copy is made after the receipt.
        facts = until(partial(self._archived, sender, side, name, receipt["transfer"]), within=SOON) or []
        kinds = Counter(fact.kind for fact in facts)
        wanted = {Kind.RECEIVED: 1, Kind.DELIVERED: len(route.to), Kind.ARCHIVED: 1, Kind.RECEIPT: 1}
        story.expect("the tracker holds " + ", ".join(sorted(kinds)), wanted.items() <= kinds.items())
        copies = [self._observations.archived(side, fact) for fact in facts if fact.kind is Kind.ARCHIVED]
        story.expect("the archive holds the copy", copies == [content])

    def _receipt(
        self, sender: Sender, side: str, name: str, outcome: str, *, within: float = SOON
    ) -> dict[str, Any]:
        """Return a receipt once it has arrived and is recorded in the tracker, which happens afterwards."""
        found = self._observations.receipt(sender.customer, side, sender.key(name), outcome, within=within)
        if found is None:
            return {}
        wanted = (Kind.RECEIPT, found["transfer"], outcome)

        def is_recorded() -> bool:
            facts = self._facts(sender, side, name)
            return any((each.kind, each.transfer, each.detail.get("outcome")) == wanted for each in facts)

        until(is_recorded, within=SOON)
        return dict(found)

    def _facts(self, sender: Sender, side: str, name: str) -> list[Fact]:
        return list(self._observations.facts(sender.customer, side, sender.key(name)))

    def _partner(self) -> Partner:
        route = self._by_sftp.route("report.csv")
        assert route is not None
        return self._world.external_parties.partners[self._by_sftp.customer.id, route.to[0]]


def _same(found: Mapping[str, Mapping[Any, Any]]) -> str | None:
    """Return how many items each side has, in digits, or None if the sides differ."""
    return str(len(found[WEST])) if found[WEST] == found[EAST] else None
