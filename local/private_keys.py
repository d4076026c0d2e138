"""New private keys for the stack's settings, for the local world and as placeholders in plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import asyncssh

_MAKE: Mapping[str, Callable[[], asyncssh.SSHKey]] = {
    "hostKeyRsa": lambda: asyncssh.generate_private_key("ssh-rsa", key_size=3072),
    "hostKeyEcdsa": lambda: asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
    "canaryKey": lambda: asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
}

#: The settings that are private keys.
SETTINGS = tuple(_MAKE)


def new(setting: str) -> asyncssh.SSHKey:
    """Return a new key for a setting, one of `components.settings.PRIVATE_KEYS`; KeyError for any other."""
    return _MAKE[setting]()


def pem(key: asyncssh.SSHKey) -> str:
    """Return the text of a private key as `ssh-keygen -m PEM` writes it."""
    return key.export_private_key("pkcs1-pem").decode()


def placeholders(keys: set[str]) -> dict[str, str]:
    """Return a value for each secret setting, named with its prefix: a new key, or a text."""
    return {
        key: pem(new(key.removeprefix("mft:")))
        if key.removeprefix("mft:") in _MAKE
        else f"placeholder of {key}"
        for key in sorted(keys)
    }
