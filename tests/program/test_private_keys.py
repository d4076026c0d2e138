"""Private keys as they are set: read in every form that people have, or refused before the first resource."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from components.private_keys import COMMANDS, PrivateKeyError, normalized, public
from tests.program.conftest import SECRETS
from tests.program.test_settings import refusal

BEGINS = {
    "hostKeyRsa": "-----BEGIN RSA PRIVATE KEY-----\n",
    "hostKeyEcdsa": "-----BEGIN EC PRIVATE KEY-----\n",
    "canaryKey": "-----BEGIN EC PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("setting", COMMANDS)
@pytest.mark.parametrize("form", ["pkcs1-pem", "pkcs8-pem", "openssh"])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_key_in_any_form_becomes_pem_with_a_final_newline(setting: str, form: str, ending: str) -> None:
    key = asyncssh.import_private_key(SECRETS[f"mft:{setting}"])
    text = key.export_private_key(form).decode().strip().replace("\n", ending or "\n") + ending
    found = normalized(setting, text)
    assert found == SECRETS[f"mft:{setting}"]
    assert found.startswith(BEGINS[setting])
    assert found.endswith(" PRIVATE KEY-----\n")


@pytest.mark.parametrize("setting", COMMANDS)
def test_the_public_half_is_written_as_openssh_does(setting: str) -> None:
    text = SECRETS[f"mft:{setting}"]
    assert public(text) == asyncssh.import_private_key(text).export_public_key().decode().strip()


@pytest.mark.parametrize("setting", COMMANDS)
def test_the_commands_make_keys_that_are_taken_as_they_are(setting: str, tmp_path: Path) -> None:
    subprocess.run(shlex.split(COMMANDS[setting]), cwd=tmp_path, check=True)
    text = (tmp_path / COMMANDS[setting].split()[-1]).read_text()
    assert normalized(setting, text.strip()) == text, "the CLI strips the final newline"


def generated(kind: str, size: int | None = None, form: str = "openssh") -> str:
    options = {"key_size": size} if size else {}
    return asyncssh.generate_private_key(kind, **options).export_private_key(form).decode()


def encrypted(form: PrivateFormat) -> str:
    key = asyncssh.import_private_key(SECRETS["mft:hostKeyRsa"]).pyca_key
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret")).decode()


def encrypted_by_ssh(folder: Path) -> str:
    command = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "secret", "-f", str(folder / "key")]
    subprocess.run(command, check=True)
    return (folder / "key").read_text()


def faults(folder: Path) -> dict[str, tuple[str, str]]:
    """Return texts that are no RSA host key, with what is said of each."""
    public = asyncssh.import_private_key(SECRETS["mft:hostKeyRsa"]).export_public_key().decode()
    passphrase = "is encrypted with a passphrase; it is needed without one"
    damaged = "is not a private key, or is damaged"
    return {
        "empty": ("", damaged),
        "prose": ("the key", damaged),
        "cut off": (SECRETS["mft:hostKeyRsa"][:200], damaged),
        "a bit changed": (SECRETS["mft:hostKeyRsa"].replace("MII", "MIJ", 1), damaged),
        "openssh, cut off": (generated("ssh-rsa")[:300], damaged),
        "public": (public, "is a public key; the private key is needed"),
        "encrypted": (encrypted(PrivateFormat.TraditionalOpenSSL), passphrase),
        "encrypted PKCS#8": (encrypted(PrivateFormat.PKCS8), passphrase),
        "encrypted OpenSSH": (encrypted_by_ssh(folder), passphrase),
        "ECDSA": (SECRETS["mft:hostKeyEcdsa"], "is an ECDSA key, not an RSA key"),
        "Ed25519": (generated("ssh-ed25519"), "is not an RSA key"),
        "short": (
            generated("ssh-rsa", 1024),
            "is an RSA key of 1024 bits; Transfer Family takes 2048 to 4096",
        ),
    }


def test_what_is_no_host_key_is_refused_in_one_line_that_shows_nothing_of_it(tmp_path: Path) -> None:
    for text, said in faults(tmp_path).values():
        (line,) = refusal({}, secrets={**SECRETS, "mft:hostKeyRsa": text})
        assert line == (
            f"Pulumi.gov-west.yaml: mft:hostKeyRsa {said}; make a key once, for both stacks: "
            "ssh-keygen -q -t rsa -b 3072 -m PEM -N '' -f rsa; "
            "then run: pulumi config set --secret mft:hostKeyRsa --stack gov-west < rsa"
        )


def test_an_unusual_curve_is_refused() -> None:

    key = ec.generate_private_key(ec.SECP256K1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(PrivateKeyError, match=r"on the curve secp256k1; .* 256, 384 and 521 bits$"):
        normalized("hostKeyEcdsa", text)


def test_a_refusal_carries_no_cause_that_could_quote_the_key() -> None:
    with pytest.raises(PrivateKeyError) as refused:
        normalized("hostKeyRsa", SECRETS["mft:hostKeyRsa"][:200])
    assert refused.value.__suppress_context__
    assert refused.value.__cause__ is None
