"""The signatures of messages that SNS posts to a web address, and the certificates that they are checked by.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from mft_client.errors import MessageError
from mft_client.settings import Settings

#: The fields that are signed, in this order, if a message has them.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")

_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")

#: Bits of the shortest RSA key whose signatures FIPS 186-5 accepts.
_SHORTEST_KEY = 2048

_LONGEST_CERTIFICATE = 100_000


def fetch(url: str) -> bytes:
    """Return what is at an address of AWS; OSError if it cannot be read."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - `address_of_sns` has looked at it
        return bytes(answer.read(_LONGEST_CERTIFICATE))


class Signatures:
    """Checks that messages come from the topics of the settings, with the certificates that SNS publishes."""

    def __init__(
        self,
        settings: Settings,
        *,
        fetch: Callable[[str], bytes] = fetch,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._topics, self._fetch, self._now = settings.topics, fetch, now
        self._certificates: dict[str, x509.Certificate] = {}

    def check(self, message: Mapping[str, Any]) -> None:
        """Raise MessageError unless a message in SNS's envelope is signed for one of the topics.

        Only signatures of version 2 are accepted: those of version 1 are made with SHA-1.
        """
        topic = message.get("TopicArn")
        if topic not in self._topics:
            raise MessageError(f"it comes from {topic}, which is not a topic in the settings")
        if message.get("SignatureVersion") != "2":
            raise MessageError(
                "its signature is not of version 2, and one of version 1 is made with SHA-1; ask the"
                " platform's operators to set the topic's SignatureVersion to 2"
            )
        key = self._certificate(message, str(topic).split(":")[3]).public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _SHORTEST_KEY:
            raise MessageError("its certificate has no RSA key of at least 2,048 bits")
        try:
            signature = base64.b64decode(str(message.get("Signature")), validate=True)
            key.verify(signature, _signed(message), padding.PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error) as error:
            raise MessageError("its signature is not that of its content") from error

    def _certificate(self, message: Mapping[str, Any], region: str) -> x509.Certificate:
        url = address_of_sns(message, "SigningCertURL", region)
        if not _CERTIFICATE.fullmatch(urlsplit(url).path):
            raise MessageError(f"its SigningCertURL {url!r} is not the address of a certificate of SNS")
        if url not in self._certificates:
            try:
                self._certificates[url] = x509.load_pem_x509_certificate(self._fetch(url))
            except (OSError, ValueError) as error:
                raise MessageError(f"its certificate {url} cannot be read: {error}") from error
        found = self._certificates[url]
        if not found.not_valid_before_utc <= self._now() <= found.not_valid_after_utc:
            raise MessageError(f"its certificate {url} is not valid at this time")
        return found


def address_of_sns(message: Mapping[str, Any], name: str, region: str) -> str:
    """Return an address that a message names; MessageError unless it is SNS's in the topic's region.

    Otherwise anybody could name a certificate of their own.
    """
    url = message.get(name)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or (parts.scheme, parts.netloc) != ("https", f"sns.{region}.amazonaws.com"):
        raise MessageError(f"its {name} {url!r} is not an address of SNS in {region}")
    return str(url)


def _signed(message: Mapping[str, Any]) -> bytes:
    """Return the bytes that a message's signature covers."""
    fields = _NOTIFICATION if message.get("Type") == "Notification" else _CONFIRMATION
    lines = [f"{name}\n{message[name]}\n" for name in fields if isinstance(message.get(name), str)]
    return "".join(lines).encode()
