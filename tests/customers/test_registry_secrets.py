"""Secrets pasted into a file: each is refused with its line, and no part of one is ever printed."""

from __future__ import annotations

import base64
import random

import pytest
from customer_samples import ED25519, KEY, P384, P521, RSA, SOUND, another, broken, said, write
from hypothesis import given
from hypothesis import strategies as st

from customers.leaks import leaks

# Assembled here, so that no scanner reports this file itself.
_BODY = base64.b64encode(random.Random(7).randbytes(60)).decode()
PEM = f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{_BODY}\n-----END OPENSSH {'PRIVATE'} KEY-----"
ACCESS_KEY = "AKIA" + "QWERTYUIOPASDFGH"
TEMPORARY_KEY = "ASIA" + "QWERTYUIOPASDFGH"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYzzzzzzzKEY"
WORD = "hunter2-hunter2"

PASTED = {
    "PEM in quotes": ("a private key", "a: '" + PEM.replace("\n", "\n  ") + "'", _BODY),
    "PEM in a comment": ("a private key", "# " + PEM.replace("\n", "\n# "), _BODY),
    "RSA PEM": ("a private key", f"a: -----BEGIN RSA {'PRIVATE'} KEY-----", "RSA"),
    "PKCS 8": ("a private key", f"a: -----BEGIN {'PRIVATE'} KEY-----", "-----"),
    "PuTTY": ("a private key", "a: 'PuTTY-User-Key-File-3: ssh-ed25519'", "PuTTY"),
    "OpenSSH without its first line": (
        "a private key",
        "a: " + base64.b64encode(b"openssh-key-v1\0none").decode() + "XYZZY",
        "XYZZY",
    ),
    "RSA PEM without its first line": ("a private key", "a: MIIEpAIBAAKCAQEAXYZZY", "XYZZY"),
    "access key": ("an AWS access key", f"a: {ACCESS_KEY}", ACCESS_KEY),
    "temporary access key": ("an AWS access key", f"a: {TEMPORARY_KEY}", TEMPORARY_KEY),
    "secret access key": ("an AWS secret access key", f"a: {SECRET_KEY}", SECRET_KEY),
    "password": ("a password or key", f"password: {WORD}", WORD),
    "quoted password": ("a password or key", f'"password" : {WORD}', WORD),
    "password in braces": ("a password or key", f"a: {{b: 1, sftp_password: {WORD}}}", WORD),
    "password below": ("a password or key", f"Password:\n  {WORD}", WORD),
    "passphrase": ("a password or key", f"key-passphrase: {WORD}", WORD),
    "private key": ("a password or key", f"private_key: {WORD}", WORD),
    "secret key": ("a password or key", f"aws_secret_access_key = {WORD}", WORD),
    "password in an address": ("a password in an address", f"a: sftp://mft:{WORD}@host/", WORD),
}


@pytest.mark.parametrize("case", PASTED)
def test_a_secret_is_refused_and_not_repeated(case, tmp_path):
    what, text, secret = PASTED[case]
    assert secret in text
    (line, *more) = said(write(tmp_path, acme=f"{SOUND}{text}\nprimary: {text!r}\n"))
    assert line == (
        f"customers/acme.yaml:26: this line holds what looks like {what}; remove it here and from the"
        " repository's history, replace it at its origin, and keep the new one in Secrets Manager. The"
        " rest of"
        " this file is checked after that"
    )
    assert not any(secret in one for one in [line, *more])
    assert all(": this line holds what looks like" in one for one in more)


@pytest.mark.parametrize("breakage", ["\t", "[", "'", "!", "*", "%", "- ", "? ", "&", "{"])
def test_not_even_when_the_file_cannot_be_parsed(breakage, tmp_path):
    lines = said(write(tmp_path, acme=f"{breakage}password: {WORD}\nprimary: {SECRET_KEY}\n"))
    assert len(lines) == 2
    assert WORD not in str(lines)
    assert SECRET_KEY not in str(lines)


def test_not_even_in_a_message_about_another_file(tmp_path):
    """The id in a file that contains a secret might be that secret."""
    lines = said(write(tmp_path, a=f"{SOUND}password: {WORD}\n", b=SOUND))
    assert [line.split(":")[:2] for line in lines] == [["customers/a.yaml", "26"]]


def test_a_secret_where_its_name_belongs_is_not_repeated(tmp_path):
    """A password cannot be distinguished from a name, except that this one is not a valid name."""
    (line,) = said(write(tmp_path, acme=broken(("secret: mft/c7k2m/partner", "secret: 'p@ss word!'"))))
    assert line == (
        "customers/acme.yaml:17: destinations.partner.secret: is not the name of a secret; write the name,"
        " never"
        " the content, of the Secrets Manager secret"
    )


def test_a_damaged_key_is_not_repeated(tmp_path):
    for text in ("not a key at all", KEY.replace("AAAA", "%%%%", 1), KEY[:60]):
        (line,) = said(write(tmp_path, acme=broken((f"        - {KEY}\n", f"        - {text}\n"))))
        assert text[:12] not in line.partition("begins with one of")[0]
        assert KEY[40:60] not in line


@pytest.mark.parametrize("key", [KEY, ED25519, P384, P521, RSA])
def test_public_keys_are_no_secrets(key):
    assert not list(leaks(f"        - {key} someone@host"))


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        another(),
        "secret: mft/partners/partner-a/private/and/more/of/it1",  # 40 and more characters of a path
        "# Password logins are off at this partner.",
        "# The private key is in Secrets Manager.",
        "url: https://host.example:8443/a@b",
        "bucket: 0123456789abcdef0123456789abcdef01234567",
        f"name: {'A1' * 20}",
    ],
)
def test_honest_text_is_no_secret(text):
    assert not list(leaks(text))


@given(st.binary(min_size=30, max_size=30).map(lambda b: base64.b64encode(b).decode()))
def test_a_secret_access_key_is_found_wherever_it_has_all_kinds_of_letters(secret):
    mixed = all(any(map(kind, secret)) for kind in (str.islower, str.isupper, str.isdigit))
    assert bool(list(leaks(f"name: {secret} x"))) == mixed


def test_only_the_lines_right_behind_a_public_key_belong_to_it():
    folded = f"- {RSA[:120]}\n  {SECRET_KEY}\n"
    assert list(leaks(folded)) == []
    assert list(leaks(f"{folded}name: x\n{SECRET_KEY}\n")) == [(4, "an AWS secret access key")]
