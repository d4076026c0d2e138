"""1,000 customers over three cells, one of them with 2,000 routes: the checks and the program take them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from customers.problems import RegistryError
from customers.registry import load
from ops.check import check
from tests.program import many_customers
from tests.program.conftest import record

MANY, ROUTES = 1_000, 2_000


@pytest.mark.exhaustive
def test_a_thousand_customers_over_three_cells(tmp_path: Path, dependencies: None) -> None:
    many_customers.write(tmp_path, MANY, routes=ROUTES)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.gov"]
    subprocess.run(
        ["git", *who, "commit", "--quiet", "--allow-empty", "-m", "none"], cwd=tmp_path, check=True
    )
    checked = check(tmp_path, "HEAD")
    assert (checked.customers, checked.refusals) == (MANY, ())
    graph = record("gov-west-2", root=tmp_path, cells=4)
    tenants = [each.name for each in graph.of("mft:tenant:Tenant")]
    assert tenants == [f"b{number:05d}" for number in range(MANY) if number % 3 == 1]
    (document,) = (
        each.inputs["content"]
        for each in graph.of("aws:s3/bucketObjectv2:BucketObjectv2")
        if each.name == "b00001-routing"
    )
    assert document.count('"match"') == ROUTES - 1


def test_problems_of_many_customers_are_capped_and_counted(tmp_path: Path) -> None:
    many_customers.write(tmp_path, 450, routes=3)
    registry = load(tmp_path / "customers")
    problems = registry.unserved({"1"})
    assert len(problems) == 300
    *lines, last = RegistryError(problems).lines
    assert lines == [str(each) for each in sorted(problems)[:200]]
    assert last == "100 more problems like these, in 100 files"
