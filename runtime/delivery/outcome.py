"""The result of a successful delivery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A file that is at its destination under its final name.

    `sha256` is the hash of the source's bytes in hex, `size` is in bytes, and `path` is a path on the server
    or `s3://bucket/key`. `sent` is False if the file was found there already and nothing was sent. `left`
    are the paths of files that the server did not remove when asked: older content, or parts of this one.
    """

    sha256: str
    size: int
    path: str
    sent: bool = True
    left: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the partner has to do although the file has arrived; empty if nothing."""
        if not self.left:
            return ""
        return (
            f"the server did not remove {', '.join(self.left)}; ask the partner to remove that, and to let"
            " this login remove files"
        )
