"""Texts and values that the registry's tests start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from customers.model import Customer
from customers.problems import RegistryError
from customers.registry import load

NAMESPACE, ZONE = "mft", "mft.example.gov"

KEY = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCtJ3HQJli5xGmqieL"
    "8tYQe2qjr/yU9rE5tviiRCQ8n9cwrG3jXxeRxX/gBb/cLYGJASP3mDVAmakmxl4wdhXyY="
)
OTHER_KEY = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBD3FV6swV7qYt9FEKR"
    "b87SBflt8VjeLG/+2fNPR/0zXeBmr8xUY5oEO34KxUmDP+4XIKWc2QY7dE8Jdjb8w1hhM="
)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPR7Sd4JHkZLG/PFuHgfZWYPzwinXdy5xn/39iY2Dv2b"
P384 = (
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBFhYEBzu/WuYr0BZY0"
    "3LM2/FlS6vVFJu0gUI3uTZRyXUD0/JY0BAIinEKy+kepVyBsUFcQT5hpgAknKqWYQOVs6ySkEpFrRxpPK4wkb52HSm"
    "wab90aZORlwucX8OUJExxw=="
)
P521 = (
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAG3fj7fqbVzUooPAx"
    "9tKScCKTbCPsiy0aAd3DRRfs5rsYDYtNSd8y/pDsbfDdwCECZA7m3tM+OC+cJyJXAGM41GjQCAU9o/46MVJMJ/79av"
    "h+F0V25VrQvhjrY+ePvGfgYTrIa/gckDFg1Gjpr1f74Xut/NN0rjKRi9o+NjVIyCdPdCzg=="
)
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDm4JV75bCKVKHbT3vauakhye5pI+e1TP6NqDOuIO/VBBrsg26eXP"
    "rRN1zAcepCr8rHdOcG4xKW7JCt5F1UV9GnnAV4A0HgL5iKd2+csuqbH8sID3JP6xsbeRlJUrLoXNmOWB7NW4KXT2J0"
    "UalyvQf9Af6R25AhS2PNFiC4lWiqHfbAx2DRnlIkuAD9I5XMw4Mo5G8g3B6xr8mGFUab6hZsNZxOO5lpzjjTXQRUJA"
    "XHSRL8FpiNJj2fnikph6OfHt+620I7enyLkOkU8NXPNxbudOMszCm+me1BCXIgf0nKGbq5SGlSWtfYwP9U+y75+YdK"
    "lRy11z4tFJvk84ovvdNpGjeRBBazuAxn7OIj7v3veNeHNM3MFQgygS/didfAdAYQIaHoApf3RYYgEE4j3bLVyiZ9Ou"
    "1q1TP66pfi5vSjxwsBDW+to/jLBeJZc5ksvP0EC2keJ5dRTMCPC+KexML02CT0bPmeaxlSbWswofc9YbGZ2G8cJCyV"
    "pWQc/lC1LS8="
)
WEAK_RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDa6wzamHU1T1SQlBxFdS7l/i+rtppwc0gBMueU1UnjzmOGKP7rVH"
    "ye1FvV5yKK/QM9zTfEPhLCA0e1Ceca9cmbQoV7PDbXgY7MbbqisQpMa7gt+V031OpzC+H/a0asdLiqm+9Z+v5qyhOU"
    "W57TVHlfEaGWK24GH+OKM8wtN+/4+w=="
)
FINGERPRINTS = {
    KEY: "SHA256:i3sy7PJxNpVpRSaqlHyVW7Sr4/JdBedI4ijXm6MGhz0",
    ED25519: "SHA256:J5yoRdMQbcXlNAFuftfHPFYC5Ffum+BC83zWYgF5980",
    P384: "SHA256:G0rMgoiZ8vgS7v0ntJDt8ikc8WNCApLUroHcrNpzhQE",
    P521: "SHA256:MVp67V3heScCaSvxNjdNmYVV4zdp3QSeyvJD6kCipqg",
    RSA: "SHA256:Eh7vd9rHlWYusFZYsOVIQ0HdQSkw1Ry2EngBFRpOlrY",
}

#: The stages that may follow each stage of the lifecycle.
STEPS = {
    "onboarding": {"active", "retired"},
    "active": {"closing"},
    "closing": {"draining", "active"},
    "draining": {"retired", "active"},
    "retired": {"onboarding"},
}

#: A valid file. Tests break it, and depend on its line numbers.
SOUND = f"""\
id: c7k2m
name: Example agency
lifecycle: active
primary: west
sftp:
  users:
    - name: c7k2m-batch
      public_keys:
        - {KEY}
      source_cidrs: [198.51.100.0/24]
destinations:
  partner:
    kind: sftp
    host: sftp.partner.example
    user: mft
    host_key: {KEY}
    secret: mft/c7k2m/partner
  landing:
    kind: s3
    bucket: partner-landing
routes:
  - match: sftp/c7k2m-batch/*.csv
    to: [partner]
  - match: sftp/c7k2m-batch/*.txt
    to: [landing]
"""


def broken(*changes: tuple[str, str]) -> str:
    """Return the valid file with texts replaced; each must occur exactly once."""
    text = SOUND
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the valid file"
        text = text.replace(old, new)
    return text


def another(id: str = "h4t9q", **changes: str) -> str:
    """Return a second valid file that shares no unique value with the first."""
    text = SOUND.replace("c7k2m", id).replace(f"        - {KEY}", f"        - {OTHER_KEY}")
    text = text.replace("sftp.partner.example", f"sftp.{id}.example").replace(
        "partner-landing", f"{id}-landing"
    )
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def write(directory: Path, **files: str) -> Path:
    """Return a registry directory with these files, `acme="…"` becoming acme.yaml."""
    registry = directory / "customers"
    registry.mkdir(exist_ok=True)
    for name, text in files.items():
        (registry / f"{name}.yaml").write_text(text, encoding="utf-8")
    return registry


def said(directory, **place) -> list[str]:
    """Return the lines that are printed about a registry that must be refused."""
    with pytest.raises(RegistryError) as refused:
        load(directory, **place)
    assert str(refused.value).splitlines() == [str(problem) for problem in refused.value.problems]
    return str(refused.value).splitlines()


def customer(**changes: object) -> Customer:
    """Return a customer, for tests that need no file."""
    return Customer.model_validate(
        {
            "id": "c7k2m",
            "name": "Example agency",
            "lifecycle": "active",
            "primary": "west",
            "sdk": {"principals": ["arn:aws-us-gov:iam::123456789012:role/uploader"]},
            "destinations": {"landing": {"kind": "s3", "bucket": "partner-landing"}},
            "routes": [{"match": "sdk/**", "to": ["landing"]}],
            **changes,
        }
    )
