"""A customer that moves from one cell to another: both cells in both regions, its file, and its names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from customers import names
from local.aws.emulator import Emulator
from ops import chosen_cell
from runtime import contract
from runtime.contract import EAST, SIDES, WEST, Kind, check_reference
from runtime.decision import Action
from runtime.executions import first
from runtime.transfer import Transfer
from tests.ops import customer_zone
from tests.ops.cell_numbers import new_cell
from tests.ops.customer_zone import zone  # noqa: F401 - a fixture
from tests.ops.transfers import TRACKER_DAYS, Side
from tests.runtime import cells
from tests.runtime.cells import NAMESPACE, ROLE
from tests.runtime.test_inventory import join

WHY = ("--reason", "cell 1 is full")


class MovingSide(Side):
    """One region's side of a customer in one of its two cells; both have the same partner."""

    @property
    def state_machine(self) -> str:
        return f"{super().state_machine}-{self.cell}"

    def make(self) -> MovingSide:
        s3, where = self.client("s3"), {"LocationConstraint": self.region}
        for bucket in (
            *(self.bucket, self.config_bucket, self.archive_bucket),
            *(self.audit_bucket, self.partner_bucket),
        ):
            with suppress(ClientError):  # the partner's is made once
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.client("sns").create_topic(Name=self.topic.rpartition(":")[2])
        passing = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
        self.client("stepfunctions").create_state_machine(
            name=f"{self.customer}-{self.cell}", roleArn=ROLE, definition=json.dumps(passing)
        )
        self.client("ssm").put_parameter(
            Name=contract.cell_parameter(NAMESPACE, self.cell, "parts"),
            Value=json.dumps(self.manifest),
            Type="String",
        )
        self.client("ssm").put_parameter(
            Name=contract.switch_parameter(NAMESPACE, self.cell, contract.peer_of(self.side)),
            Value="in",
            Type="String",
            Overwrite=True,
        )
        self.register()
        return self

    def try_to_deliver(self, transfer: Transfer) -> Action:
        """Carry a transfer as far as it goes now; return the decision of its claim."""
        owner = first(transfer.id)
        decision = self.workflow.claim(transfer, owner=owner)
        if decision.action is Action.WAIT:
            return decision.action
        if decision.action is Action.COMPARE:
            decision = self.workflow.compare(transfer, self.source(transfer), owner=owner)
        if decision.action is Action.DELIVER:
            assert self.attempt(transfer, owner=owner) == Kind.DELIVERED
        self.archive.store(transfer, owner=owner)
        self.workflow.complete(transfer, [], owner=owner)
        return decision.action


@dataclass
class Moving:
    """What an operator types about the customer, what its file says, and both of its cells by side."""

    zone: customer_zone.Estate
    customer: str
    old: dict[str, MovingSide]
    new: dict[str, MovingSide]
    #: What `ready` says is different, by cell.
    differences: dict[str, list[str]]

    @property
    def cells(self) -> tuple[str, str]:
        return self.old[WEST].cell, self.new[WEST].cell

    @property
    def path(self) -> Path:
        return self.zone.place.root / "customers" / f"agency-{self.customer}.yaml"

    def at(self, step: str | None) -> None:
        """Write the file as it is at a step."""
        text = "".join(
            line for line in self.path.read_text().splitlines(keepends=True) if not line.startswith("move:")
        )
        move = f'move: {{to: "{self.cells[1]}", step: {step}}}\n' if step else ""
        self.path.write_text(text + move)

    def plan(self, *words: str) -> tuple[int, dict[str, Any]]:
        return self.zone.place.json("cell", "move", self.customer, *words)

    def apply(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Take a step that can be taken, as it was planned."""
        code, plan = self.plan(*words)
        assert (code, plan.get("missing")) == (0, []), plan
        return self.plan(*words, *WHY, "--apply", "--digest", plan["digest"])

    def waits(self, waits: bool) -> None:
        """Deploy the routing documents of the new cell."""
        for side in SIDES:
            self.new[side].register(waits=waits)

    def hosts(self) -> set[str]:
        """Return the hosts and buckets that the customer's records lead to."""
        return {value.strip('"') for _, _, values, _ in self.zone.records().values() for value in values}

    def at_partner(self, key: str) -> list[bytes]:
        """Return what the partner in West was given under a name, oldest first."""
        s3, bucket = self.new[WEST].client("s3"), self.new[WEST].partner_bucket
        found = s3.list_object_versions(Bucket=bucket, Prefix=f"in/{key}").get("Versions", ())
        versions = [each["VersionId"] for each in reversed(found)]
        return [s3.get_object(Bucket=bucket, Key=f"in/{key}", VersionId=v)["Body"].read() for v in versions]


@pytest.fixture
def moving(
    zone: customer_zone.Estate,  # noqa: F811
    aws: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Moving]:
    """A customer of one cell, in service, and a second cell; `ready` says what a test lets it say."""
    place = zone.place
    monkeypatch.setattr(customer_zone, "NAMESPACE", NAMESPACE)  # that of the runtime's cells
    numbers = (place.cell, new_cell())
    customer = f"cm{place.cell}"
    sides = []
    for number in numbers:
        table = names.tracker_table(number)
        cells._global_table(aws, table)
        sides.append({side: MovingSide(aws, side, customer, table, cell=number).make() for side in SIDES})
        join(sides[-1][WEST], sides[-1][EAST])
    for side in SIDES:
        place.write(side, namespace=NAMESPACE, zoneId=zone.zone_id)
        config = yaml.safe_load(place.file(side).read_text())
        config["config"]["mft:cell"] = numbers[1]
        (place.root / f"Pulumi.gov-{side}-{numbers[1]}.yaml").write_text(yaml.safe_dump(config))
    zone.registry({"id": customer, "retention": {"inbound_days": 14, "tracker_days": TRACKER_DAYS}})
    zone.deploy()
    differences: dict[str, list[str]] = {number: [] for number in numbers}
    monkeypatch.setattr(
        "ops.cell_moves.proofs.alike", lambda root, id, cell, stepped: list(differences[cell])
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    yield Moving(zone, customer, *sides, differences)
    chosen_cell.choose(None, "")


def new_checks(moving: Moving) -> dict[str, str]:
    """Make the customer's health checks of the new cell, as its stacks do; return their ids by side."""
    made = {}
    for side in SIDES:
        reference = check_reference(NAMESPACE, moving.cells[1], side, f"customer/{moving.customer}")
        made[side] = moving.zone.make_check(
            reference, Type="CALCULATED", ChildHealthChecks=moving.zone.leaves[:1], HealthThreshold=1
        )
        moving.zone.checks[side, f"new/{moving.customer}"] = made[side]
    return made
