"""Requests as AWS's SDK for Go writes them, and answers as it reads them: the bytes, without boto3.

boto3 takes a date where a model says number, and an XML boolean in any case; the SDK for Go does not.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import cbor2

from tests.local.conftest import WEST, World

#: Names of services in the scope of a signature, with the `X-Amz-Target` of those that speak JSON.
_TARGETS = {
    "kms": "TrentService",
    "sqs": "AmazonSQS",
    "states": "AWSStepFunctions",
    "transfer": "TransferService",
}
_JSON = {"sqs": "application/x-amz-json-1.0", "states": "application/x-amz-json-1.0"}
_VERSIONS = {"ec2": "2016-11-15", "monitoring": "2010-08-01", "sns": "2010-03-31"}
_CLOUDWATCH = "/service/GraniteServiceVersion20100801/operation/"


@dataclass(frozen=True)
class Wire:
    """Sends requests to the emulated AWS in one region."""

    aws: World
    region: str = WEST

    def json(self, service: str, operation: str, **given: Any) -> Any:
        """Call a service that speaks AWS JSON; return the document, numbers as numbers."""
        headers = {
            "content-type": _JSON.get(service, "application/x-amz-json-1.1"),
            "x-amz-target": f"{_TARGETS[service]}.{operation}",
        }
        return json.loads(self._send(service, "/", json.dumps(given).encode(), headers))

    def query(self, service: str, operation: str, **given: str) -> ElementTree.Element:
        """Call a service that speaks the Query protocol, or EC2's; return the root, without namespaces.

        `__` in a name of `given` is a dot.
        """
        fields = {name.replace("__", "."): value for name, value in given.items()}
        body = urlencode({"Action": operation, "Version": _VERSIONS[service], **fields}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        root = ElementTree.fromstring(self._send(service, "/", body, headers))
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def cbor(self, operation: str, **given: Any) -> Any:
        """Call CloudWatch in Smithy's RPC v2 CBOR; return the document."""
        headers = {
            "accept": "application/cbor",
            "content-type": "application/cbor",
            "smithy-protocol": "rpc-v2-cbor",
        }
        answer = self._send("monitoring", _CLOUDWATCH + operation, cbor2.dumps(given), headers)
        return cbor2.loads(answer)

    def _send(self, service: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        scope = f"{self.aws.emulator.account}/20260101/{self.region}/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        request = urllib.request.Request(
            self.aws.emulator.endpoint + path, data=body, headers={**headers, "authorization": signed}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: bytes = answer.read()
        return found
