"""A customer's two cells in the emulated AWS, made like the program's, as the runtime sees them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from botocore.exceptions import ClientError

from local.aws.emulator import ACCOUNT, Emulator
from local.aws.resources import data
from local.aws.resources.making import Clients
from local.published_messages import checked
from local.sftp.partners import Partner
from runtime import contract
from runtime.archive import Archive
from runtime.arrival import arrival
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.deliverer import Deliverer
from runtime.delivery.source import Source
from runtime.executions import Executions
from runtime.facts import Fact, Status, status
from runtime.intake import Intake
from runtime.orphan_objects import OrphanObjects
from runtime.receipts import Receipts
from runtime.release import Release
from runtime.routing import Directory
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.transfer_scan import TransferScan
from runtime.workflow import Workflow

NAMESPACE = "mft"
ROLE = f"arn:aws-us-gov:iam::{ACCOUNT}:role/anything"
_numbers = itertools.count(1)


#: What a file of these tests holds unless its content matters.
CONTENT = b"a,b\n1,2\n"


def eventually(question: Callable[[], Any], within: float = 60) -> Any:
    """Return the first true answer; fail after a time limit."""
    give_up = time.monotonic() + within
    while not (answer := question()):
        assert time.monotonic() < give_up, f"no answer within {within} s"
        time.sleep(0.02)
    return answer


class CrashError(BaseException):
    """The function dies here: nothing after the call happens."""


class Dying:
    """A client whose caller dies at one call, the first one that `at` selects, before or after its effect."""

    def __init__(self, client: Any, call: str, *, after: bool = False, at: str = "") -> None:
        self._client, self._call, self._after, self._at, self._armed = client, call, after, at, True

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._call:
            return real

        def call(*given: Any, **request: Any) -> Any:
            dies = self._armed and self._at in json.dumps(request, default=str)
            if dies:
                self._armed = False
            if dies and not self._after:
                raise CrashError(name)
            answer = real(*given, **request)
            if dies:
                raise CrashError(name)
            return answer

        return call


class Quoting:
    """A client one of whose calls AWS refuses, with an error that repeats a text of the request."""

    def __init__(self, client: Any, call: str, text: str) -> None:
        self._client, self._call, self._text = client, call, text

    def __getattr__(self, name: str) -> Any:
        return self._refuse if name == self._call else getattr(self._client, name)

    def _refuse(self, **request: Any) -> None:
        error = {"Code": "ValidationException", "Message": f"{self._text} is not valid"}
        raise ClientError({"Error": error}, self._call)


@dataclass
class Cell:
    """One side of a customer: its bucket, its routing document, its topic, and the runtime's parts.

    `clients` replaces clients of AWS, by service, in all parts that are made from here.
    """

    aws: Emulator
    side: str
    customer: str
    table: str
    clients: dict[str, Any] = field(default_factory=dict)
    cell_number: str = "1"

    # --- What is there ---

    @property
    def region(self) -> str:
        return REGION_OF[self.side]

    def client(self, service: str) -> Any:
        return self.clients.get(service) or self.aws.client(service, self.region)

    def with_client(self, service: str, client: Any) -> Cell:
        """Return this cell as seen by a function with another client."""
        return replace(self, clients={**self.clients, service: client})

    @property
    def stem(self) -> str:
        """What the names of customers' buckets begin with."""
        return contract.stem(NAMESPACE, self.cell_number)

    @property
    def bucket(self) -> str:
        return f"{self.stem}-{self.customer}-{self.side}"

    @property
    def config_bucket(self) -> str:
        return f"{NAMESPACE}-{self.customer}-config-{self.side}"

    @property
    def archive_bucket(self) -> str:
        return f"{NAMESPACE}-{self.customer}-archive-{self.side}"

    @property
    def partner_bucket(self) -> str:
        return f"partner-{self.customer}-{self.side}"

    @property
    def topic(self) -> str:
        return f"arn:aws-us-gov:sns:{self.region}:{ACCOUNT}:{NAMESPACE}-{self.customer}"

    @property
    def state_machine(self) -> str:
        return f"arn:aws-us-gov:states:{self.region}:{ACCOUNT}:stateMachine:{self.customer}"

    def make(self) -> Cell:
        """Make everything but the table: all files below `inbound/sdk/` go to `partner`, a bucket."""
        for bucket in (self.bucket, self.config_bucket, self.archive_bucket, self.partner_bucket):
            where = {"LocationConstraint": self.region}
            self.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        self.client("s3").put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        self.client("sqs").create_queue(QueueName=self.customer)
        arn = f"arn:aws-us-gov:sqs:{self.region}:{ACCOUNT}:{self.customer}"
        self.client("sns").create_topic(Name=self.topic.rpartition(":")[2])
        self.client("sns").subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        passing = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
        self.client("stepfunctions").create_state_machine(
            name=self.customer, roleArn=ROLE, definition=json.dumps(passing)
        )
        self.register()
        return self

    def register(self, **instead: Any) -> None:
        """Write the customer's routing document, with some fields replaced."""
        document = {
            "schema": 1,
            "id": self.customer,
            "lifecycle": "active",
            "routes": [
                {"match": "sdk/**", "to": ["partner"], "on_unknown": "deliver"},
                {"match": "sftp/**", "to": ["partner"], "on_unknown": "deliver"},
            ],
            "destinations": {"partner": self.to_bucket()},
            "temporary_names": ["*.filepart"],
            "duplicates": {"policy": "content", "window_seconds": 3600},
            "retention": {"inbound_days": 14, "archive_days": 365, "tracker_days": 90},
            "receipts_topic": self.topic,
        }
        key = contract.config_key(self.customer)
        self.client("s3").put_object(
            Bucket=self.config_bucket, Key=key, Body=json.dumps(document | instead).encode()
        )

    def to_bucket(self, prefix: str = "in") -> dict[str, Any]:
        """Return a destination: the partner's bucket."""
        return {"kind": "s3", "bucket": self.partner_bucket, "prefix": prefix, "region": self.region}

    def to_server(self, partner: Partner) -> dict[str, Any]:
        """Return a destination: a partner's SFTP server, its key in Secrets Manager."""
        name = contract.secret_name(NAMESPACE, self.customer, "key")
        self.client("secretsmanager").create_secret(Name=name, SecretString=partner.private_key)
        place = {each: getattr(partner, each) for each in ("host", "port", "user", "host_key", "directory")}
        return {"kind": "sftp", "secret": "key", **place}

    # --- What happens ---

    def upload(self, content: bytes, key: str = "inbound/sdk/a.csv") -> dict[str, Any]:
        """Put an object; return the event that S3 sends of it.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
        """
        put = self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        return self.event(
            "aws.s3",
            "Object Created",
            {
                "version": "0",
                "bucket": {"name": self.bucket},
                "object": {
                    "key": key,
                    "size": len(content),
                    "etag": put["ETag"].strip('"'),
                    "version-id": put["VersionId"],
                    "sequencer": f"00617F0829{next(_numbers):08X}",
                },
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": ACCOUNT,
                "source-ip-address": "1.2.3.4",
                "reason": "PutObject",
            },
        )

    def event(self, source: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
        """Return an event as EventBridge puts it on the queue."""
        return {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": "2026-01-02T03:04:05Z",
            "region": self.region,
            "resources": [],
            "detail": detail,
        }

    def accept(self, event: dict[str, Any]) -> str:
        """Let ingest take in an event as the queue delivers it, in a newly started function each time."""
        return self.intake.accept(arrival(json.loads(json.dumps(event))))

    def intake_at(self, moment: datetime) -> Callable[[dict[str, Any]], str]:
        """Return a function that takes in an event as if at another time."""
        intake = self.intake
        intake._now = lambda: moment
        return lambda event: intake.accept(arrival(event))

    def received(self, key: str) -> Transfer:
        """Return the transfer of a key that this region has received."""
        (received,) = (
            fact for fact in self.facts(key) if fact.kind is Kind.RECEIVED and fact.side == self.side
        )
        return Transfer.here(received, self.side)

    def receive(self, content: bytes, key: str = "inbound/sdk/a.csv") -> Transfer:
        """Upload and take in; return the input of the execution that started."""
        before = self._execution_arns()
        assert self.accept(self.upload(content, key)) == "received"
        (arn,) = self._execution_arns() - before
        return Transfer.parse(self._input_of(arn))

    def source(self, transfer: Transfer) -> Source:
        return Source(
            s3=self.client("s3"),
            bucket=transfer.bucket,
            key=transfer.key,
            version_id=transfer.version_id,
            size=transfer.size,
        )

    def attempt(
        self, transfer: Transfer, number: str = "1", *, after_unknown: bool = False, **how: Any
    ) -> str:
        """Make one attempt to bring the transfer to `partner`, in its own execution if no other is named."""
        usual = {"owner": owner(transfer), "attempt": number, "after_unknown": after_unknown}
        return self.deliverer.attempt(transfer, "partner", **usual | how)

    # --- What came of it ---

    def executions(self) -> dict[str, dict[str, Any]]:
        """Return the input of each execution, by its name."""
        return {arn.rpartition(":")[2]: self._input_of(arn) for arn in self._execution_arns()}

    def _execution_arns(self) -> set[str]:
        states = self.aws.client("stepfunctions", self.region)
        listed = states.list_executions(stateMachineArn=self.state_machine)["executions"]
        return {each["executionArn"] for each in listed}

    def _input_of(self, arn: str) -> dict[str, Any]:
        states = self.aws.client("stepfunctions", self.region)
        return dict(json.loads(states.describe_execution(executionArn=arn)["input"]))

    def has_ended(self, execution: str) -> bool:
        """Return whether the execution of this name has ended, with the time at which it did."""
        arn = f"{self.state_machine.replace(':stateMachine:', ':execution:')}:{execution}"
        states = self.aws.client("stepfunctions", self.region)
        return "stopDate" in states.describe_execution(executionArn=arn)

    def receipts_published(self, count: int) -> list[dict[str, Any]]:
        """Return the receipts since the last call; fail when there are not `count` of them."""
        sqs, found = self.aws.client("sqs", self.region), []
        queue = sqs.get_queue_url(QueueName=self.customer)["QueueUrl"]

        def taken() -> bool:
            got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            for message in got:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            found.extend(checked(message["Body"]) for message in got)
            return len(found) >= count

        eventually(taken)
        assert len(found) == count, found
        return found

    def facts(self, key: str = "inbound/sdk/a.csv") -> list[Fact]:
        """Return the facts about the customer's file, as this region sees them."""
        tracker = Tracker(table=self.table, side=self.side, client=self.aws.client("dynamodb", self.region))
        return list(tracker.newest(contract.file_id(self.customer, key)).facts)

    def kinds(self, transfer: Transfer) -> list[Kind]:
        """Return the kinds of a transfer's facts, sorted."""
        return sorted(fact.kind for fact in self.facts(transfer.key) if fact.transfer == transfer.id)

    def fact(self, kind: Kind, transfer: Transfer) -> Fact:
        """Return the one fact of a kind about a transfer."""
        (found,) = (
            fact for fact in self.facts(transfer.key) if (fact.kind, fact.transfer) == (kind, transfer.id)
        )
        return found

    def status(self, transfer: Transfer) -> Status:
        return status(fact for fact in self.facts(transfer.key) if fact.transfer == transfer.id)

    def at_partner(self, name: str = "in/a.csv") -> bytes | None:
        """Return what is at the partner's bucket, or None."""
        s3 = self.aws.client("s3", self.region)
        try:
            return s3.get_object(Bucket=self.partner_bucket, Key=name)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    # --- The runtime's parts, as the handlers put them together ---

    @cached_property
    def tracker(self) -> Tracker:
        return Tracker(table=self.table, side=self.side, client=self.client("dynamodb"))

    @property
    def directory(self) -> Directory:
        return Directory(bucket=self.config_bucket, client=self.client("s3"))

    @property
    def receipts(self) -> Receipts:
        return Receipts(tracker=self.tracker, topics=self.client("sns"), side=self.side)

    @property
    def intake(self) -> Intake:
        return Intake(
            stem=self.stem,
            state_machine=self.state_machine,
            tracker=self.tracker,
            directory=self.directory,
            client=self.client,
        )

    @property
    def workflow(self) -> Workflow:
        return Workflow(
            side=self.side, tracker=self.tracker, directory=self.directory, receipts=self.receipts
        )

    @property
    def deliverer(self) -> Deliverer:
        return Deliverer(
            namespace=NAMESPACE,
            side=self.side,
            tracker=self.tracker,
            directory=self.directory,
            s3=lambda region: self.client("s3"),
            s3_once=lambda region: self.client("s3"),
            secrets=self.client("secretsmanager"),
        )

    @property
    def its_executions(self) -> Executions:
        return Executions(state_machine=self.state_machine, workflow=self.client("stepfunctions"))

    @property
    def release(self) -> Release:
        return Release(tracker=self.tracker, executions=self.its_executions)

    def scan(self, wanted: Status) -> TransferScan:
        return TransferScan(tracker=self.tracker, directory=self.directory, wanted=wanted)

    @property
    def orphans(self) -> OrphanObjects:
        return OrphanObjects(
            stem=self.stem,
            side=self.side,
            tracker=self.tracker,
            directory=self.directory,
            intake=self.intake,
            s3=self.client("s3"),
        )

    @property
    def archive(self) -> Archive:
        return Archive(bucket=self.archive_bucket, side=self.side, tracker=self.tracker, s3=self.client("s3"))


def owner(transfer: Transfer, generation: int = 1) -> str:
    """Return the name of a transfer's execution."""
    return f"{transfer.id}-g{generation}"


def sides_of_a_customer(aws: Emulator) -> tuple[Cell, Cell]:
    """Return West and East, still empty, of a new customer with a tracker table of its own."""
    customer = f"c{next(_numbers):03}"
    table = f"tracker-{customer}"
    _global_table(aws, table)
    return Cell(aws, WEST, customer, table), Cell(aws, EAST, customer, table)


def _global_table(aws: Emulator, name: str) -> None:
    """Make the table as the program does: in West, with a replica in East; all tables share one key."""
    west, east = (Clients(region=REGION_OF[side], account=ACCOUNT, make=aws.client) for side in (WEST, EAST))
    west_key, east_key = (_key(aws, side) for side in (WEST, EAST))
    keys = (contract.TRACKER_PK, contract.TRACKER_SK, contract.TRACKER_INDEX_PK)
    _, table = data.MAKERS["aws:dynamodb/table:Table"](
        west,
        {
            "name": name,
            "hashKey": contract.TRACKER_PK,
            "rangeKey": contract.TRACKER_SK,
            "billingMode": "PAY_PER_REQUEST",
            "attributes": [{"name": each, "type": "S"} for each in keys],
            "globalSecondaryIndexes": [
                {
                    "name": contract.TRACKER_INDEX,
                    "keySchemas": [
                        {"attributeName": contract.TRACKER_INDEX_PK, "keyType": "HASH"},
                        {"attributeName": contract.TRACKER_INDEX_SK, "keyType": "RANGE"},
                    ],
                    "projectionType": "ALL",
                }
            ],
            "ttl": {"attributeName": contract.TRACKER_TTL},
            "streamViewType": "NEW_AND_OLD_IMAGES",
            "serverSideEncryption": {"kmsKeyArn": west_key},
            "deletionProtectionEnabled": False,
        },
    )
    data.MAKERS["aws:dynamodb/tableReplica:TableReplica"](
        east, {"globalTableArn": table["arn"], "kmsKeyArn": east_key}
    )


@cache
def _key(aws: Emulator, side: str) -> str:
    return aws.client("kms", REGION_OF[side]).create_key()["KeyMetadata"]["Arn"]
