"""A folder whose files are sent when they are complete, each once."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mft_client.client import Client
from mft_client.content import SourceFile
from mft_client.errors import FileChangedError
from mft_client.submissions import Sent

#: How the temporary names of common writers end. Names that begin with a dot are temporary, too.
TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")

#: What is compared: the file's identity in its file system, its size, and its time of modification.
_Stamp = tuple[int, int, int, int]


class Folder:
    """The files below a folder.

    A file is complete when its size and time of modification have not changed for `quiet` seconds, as long as
    it has no temporary name. So a writer that pauses for longer needs a temporary name, and a rename at the
    end, which is how a file appears complete. Links are not followed.
    """

    def __init__(
        self,
        path: Path,
        client: Client,
        *,
        prefix: str = "",
        quiet: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A name at the platform is `prefix` and the path below the folder."""
        self._path, self._client, self._prefix, self._quiet, self._clock = path, client, prefix, quiet, clock
        self._seen: dict[Path, tuple[_Stamp, float]] = {}
        self._done: dict[Path, _Stamp] = {}

    def complete(self) -> Iterator[tuple[Path, str]]:
        """Yield the path and the name of each file that is to be sent now.

        Call `done` for a file that shall not be yielded again while it is as it is. OSError if the folder
        cannot be read.
        """
        found = dict(self._files())
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        self._done = {path: stamp for path, stamp in self._done.items() if found.get(path) == stamp}
        now = self._clock()
        for path, stamp in sorted(found.items()):
            if path in self._done:
                continue
            before, since = self._seen.get(path, (None, now))
            if before != stamp:
                self._seen[path] = (stamp, now)
            elif now - since >= self._quiet:
                name = f"{self._prefix}{path.relative_to(self._path).as_posix()}"
                try:
                    was_sent = self._was_sent(path, name, stamp)
                except FileChangedError:
                    continue  # looked at again
                if was_sent:
                    self.done(path)
                else:
                    yield path, name

    def done(self, path: Path) -> None:
        """Note that a file, as it was when it was yielded, needs nothing more."""
        self._done[path] = self._seen[path][0]

    def _files(self) -> Iterator[tuple[Path, _Stamp]]:
        for folder, folders, names in os.walk(self._path, onerror=_raise):
            folders[:] = [each for each in folders if not is_temporary(each)]
            for name in names:
                path = Path(folder, name)
                try:
                    found = path.lstat()
                except FileNotFoundError:
                    continue  # it was renamed or removed just now
                if stat.S_ISREG(found.st_mode) and not is_temporary(name):
                    yield path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _was_sent(self, path: Path, name: str, stamp: _Stamp) -> bool:
        """Return whether the file was acknowledged under this name, perhaps before a restart."""
        last = self._client.last(name)
        if not isinstance(last, Sent) or last.size != stamp[2]:
            return False
        if last.mtime_ns == stamp[3]:
            return True
        with SourceFile(path) as file:
            return file.measure().sha256 == last.sha256


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is not to be sent."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY)


def _raise(error: OSError) -> None:
    raise error
