"""Every command of the Pulumi CLI in a message or on a page names its stack, that of the right region.

Without `--stack` a command works on whichever stack is selected, which may be the other region's. Decisions
(docs/adr) speak of commands and give none to be run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".gitlab-ci.yml"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("Pulumi*.yaml"),
        *(ROOT / ".ci").iterdir(),
        *(ROOT / ".github").rglob("*.yml"),
    ]
)
MODULES = sorted(
    path for room in ("components", "customers", "local", "ops") for path in (ROOT / room).rglob("*.py")
)

#: `pulumi login` concerns no stack, and `pulumi stack init` is given the stack's name.
COMMAND = re.compile(
    r"pulumi (?:up|update|preview|destroy|refresh|import|state|cancel|watch|config|stack (?!init))[^`\n;|&)]*"
)
SIDE = re.compile(r"\buse (west|east)\b|us-gov-(west|east)-1")


def faults(text: str) -> Iterator[str]:
    """Yield the commands in a text that name no stack, or one of another region than their line names."""
    for line in text.replace("\\\n", " ").splitlines():
        sides = {west or east for west, east in SIDE.findall(line)}
        for command in COMMAND.findall(line):
            stack = re.search(r"--stack (gov-(\w+)|\S+)", command)
            if not stack or (sides and stack[2] and stack[2] not in sides):
                yield command


def strings(module: Path) -> Iterator[str]:
    """Yield the texts in a module that may be printed: of docstrings, only those that are a verb's help."""
    tree = ast.parse(module.read_text())
    spoken = "commands" in module.parts
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    docstrings = {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
    docstrings |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # of attributes
    pieces = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_silent = id(node) in pieces or (id(node) in docstrings and not spoken)
            yield "" if is_silent else node.value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_names_its_stack(page: Path) -> None:
    assert list(faults(page.read_text())) == []


def test_every_command_of_a_message_names_its_stack() -> None:
    texts = {module: list(strings(module)) for module in MODULES}
    assert sum(bool(COMMAND.search(each)) for some in texts.values() for each in some) > 4
    assert [
        f"{module}: {fault}" for module in MODULES for each in texts[module] for fault in faults(each)
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "run `pulumi up` on gov-west",
        "use east; pulumi up --refresh --stack gov-west",
        '--region us-gov-west-1 "$(pulumi stack output alerts --stack gov-east)"',
        "pulumi config set mft:zone ZONE",
    ],
)
def test_a_command_without_its_stack_is_found(text: str) -> None:
    assert len(list(faults(text))) == 1
