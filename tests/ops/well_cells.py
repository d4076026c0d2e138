"""Both cells as the program leaves them when all is well: what `ops` reads before it trusts a cell."""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from dataclasses import dataclass, field
from typing import Any

import pytest

from customers import names
from ops.cell import DeployedCell
from ops.environment import Environment
from runtime.contract import EVENTS, INVOCATIONS, REGION_OF, SIDES, cell_parameter
from tests.ops.conftest import NAMESPACE, Place
from tests.runtime import cells
from tests.runtime.cells import ROLE

_numbers = itertools.count(1)
#: What dead letters were meant for.
_DEAD = ("ingest", "replication", EVENTS, INVOCATIONS)


@dataclass
class WellCell:
    """One cell's server, queues, workflow, functions and alarms, and the parameter that names them."""

    place: Place
    side: str
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.place.cell}-{self.side}"

    @property
    def cell(self) -> DeployedCell:
        return DeployedCell(environment=Environment.read(self.place.root), side=self.side)

    def client(self, service: str) -> Any:
        return self.place.aws.client(service, REGION_OF[self.side])

    def make(self) -> WellCell:
        queue, *dead = (self._queue(what) for what in ("queue", *(f"{each}-dead" for each in _DEAD)))
        topic = self.client("sns").create_topic(Name=f"alerts-{self.name}")["TopicArn"]
        self.manifest = {
            "server": self._server(),
            "addresses": ["203.0.113.1", "203.0.113.2", "203.0.113.3"],
            "queue": queue,
            "dead_letters": dict(zip(_DEAD, dead, strict=True)),
            "state_machine": self._state_machine(),
            "functions": {handler: self._function(handler) for handler in ("ingest", "switch")},
            "alerts": topic,
        }
        self.write_manifest(**self.manifest)
        for function in self.manifest["functions"].values():
            self._await(function)
        return self

    def write_manifest(self, **parts: Any) -> None:
        """Write the manifest of the cell to its parameter."""
        self.client("ssm").put_parameter(
            Name=cell_parameter(NAMESPACE, self.place.cell, "parts"),
            Value=json.dumps(parts),
            Type="String",
            Overwrite=True,
        )

    def alarm(self, name: str, *, section: str, state: str, topic: str | None = None) -> str:
        """Put an alarm into a state; return its name."""
        cloudwatch, whole = self.client("cloudwatch"), f"{self.name}-{name}-{next(_numbers)}"
        cloudwatch.put_metric_alarm(
            AlarmName=whole,
            AlarmDescription=f"Something is wrong. First: look. Runbook: docs/runbook.md#{section}",
            AlarmActions=[topic or self.manifest["alerts"]],
            Namespace=f"nobody/{whole}",
            MetricName="Nothing",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=whole, StateValue=state, StateReason="a test")
        return whole

    def send(self, url: str, count: int = 1) -> None:
        for number in range(count):
            self.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))

    def _queue(self, what: str) -> str:
        return self.client("sqs").create_queue(QueueName=f"{what}-{self.name}")["QueueUrl"]

    def _server(self) -> str:
        allocations = [f"eipalloc-{number}" for number in range(3)]
        made = self.client("transfer").create_server(
            Domain="S3",
            Protocols=["SFTP"],
            IdentityProviderType="SERVICE_MANAGED",
            EndpointType="VPC",
            EndpointDetails={"VpcId": "vpc-1", "AddressAllocationIds": allocations},
        )
        return made["ServerId"]

    def _state_machine(self) -> str:
        definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        made = self.client("stepfunctions").create_state_machine(
            name=f"transfers-{self.name}", definition=json.dumps(definition), roleArn=ROLE
        )
        return made["stateMachineArn"]

    def _function(self, handler: str) -> str:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as file:
            file.writestr("nothing.py", "def handler(event, context): return None\n")
        made = self.client("lambda").create_function(
            FunctionName=f"{handler}-{self.name}",
            Runtime="python3.13",
            Role=ROLE,
            Handler="nothing.handler",
            Code={"ZipFile": code.getvalue()},
        )
        return made["FunctionName"]

    def _await(self, function: str) -> None:
        give_up = time.monotonic() + 60
        while self.client("lambda").get_function_configuration(FunctionName=function)["State"] == "Pending":
            assert time.monotonic() < give_up
            time.sleep(0.02)


@pytest.fixture
def well(place: Place) -> dict[str, WellCell]:
    """Both cells of the place, well, by side."""
    cells._global_table(place.aws, names.tracker_table(place.cell))
    return {side: WellCell(place, side).make() for side in SIDES}
