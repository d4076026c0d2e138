"""The house rules: which package may import which, and what may stand in no file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("components", "customers", "runtime", "local", "ops")
AWS = {"boto3", "botocore", "s3transfer"}
PULUMI = {"pulumi", "pulumi_aws"}

#: What a package may not import, of ours and of others.
FORBIDDEN = {
    "runtime": {"customers", "components", "ops", "local", "yaml", "pydantic"} | PULUMI,
    "customers": {"components", "ops", "local"} | PULUMI | AWS,
    "components": {"ops", "local"} | AWS,
    "ops": {"components", "local"} | PULUMI,
}
#: What of `runtime` the pure packages may use.
OF_RUNTIME = {
    "customers": {"runtime.contract", "runtime.patterns", "runtime.timing"},
    "components": {"runtime.contract", "runtime.timing"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, whole (`runtime.contract`)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            below = {f"{module}.{alias.name}" for alias in node.names}
            modules = {name for name in below if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()}
            found |= modules or {module}
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_flow_one_way(package: str) -> None:
    for path in sources(package):
        for module in imported(path):
            assert module.split(".")[0] not in FORBIDDEN[package], (
                f"{path.relative_to(ROOT)} imports {module}"
            )
            if package in OF_RUNTIME and module.split(".")[0] == "runtime":
                allowed = OF_RUNTIME[package]
                assert module in allowed, f"{path.relative_to(ROOT)} imports {module}, not one of {allowed}"


@pytest.mark.parametrize("name", ["contract", "timing"])
def test_what_all_share_imports_the_standard_library_only(name: str) -> None:
    for module in imported(ROOT / f"runtime/{name}.py"):
        assert module.split(".")[0] in sys.stdlib_module_names, module


def test_nothing_but_tests_imports_local() -> None:
    for package in ("components", "customers", "runtime", "ops"):
        assert not [path for path in sources(package) if "local" in {m.split(".")[0] for m in imported(path)}]


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("runtime.deliverer", PULUMI | {"yaml", "pydantic", "customers", "components", "local"}),
        ("customers.registry", PULUMI | AWS | {"components", "local"}),
        ("runtime.contract", PULUMI | AWS | {"yaml", "asyncssh"}),
        ("local.program", {"ministack"}),
    ],
)
def test_what_is_loaded_in_truth(module: str, never: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & never


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return [path for name in listing.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_no_file_names_another_partition() -> None:
    wrong = "arn:" + "aws:"
    found = [
        path for path in tracked() if path.suffix in (".py", ".yaml", ".json") and wrong in path.read_text()
    ]
    assert not found, "in GovCloud it names nothing"


def test_the_program_fits_on_a_page_and_modules_on_a_few() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 50
    long = {
        str(path.relative_to(ROOT)): lines
        for package in PACKAGES
        for path in sources(package)
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long


def test_every_component_registers_its_outputs_last() -> None:
    for path in sources("components"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or not any(
                "ComponentResource" in ast.unparse(b) for b in node.bases
            ):
                continue
            init = next(each for each in node.body if getattr(each, "name", "") == "__init__")
            assert ast.unparse(init.body[-1]).startswith("self.register_outputs("), (
                f"{path.name}: {node.name}"
            )


def test_stack_files_hold_no_customer_and_no_secret() -> None:
    for stack in ("gov-west", "gov-east"):
        text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
        assert not re.search(r"PRIVATE KEY|customer[s]?:", text)
