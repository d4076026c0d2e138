"""What a change of the project would do to its stacks, by comparing the graphs of two revisions.

The program of each revision runs in a process of its own, with the code, registry and stack files of that
revision and a stand-in for AWS (`local.preview.recording_aws`). The base is unpacked into a temporary folder;
the git repository is only read.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import private_keys, program
from local.preview import recording
from local.preview.changes import Operation, ResourceChange, compare
from local.preview.replacement import REPLACES

WORKING_TREE = "the working tree"


class PreviewError(RuntimeError):
    """There can be no preview; the message says which revision is the reason, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The changes of each stack from a base to the working tree, and notes on them."""

    base: str
    commit: str
    stacks: Mapping[str, tuple[ResourceChange, ...]]
    notes: tuple[str, ...]

    @property
    def breaches(self) -> bool:
        """Whether a resource would go that the base protects."""
        return any(step.breaches for steps in self.stacks.values() for step in steps)


def make(
    base: str,
    *,
    stack: str | None = None,
    root: Path = program.ROOT,
    tell: Callable[[str], None] = lambda _: None,
) -> Preview:
    """Return the preview from a git revision to the project at `root`, for all of its stacks or one.

    `tell` is called with what is under way. Raises PreviewError if there is no such revision, or if the
    program of either revision refuses to run.
    """
    tell(f"unpacking {base}")
    commit = _commit(base, root)
    with tempfile.TemporaryDirectory(prefix="mft-plan-") as name:
        folder = Path(name)
        revisions = {f"{base} ({commit[:10]})": folder / "base", WORKING_TREE: root}
        _unpack(commit, base, root, folder / "base")
        held = {revision: set(recording.stacks_of(where)) for revision, where in revisions.items()}
        stacks = sorted(each for each in _in_all(held) if stack in (None, each))
        if not stacks:
            raise PreviewError(f"no stack to compare: {'; '.join(_apart(held)) or 'there is no stack file'}")
        secrets = {
            key
            for where in revisions.values()
            for each in stacks
            for key in recording.secrets_of(where, each)
        }
        (folder / _PLACEHOLDERS).write_text(json.dumps(private_keys.placeholders(secrets)))
        graphs = _run(revisions, stacks, folder, tell)
    steps = {each: compare(*(graph[each] for graph in graphs)) for each in stacks}
    notes = [*_apart(held), *_notes(secrets, steps)]
    return Preview(base=base, commit=commit, stacks=steps, notes=tuple(notes))


#: The file, beside the revisions, with the values that stand in for secret settings in both of them.
_PLACEHOLDERS = "placeholders.json"


def _commit(base: str, root: Path) -> str:
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if not found.returncode:
        return found.stdout.decode().strip()
    repository = _git(root, "rev-parse", "--git-dir")
    if repository.returncode:
        said = repository.stderr.decode().strip()
        raise PreviewError(f"{root} is not in a readable git repository; run this in a clone ({said})")
    raise PreviewError(f"{base!r} is not a revision of this repository; fetch it, or give another as --base")


def _unpack(commit: str, base: str, root: Path, folder: Path) -> None:
    """Write a commit's files into a folder; unlike a worktree, that leaves no trace in the repository."""
    packed = _git(root, "archive", "--format=zip", commit)
    if packed.returncode:
        raise PreviewError(f"git cannot unpack {base}: {packed.stderr.decode().strip()}")
    with zipfile.ZipFile(io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder)
    if not (folder / "__main__.py").is_file():
        raise PreviewError(f"{base} has no __main__.py here; give a revision that has the program as --base")


def _git(root: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(root), *command], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise PreviewError("git is not installed; a preview compares two git revisions") from error


def _run(
    revisions: Mapping[str, Path], stacks: Sequence[str], folder: Path, tell: Callable[[str], None]
) -> list[recording.Graphs]:
    """Run the programs of all revisions in parallel; return their graphs in the same order."""
    records = {revision: folder / f"{number}.json" for number, revision in enumerate(revisions)}
    runs: dict[str, subprocess.Popen[bytes]] = {}
    reading, writing = os.pipe()
    try:
        for revision, where in revisions.items():
            command = [
                sys.executable,
                "-m",
                recording.__name__,
                str(where),
                str(records[revision]),
                str(folder / _PLACEHOLDERS),
                *stacks,
            ]
            with records[revision].with_suffix(".log").open("wb") as said:
                # In a session of its own, so that Ctrl-C reaches only this process.
                runs[revision] = subprocess.Popen(  # noqa: S603
                    command, cwd=program.ROOT, stdout=writing, stderr=said, start_new_session=True
                )
        os.close(writing)
        total = len(revisions) * len(stacks)
        tell(f"running the program of both revisions, 0 of {total} graphs done")
        with os.fdopen(reading) as lines:
            for done, _ in enumerate(lines, start=1):
                tell(f"running the program of both revisions, {done} of {total} graphs done")
        for run in runs.values():
            run.wait()
    finally:
        for run in runs.values():
            run.kill()
            run.wait()
    refused = [
        f"{revision}:\n{records[revision].with_suffix('.log').read_text().strip()}"
        for revision, run in runs.items()
        if run.returncode
    ]
    if refused:
        raise PreviewError("\n\n".join(f"the program refuses to run in {each}" for each in refused))
    return [recording.load(record) for record in records.values()]


def _in_all(held: Mapping[str, set[str]]) -> set[str]:
    """Return the stacks that every revision has a file of."""
    first, *others = held.values()
    return first.intersection(*others)


def _apart(held: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield a note for each stack that only one revision has a file of."""
    for revision, stacks in held.items():
        for stack in sorted(stacks - _in_all(held)):
            yield f"{stack} is not compared: only {revision} has a file of that stack"


def _notes(secrets: set[str], steps: Mapping[str, tuple[ResourceChange, ...]]) -> Iterator[str]:
    if secrets:
        yield f"secrets are not compared: placeholders stood in for {', '.join(sorted(secrets))}"
    every = [step for each in steps.values() for step in each]
    if every:
        yield "ids, ARNs and generated names are made up here; AWS assigns others"
    for type in sorted({step.type for step in every if step.action is Operation.CHANGE} - REPLACES.keys()):
        yield f"it is not known here which changes replace a {type}; see `pulumi preview --stack STACK`"
