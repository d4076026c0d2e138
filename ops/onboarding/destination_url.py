"""Where a new customer's files go, as one word on the command line: `sftp://user@host/dir` or `s3://bucket`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ops.plan import RefusedError

_SFTP = re.compile(
    r"sftp://(?P<user>[^@/:]+)@(?P<host>[^@/:]+)(?::(?P<port>[0-9]{1,5}))?(?:/(?P<directory>.*))?"
)
_S3 = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<prefix>.*))?")


@dataclass(frozen=True)
class Destination:
    """A destination's fields as a customer's file has them, in order."""

    fields: Mapping[str, str | int]


def is_sftp(url: str) -> bool:
    """Return whether a destination is a server, whose host key has to be known."""
    return url.startswith("sftp:")


def parse(url: str, host_key: str | None) -> Destination:
    """Return the destination; RefusedError if it is none. The host key is a server's, as a public key's line.

    A path is relative to where the login starts; `sftp://user@host//drop` names `/drop`.
    """
    if found := _SFTP.fullmatch(url):
        port = {"port": int(found["port"])} if found["port"] else {}
        directory = {"directory": found["directory"]} if found["directory"] else {}
        server = {"kind": "sftp", "host": found["host"], **port, "user": found["user"]}
        return Destination({**server, "host_key": host_key or "", "secret": "partner", **directory})
    if found := _S3.fullmatch(url):
        prefix = {"prefix": found["prefix"]} if found["prefix"] else {}
        return Destination({"kind": "s3", "bucket": found["bucket"], **prefix})
    raise RefusedError(
        f"{url!r} is not a destination; write sftp://user@host/directory (with :port after the host if it is"
        " not 22) or s3://bucket/prefix/"
    )
