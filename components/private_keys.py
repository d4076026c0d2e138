"""The private keys in the settings: checked before any resource is made, and written as AWS takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)


class PrivateKeyError(ValueError):
    """A text is not the private key of a setting. The message never contains any part of the text."""


#: The command that makes a key for each setting. Transfer Family takes RSA and ECDSA keys only as PEM:
#: https://docs.aws.amazon.com/transfer/latest/APIReference/API_CreateServer.html (HostKey).
COMMANDS: Mapping[str, str] = {
    "hostKeyRsa": "ssh-keygen -q -t rsa -b 3072 -m PEM -N '' -f rsa",
    "hostKeyEcdsa": "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f ecdsa",
    "canaryKey": "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f canary",
}

_RSA, _ECDSA = "an RSA key", "an ECDSA key"
_NAMES = {"hostKeyRsa": _RSA, "hostKeyEcdsa": _ECDSA, "canaryKey": _ECDSA}

_RSA_BITS = range(2048, 4096 + 1)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


# To read an RSA key takes a tenth of a second, and a process may run the program again and again.
@cache
def normalized(setting: str, text: str) -> str:
    """Return the private key of a setting, one of COMMANDS, as PEM (PKCS#1 or SEC1) with a final newline.

    The text may be PEM or OpenSSH's own form, and may lack the final newline, which
    `pulumi config set < FILE` strips. Raises PrivateKeyError if it is not a private key, is encrypted, or is
    of a type or size that the setting does not take.
    """
    key = _parsed(text)
    match key:
        case rsa.RSAPrivateKey():
            found, size = _RSA, _rsa_fault(key)
        case ec.EllipticCurvePrivateKey():
            found, size = _ECDSA, _curve_fault(key)
        case _:
            raise PrivateKeyError(f"is not {_NAMES[setting]}")
    if found != _NAMES[setting]:
        raise PrivateKeyError(f"is {found}, not {_NAMES[setting]}")
    if size:
        raise PrivateKeyError(size)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def public(pem: str) -> str:
    """Return the public half of a key that `normalized` has returned, as OpenSSH writes it: `type base64`."""
    key = load_pem_private_key(pem.encode(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _parsed(text: str) -> object:
    """Return the key in a text; PrivateKeyError, without the parser's words, if there is none."""
    written = text.strip()
    if written.startswith(("ssh-rsa ", "ecdsa-sha2-", "-----BEGIN PUBLIC KEY")):
        raise PrivateKeyError("is a public key; the private key is needed")
    load: Callable[..., object] = load_pem_private_key
    if written.startswith("-----BEGIN OPENSSH PRIVATE KEY"):
        load = load_ssh_private_key
    try:
        return load(f"{written}\n".encode(), password=None)
    except TypeError:  # a password is needed
        raise PrivateKeyError("is encrypted with a passphrase; it is needed without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PrivateKeyError("is not a private key, or is damaged") from None


def _rsa_fault(key: rsa.RSAPrivateKey) -> str | None:
    if key.key_size in _RSA_BITS:
        return None
    return f"is an RSA key of {key.key_size} bits; Transfer Family takes {_RSA_BITS[0]} to {_RSA_BITS[-1]}"


def _curve_fault(key: ec.EllipticCurvePrivateKey) -> str | None:
    if key.curve.name in _CURVES:
        return None
    return f"is an ECDSA key on the curve {key.curve.name}; Transfer Family takes 256, 384 and 521 bits"
