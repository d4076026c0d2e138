"""Git revisions, and the files that they hold."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.plan import RefusedError


def commit_of(root: Path, revision: str) -> str:
    """Return the id of the commit that a revision names; RefusedError when it names no commit."""
    try:
        _git(root, "rev-parse", "--git-dir")
    except _GitError as error:
        raise RefusedError(f"{root}: git finds no repository here that it may read: {error}") from error
    try:
        words = ("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        return _git(root, *words).decode().strip()
    except _GitError as error:
        raise RefusedError(
            f"--base: {revision!r} is not a revision of this repository; fetch it, or name another, such as"
            " origin/main"
        ) from error


@contextmanager
def files_of(root: Path, commit: str, endings: Mapping[str, str]) -> Iterator[Path]:
    """Yield a temporary folder with folders below `root` as they are in a commit.

    `endings` maps each folder to the ending of the names of its files. A folder that the commit does not have
    is there, and empty.
    """
    there = _git(root, "ls-tree", "-z", "--name-only", commit, "--", *endings).decode().split("\0")[:-1]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for each in endings:
            (folder / each).mkdir()
        # Without a path the archive would hold the whole repository.
        archive = _git(root, "archive", "--format=tar", commit, "--", *there) if there else None
        if archive:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                for member in tar:
                    parent, _, file = member.name.rpartition("/")
                    if member.isfile() and file.endswith(endings.get(parent, "/")):
                        _extract(tar, member, folder / parent / file)
        yield folder


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None  # it is a file
    path.write_bytes(source.read())


class _GitError(RefusedError):
    """Git failed; the message is what it printed."""


def _git(root: Path, *words: str) -> bytes:
    """Return what a git command prints, run in `root`."""
    git = shutil.which("git")
    if git is None:
        raise RefusedError("git is not installed, and what is deployed is read from it; install git")
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([git, "-C", str(root), *words], capture_output=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise _GitError(" ".join(done.stderr.decode(errors="replace").split()))
    return done.stdout


def branches_with(root: Path, pattern: str, files: str) -> tuple[list[str], int]:
    """Return where branches, local ones and those fetched, hold a line that matches, and how many there are.

    `pattern` is an extended regular expression, and `files` a glob below `root`; each place is
    `branch:file`. RefusedError when git cannot be asked.
    """
    listed = _git(root, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes").decode()
    branches = [each for each in listed.split() if not each.endswith("/HEAD")]
    if not branches:
        return [], 0
    try:
        found = _git(root, "grep", "-l", "-E", "-e", pattern, *branches, "--", f":(glob){files}").decode()
    except _GitError as error:
        if str(error):
            raise
        return [], len(branches)  # git grep fails, and prints nothing, where nothing matches
    places = (each.removeprefix("refs/heads/").removeprefix("refs/remotes/") for each in found.splitlines())
    return sorted(places), len(branches)
