"""The templates of all pages, and how pages link to each other."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, assert_never

from markupsafe import Markup

from ops import page_templates
from ops.cli import printable
from ops.console import runbook
from ops.console.reports import Report
from ops.environment import Environment
from ops.recovery.event_text import after_of, words_of
from ops.recovery.transfer_list import word_of
from runtime.facts import Status

_FOLDER = Path(__file__).parent / "templates"

#: The pages in the order of the navigation, each with its name there.
NAVIGATION = {
    "overview": "Overview",
    "transfers": "Transfers",
    "retrying": "Retrying",
    "held": "Held",
    "gaps": "Gaps",
    "file": "One file",
    "reports": "Reports",
    "runbook": "Runbook",
}


class Links(Protocol):
    """Returns the address of a page with these parameters; None if there is no such page."""

    def __call__(self, page: str, parameters: Mapping[str, str], /) -> str | None: ...


def mark_of(status: str) -> tuple[str, str]:
    """Return the sign and the CSS class of a status in words; a sign stands beside the words, never alone."""
    if status not in list(Status):
        return "?", "unknown"
    its = Status(status)
    match its:
        case Status.DELIVERED:
            return "✓", "good"
        case Status.DUPLICATE:
            return "=", "good"
        case Status.UNDER_WAY:
            return "…", "busy"
        case Status.HELD:
            return "‖", "wait"
        case Status.FAILED:
            return "✗", "bad"
        case Status.REJECTED:
            return "⊘", "bad"
        case _:
            assert_never(its)


class Site:
    """Renders pages. One for the console that is served, another for an export."""

    def __init__(
        self,
        environment: Environment,
        links: Links,
        *,
        handbook: str | None,
        reports: Sequence[Report],
        exported: bool = False,
    ) -> None:
        """`handbook` is the runbook's Markdown, None if there is none."""
        self.reports = tuple(reports)
        self._links, self._templates = links, page_templates.environment(_FOLDER)
        self._runbook: Markup | None = None
        self._sections: Mapping[str, str] = {}
        if handbook is not None:
            self._runbook, self._sections = runbook.sections(handbook)
        style = (_FOLDER / "console.css").read_text(encoding="utf-8")
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        #: What a page may do: have this one style, and send its forms to the console.
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; form-action 'self';"
            " base-uri 'none'"
        )
        self._templates.globals |= {
            "style": Markup(style),  # noqa: S704 - our own file
            "policy": self.policy,
            "navigation": NAVIGATION,
            "environment": environment,
            "states": {word_of(each): each.value for each in Status},
            "exported": exported,
            "address": self.address,
            "mark": mark_of,
            "after": after_of,
            "words": words_of,
            "linked": lambda text: runbook.linked(printable(text), self.address("runbook")),
        }

    def address(self, page: str, **parameters: str) -> str | None:
        """Return the address of a page; None if the site does not have it."""
        if page == "runbook":
            section = parameters.pop("section", "")
            if self._runbook is None or (section and section not in self._sections):
                return None
            return f"{self._links('runbook', {})}#{section}" if section else self._links("runbook", {})
        return self._links(page, {name: text for name, text in parameters.items() if text})

    def render(self, page: str, data: Mapping[str, Any]) -> str:
        """Return a page as HTML."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        html: str = self._templates.get_template(f"{page}.html").render(current=page, now=now, **data)
        return html

    def still(self, page: str) -> str | None:
        """Return a page that asks nothing of AWS: the list of reports, or the runbook; None for any other."""
        if page == "reports":
            return self.render(page, {"reports": self.reports})
        if page == "runbook" and self._runbook is not None:
            return self.render(page, {"html": self._runbook})
        return None
