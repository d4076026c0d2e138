"""Receipts in a queue and posted to a web address: late, twice, of others, forged, and lost."""

from __future__ import annotations

import base64
import io
import json
import threading
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mft_client import Client, CredentialsError, Outcome
from mft_client.signatures import Signatures
from mft_client.web import ReceiptEndpoint
from tests.client.conftest import CUSTOMER, EAST, START, WEST, Place
from tests.client.test_client_resends import notice, receipt

TOPIC = f"arn:aws-us-gov:sns:{WEST}:123456789012:mft-{CUSTOMER}-receipts"
CERTIFICATE = f"https://sns.{WEST}.amazonaws.com/SimpleNotificationService-{'0123456789abcdef' * 2}.pem"


def outcomes(client: Client) -> list[Outcome | None]:
    return [outcome for _, outcome in client.files()]


# --- In a queue --------------------------------------------------------------------------------------


def test_receipts_are_taken_from_the_queue_with_and_without_envelope(place: Place) -> None:
    client = place.client()
    first, second, third = (client.send(place.source, f"{number}.csv") for number in range(3))
    inner = json.dumps(receipt(second.version_id, "held", key=second.key))
    place.tell(
        receipt(first.version_id, "delivered", key=first.key),
        {"Type": "Notification", "TopicArn": TOPIC, "MessageId": "m", "Message": inner},
        receipt("of an SFTP upload", "delivered", key="inbound/sftp/u/a.csv"),
    )
    found = client.collect()
    assert (found.taken, found.left, found.silent, place.told()) == (3, [], [], 0)
    assert dict(client.files()) == {first: Outcome.DELIVERED, second: Outcome.HELD, third: None}
    assert outcomes(place.client()) == outcomes(client)
    assert "SFTP" not in json.dumps(client._journal.since(0)), "what concerns no upload is not kept"


def test_a_receipt_that_comes_twice_counts_once(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "a.csv")
    told = receipt(sent.version_id, "delivered", key=sent.key)
    place.tell(told, told)
    assert client.collect().taken == 2
    place.tell(told)
    assert client.collect().taken == 1
    assert sum("message" in document for _, document in client._journal.since(0)) == 1


def test_a_lost_receipt_makes_the_file_due_and_a_late_one_of_the_first_submission_settles_it(
    place: Place,
) -> None:
    client = place.client()
    first = client.send(place.source, "a.csv")
    place.now += timedelta(minutes=40)
    assert client.collect().taken == 0
    (due,) = client.due().again
    second = client.resend(due)
    assert second
    place.now += timedelta(minutes=40)
    assert client.due().again == (second,)
    place.tell(receipt(first.version_id, "delivered", key=first.key))  # 80 minutes late
    client.collect()
    assert (client.due().again, outcomes(client)) == ((), [Outcome.DELIVERED])
    place.tell(receipt(second.version_id, "duplicate", key=first.key))
    client.collect()
    assert client.due().again == ()


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({**receipt("v", "delivered"), "customer": "other"}, "it is about 'other', not about 'c7k2m'"),
        ("no JSON", "it is not JSON"),
        ("[]", "it is no JSON object but list"),
        ({"customer": CUSTOMER, "outcome": "delivered", "key": "k"}, "without the text `version_id`"),
    ],
    ids=["another customer's", "no JSON", "a list", "no version"],
)
def test_what_is_not_this_clients_stays_in_the_queue(place: Place, message: Any, why: str) -> None:
    client = place.client()
    sent = client.send(place.source, "a.csv")
    place.tell(message, receipt(sent.version_id, "delivered", key=sent.key))
    found = client.collect()
    assert (found.taken, len(found.left), place.told()) == (1, 1, 1)
    assert why in found.left[0]
    assert outcomes(client) == [Outcome.DELIVERED]


def test_a_notice_in_the_queue_makes_what_was_sent_to_that_region_due(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "a.csv")
    place.now += timedelta(minutes=1)
    place.tell(notice())
    client.collect()
    assert client.due().again == (sent,)


