"""The pages about formats: the registry's files, and the messages that customers get; and their schemas."""

from __future__ import annotations

import json

from customers.schema import schema as registry_schema
from local import published_messages
from tests.pages.markdown import WRITTEN
from tests.pages.schema_page import sections

_REGISTRY = """# The registry's files

One YAML file in `customers/` describes one customer; how to add one is in [onboarding](onboarding.md).
Editors complete and check the files by [`customers/schema.json`](../customers/schema.json), of which this
page is the readable form. `mft-ops check` also checks what no schema can say: that ids, hosts and
addresses are nobody else's, that routes name destinations, that keys are keys. A field that is not listed
here is refused.

"""

_MESSAGES = """# Receipts and notices

A customer's topic carries two kinds of messages, each one JSON object: a **receipt** for each submission
whose fate is decided, and a **notice** when a region is out. `outcome` tells them apart. A topic's
subscribers get them in Amazon SNS's envelope unless raw delivery is set; the [SDK](sdk.md) takes both.

The JSON Schemas are [receipt.json](schemas/receipt.json) and [notice.json](schemas/notice.json). They are
made from the types by which the program writes the messages; tests check every message of a drill, of a
simulated schedule and of the tests against these types. A receipt may arrive twice, and a later one of
the same transfer replaces an earlier one.

"""


def formats() -> dict[str, str]:
    """Return the pages and schemas by their paths below docs/."""
    written = {
        f"schemas/{name}.json": json.dumps(published_messages.schema(name), indent=2, ensure_ascii=False)
        + "\n"
        for name in published_messages.TYPES
    }
    messages = [WRITTEN, _MESSAGES.rstrip(), ""]
    for name in published_messages.TYPES:
        schema = published_messages.schema(name)
        messages += [f"## {name.capitalize()}\n", f"{schema['description']}\n", *sections(schema, level=3)]
    registry = [WRITTEN, _REGISTRY.rstrip(), "", "## Customer\n", *sections(registry_schema())]
    return {"messages.md": _joined(messages), "registry.md": _joined(registry), **written}


def _joined(parts: list[str]) -> str:
    return "\n".join(parts).rstrip() + "\n"
