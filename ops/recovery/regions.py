"""The regions of an environment that answer, as used by the verbs that look at transfers."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from customers import names
from ops.cell import cells, known_customers, side_of
from ops.cell_manifest import CellManifest
from ops.environment import Environment, make_client
from ops.plan import RefusedError
from ops.recovery.inventory import Store
from ops.recovery.replay import Replay, ReplayRegion
from ops.recovery.replication_jobs import ReplicationJobs
from ops.switches import switch_of
from runtime.contract import REGION_OF, is_canary, peer_of
from runtime.executions import Executions
from runtime.intake import Intake
from runtime.routing import Directory, RoutingDocument
from runtime.switch import Switch
from runtime.tracker import Tracker

#: For long work with regions that have already answered.
_PATIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=64,
)


def _without_accounts_host(request: Any, **_: Any) -> None:
    request.url = re.sub(r"//[0-9]{12}\.", "//", request.url)


class Regions:
    """The regions that answer. `silent` says, by side, why the others are not looked at."""

    def __init__(
        self, environment: Environment, known: Mapping[str, Collection[str]], silent: Mapping[str, str]
    ) -> None:
        """`known` has the customers of each region that answers, by side."""
        self._environment, self._known, self.silent = environment, known, silent
        self._cells = {cell.side: cell for cell in cells(environment) if cell.side in known}
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()  # threads may share clients, but not make them concurrently

    @classmethod
    def find(cls, environment: Environment, *, only: str | None = None) -> Regions:
        """Ask both regions, or `only` one, for their customers; RefusedError if none answers."""
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
            reasons = "; ".join(f"{REGION_OF[side]}: {why}" for side, why in silent.items())
            raise RefusedError(f"no region can be looked at: {reasons}")
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
        """Return these customers, or all, sorted; RefusedError, with the nearest match, for unknown ones."""
        everyone = set().union(*self._known.values())
        return sorted(known_customers(wanted, everyone) or everyone)

    def customer(self, name: str) -> RoutingDocument:
        """Return a customer's routing document from the first region that has one."""
        side = next(side for side in self.sides if name in self._known[side])
        return self.directory(side).customer(name)

    def stores(self, customer: str) -> list[Store]:
        """Return where each region that answers keeps a customer's files and facts."""
        return [
            Store(
                side=side,
                inbound=names.bucket(self._environment.stem, customer, side),
                archive=cell.bucket("archive"),
                tracker=self.tracker(side),
                s3=self.client("s3", side),
            )
            for side, cell in self._cells.items()
            if customer in self._known[side]
        ]

    @cached_property
    def out(self) -> frozenset[str]:
        """The sides declared lost by an operator, according to the peers that answer."""
        return frozenset(side for side in map(peer_of, self.sides) if self._is_lost(side))

    @cached_property
    def replay(self) -> Replay:
        """The replay of transfers through the regions that answer and are not declared lost."""
        working = {side: self._region(side) for side in self.sides if side not in self.out}
        return Replay(working, out=self.out)

    def intake(self, side: str) -> Intake:
        """Return the intake of a region that answers."""
        return Intake(
            stem=self._environment.stem,
            state_machine=self.manifest(side).state_machine,
            tracker=self.tracker(side),
            directory=self.directory(side),
            client=lambda service: self.client(service, side),
        )

    def replication_jobs(self, side: str) -> ReplicationJobs:
        """Return the jobs that replicate from a region that answers."""
        control = self.client("s3control", side)
        return ReplicationJobs(cell=self._cells[side], s3=self.client("s3", side), control=control)

    def directory(self, side: str) -> Directory:
        """Return the directory of customers of a region that answers."""
        return Directory(bucket=self._cells[side].bucket("config"), client=self.client("s3", side))

    def executions(self, side: str) -> Executions:
        """Return the workflow executions of a region that answers."""
        workflow = self.client("stepfunctions", side)
        return Executions(state_machine=self.manifest(side).state_machine, workflow=workflow)

    def manifest(self, side: str) -> CellManifest:
        """Return what the cell of a region that answers consists of; ManifestError when that is not known."""
        return CellManifest.read(
            namespace=self._environment.namespace,
            cell=self._environment.cell,
            side=side,
            parameters=self.client("ssm", side),
        )

    def tracker(self, side: str) -> Tracker:
        """Return a region's tracker."""
        return Tracker(table=self._cells[side].table, side=side, client=self.client("dynamodb", side))

    def switch(self, side: str) -> Switch:
        """Return a side's switch, which its peer keeps; a side that has been forced in since counts as in."""
        return switch_of(self._environment, side, client=self.client, heeds_force=True)

    def who(self) -> str:
        """Return the ARN of the operator's credentials."""
        return str(self.client("sts", self.sides[0]).get_caller_identity()["Arn"])

    def client(self, service: str, side: str) -> Any:
        """Return a client for a service in a region that answers: with long timeouts, shared by threads."""
        with self._making:
            if (service, side) not in self._clients:
                made = make_client(service, REGION_OF[side], _PATIENT)
                if "AWS_ENDPOINT_URL" in os.environ:
                    # S3 Control has a host for each account, which an endpoint given by its address has not.
                    made.meta.events.register_first("request-created.s3-control", _without_accounts_host)
                self._clients[service, side] = made
            return self._clients[service, side]

    def _region(self, side: str) -> ReplayRegion:
        s3 = self.client("s3", side)
        return ReplayRegion(tracker=self.tracker(side), executions=self.executions(side), s3=s3)

    def _is_lost(self, side: str) -> bool:
        try:
            return self.switch(side).position().is_lost
        except ValueError as error:
            raise RefusedError(str(error)) from error
