"""Public keys: real keys of every type are accepted, damaged ones refused."""

from __future__ import annotations

import base64

import pytest
from customer_samples import ED25519, FINGERPRINTS, KEY, P384, P521, RSA, WEAK_RSA
from hypothesis import given
from hypothesis import strategies as st

from customers.keys import KeyRefusedError, PublicKey


def line(type: str, *fields: bytes, spare: bytes = b"") -> str:
    """Return the line of a key with these fields."""
    data = b"".join(len(field).to_bytes(4) + field for field in (type.encode(), *fields)) + spare
    return f"{type} {base64.b64encode(data).decode()}"


@pytest.mark.parametrize("key", FINGERPRINTS)
def test_a_real_key_is_read_as_ssh_keygen_reads_it(key):
    for text in (key, f"{key} someone@host with a comment", f"  {key}\n", key.replace(" ", "\t")):
        assert str(PublicKey.parse(text)) == key
        assert PublicKey.parse(text).fingerprint == FINGERPRINTS[key]


BIG = b"\0" + b"\x80" + bytes(254) + b"\x01"  # 2,048 bits and odd
DAMAGED = {
    "nothing": "",
    "one word": "ssh-ed25519",
    "no type": ED25519.split()[1],
    "DSA": line("ssh-dss", b"\1", b"\1"),
    "certificate": line("ssh-rsa-cert-v01@openssh.com", b"\3", BIG),
    "security key": line("sk-ssh-ed25519@openssh.com", bytes(32)),
    "options": f'from="10.0.0.1" {ED25519}',
    "two lines": f"{ED25519}\n{KEY}",
    "no base64": "ssh-ed25519 %%%%",
    "padding gone": RSA.rstrip("="),
    "spare bits": P521[:-4] + P521[-4:].replace("g", "h"),
    "another type inside": "ssh-rsa " + ED25519.split()[1],
    "another name inside": "ssh-rsa " + line("ssh-dss", b"\3", BIG).split()[1],
    "another curve inside": line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(64)),
    "compressed point": line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(32)),
    "compressed point of full length": line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(64)),
    "point too long": line("ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(65)),
    "no point": line("ecdsa-sha2-nistp256", b"nistp256"),
    "ed25519 too short": line("ssh-ed25519", bytes(31)),
    "something after it": line("ssh-ed25519", bytes(32), b"x"),
    "spare bytes": line("ssh-ed25519", bytes(32), spare=b"\0"),
    "length beyond the end": line("ssh-ed25519", spare=b"\0\0\1\0x"),
    "RSA of 1024 bits": WEAK_RSA,
    "RSA of 2047 bits": line("ssh-rsa", b"\3", b"\x40" + bytes(254) + b"\x01"),
    "RSA, even": line("ssh-rsa", b"\3", BIG[:-1] + b"\2"),
    "RSA, negative": line("ssh-rsa", b"\3", BIG[1:]),
    "RSA, padded": line("ssh-rsa", b"\3", b"\0" + BIG),
    "RSA, exponent 1": line("ssh-rsa", b"\1", BIG),
    "RSA, exponent 0": line("ssh-rsa", b"", BIG),
    "RSA, one number": line("ssh-rsa", BIG),
    "RSA beyond what AWS stores": line("ssh-rsa", b"\3", b"\0" + b"\x80" + bytes(2046) + b"\x01"),
}


def test_the_smallest_good_rsa_key_is_read():
    assert PublicKey.parse(line("ssh-rsa", b"\3", BIG)).type == "ssh-rsa"


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_key_is_refused(case):
    with pytest.raises(KeyRefusedError):
        PublicKey.parse(DAMAGED[case])


@given(st.sampled_from([KEY, ED25519, P384, RSA]), st.data())
def test_every_shorter_piece_of_a_key_is_refused(key, data):
    length = data.draw(st.integers(0, len(key) - 1))
    with pytest.raises(KeyRefusedError):
        PublicKey.parse(key[:length])


@given(st.text())
def test_any_text_is_read_or_refused(text):
    text = f"§{text}§"  # no message contains this character
    for candidate in (text, f"ssh-ed25519 {text}", f"ssh-rsa {base64.b64encode(text.encode()).decode()}"):
        with pytest.raises(KeyRefusedError) as refused:
            PublicKey.parse(candidate)
        assert text not in str(refused.value)
