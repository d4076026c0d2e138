"""Every five minutes: send synthetic transfers through the cell and publish whether they were delivered."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache, partial
from typing import Any

from runtime import canary_legs, contract
from runtime.canary import Canary, Upload
from runtime.canary_legs import Leg
from runtime.canary_upload import SftpUpload
from runtime.environment import ENV_ADDRESSES, ENV_CANARY_BUCKET, ENV_CELL, ENV_HOST_KEY, ENV_NAMESPACE
from runtime.handlers import wiring


def _put(name: str, content: bytes) -> None:
    key = f"{canary_legs.inbound(wiring.env(ENV_CELL), Leg.S3)}{name}"
    wiring.client("s3").put_object(Bucket=wiring.env(ENV_CANARY_BUCKET), Key=key, Body=content)


def _private_key(secret: str) -> str:
    return str(wiring.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


@cache
def _canary() -> Canary:
    namespace, cell = wiring.env(ENV_NAMESPACE), wiring.env(ENV_CELL)
    secret = contract.secret_name(namespace, contract.canary(cell), canary_legs.KEY_NAME)
    uploads: dict[Leg, Upload] = {
        Leg.SFTP: SftpUpload(
            addresses=wiring.env(ENV_ADDRESSES).split(","),
            login=contract.canary(cell),
            host_key=wiring.env(ENV_HOST_KEY),
            private_key=partial(_private_key, secret),
        ),
        Leg.S3: _put,
    }
    return Canary(
        namespace=namespace,
        cell=cell,
        bucket=wiring.env(ENV_CANARY_BUCKET),
        uploads=uploads,
        tracker=wiring.tracker(),
        s3=wiring.client("s3"),
        metrics=wiring.client("cloudwatch"),
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, dict[str, Any]]:
    """Return by leg the `key` of the transfer, its duration in `seconds`, and the `failure` or None."""
    results = {}
    for flight in _canary().fly():
        results[str(flight.leg)] = asdict(flight)
        (wiring.logger.error if flight.failure else wiring.logger.info)("canary", **asdict(flight))
    return results
