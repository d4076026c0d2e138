"""A registry of many customers over several cells, of which one customer has very many routes."""

from __future__ import annotations

import re
from pathlib import Path

import asyncssh

from local import program

_SAMPLE = program.ROOT / "local" / "drill" / "newcomer.yaml"
CELLS = ("1", "2", "3")
#: Every so manyth customer is not in service yet: a zone has names for some 800.
_WAITING = 5


def write(folder: Path, count: int, *, routes: int) -> None:
    """Write `count` customers below a folder, and the stack files of three cells beside them."""
    (folder / "customers").mkdir(parents=True)
    sample = _SAMPLE.read_text()
    for number in range(count):
        id = f"b{number:05d}"
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
        text = sample.replace("n3w0k", id).replace("partner-n", f"partner-{id}")
        text = text.replace("The drill's newcomer", f"Customer {number}")
        network = f"    source_cidrs: [{11 + number // 256}.{number % 256}.0.0/25]"
        text = re.sub(r" +source_cidrs: .*", f"  {network}", text)
        text = re.sub(r"- ecdsa-sha2-nistp256 \S+", f"- {key}", text, count=1)
        text += f'cell: "{CELLS[number % len(CELLS)]}"\nfailover:\n  health_check: cell\n'
        if number % _WAITING == 0:
            text = text.replace("lifecycle: active", "lifecycle: onboarding")
        if number == 1:
            more = "".join(
                f"  - match: sftp/{id}-daily/f{n}-*\n    to: [inbox, lake]\n" for n in range(routes - 2)
            )
            text = re.sub(r"  - match: sftp/\S+-daily/\*\*\n    to: \[inbox, lake\]\n", more, text)
        (folder / "customers" / f"{id}.yaml").write_text(text)
    for cell in CELLS:
        for side in ("west", "east"):
            text = (program.ROOT / f"Pulumi.gov-{side}.yaml").read_text()
            text = text.replace('mft:cell: "1"', f'mft:cell: "{cell}"')
            text = text.replace('mft:groupRuleQuota: "60"', 'mft:groupRuleQuota: "200"')
            suffix = "" if cell == "1" else f"-{cell}"
            (folder / f"Pulumi.gov-{side}{suffix}.yaml").write_text(text)
