"""The house rules: which package may import which, and what no file may contain."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("components", "customers", "runtime", "local", "ops")
#: The senders' SDK and tool, a distribution of its own.
CLIENT = "mft_client"
AWS = {"boto3", "botocore", "s3transfer"}
PULUMI = {"pulumi", "pulumi_aws"}

#: What a package may not import, of ours and of others.
FORBIDDEN = {
    "runtime": {"customers", "components", "ops", "local", "yaml", "pydantic", "dns", CLIENT} | PULUMI,
    "customers": {"components", "ops", "local", CLIENT} | PULUMI | AWS,
    "components": {"ops", "local", CLIENT} | AWS,
    "ops": {"components", "local", CLIENT} | PULUMI,
    CLIENT: {*PACKAGES, "yaml", "pydantic", "asyncssh"} | PULUMI,
}
#: What of `runtime` the pure packages may use.
OF_RUNTIME = {
    "customers": {
        "runtime.canary_legs",
        "runtime.contract",
        "runtime.limits",
        "runtime.pace",
        "runtime.patterns",
        "runtime.temporary_names",
        "runtime.timing",
    },
    "components": {
        "runtime.canary_legs",
        "runtime.contract",
        "runtime.environment",
        "runtime.metric_names",
        "runtime.timing",
    },
}

#: The rooms of a package, each with the rooms that it may use; `*` is what belongs to no room.
ROOMS = {
    "local": {
        "*": set(),
        "aws": {"*"},
        "dns": {"*"},
        "sftp": {"*"},
        "preview": {"*"},
        "external_parties": {"*", "aws", "sftp"},
        "empty_aws": {"*", "aws"},
        "world": {"*", "aws", "dns", "sftp", "external_parties"},
        "neighbour": {"*", "dns", "world"},
        "levers": {"*", "world"},
        "ways_in": {"world", "levers"},
        "drill": {"*", "aws", "dns", "sftp", "world", "neighbour"},
        "load": {"*", "aws", "sftp", "world", "drill"},
        "cli": {"*", "aws", "sftp", "preview", "world", "drill"},
        "__main__": {"*", "empty_aws", "world", "levers", "ways_in", "preview", "drill", "load", "cli"},
    },
    "ops": {
        "*": set(),
        "dns": {"*"},
        "recovery": {"*"},
        "audit": {"*", "recovery"},
        "health": {"*", "dns", "recovery"},
        "failover": {"*", "dns", "recovery", "health"},
        "acceptance": {"*", "dns", "recovery", "health", "failover"},
        "onboarding": {"*", "recovery", "health"},
        "cell_moves": {"*", "dns", "recovery", "health", "failover", "onboarding"},
        "handout": {"*", "health"},
        "console": {"*", "recovery", "health"},
        "commands": {
            "*",
            "dns",
            "recovery",
            "audit",
            "health",
            "failover",
            "acceptance",
            "onboarding",
            "cell_moves",
            "handout",
            "console",
        },
        "__main__": {"*", "commands"},
    },
    CLIENT: {"*": set(), "commands": {"*"}, "__main__": {"*", "commands"}},
}


def home_of(package: str) -> Path:
    """Return the folder in which a package is."""
    return ROOT / "client" if package == CLIENT else ROOT


def sources(package: str) -> list[Path]:
    return sorted((home_of(package) / package).rglob("*.py"))


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
            home = home_of(module.split(".")[0])
            modules = {name for name in below if (home / name.replace(".", "/")).with_suffix(".py").exists()}
            found |= modules or {module}
    return found


def module_of(path: Path) -> str:
    """Return the dotted name of a file; a package's own for its `__init__.py`."""
    home = home_of(CLIENT) if path.is_relative_to(home_of(CLIENT)) else ROOT
    return ".".join(path.relative_to(home).with_suffix("").parts).removesuffix(".__init__")


