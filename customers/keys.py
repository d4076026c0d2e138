"""OpenSSH public keys, parsed and checked completely. Standard library only."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

#: For each ECDSA key type, the curve's name in the key and the length of an uncompressed point (RFC 5656).
_CURVES = {
    "ecdsa-sha2-nistp256": (b"nistp256", 65),
    "ecdsa-sha2-nistp384": (b"nistp384", 97),
    "ecdsa-sha2-nistp521": (b"nistp521", 133),
}
TYPES = ("ssh-rsa", *_CURVES, "ssh-ed25519")
RSA_BITS = 2048
#: https://docs.aws.amazon.com/transfer/latest/APIReference/API_ImportSshPublicKey.html
_LINE_LIMIT = 2048


class KeyRefusedError(ValueError):
    """A text that is not an acceptable public key. The message never repeats the text."""


@dataclass(frozen=True)
class PublicKey:
    """A public key without its comment, which often names a person or a machine."""

    type: str
    blob: str

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        """Return the key in a line `type base64 [comment]`; KeyRefusedError for any other text."""
        if "\n" in line.strip():
            raise KeyRefusedError("is more than one line; write one public key per list item")
        words = line.split(None, 2)
        if not words or words[0] not in TYPES:
            raise KeyRefusedError(f"is not a public key; its line begins with one of {', '.join(TYPES)}")
        if len(words) == 1:
            raise KeyRefusedError(f"has nothing after {words[0]!r}; paste the whole line of the .pub file")
        key = cls(words[0], words[1])
        if len(f"{key}") > _LINE_LIMIT:
            raise KeyRefusedError(f"is longer than {_LINE_LIMIT} characters; use a shorter RSA key, or ECDSA")
        _check(key.type, _decoded(key.blob))
        return key

    def __str__(self) -> str:
        """Return the line, without a comment."""
        return f"{self.type} {self.blob}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _decoded(blob: str) -> bytes:
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        raise KeyRefusedError("is damaged: its second word is not base64; paste the line again") from None
    # Base64 can have unused bits at its end. A key must have only one spelling, or it could be listed twice.
    if base64.b64encode(data).decode() != blob:
        raise KeyRefusedError("is damaged: its base64 ends wrongly; paste the line again")
    return data


def _check(type: str, data: bytes) -> None:
    """Raise KeyRefusedError unless `data` is a complete key of `type`.

    Formats: RFC 4253 section 6.6, RFC 5656, RFC 8709.
    """
    fields = _fields(data)
    if not fields or fields[0] != type.encode():
        raise KeyRefusedError(f"is labelled {type!r} but is a key of another type; paste the line again")
    if type == "ssh-rsa":
        _check_rsa(fields[1:])
    elif type == "ssh-ed25519":
        if [len(field) for field in fields[1:]] != [32]:
            raise KeyRefusedError("is damaged: an ed25519 key has 32 bytes; paste the line again")
    else:
        curve, length = _CURVES[type]
        if len(fields) != 3 or fields[1] != curve or len(fields[2]) != length or fields[2][0] != 4:
            raise KeyRefusedError(f"is damaged: not a point of {curve.decode()}; paste the line again")


def _check_rsa(numbers: list[bytes]) -> None:
    # An mpint is as short as possible, and its first bit is its sign (RFC 4251 section 5).
    sound = len(numbers) == 2 and all(n and n[0] < 0x80 and (n[0] or n[1:2] >= b"\x80") for n in numbers)
    if not sound:
        raise KeyRefusedError("is damaged: an RSA key has two positive numbers; paste the line again")
    exponent, modulus = (int.from_bytes(number) for number in numbers)
    if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0:
        raise KeyRefusedError("is damaged: its numbers are not an RSA key; paste the line again")
    if modulus.bit_length() < RSA_BITS:
        raise KeyRefusedError(
            f"is an RSA key of {modulus.bit_length()} bits; at least {RSA_BITS} are needed, make a new key"
        )


def _fields(data: bytes) -> list[bytes]:
    """Return the length-prefixed strings that `data` consists of."""
    fields = []
    while data:
        length = int.from_bytes(data[:4])
        if len(data) < 4 + length or len(data) < 4:
            raise KeyRefusedError("is cut short; paste the whole line of the .pub file")
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields
