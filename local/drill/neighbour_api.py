"""A second cell of each region in a scenario: one customer more, and what happens to that cell alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.network import ZONES
from local.drill.observations import Observations
from local.drill.ops_cli import OpsRefusedError
from local.drill.scenario_api import ScenarioApi
from local.drill.sender import Cast
from local.drill.story import SOON, until
from local.neighbour import NeighbourCells
from local.world import World
from runtime.contract import REGION_OF, SIDES

NEIGHBOUR = Path(__file__).parent / "neighbour.yaml"
_CELL = "2"
_SILENT = f"cell{_CELL}-monitoring-endpoint-silent"


class NeighbourApi(ScenarioApi):
    """What a scenario can do and expect in the second cells."""

    def __init__(self, cells: NeighbourCells, api: ScenarioApi) -> None:
        cast = Cast.of(cells.customers())
        super().__init__(
            cells,
            api.story,
            Observations(cells),
            cast,
            cast.regular,
            number=api.number,
            timeline=api.timeline,
        )
        self._cells = cells

    def lose_cell(self, side: str) -> None:
        """Let the cell of a side die; the region and its other cell live."""
        self._cells.stop(side)
        self._happens(f"cell {_CELL} of {REGION_OF[side]} dies, its endpoint and its functions; no other")

    def find_cell(self, side: str) -> None:
        """Bring a cell back that died."""
        self._cells.start(side)
        self._happens(f"cell {_CELL} of {REGION_OF[side]} is back")
        self.looked_after(side)

    def restore(self, side: str) -> None:
        """Put a cell back into DNS that has been dead.

        Alarms about throttled functions stay on for minutes; operators who read that these alone speak
        against it override them.
        """
        region = REGION_OF[side]
        try:
            self.operators.restore(side)
        except OpsRefusedError as refusal:
            alarms = re.findall(r"the alarm (\S+)-\w+ is on", str(refusal))
            throttles = [alarm for alarm in alarms if alarm.endswith("-throttles")]
            self.expect(
                "only alarms about throttles, of the time when it was dead, speak against a restore",
                alarms and alarms == throttles,
            )
            self.operators.ops("restore", region, "--override", f"{region} is not ready")
            self.operators.names_are_usual()

    def looked_after(self, side: str) -> None:
        """Run the probes and the canary of a cell once, and wait until its alarm is off that nobody does."""
        for zone in ZONES:
            self.minute(f"{self.world.prefix}probe-{zone}", side)
        self.minute(f"{self.world.prefix}canary", side)
        alarm = self._one(side, "aws:cloudwatch/metricAlarm:MetricAlarm", _SILENT).id
        cloudwatch = self.world.client("cloudwatch", side)

        def is_off() -> bool:
            [found] = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
            return bool(found["StateValue"] != "ALARM")

        self.expect(f"cell {_CELL} of {REGION_OF[side]}: its endpoint answers", until(is_off, within=SOON))


@contextmanager
def neighbour(api: ScenarioApi) -> Iterator[NeighbourApi]:
    """Deploy cell 2 in both regions, beside the cells of a scenario, and yield what can be done there.

    Afterwards these cells are at rest: another scenario in the same world does not share the machine with
    them, and finds them again.
    """
    cells = _cells(api)
    with NeighbourApi(cells, api) as beside:
        api.beside.append(beside)
        for side in SIDES:
            beside.looked_after(side)
        yield beside
        beside.account()
    for side in SIDES:
        cells.stop(side)


def _cells(api: ScenarioApi) -> NeighbourCells:
    world: World = api.world
    for each in world.beside:
        if isinstance(each, NeighbourCells):
            for side in SIDES:
                each.start(side)
            return each
    cells = NeighbourCells(world, _CELL)
    world.add_customer(NEIGHBOUR)
    cells.read_registry(world.registry_folder)
    for step, seconds in cells.deploy():
        api.story.say(f"            {step}: {seconds:.1f} s")
    return cells