class _Silent:
    def receive_message(self, **_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")


def test_a_queue_in_a_dead_region_does_not_hide_the_other_one(place: Place) -> None:
    def aws(service: str, region: str) -> Any:
        return _Silent() if (service, region) == ("sqs", WEST) else place.estate.aws(service, region)

    settings = place.settings(queues={WEST: ("https://sqs/1/q",), EAST: (place.queue,)})
    client = place.client(settings=settings, aws=aws)
    sent = client.send(place.source, "a.csv")
    place.tell(receipt(sent.version_id, "delivered", key=sent.key))
    found = client.collect()
    assert found.taken == 1
    assert "https://sqs/1/q: cannot be read: Could not connect" in found.silent[0]


def test_a_token_that_has_expired_stops_the_reading(place: Place) -> None:
    class Expired:
        def receive_message(self, **_: Any) -> None:
            answer = {"Error": {"Code": "ExpiredToken"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "ReceiveMessage")

    with pytest.raises(CredentialsError, match="AWS does not accept the credentials"):
        place.client(aws=lambda *_: Expired()).collect()


# --- Posted to a web address -------------------------------------------------------------------------


class Sns:
    """The part of SNS that signs; `certificates` are what its addresses answer with."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.fetched: list[str] = []
        self.certificates = {CERTIFICATE: self.certificate()}

    def certificate(self, days: int = 365, key: Any = None) -> bytes:
        """Return a certificate that is valid from START on, as PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key((key or self.key).public_key())
            .serial_number(1)
            .not_valid_before(START)
            .not_valid_after(START + timedelta(days=days))
            .sign(self.key, SHA256())
        )
        return made.public_bytes(Encoding.PEM)

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if "ConfirmSubscription" in url:
            return b"<ok/>"
        if url not in self.certificates:
            raise OSError("404")
        return self.certificates[url]

    def post(self, message: str, *, algorithm: Any = None, **instead: Any) -> dict[str, Any]:
        """Return a notification as it is posted, signed before `instead` is put into it."""
        posted = {
            "Type": "Notification",
            "MessageId": "m-1",
            "TopicArn": TOPIC,
            "Subject": "File delivered",
            "Message": message,
            "Timestamp": "2026-03-02T12:00:00.000Z",
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
        }
        return self.sign(posted, algorithm) | instead

    def sign(self, posted: dict[str, Any], algorithm: Any = None) -> dict[str, Any]:
        """Sign as https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html says."""
        left_out = ("Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL")
        lines = [f"{name}\n{posted[name]}\n" for name in sorted(posted) if name not in left_out]
        signature = self.key.sign("".join(lines).encode(), padding.PKCS1v15(), algorithm or SHA256())
        return posted | {"Signature": base64.b64encode(signature).decode()}


@pytest.fixture(scope="module")
def sns() -> Sns:
    return Sns()


@pytest.fixture
def post(place: Place, sns: Sns) -> Callable[[Any], tuple[str, str]]:
    """Post to the web address of a client; return the status and the text of the answer."""
    client = place.client(settings=place.settings(topics=(TOPIC,)))
    signatures = Signatures(client.settings, fetch=sns.fetch, now=lambda: place.now)
    endpoint = ReceiptEndpoint(client, signatures=signatures, fetch=sns.fetch)

    def post(document: Any, method: str = "POST") -> tuple[str, str]:
        body = (document if isinstance(document, str) else json.dumps(document)).encode()
        answered: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        }
        said = b"".join(endpoint(environ, lambda status, _headers: answered.append(status)))
        return answered[0], said.decode()

    return post


def test_a_receipt_that_sns_has_signed_is_taken_in(place: Place, sns: Sns, post: Any) -> None:
    sent = place.client().send(place.source, "a.csv")
    posted = sns.post(json.dumps(receipt(sent.version_id, "delivered", key=sent.key)))
    assert post(posted) == ("200 OK", "taken in")
    assert post(posted)[0] == "200 OK"
    assert outcomes(place.client()) == [Outcome.DELIVERED]
    without_subject = {name: value for name, value in posted.items() if name != "Subject"}
    assert post(sns.sign(without_subject))[0] == "200 OK"


MALFORMED = sorted(
    {
        "another message": {"Message": json.dumps(receipt("v", "delivered"))},
        "another topic": {"TopicArn": TOPIC.replace(CUSTOMER, "other")},
        "no signature": {"Signature": None},
        "a broken signature": {"Signature": "?"},
        "version 1": {"SignatureVersion": "1"},
        "a stranger's certificate": {
            "SigningCertURL": "https://sns.example.gov/SimpleNotificationService-0.pem"
        },
        "a bucket's certificate": {"SigningCertURL": CERTIFICATE.replace("sns.", "sns.evil.")},
        "another path": {"SigningCertURL": f"https://sns.{WEST}.amazonaws.com/other.pem"},
        "plain HTTP": {"SigningCertURL": CERTIFICATE.replace("https", "http")},
        "a port": {"SigningCertURL": CERTIFICATE.replace(".com/", ".com:8443/")},
        "another region's certificate": {"SigningCertURL": CERTIFICATE.replace(WEST, EAST)},
        "a certificate that is gone": {"SigningCertURL": CERTIFICATE.replace("0123", "ffff")},
        "no certificate": {"SigningCertURL": None},
    }.items()
)


