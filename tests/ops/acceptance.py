"""The customer that docs/deploy.md keeps for acceptances, and the policy that it gives to operators."""

from __future__ import annotations

import re
from pathlib import Path

from local.program import ROOT

CUSTOMER, USER = "t3s7r", "t3s7r-accept"
_SECTION = re.compile(r"^## Accept what was deployed$(.+?)^## ", re.DOTALL | re.MULTILINE)


def _block(language: str) -> str:
    page = (ROOT / "docs/deploy.md").read_text()
    (section,) = _SECTION.findall(page)
    (block,) = re.findall(rf"^```{language}\n(.+?)^```", section, re.DOTALL | re.MULTILINE)
    return str(block)


def add_to(registry: Path) -> None:
    """Write the customer's file into the folder of a registry."""
    (registry / "acceptance.yaml").write_text(_block("yaml"))


def policy(**names: str) -> str:
    """Return the policy with names in the place of its words in capitals."""
    text = _block("json")
    for word, name in names.items():
        text = text.replace(word, name)
    return text
