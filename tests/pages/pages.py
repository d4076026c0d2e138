"""Every computed page: those that cost next to nothing, and those for which the program has to run."""

from __future__ import annotations

from tests.pages.events_page import events_page
from tests.pages.failover_picture import failover_picture
from tests.pages.format_pages import formats
from tests.pages.metrics_page import metrics_page
from tests.pages.resources_page import resources_page
from tests.pages.updates_page import updates_page
from tests.pages.workflow_picture import workflow_picture


def cheap() -> dict[str, str]:
    """Return pages by their paths below docs/."""
    return {
        **formats(),
        "events.md": events_page(),
        "metrics.md": metrics_page(),
        "failover.svg": failover_picture(),
        "transfer.svg": workflow_picture(),
    }


def costly() -> dict[str, str]:
    """Return the others; the program of the western stack is run for them, about ten times."""
    from tests.program.conftest import record

    return {"resources.md": resources_page(record("gov-west")), "updates.md": updates_page()}
