"""Both regions of an environment, as far as they answer: where the verbs that look at transfers look."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from customers import names
from ops.cell import cells, known_customers, side_of
from ops.environment import Environment
from ops.plan import RefusedError
from ops.recovery.inventory import Store
from ops.recovery.replay import Replay, ReplayRegion
from ops.switches import switch_of
from runtime.contract import REGION_OF, Position, cell_parameter, is_canary, peer_of
from runtime.executions import Executions
from runtime.intake import Intake
from runtime.receipts import Receipts
from runtime.routing import Directory, RoutingDocument
from runtime.switch import Switch
from runtime.tracker import Tracker

#: For long work with regions that have answered already.
_PATIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=64,
)


class Regions:
    """The regions that answer. `silent` says of the others, by side, why they are not looked at."""

    def __init__(
        self, environment: Environment, known: Mapping[str, Collection[str]], silent: Mapping[str, str]
    ) -> None:
        """`known` holds, by side, the customers of each region that answers."""
        self._environment, self._known, self.silent = environment, known, silent
        self._cells = {cell.side: cell for cell in cells(environment) if cell.side in known}
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()  # threads share clients, but may not make them at once

    @classmethod
    def find(cls, environment: Environment, *, only: str | None = None) -> Regions:
        """Ask both regions, or `only` one, for their customers; RefusedError when none answers."""
        known: dict[str, Collection[str]] = {}
        silent: dict[str, str] = {}
        for cell in cells(environment):
            if only is not None and cell.side != side_of(only):
                silent[cell.side] = f"only {only} was asked for"
                continue
            try:
                known[cell.side] = frozenset(n for n in cell.directory.names() if not is_canary(n))
            except (NoConnectionError, HTTPClientError) as error:
                silent[cell.side] = f"it does not answer: {error}"
        if not known:
            told = "; ".join(f"{REGION_OF[side]}: {why}" for side, why in silent.items())
            raise RefusedError(f"there is nothing to look at: {told}")
        return cls(environment, known, silent)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that answer, sorted."""
        return tuple(sorted(self._known))

    @property
    def unknowns(self) -> list[str]:
        """A sentence for each region that is not looked at."""
        return [
            f"{REGION_OF[side]} is not looked at, {why}: what it holds is not known"
            for side, why in sorted(self.silent.items())
        ]

    def customers(self, wanted: Iterable[str] = ()) -> list[str]:
        """Return these customers, or all, sorted; RefusedError, with the nearest, for ones that are none."""
        everyone = set().union(*self._known.values())
        return sorted(known_customers(wanted, everyone) or everyone)

    def customer(self, name: str) -> RoutingDocument:
        """Return a customer, as the first region that knows it does."""
        side = next(side for side in self.sides if name in self._known[side])
        return self.directory(side).customer(name)

    def stores(self, customer: str) -> list[Store]:
        """Return where the regions that answer keep a customer's files and facts."""
        return [
            Store(
                side=side,
                inbound=names.bucket(self._environment.namespace, customer, side),
                archive=cell.bucket("archive"),
                tracker=self.tracker(side),
                s3=self.client("s3", side),
            )
            for side, cell in self._cells.items()
            if customer in self._known[side]
        ]

    @cached_property
    def out(self) -> frozenset[str]:
        """The sides that an operator has declared lost, as the peers that answer say."""
        return frozenset(side for side in map(peer_of, self.sides) if self._is_lost(side))

    @cached_property
    def replay(self) -> Replay:
        """What carries transfers again, through the regions that answer and are not out."""
        working = {side: self._region(side) for side in self.sides if side not in self.out}
        return Replay(working, out=self.out)

    def intake(self, side: str) -> Intake:
        """Return the intake of a region that answers."""
        tracker = self.tracker(side)
        return Intake(
            namespace=self._environment.namespace,
            side=side,
            state_machine=self._state_machine(side),
            tracker=tracker,
            directory=self.directory(side),
            receipts=Receipts(tracker=tracker, topics=self.client("sns", side), side=side),
            s3=self.client("s3", side),
            workflow=self.client("stepfunctions", side),
        )

    def directory(self, side: str) -> Directory:
        """Return the customers of a region that answers."""
        return Directory(bucket=self._cells[side].bucket("config"), client=self.client("s3", side))

    def executions(self, side: str) -> Executions:
        """Return the executions of a region that answers."""
        workflow = self.client("stepfunctions", side)
        return Executions(state_machine=self._state_machine(side), workflow=workflow)

    def tracker(self, side: str) -> Tracker:
        """Return a region's tracker."""
        return Tracker(table=self._cells[side].table, side=side, client=self.client("dynamodb", side))

    def switch(self, side: str) -> Switch:
        """Return a side's switch, which its peer keeps."""
        return switch_of(self._environment, side, client=self.client)

    def who(self) -> str:
        """Return the ARN of whoever holds the credentials that are used here."""
        return str(self.client("sts", self.sides[0]).get_caller_identity()["Arn"])

    def client(self, service: str, side: str) -> Any:
        """Return the client of a service in a region that answers: patient, and shared by threads."""
        with self._making:
            if (service, side) not in self._clients:
                made = boto3.client(service, region_name=REGION_OF[side], config=_PATIENT)
                self._clients[service, side] = made
            return self._clients[service, side]

    def _region(self, side: str) -> ReplayRegion:
        s3 = self.client("s3", side)
        return ReplayRegion(tracker=self.tracker(side), executions=self.executions(side), s3=s3)

    def _is_lost(self, side: str) -> bool:
        try:
            return self.switch(side).position() is Position.LOST
        except ValueError as error:
            raise RefusedError(str(error)) from error

    def _state_machine(self, side: str) -> str:
        name = cell_parameter(self._environment.namespace, self._environment.cell, "state-machine")
        ssm = self.client("ssm", side)
        try:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound as error:
            raise RefusedError(
                f"{REGION_OF[side]} has no parameter {name}, which names its workflow: run pulumi up there"
            ) from error
