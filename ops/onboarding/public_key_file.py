"""Public keys in files, as `ssh-keygen` and `ssh-keyscan` write them."""

from __future__ import annotations

from pathlib import Path

from customers.keys import KeyRefusedError, PublicKey
from customers.leaks import leaks
from ops.plan import RefusedError


def read_key(path: Path, option: str) -> str:
    """Return the public key in a file, `type base64` without its comment, which often names a person.

    Raises RefusedError, which names the `option` and the file, and never repeats what the file holds.
    """
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise RefusedError(f"{option}: {path} cannot be read: {reason}") from error
    if any(leaks(text)):
        raise RefusedError(f"{option}: {path} holds a secret; name the file of the public key, `*.pub`")
    try:
        return str(PublicKey.parse(text))
    except KeyRefusedError as error:
        raise RefusedError(f"{option}: {path}: {error}") from error
