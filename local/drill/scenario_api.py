"""What a scenario can do and expect: what customers do, what fails, and, in `operators`, what operators do.

    api.clients(WEST)
    api.lose(WEST)
    api.operators.evacuate(WEST, lost=True)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)

Everything that happens is noted on the timeline, and every expectation is judged.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError

from customers import names
from local.drill.acknowledged_files import Account, SentFile
from local.drill.answer_log import AnswerLog
from local.drill.client_kinds import CustomerClient, crowd
from local.drill.event_faults import EventFaults
from local.drill.measures import Timeline
from local.drill.observations import Observations
from local.drill.operator_actions import OperatorActions
from local.drill.population import Population
from local.drill.runs import ClientCounts
from local.drill.sender import Cast, Sender, sdk_senders
from local.drill.story import SOON, Story, until
from local.loopback import SIDE_AT
from local.sftp.partners import Partner
from local.world import World
from runtime.contract import REGION_OF, SIDES, WEST, BucketRecord

#: Files under way in one region above which clients wait.
_AT_ONCE = 4


class ScenarioApi(EventFaults):
    """One run of a scenario, as a context, in a world whose cells are up and healthy.

    `number` distinguishes its files from those of other runs in the same world. `beside` are the same for
    other cells; what happens there is on the same timeline.
    """

    def __init__(
        self,
        world: World,
        story: Story,
        observations: Observations,
        cast: Cast,
        newcomer: Sender,
        *,
        number: int,
        timeline: Timeline | None = None,
    ) -> None:
        super().__init__(world, story, observations, timeline)
        self.by_sftp, self.by_sdk, self.regular = cast.by_sftp, cast.by_sdk, cast.regular
        self.newcomer = newcomer
        self.accounts: list[Account] = []
        self.beside: list[ScenarioApi] = []
        self.number, self._prefix = number, f"play{number}"
        self._population: Population | None = None
        world.serve_names()
        assert world.dns is not None
        server = world.dns
        self.answers = AnswerLog(
            [sender.customer.id for sender in (self.by_sftp, self.by_sdk, self.regular)],
            zone=world.zone,
            cell=world.cell,
            ask=lambda name, type: server.answer(name, type).values,
            now=self.timeline.now,
        )
        self.operators = OperatorActions(world, story, self.timeline, self.answers)

    def __enter__(self) -> Self:
        self.answers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clients_end()
        self.answers.stop()

    def clients(self, side: str, *more: CustomerClient) -> None:
        """Start clients of every kind in the region of `side`, and wait until each has sent a file."""
        by_sdk = sdk_senders([self.newcomer.customer])[0]
        self._population = Population(
            [*crowd(self.world, side, by_sftp=self.regular, by_sdk=by_sdk), *more],
            side=side,
            prefix=self._prefix,
            timeline=self.timeline,
            note=self.acknowledged_files.add,
            is_behind=self.is_behind,
        )
        self._population.start()
        self.timeline.note("client", f"clients of every kind send to {side}. names")
        began = until(lambda: all(each.acknowledged for each in self.population.counts(None)), within=SOON)
        self.expect("clients of every kind have sent a file", began)

    def is_behind(self) -> bool:
        """Return whether more files are under way than this machine can process at once."""
        try:
            up = [side for side in SIDES if REGION_OF[side] not in self.world.aws.regions_down]
            return any(self.observations.backlog(side) > _AT_ONCE for side in up)
        except (BotoCoreError, ClientError, OSError):  # a region died just now, or the whole world
            return False

    def clients_end(self) -> None:
        """Stop the clients."""
        if self._population:
            self._population.stop()

    def counts(self) -> list[ClientCounts]:
        """Return the counts of each kind of client, none if no clients were started."""
        return self._population.counts(self.operators.decided) if self._population else []

    @property
    def population(self) -> Population:
        """The clients that were started."""
        assert self._population, "clients() starts them"
        return self._population

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Pause the clients, and wait until everything that they have sent is delivered."""
        self.population.pause()
        self.expect("nothing is under way", until(self.observations.is_still, within=SOON))
        yield
        self.population.resume()

    def send(self, name: str, *, to: str, by: Sender | None = None, content: bytes | None = None) -> SentFile:
        """Upload by SFTP to the cell that a customer's name (`east`, `west` or `primary`) points at now."""
        by, name = by or self.by_sftp, self.named(name)
        host = names.endpoint_host(to, by.customer.id, self.world.zone)
        address = self.world.serve_names().lookup(host)
        self.world.sftp_at(by.user, address).upload(name, content or secrets.token_bytes(5000))
        return self._acknowledged(by, name, SIDE_AT[address], f"by SFTP to {to}.")

    def put(self, name: str, *, to: str) -> SentFile:
        """Upload with boto3 to the bucket that a customer's TXT record names now."""
        by, name = self.by_sdk, self.named(name)
        record = BucketRecord.parse(
            self.world.serve_names().txt(names.bucket_record(to, by.customer.id, self.world.zone))
        )
        s3 = self.world.aws.client("s3", record.region)
        s3.put_object(Bucket=record.bucket, Key=by.key(name), Body=secrets.token_bytes(5000))
        side = next(side for side in SIDES if REGION_OF[side] == record.region)
        return self._acknowledged(by, name, side, f"by boto3 to _bucket.{to}.")

    def named(self, name: str) -> str:
        """Return the name that a file gets in this run."""
        return f"{self._prefix}-{name}"

    def _acknowledged(self, by: Sender, name: str, side: str, how: str) -> SentFile:
        file = SentFile(sender=by, name=name, side=side, at=time.time())
        self.acknowledged_files.add(file)
        self.timeline.note("client", f"{file}, {how}, is acknowledged in {REGION_OF[side]}")
        return file

    def partner_refuses(self, *senders: Sender) -> None:
        """Let the servers that these senders' files go to refuse every connection."""
        for sender in senders:
            self._partner(sender).faults.refuse()
            self.timeline.note("partner", f"the partner of {sender.customer.id} refuses connections")

    def partner_is_another(self, *senders: Sender) -> None:
        """Let the servers that these senders' files go to show another host key than the registry has."""
        for sender in senders:
            self._partner(sender).faults.wrong_host_key()
            self.timeline.note("partner", f"the partner of {sender.customer.id} shows another host key")

    def partner_answers(self, *senders: Sender) -> None:
        """Let the servers that these senders' files go to accept connections again."""
        for sender in senders:
            self._partner(sender).faults.clear()
            self.timeline.note("partner", f"the partner of {sender.customer.id} answers again")

    def _partner(self, sender: Sender) -> Partner:
        """Return the server at the first destination of a sender's files."""
        route = sender.route("in-flight.csv")
        assert route is not None
        return self.world.external_parties.partners[sender.customer.id, route.to[0]]

    def returns(self, side: str) -> None:
        """Stop the clients, bring a region back that died, and wait until both regions hold the same.

        Operators then close what is still held or has failed, by what the partners have.
        """
        self.clients_end()
        self.find_again(side)
        self.closes_gaps()

    def closes_gaps(self) -> None:
        """Let operators close what is held or has failed, by what the partners have."""
        self.operators.close_gaps(self._is_there)
        self.expect("nothing is under way", until(self.observations.is_still, within=SOON))

    def releases_held(self) -> None:
        """Let operators release what is held, by what the partners have, while clients go on sending."""
        self.operators.release_held(self._is_there)

    def _is_there(self, customer: str, key: str) -> bool:
        """Return whether all destinations of a file have it."""
        [found] = [each for each in self.world.customers() if each.id == customer]
        file = SentFile(sender=Sender(customer=found, folder=""), name=key, side=WEST, at=0)
        return all(
            self.observations.delivered(found, *place) is not None for place in file.destinations.items()
        )

    def delivered(self, file: SentFile, *, by: str) -> None:
        """Expect a receipt from a side that says that a file was delivered."""
        self.receipt_says(file, "delivered", by=by)

    def arrived(self, file: SentFile) -> None:
        """Expect all destinations of a file to have it, whichever region delivered it."""
        found = until(lambda: self._is_there(file.sender.customer.id, file.key), within=SOON)
        self.expect(f"{file} is at its destination", found)

    def receipt_says(self, file: SentFile, outcome: str, *, by: str) -> None:
        """Expect a receipt with this outcome from a side."""
        found = self.observations.receipt(file.sender.customer, by, file.key, outcome, within=SOON)
        self.expect(f"the receipt of {REGION_OF[by]} for {file} says {outcome}", found)

    def received(self, file: SentFile, *, by: str) -> None:
        """Expect a side's tracker to have a fact about a file."""
        facts = until(lambda: self.observations.facts(file.sender.customer, by, file.key), within=SOON)
        self.expect(f"{file} was received by {REGION_OF[by]}", facts)

    def replicated(self, file: SentFile, *, to: str) -> None:
        """Expect the object and a fact of a file to arrive in the region of `to`."""
        found = until(
            lambda: self.observations.has_replicated(file.sender.customer, to, file.key), within=SOON
        )
        self.expect(f"{file} has replicated to {REGION_OF[to]}", found)

    def tried(self, file: SentFile, *, by: str) -> None:
        """Expect a side to have tried to deliver a file, without success."""
        customer, key = file.sender.customer, file.key
        tries = until(lambda: self.observations.failed_attempts(customer, by, key), within=SOON)
        self.expect(f"{file} is being tried by {REGION_OF[by]}", tries)

    def reached(self, *kinds: type[CustomerClient]) -> None:
        """Expect these kinds of clients, or every kind, to reach the survivor."""
        wanted = [kind.kind for kind in kinds] or None
        found = until(lambda: self.population.reached(wanted), within=SOON)
        names = "; ".join(wanted or ["clients of every kind"])
        self.expect(f"have reached the other region: {names}", found)

    def stuck(self, *kinds: type[CustomerClient]) -> None:
        """Expect none of these kinds of clients to have reached the survivor."""
        names = "; ".join(kind.kind for kind in kinds)
        arrived = any(self.population.reached([kind.kind]) for kind in kinds)
        self.expect(f"have not reached the other region: {names}", not arrived)

    def cannot_send(self, *kinds: type[CustomerClient]) -> None:
        """Expect these kinds of clients to try, and to fail, where they are."""
        names = [kind.kind for kind in kinds]
        found = until(lambda: self.population.cannot_send(names), within=SOON)
        self.expect(f"cannot send: {'; '.join(names)}", found)

    def notify(self) -> None:
        """Let operators publish the notices, and the people who run the clients read them."""
        self.population.pause()  # what is delivered changes the notices
        for notice in self.operators.notices():
            self.population.read_notice(notice)
        self.population.resume()

    def account(self) -> None:
        """Expect every acknowledged file to be accounted for, and the world to be as it was before."""
        self.clients_end()
        self.expect("nothing is under way any more", until(self.observations.is_still, within=SOON))
        self.accounts = self.acknowledged_files.accounts(WEST)
        lost = [f"{each.file}, {each.fate().fate}" for each in self.accounts if not each.is_settled]
        twice = [str(each.file) for each in self.accounts if each.fate().sent > 1]
        count = len(self.accounts)
        self.expect(
            f"all {count} acknowledged files are delivered or held; others: {lost or 'none'}", not lost
        )
        self.expect(f"none was sent twice to one destination; these were: {twice or 'none'}", not twice)
        gaps = [f"{gap['finding']}: {gap['key']}: {gap['where']}" for gap in self.operators.gaps()]
        self.expect(f"ops gaps finds nothing that will not close by itself: {gaps or 'nothing'}", not gaps)
        self.operators.names_are_usual()
