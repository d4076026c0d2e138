"""Logins that a partner's server refuses: each reason says what is wrong, as far as SSH tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import AsyncsshPartner, OpenSshPartner, Partner, inprocess, openssh_missing
from runtime.delivery import DeliveryError, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.sftp import Patience, deliver_now
from tests.delivery.support import destination_of, source_of

#: A server that starts a shell may be slow to answer.
PATIENCE = Patience(connect=20, step=20)

needs_openssh = pytest.mark.skipif(bool(openssh_missing()), reason=openssh_missing() or "")


class Configured(OpenSshPartner):
    """OpenSSH's server with other settings; the first value of a setting counts."""

    def __init__(self, settings: dict[str, str], **usual: Any) -> None:
        self._settings = settings
        super().__init__(**usual)

    def _configuration(self, host_keys: list[Path]) -> str:
        first = "".join(f"{name} {value}\n" for name, value in self._settings.items())
        return first + super()._configuration(host_keys)


def refused(partner: Partner) -> DeliveryError:
    how = {"private_key": partner.private_key, "name": "a.bin", "attempt": "try-1", "patience": PATIENCE}
    with partner, pytest.raises(DeliveryError) as failure:
        deliver_now(source_of(b"x"), destination_of(partner), **how)
    assert partner.files() == {}
    return failure.value


@needs_openssh
def test_a_second_factor_is_named() -> None:
    settings = {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"}
    error = refused(Configured(settings))
    assert isinstance(error, PermanentDeliveryError)
    assert "asks for a password as well; ask the partner to let this user log in with the key" in error.reason


@needs_openssh
def test_a_type_of_key_that_the_server_does_not_accept_is_a_key_that_it_refused() -> None:
    error = refused(Configured({"PubkeyAcceptedAlgorithms": "rsa-sha2-512"}))
    assert isinstance(error, PermanentDeliveryError)
    assert "refused the key of user" in error.reason
    assert "its type is not accepted" in error.reason


@needs_openssh
def test_a_host_key_with_sha_1_signatures_only_is_named() -> None:
    error = refused(Configured({"HostKeyAlgorithms": "ssh-rsa"}, key_type="ssh-rsa"))
    assert isinstance(error, PermanentDeliveryError)
    assert "is offered with SHA-1 signatures only (ssh-rsa)" in error.reason
    assert "ask the partner for rsa-sha2-256, or for an ECDSA key" in error.reason


@needs_openssh
def test_a_greeting_of_the_login_shell_is_named() -> None:
    error = refused(Configured({"ForceCommand": "echo Welcome to our file server"}))
    assert isinstance(error, TransientDeliveryError)
    assert "the server sent text before SFTP began" in error.reason


class AsksForASignature(inprocess._Login):
    """Asks for a signature with the key, and then does not let the login in."""

    is_known = False

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        is_first, self.is_known = not self.is_known, True
        return is_first


class AsksForACode(AsksForASignature):
    """Asks for a code as well."""

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, *_: Any) -> Any:
        return "", "", "", [("Code: ", False)]

    def validate_kbdint_response(self, *_: Any) -> bool:
        return False


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        (AsksForASignature, "and refused the login all the same"),
        (AsksForACode, "asks for a code or password (keyboard-interactive) as well"),
    ],
)
def test_a_key_that_is_known_and_does_not_suffice(
    monkeypatch: pytest.MonkeyPatch, login: type[inprocess._Login], reason: str
) -> None:
    monkeypatch.setattr(inprocess, "_Login", login)
    error = refused(AsyncsshPartner())
    assert isinstance(error, PermanentDeliveryError)
    assert reason in error.reason