@pytest.mark.parametrize(("name", "instead"), MALFORMED, ids=[name for name, _ in MALFORMED])
def test_what_sns_has_not_signed_like_this_is_refused(
    place: Place, sns: Sns, post: Any, name: str, instead: dict[str, Any]
) -> None:
    sns.fetched.clear()
    status, said = post(sns.post(json.dumps(receipt("v", "delivered")) + " ", **instead))
    assert (status, said.startswith("refused: "), len(said.splitlines())) == ("403 Forbidden", True, 1)
    assert not [url for url in sns.fetched if not url.startswith(f"https://sns.{WEST}.amazonaws.com/Simple")]
    assert place.client()._journal.since(0) == []


def test_a_signature_with_sha1_is_refused_with_the_remedy(sns: Sns, post: Any) -> None:
    posted = sns.post(json.dumps(receipt("v", "delivered")), algorithm=SHA1())
    assert post(posted) == ("403 Forbidden", "refused: its signature is not that of its content")
    posted = sns.post(json.dumps(receipt("v", "delivered")), algorithm=SHA1(), SignatureVersion="1")
    assert post(posted)[1].endswith("ask the platform's operators to set the topic's SignatureVersion to 2")


def test_a_certificate_that_is_not_valid_or_has_a_short_key_is_refused(
    place: Place, sns: Sns, post: Any
) -> None:
    posted = sns.post(json.dumps(receipt("v", "delivered")))
    place.now = START + timedelta(days=366)
    assert "is not valid at this time" in post(posted)[1]
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    sns.certificates[CERTIFICATE.replace("0123", "1111")] = sns.certificate(key=short)
    place.now = START
    again = posted | {"SigningCertURL": CERTIFICATE.replace("0123", "1111")}
    assert "has no RSA key of at least 2,048 bits" in post(again)[1]


def test_another_customers_receipt_is_refused_though_it_is_signed(sns: Sns, post: Any) -> None:
    status, said = post(sns.post(json.dumps({**receipt("v", "delivered"), "customer": "other"})))
    assert (status, said) == ("403 Forbidden", "refused: it is about 'other', not about 'c7k2m'")


def test_a_subscription_of_a_known_topic_is_confirmed_and_no_other(sns: Sns, post: Any) -> None:
    url = f"https://sns.{WEST}.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    confirmation = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "m",
        "Token": "t",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe",
        "SubscribeURL": url,
        "Timestamp": "2026-03-02T12:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
    }
    sns.fetched.clear()
    assert post(sns.sign(confirmation))[0] == "200 OK"
    assert sns.fetched == [CERTIFICATE, url]
    sns.fetched.clear()
    elsewhere = sns.sign(
        confirmation | {"SubscribeURL": "https://169.254.169.254/?Action=ConfirmSubscription"}
    )
    assert post(elsewhere)[0] == "403 Forbidden"
    assert post(sns.sign(confirmation | {"TopicArn": f"{TOPIC}-other"}))[0] == "403 Forbidden"
    assert url not in sns.fetched


def test_other_requests_are_refused(post: Any) -> None:
    assert post("", method="GET")[0] == "405 Method Not Allowed"
    for body in ("", "no JSON", "[]", "null", "{}", "1" * 2_000_000):
        assert post(body)[0] == "403 Forbidden"


def test_a_receipt_is_posted_over_a_socket(place: Place, sns: Sns, tmp_path: Any) -> None:
    sent = place.client().send(place.source, "a.csv")
    client = place.client(settings=place.settings(topics=(TOPIC,)))
    signatures = Signatures(client.settings, fetch=sns.fetch, now=lambda: place.now)
    server: WSGIServer = make_server("127.0.0.1", 0, ReceiptEndpoint(client, signatures=signatures))
    threading.Thread(target=server.handle_request, daemon=True).start()
    posted = sns.post(json.dumps(receipt(sent.version_id, "delivered", key=sent.key)))
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.server_port}/", json.dumps(posted).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    server.server_close()
    assert outcomes(place.client()) == [Outcome.DELIVERED]


def test_what_cannot_be_noted_is_asked_for_again(place: Place, sns: Sns) -> None:
    client = place.client(settings=place.settings(topics=(TOPIC,)))
    signatures = Signatures(client.settings, fetch=sns.fetch, now=lambda: place.now)
    posted = json.dumps(sns.post(json.dumps(receipt("v", "delivered")))).encode()
    client.close()
    answered: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(posted)),
        "wsgi.input": io.BytesIO(posted),
        "wsgi.errors": io.StringIO(),
    }
    [said] = ReceiptEndpoint(client, signatures=signatures)(
        environ, lambda status, _: answered.append(status)
    )
    assert answered == ["503 Service Unavailable"]
    assert said.decode() in environ["wsgi.errors"].getvalue()  # type: ignore[attr-defined]
