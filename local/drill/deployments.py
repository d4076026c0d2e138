"""Deployments in a scenario: a customer's file is changed, and the program runs for one stack."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from customers.names import tracker_table
from local.aws.provision import CannotMakeError
from local.drill.region_faults import RegionFaults
from local.drill.sender import Sender, sftp_senders
from local.program import ProgramError
from runtime.contract import peer_of

#: The name of what a change adds to a customer's file.
_NEW = "late"

#: What a change of a customer's file may change: the customer's own, the way out to its partner, whose server
#: has a port of its own here, and the record of which registry is deployed.
_OWN = r"({customer}-|cell1-firewall-delivery-partners-|cell1-registry$)"

_DEAD = (BotoCoreError, ClientError)


class Deployments:
    """What people deploy in a run; `customer` is whose file they change."""

    def __init__(self, faults: RegionFaults, customer: str) -> None:
        self._faults, self._world, self._customer = faults, faults.world, customer

    def add_a_user(self, like: str) -> Sender:
        """Add an SFTP user to the customer's file, with a destination like another one; return it."""
        file = next(
            path
            for path in self._world.registry_folder.glob("*.yaml")
            if yaml.safe_load(path.read_text())["id"] == self._customer
        )
        document, name = yaml.safe_load(file.read_text()), f"{self._customer}-{_NEW}"
        document["sftp"]["users"].append(deepcopy(document["sftp"]["users"][0]) | {"name": name})
        document["destinations"][_NEW] = deepcopy(document["destinations"][like]) | {
            "directory": f"/{_NEW}",
            "secret": _NEW,
        }
        document["routes"].append({"match": f"sftp/{name}/**", "to": [_NEW]})
        with tempfile.TemporaryDirectory() as folder:
            changed = Path(folder) / file.name
            changed.write_text(yaml.safe_dump(document, sort_keys=False))
            self._world.add_customer(changed)
        self._faults.timeline.note("operator", f"adds the SFTP user {name} to the file of {self._customer}")
        return next(each for each in sftp_senders(self._world.customers()) if each.user == name)

    def cannot_refresh(self, side: str) -> None:
        """Expect that what a refresh of a stack reads in the other region cannot be read there."""
        peer, table = peer_of(side), tracker_table(self._world.config[side]["mft:cell"])
        alarm = self._world.graphs[side].one("aws:cloudwatch/metricAlarm:MetricAlarm", "cell1-health-switch")
        cloudwatch, dynamodb = (self._world.client(service, peer) for service in ("cloudwatch", "dynamodb"))
        self._is_dead("the alarm of the switch", cloudwatch.describe_alarms, AlarmNames=[alarm.id])
        self._is_dead("the tracker's replica", dynamodb.describe_continuous_backups, TableName=table)

    def _is_dead(self, what: str, read: Callable[..., Any], **request: Any) -> None:
        try:
            read(**request)
            answers = True
        except _DEAD:
            answers = False
        self._faults.expect(f"with --refresh the program would fail: {what} cannot be read", not answers)

    def up(self, side: str) -> None:
        """Run the program for the stack of a side, without a refresh, and expect the change and no other."""
        known = dict(self._world.provisioners[side].known)
        error = ""
        try:
            self._world.up(side)
        except (ProgramError, CannotMakeError, *_DEAD) as refused:
            error = str(refused) or type(refused).__name__
        made = self._world.provisioners[side].known
        changed = [urn.rpartition("::")[2] for urn in made if known.get(urn) != made[urn]]
        own = re.compile(_OWN.format(customer=self._customer))
        self._faults.timeline.note("operator", f"runs the program for gov-{side}")
        self._faults.expect(f"the program runs for gov-{side}: {error.splitlines()[:1] or 'done'}", not error)
        others = [name for name in changed if not own.match(name)]
        self._faults.expect(
            f"gov-{side}: of {len(made)} resources {len(changed)} changed, for the customer; "
            f"others: {others or 'none'}",
            changed and not others,
        )
