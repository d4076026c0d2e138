"""The command lines of all verbs: alike in options, metavars, help and messages about credentials."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import typer.testing

import ops.__main__
from local.aws.emulator import ROOT
from ops.plan import COMMAND
from tests.ops.conftest import WESTERN, Place

METAVARS = {
    *("CUSTOMER", "REGION", "TRANSFER", "DESTINATION", "FILE", "FOLDER", "DIGEST", "TEXT", "SENTENCE"),
    *("TIME", "LENGTH", "MINUTES", "GLOB", "STATE", "REVISION", "COUNT", "QUEUE", "N/s"),
    *("NUMBER", "NAME", "SIDE", "NETWORK", "ARN", "URL", "TARGET", "ID"),
}
WIDTH = 80
#: Verbs that carry out a plan with --apply; `takeover` needs no digest, and `replay` has a verb for it.
ACTING = ("accept", "evacuate", "force-in", "gaps", "notice", "rehome", "release", "restore", "shift")
ACTING += ("cell", "redrive", "takeover")


def verbs() -> Iterator[tuple[str, ...]]:
    """Yield the words that name each verb."""
    for name, command in sorted(typer.main.get_command(ops.__main__.app).commands.items()):
        if subcommands := getattr(command, "commands", None):
            yield from ((name, each) for each in sorted(subcommands))
        else:
            yield (name,)


VERBS = list(verbs())


def parameters(verb: tuple[str, ...]) -> list[typer.core.TyperOption | typer.core.TyperArgument]:
    command = typer.main.get_command(ops.__main__.app)
    for word in verb:
        command = command.commands[word]
    return command.params


def options(verb: tuple[str, ...]) -> set[str]:
    return {name for each in parameters(verb) for name in (*each.opts, *each.secondary_opts)}


def helped(monkeypatch: pytest.MonkeyPatch, *verb: str) -> str:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    runner = typer.testing.CliRunner()
    done = runner.invoke(ops.__main__.app, [*verb, "--help"], prog_name=COMMAND)
    assert done.exit_code == 0
    return done.stdout


def paragraphs(text: str) -> list[list[str]]:
    """Return the paragraphs of a description, between the usage and the lists of arguments and options."""
    described = re.split(r"\n(?:Arguments|Options):\n", text.partition("\n\n")[2])[0]
    return [paragraph.splitlines() for paragraph in described.strip("\n").split("\n\n")]


def test_all_verbs_are_looked_at():
    assert {verb[0] for verb in VERBS} >= {*ACTING, "audit", "check", "ready", "replay", "status", "trace"}
    assert {verb for verb in VERBS if len(verb) == 2} == {
        ("audit", "verify"),
        ("cell", "move"),
        ("replay", "apply"),
        ("replay", "plan"),
    }


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_has_an_example_and_wraps_once(verb, monkeypatch):
    text = helped(monkeypatch, *verb)
    assert all(len(line) <= WIDTH for line in text.splitlines())
    *_, example = paragraphs(text)
    assert " ".join(map(str.strip, example)).startswith(f"Example: {COMMAND} {' '.join(verb)}")
    for lines in paragraphs(text):
        for line, following in itertools.pairwise(lines):
            # Click leaves two columns free.
            assert len(line) + 1 + len(following.split()[0]) > WIDTH - 2, f"{line!r} was wrapped before"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_example_is_a_command_line_of_the_verb(verb, monkeypatch):
    *_, example = paragraphs(helped(monkeypatch, *verb))
    words = " ".join(example).split(f"{' '.join(verb)} ")[1].split()
    assert {word for word in words if word.startswith("--")} <= options(verb)


def test_the_list_of_verbs_has_whole_sentences(monkeypatch):
    text = helped(monkeypatch)
    assert "..." not in text.partition("\n")[2]
    assert all(len(line) <= WIDTH for line in text.splitlines())


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_options_and_metavars_are_alike(verb):
    assert "--json" in options(verb)
    assert not {"--format", "--out-of"} & options(verb)
    for each in parameters(verb):
        if each.name not in (
            "help",
            *(flag.name for flag in parameters(verb) if getattr(flag, "is_flag", 0)),
        ):
            assert each.metavar in METAVARS, f"{each.name}: {each.metavar}"
    by_metavar = {(each.metavar, each.opts[0]) for each in parameters(verb)}
    assert {name for metavar, name in by_metavar if metavar == "DIGEST"} <= {"--digest"}
    assert {name for metavar, name in by_metavar if metavar == "TEXT"} <= {"--reason"}
    assert {name for metavar, name in by_metavar if metavar == "REGION"} <= {"--region", "--to", "region"}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_customers_are_arguments_where_a_verb_acts_on_them(verb):
    """Where a verb's argument is one file, customers are an option."""
    named = {each.opts[0] for each in parameters(verb) if each.metavar == "CUSTOMER"}
    if verb[0] in ("trace", "release"):
        assert named == {"--customer"}
    elif verb in (
        ("check",),
        ("console",),
        ("new",),
        ("status",),
        ("evacuate",),
        ("force-in",),
        ("redrive",),
        ("restore",),
        ("takeover",),
        ("replay", "apply"),
    ):
        assert named == set()
    else:
        assert named <= {"customer", "customers"}
        assert named


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_reason_goes_with_apply(verb):
    """`replay apply` needs no `--apply`: its name says it."""
    assert ("--reason" in options(verb)) == ("--apply" in options(verb) or verb == ("replay", "apply"))
    assert ("--apply" in options(verb)) == (verb[0] in ACTING)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("evacuate", WESTERN), "a --reason"),
        (("restore", WESTERN), "a --reason"),
        (("shift", "c7k2m", "--back"), "a --reason"),
        (("rehome", "c7k2m", "--to", WESTERN), "a --reason"),
        (("gaps", "--repair"), "a --reason"),
        (("notice", "--all"), "a --reason"),
        (("release", "20260131T180000Z-0123456789abcdef0123", "--resend"), "a --reason"),
        (("takeover", WESTERN), "a --reason"),
        (("redrive", WESTERN), "a --reason"),
        (("accept", "c7k2m", "--key", "c7k2m.key"), "a --reason"),
        (("cell", "move", "c7k2m", "--to", "2"), "a --reason"),
    ],
)
def test_apply_without_a_reason_exits_2_and_makes_no_call(place, words, missing):
    digest = ("--digest", "0123456789ab") if words[0] != "takeover" else ()
    result = place.ops(*words, "--apply", *digest)
    assert (result.code, missing in result.err) == (2, True)
    assert place.relay.calls == []


