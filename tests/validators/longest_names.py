"""The graph of a registry and of settings in which every name is as long as it is accepted."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from local import program
from local.program import Graph
from runtime.contract import PARTITION
from tests.customers.customer_samples import KEY, OTHER_KEY, RSA
from tests.program.conftest import RUNTIME, SECRETS
from tests.validators.recordings import as_aws, with_names

NAMESPACE, CELL = f"{'n' * 16}-mft", "999"
#: As long as the longest record in it, `_bucket.primary.<id>`, allows: 253 characters together.
ZONE = f"{'z' * 63}.{'z' * 63}.{'z' * 63}.{'z' * 20}.gov"
IDS = ("a" * 20, "b" * 20)


@cache
def longest(stack: str) -> Graph:
    """Return the graph of a stack with the longest names; change nothing in it."""
    config = {
        **program.stack_config(stack),
        "mft:lambdaRuntime": RUNTIME,
        "mft:namespace": NAMESPACE,
        "mft:cell": CELL,
        "mft:zone": ZONE,
        "mft:switch": "endpoint",
        "mft:healthCheckQuota": "999999",
        "mft:groupRuleQuota": "200",
    }
    with TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "customers").mkdir()
        for id, key in zip(IDS, (KEY, OTHER_KEY), strict=True):
            (root / "customers" / f"{id}.yaml").write_text(yaml.safe_dump(customer(id, key)))
        return with_names(
            program.run(stack, make=as_aws(stack), ask=_ask, config=config, secrets=SECRETS, root=root)
        )


def _ask(_: str, args: Any) -> dict[str, str]:
    return {"zoneId": args["zoneId"], "name": ZONE}


def customer(id: str, key: str) -> dict[str, Any]:
    """Return a customer whose names are all as long as they are accepted."""
    user = f"{id}-{'u' * 79}"
    secret = "s" * (512 - len(f"{NAMESPACE}/{id}/"))
    sftp = {"kind": "sftp", "host": f"{id:h<63}.{'h' * 63}.{'h' * 63}.{'h' * 60}", "port": 65535}
    return {
        "id": id,
        "name": "N" * 100,
        "lifecycle": "active",
        "primary": "west",
        "cell": CELL,
        "sftp": {"users": [{"name": user, "public_keys": [key], "source_cidrs": ["198.51.100.128/25"]}]},
        "sdk": {"principals": [f"arn:{PARTITION}:iam::123456789012:role/{'p' * 153}/{id}{'r' * 44}"]},
        "destinations": {
            "d" * 40: {
                **sftp,
                "user": "l" * 64,
                "host_key": RSA,
                "secret": secret,
                "directory": f"/{'d' * 511}",
            },
            "e" * 40: {"kind": "s3", "bucket": f"{id}{'b' * 43}", "prefix": f"{'p' * 511}/"},
        },
        "routes": [
            {"match": f"sftp/{user}/**", "to": ["d" * 40]},
            {"match": "sdk/**", "to": ["e" * 40]},
        ],
        "receipts": [
            {"kind": "sqs", "arn": f"arn:{PARTITION}:sqs:us-gov-west-1:123456789012:{'q' * 80}"},
            {"kind": "email", "address": f"{'m' * 64}@{'m' * 63}.example"},
        ],
        "retention": {"inbound_days": 3640, "archive_days": 3650, "tracker_days": 3650},
    }
