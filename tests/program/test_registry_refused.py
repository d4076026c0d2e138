"""A broken registry stops the program before any resource, with file, line, value and remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local import program
from local.program import ProgramError
from tests.program.conftest import RUNTIME, SECRETS, ask


def test_nothing_is_made_of_a_registry_with_a_broken_file(tmp_path: Path) -> None:
    customers = tmp_path / "customers"
    shutil.copytree(
        program.ROOT / "customers", customers, ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    broken = customers / "agency-a.yaml"
    text = broken.read_text().replace("primary: west", "primary: wst").replace("receipts:", "reciepts:")
    broken.write_text(text)
    lines = text.splitlines()
    made: list[str] = []
    config = {**program.stack_config("gov-west"), "mft:lambdaRuntime": RUNTIME}
    with pytest.raises(ProgramError) as refused:
        program.run(
            "gov-west",
            make=lambda resource: (made.append(resource.urn) or "id", {}),
            ask=ask,
            config=config,
            secrets=SECRETS,
            root=tmp_path,
        )
    said = str(refused.value)
    assert made == []
    assert f"agency-a.yaml:{lines.index('primary: wst') + 1}: primary: 'wst' is not one of east, west" in said
    assert f"agency-a.yaml:{lines.index('reciepts:') + 1}: reciepts" in said
