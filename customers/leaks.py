"""Secrets that were pasted into a file of the registry. A finding is described, never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORDS = (
    r"password|passwd|passphrase|passcode|pwd|private[_-]?key|secret[_-]?(access[_-]?)?key|secret[_-]?value"
    r"|access[_-]?key[_-]?id|api[_-]?key|auth[_-]?token|session[_-]?token|access[_-]?token|credentials?"
)
_LEAKS = (
    (re.compile(r"-----BEGIN[A-Z0-9 ]* PRIVATE KEY"), "a private key"),
    (re.compile(r"PuTTY-User-Key-File-\d"), "a private key"),
    # The base64 at the beginning of OpenSSH's and RSA's private keys: a paste without its first line.
    (re.compile(r"b3BlbnNzaC1rZXktdjE|\bMII[A-Za-z0-9+/]{3}IBA[AD]"), "a private key"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "an AWS access key"),
    (
        re.compile(r"(?<![\w/+=])(?=\S*[a-z])(?=\S*[A-Z])(?=\S*[0-9])[A-Za-z0-9/+]{40}(?![\w/+=])"),
        "an AWS secret access key",
    ),
    (re.compile(rf"(?i)(?<![a-z])([\w.-]*[_.-])?({_WORDS})[\"']?\s*(:(?=\s|$)|=)"), "a password or key"),
    (re.compile(r"://[^\s/@:]*:[^\s/@]+@"), "a password in an address"),
)

_PUBLIC_KEY = re.compile(r"\b(ssh-(rsa|ed25519)|ecdsa-sha2-nistp[0-9]{3})\s+AAAA[A-Za-z0-9+/]")
#: Private keys are found by their beginning, which is never the rest of a public key.
_BASE64 = re.compile(r"\s*(?!b3BlbnNzaC|MII)[A-Za-z0-9+/]+={0,2}\s*")


def leaks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line that seems to contain a secret, and the kind of secret."""
    in_key = False
    for number, line in enumerate(text.splitlines(), start=1):
        # The rest of a public key that was folded over several lines looks like a secret access key.
        folded = in_key and bool(_BASE64.fullmatch(line))
        in_key = folded or bool(_PUBLIC_KEY.search(line))
        for pattern, what in () if folded else _LEAKS:
            if pattern.search(line):
                yield number, what
                break