def file_of(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def packages_of(module: str) -> set[str]:
    """Return the packages that a module is in: importing it imports them."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


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


def room_of(module: str) -> str:
    """Return the room of a module in a package with rooms; `*` for a module outside of them."""
    package, name = module.split(".")[:2]
    return name if name in ROOMS[package] else "*"


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_uses_only_the_rooms_below_it(package: str) -> None:
    below: set[str] = set()
    for room, uses in ROOMS[package].items():
        assert uses <= below, f"{room} is listed before a room that it uses: the order has a circle"
        below.add(room)
    for path in sources(package):
        module = module_of(path)
        room = room_of(f"{module}.")
        for other in imported(path):
            if other.startswith(f"{package}.") and room_of(other) != room:
                assert room_of(other) in ROOMS[package][room], f"{module} imports {other}"


@pytest.mark.parametrize("package", [*PACKAGES, CLIENT])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    graph = {module_of(path): imported(path) for path in sources(package)}
    try:
        TopologicalSorter({name: others & graph.keys() - {name} for name, others in graph.items()}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_every_module_in_the_lambda_bundle_is_reached_from_a_handler() -> None:
    """What ships is what runs: what only operators use is theirs, in `ops`."""
    shipped = {module_of(path) for path in sources("runtime")}
    reached: set[str] = set()
    waiting = {module for module in shipped if module.startswith("runtime.handlers.")}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= ((imported(file_of(module)) | packages_of(module)) & shipped) - reached
    assert not shipped - reached


@pytest.mark.parametrize(
    "name", ["canary_legs", "contract", "environment", "metric_names", "name_segments", "timing"]
)
def test_shared_modules_import_the_standard_library_only(name: str) -> None:
    for module in imported(ROOT / f"runtime/{name}.py") - {"runtime.contract"}:
        assert module.split(".")[0] in sys.stdlib_module_names, module


def test_the_distribution_of_the_senders_needs_what_it_says() -> None:
    project = tomllib.loads((home_of(CLIENT) / "pyproject.toml").read_text())["project"]
    stated = {re.split(r"[^a-z0-9]", each)[0] for each in project["dependencies"]}
    optional = {re.split(r"[^a-z0-9]", each)[0] for each in project["optional-dependencies"]["web"]}
    assert stated == {"boto3", "dnspython", "rich", "typer"}
    for path in sources(CLIENT):
        loaded = {module.split(".")[0] for module in imported(path)} - sys.stdlib_module_names - {CLIENT}
        needed = {{"dns": "dnspython", "botocore": "boto3"}.get(name, name) for name in loaded}
        assert needed <= stated | (optional if path.name == "signatures.py" else set()), path.name


def test_nothing_but_tests_imports_local() -> None:
    for package in ("components", "customers", "runtime", "ops"):
        assert not [path for path in sources(package) if "local" in {m.split(".")[0] for m in imported(path)}]


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("runtime.deliverer", PULUMI | {"yaml", "pydantic", "customers", "components", "local"}),
        ("customers.registry", PULUMI | AWS | {"components", "local"}),
        ("runtime.contract", PULUMI | AWS | {"yaml", "asyncssh"}),
        ("mft_client", PULUMI | {"yaml", "pydantic", "asyncssh", "cryptography", "typer", *PACKAGES}),
        ("local.program", {"ministack"}),
    ],
)
def test_what_is_actually_loaded(module: str, never: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(home_of(module))},
        check=True,
    )
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
        for package in (*PACKAGES, CLIENT)
        for path in sources(package)
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long


def test_types_are_checked_of_every_service_that_the_program_uses() -> None:
    """Modules of the provider that pyproject.toml does not list are not read, and all of them is Any."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    read = {
        name.split(".")[1]
        for each in settings
        if each.get("follow_imports") == "normal"
        for name in each["module"]
        if name.endswith(".*")
    }
    used = {
        node.attr
        for path in (ROOT / "__main__.py", *sources("components"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aws"
    }
    assert {name for name in used if not name[0].isupper()} == read, "tool.mypy.overrides in pyproject.toml"


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
