"""A web address for receipts, as a WSGI application: it takes in what SNS posts, if SNS has signed it.

    application = ReceiptEndpoint(Client(Settings.read(Path("/etc/mft/mft.toml"))))

Any WSGI server runs it, behind HTTPS. It needs `pip install 'mft-client[web]'`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from mft_client.client import Client
from mft_client.errors import JournalError, MessageError
from mft_client.signatures import Signatures, address_of_sns, fetch

#: The longest message of SNS is 256 KiB: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html. JSON
#: may write a character in six.
_LONGEST = 6 * 256 * 1024

#: The answers, of which SNS repeats a message after any but the first.
_TAKEN, _REFUSED, _METHOD, _FAILED = (
    "200 OK",
    "403 Forbidden",
    "405 Method Not Allowed",
    "503 Service Unavailable",
)


class ReceiptEndpoint:
    """Receives the receipts and notices of a client, and confirms the subscription of its topics."""

    def __init__(
        self,
        client: Client,
        *,
        signatures: Signatures | None = None,
        fetch: Callable[[str], bytes] = fetch,
    ) -> None:
        self._client, self._fetch = client, fetch
        self._signatures = signatures or Signatures(client.settings)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        """Answer one request. A message that was taken in is in the journal before SNS is told so."""
        try:
            if environ["REQUEST_METHOD"] != "POST":
                status, said = _METHOD, "messages are posted"
            else:
                self._take(_body(environ))
                status, said = _TAKEN, "taken in"
        except MessageError as error:
            status, said = _REFUSED, f"refused: {error}"
        except (JournalError, OSError) as error:
            status, said = _FAILED, f"not taken in: {error}"
            environ["wsgi.errors"].write(f"{said}\n")
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [said.encode()]

    def _take(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise MessageError("it is no JSON object")
        self._signatures.check(message)
        if message.get("Type") == "SubscriptionConfirmation":
            self._fetch(address_of_sns(message, "SubscribeURL", message["TopicArn"].split(":")[3]))
        elif message.get("Type") == "Notification":
            self._client.receive(message)


def _body(environ: dict[str, Any]) -> Any:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if not 0 < length <= _LONGEST:
        raise MessageError("it has no length, or is longer than a message of SNS")
    try:
        return json.loads(environ["wsgi.input"].read(length))
    except ValueError as error:
        raise MessageError(f"it is not JSON: {error}") from error
