"""The sources of the computed pages are complete, and pictures show what there is.

Whether the pages are current is compared by `make lint`.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from components.statemachine import definition
from local import published_messages
from local.program import ROOT
from local.published_messages import PublishedMessageError, checked
from runtime import metric_names
from tests.pages import events_page, failover_picture, metrics_page, pictures
from tests.pages.approved import approved

DOCS = ROOT / "docs"


def test_every_metric_has_a_meaning_of_its_own_and_a_place_on_the_page() -> None:
    names = {
        value
        for name, value in vars(metric_names).items()
        if re.fullmatch(r"METRIC_\w+|\w+_METRIC", name) and isinstance(value, str)
    }
    meanings = metrics_page.meanings()
    assert meanings.keys() == names
    assert len(set(meanings.values())) == len(meanings), "one comment for several metrics"
    rows = re.findall(r"^\| `(\w+)` \| `mft/", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert set(rows) == names


def test_a_policy_that_lets_something_put_events_makes_the_page_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = replace(approved()[0], inputs={"policy": {"Action": ["events:PutEvents"]}})
    monkeypatch.setattr(events_page, "approved", lambda: (*approved(), one))
    with pytest.raises(ValueError, match=f"nothing puts events on a bus, but {one.name} may"):
        events_page.events_page()


def test_every_state_of_the_workflow_is_in_the_picture() -> None:
    machine = definition(
        {step: step for step in ("claim", "compare", "deliver", "complete", "archive")}, partition="x"
    )
    states = {**machine["States"], **machine["States"]["Deliver"]["ItemProcessor"]["States"]}
    text = (DOCS / "transfer.svg").read_text()
    for name in states:
        assert f">{name}<" in text or name == "Deliver"


def test_the_failover_in_the_picture_is_a_run_of_the_scenario_as_it_is() -> None:
    record = json.loads(failover_picture.RECORD.read_text())
    assert record["source"] == failover_picture.source(), failover_picture.__doc__


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_that_people_make_shows_what_there_is(name: str) -> None:
    assert (DOCS / name).exists()
    assert not pictures.stale(name)


def test_every_picture_of_a_page_is_computed_or_watched() -> None:
    here = {path.name for path in DOCS.iterdir() if path.suffix in (".svg", ".png")}
    assert here == pictures.PICTURES.keys() | {"failover.svg", "transfer.svg"}


RECEIPT = {
    "schema": 1,
    "outcome": "failed",
    "customer": "c7k2m",
    "key": "inbound/sdk/a.csv",
    "transfer": "01JTRANSFER",
    "version_id": "v1",
    "size": 3,
    "region": "us-gov-west-1",
    "destinations": [{"name": "partner", "outcome": "failed", "reason": "refused"}],
    "at": "2026-11-30T12:00:00.000000Z",
}


def test_a_message_is_checked_for_what_it_lacks_and_for_what_nobody_has_described() -> None:
    assert checked(json.dumps(RECEIPT)) == RECEIPT
    lacking = {name: value for name, value in RECEIPT.items() if name != "region"}
    strange = RECEIPT | {"destinations": [{"name": "partner", "strange": True}]}
    for wrong in (
        lacking,
        RECEIPT | {"size": "3"},
        RECEIPT | {"outcome": "lost"},
        strange,
        RECEIPT | {"more": 1},
    ):
        with pytest.raises(
            PublishedMessageError, match=r"a receipt is not as docs/schemas/receipt\.json says"
        ):
            checked(json.dumps(wrong))
    with pytest.raises(PublishedMessageError, match=r"a notice is not as docs/schemas/notice\.json says"):
        checked(json.dumps(RECEIPT | {"outcome": "notice"}))


@pytest.mark.parametrize("name", published_messages.TYPES)
def test_a_published_schema_describes_every_field_and_allows_more(name: str) -> None:
    schema = json.loads((DOCS / f"schemas/{name}.json").read_text())
    for part in (schema, *schema["$defs"].values()):
        assert part["description"]
        assert "additionalProperties" not in part
        for field, about in part.get("properties", {}).items():
            assert about.get("description"), f"{name}: {part['title']}.{field}"