# --- Errors that fit the verb ------------------------------------------------------------------------

ALL = [
    ("audit", "verify"),
    ("console", "--export", "console"),
    ("evacuate", WESTERN),
    ("gaps",),
    ("notice", "--all"),
    ("ready",),
    ("replay", "plan", "c7k2m"),
    ("restore", WESTERN),
    ("status",),
    ("takeover", WESTERN),
    ("trace", "inbound/sdk/a.csv"),
    ("release", "20260131T180000Z-0123456789abcdef0123", "--resend"),
]


@pytest.fixture
def place_with_registry(place: Place) -> Place:
    shutil.copytree(ROOT / "customers", place.root / "customers", ignore=shutil.ignore_patterns("*.py"))
    for side in ("east", "west"):
        place.write(side, healthCheckQuota=200)
    return place


@pytest.fixture
def anonymous(place_with_registry: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A shell in which nobody has given credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    return place_with_registry


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_without_credentials_every_verb_says_how_to_give_some(anonymous, words):
    result = anonymous.ops(*words)
    assert (result.code, result.line) == (
        1,
        "there are no usable AWS credentials: Unable to locate credentials; give some: set AWS_PROFILE, or"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN where they are temporary)",
    )
    assert anonymous.relay.calls == []


@pytest.mark.parametrize("words", [("gaps",), ("trace", "a"), ("evacuate", WESTERN)], ids=" ".join)
def test_a_refused_permission_names_the_remedy(place, words):
    place.relay.expired = {"us-gov": "AccessDenied"}
    result = place.ops(*words)
    assert result.code == 1
    assert result.line.startswith("the credentials do not permit this: An error occurred (AccessDenied)")
    assert "use credentials that do, and run the same command again" in result.line
    assert "AWS_PROFILE" not in result.line


def test_a_silent_region_is_not_reported_as_a_problem_of_credentials(place):
    place.relay.closed = {"us-gov"}
    result = place.ops("gaps")
    assert result.code == 1
    assert result.line.startswith("no region can be looked at: us-gov-east-1: it does not answer: ")
    assert "credentials" not in result.line


def test_messages_print_commands_as_operators_type_them():
    """`python -m ops` goes on working, but no message suggests it."""
    packages = ("components", "customers", "ops", "runtime")
    found = {
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if "python -m ops" in path.read_text()
    }
    assert found == {"ops/__init__.py"}
