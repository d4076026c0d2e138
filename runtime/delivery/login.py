"""A login at a partner's server, and why it failed, in words with which the partner can find the cause."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh

from runtime.delivery.answers import words
from runtime.delivery.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.target import SftpTarget


class Login(asyncssh.SSHClient):
    """Refuses every host key that is not pinned, logs in with one key, and notes what the server asks for.

    `offered` is the refused host key. `is_signed` tells that the server knows the client's key, because only
    then it asks for a signature (RFC 4252 section 7). `asked` are the other methods that it asks for.
    """

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self.offered, self.is_signed = "", False
        self.asked: list[str] = []
        self.key = named(key)
        self.keys = list(asyncssh.load_keypairs([key]))
        for pair in self.keys:
            self._watch(pair)

    def _watch(self, pair: asyncssh.SSHKeyPair) -> None:
        sign = pair.sign

        def signed(data: bytes) -> bytes:
            self.is_signed = True
            return sign(data)

        pair.sign = signed  # type: ignore[method-assign]  # asyncssh has no callback for it

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = named(key)
        return False

    def kbdint_auth_requested(self) -> None:
        self.asked.append("a code or password (keyboard-interactive)")

    def password_auth_requested(self) -> None:
        self.asked.append("a password")

    def refusal(self, user: str) -> str:
        """Return why the server did not let this login in, as far as it says."""
        if not self.is_signed:
            return (
                f"the server refused the key of user {user!r}, {self.key}: it is not installed for this user,"
                " its type is not accepted, or there is no such user; the server's log says which"
            )
        if self.asked:
            more = " or ".join(self.asked)
            return (
                f"the server took the key of user {user!r}, {self.key}, and asks for {more} as well; ask the"
                " partner to let this user log in with the key alone"
            )
        return (
            f"the server knows the key of user {user!r}, {self.key}, and refused the login all the same:"
            " it does not accept the signature's algorithm, or the account or this address may not log in;"
            " the server's log says which"
        )


def other_key(offered: str, pinned: asyncssh.SSHKey) -> str:
    """Return the words for a host key that is not the pinned one."""
    return f"the server's key is {offered or 'not readable'}; the pinned key is {named(pinned)}"


@contextmanager
def connecting(target: SftpTarget, login: Login, pinned: asyncssh.SSHKey) -> Iterator[None]:
    """Turn the errors of connecting and logging in into DeliveryErrors."""
    place = target.place
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise PermanentDeliveryError(place, "host key", other_key(login.offered, pinned)) from error
    except asyncssh.KeyExchangeFailed as error:
        reason = f"no approved algorithm in common: {error.reason}"
        raise PermanentDeliveryError(place, "key exchange", reason) from error
    except asyncssh.PermissionDenied as error:
        raise PermanentDeliveryError(place, "log in", login.refusal(target.user)) from error
    except (asyncssh.IllegalUserName, asyncssh.ProtocolNotSupported) as error:
        raise PermanentDeliveryError(place, "log in", error.reason) from error
    except socket.gaierror as error:
        raise TransientDeliveryError(place, "look up", error.strerror or str(error)) from error
    except DeliveryError:
        raise
    except Exception as error:
        raise TransientDeliveryError(place, "connect", words(error)) from error


@contextmanager
def starting(target: SftpTarget) -> Iterator[None]:
    """Explain an SFTP session that begins with something that is not SFTP."""
    try:
        yield
    except TransientDeliveryError as error:
        if not isinstance(error.__cause__, asyncssh.SFTPBadMessage):
            raise
        reason = (
            "the server sent text before SFTP began, such as a greeting that the login shell prints; ask the"
            f" partner to print nothing in sessions without a terminal ({error.reason})"
        )
        raise TransientDeliveryError(target.place, error.step, reason) from error


def named(key: asyncssh.SSHKey) -> str:
    """Return a key's type and fingerprint."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
