"""The kinds of text that a customer's file holds: what each may be, as pydantic types with plain messages."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from customers import names
from customers.keys import KeyRefusedError, PublicKey
from runtime import patterns
from runtime.contract import PARTITION, REGION_OF

#: The type of every error that these checks raise: its message is already a sentence for people.
REFUSED = "refused"

_REGION = "|".join(sorted(REGION_OF.values()))
_DURATION = re.compile(r"([1-9][0-9]{0,3})([dh])")
_HOST = re.compile(
    r"(?=.{1,253}$)(?!.*\.[0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


def refused(message: str) -> PydanticCustomError:
    """Return the error that makes pydantic carry `message` as it is."""
    return PydanticCustomError(REFUSED, "{message}", {"message": message})


def _checked(check: Callable[[str], object], *, describe: str, pattern: str | None = None) -> Any:
    """Return the annotation of a text that `check` takes, or turns into another; ValueError if not."""

    def validated(value: str) -> str:
        try:
            result = check(value)
        except ValueError as error:
            raise refused(str(error)) from None
        return value if result is None else str(result)

    extra = {"pattern": f"^(?:{pattern})$"} if pattern else None
    return Annotated[str, AfterValidator(validated), Field(description=describe, json_schema_extra=extra)]


def _matching(pattern: str, rule: str, *, describe: str, show: bool = True) -> Any:
    """Return the annotation of a text that matches a whole regular expression; `rule` says it in words."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} {rule}" if show else rule)

    return _checked(check, describe=describe, pattern=pattern)


def shown(value: object) -> str:
    """Return a value as messages print it: never longer than a glance."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…{text[-1]} ({len(str(value))} characters)"


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as `7d` or `12h`; ValueError when it is none."""
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"{shown(duration)} is not a duration; write a number and d or h, such as 7d or 12h")
    return int(found[1]) * {"d": 86400, "h": 3600}[found[2]]


def _source(cidr: str) -> None:
    try:
        network = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        raise ValueError(f"{shown(cidr)} is not an IPv4 network; write one such as 198.51.100.0/24") from None
    if "/" not in cidr:
        raise ValueError(f"{cidr!r} has no prefix length; write {network}")
    if cidr != str(network):
        raise ValueError(f"{shown(cidr)} has host bits set or is not written plainly; write {network}")
    if network.prefixlen < 8:
        raise ValueError(
            f"{cidr!r} opens the endpoint of every customer of the cell to a large part of the internet;"
            " list the customer's own networks, /8 or smaller"
        )


def _host(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        if not _HOST.fullmatch(host):
            raise ValueError(
                f"{shown(host)} is not a host; write a lower-case DNS name or an IPv4 address, without a port"
            ) from None


def _temporary(pattern: str) -> None:
    patterns.check(pattern)
    if "/" in pattern:
        raise ValueError(f"{shown(pattern)} has a '/'; it is compared with the last part of a key only")
    if not pattern.strip("*?"):
        raise ValueError(f"{shown(pattern)} takes every name, so no file would ever be sent; name an ending")


def _glob(pattern: str) -> None:
    try:
        patterns.check(pattern)
    except patterns.PatternError as error:
        raise ValueError(f"{shown(pattern)} {error}") from None


def _key(line: str) -> PublicKey:
    try:
        return PublicKey.parse(line)
    except KeyRefusedError as error:
        raise ValueError(str(error)) from None


def _arn(rest: str, what: str, example: str, *, describe: str) -> Any:
    """Return the annotation of an ARN of this partition."""
    pattern = rf"arn:{PARTITION}:{rest}"

    def check(value: str) -> None:
        partition = value.split(":")[1] if value.startswith("arn:") and value.count(":") > 1 else PARTITION
        if partition != PARTITION:
            raise ValueError(
                f"{shown(value)} is of the partition {partition!r}; only {PARTITION!r} can be granted here,"
                f" use the GovCloud account's own, such as arn:{PARTITION}:{example}"
            )
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} is not {what}; write arn:{PARTITION}:{example}")

    return _checked(check, describe=describe, pattern=pattern)


Id = _checked(
    names.check_id,
    pattern=names.ID,
    describe="Short, opaque and never changed: it is in bucket names, DNS and metrics, where no name may be.",
)
Cell = _matching(
    names.CELL,
    "is not a cell; use 1 to 8 lower-case letters and digits",
    describe="Which cell of each region serves the customer.",
)
HumanName = _matching(
    r"\S(.{0,98}\S)?",
    "is not a name; write 1 to 100 characters on one line, no blank at either end",
    describe="For people. It never leaves this file.",
)
User = _matching(
    names.USER,
    "is not an SFTP user name; use 3 to 100 lower-case letters, digits, '_', '@', '.' and '-',"
    " the first a letter, digit or '_'",
    describe="SFTP login, unique in the whole registry: one server serves all customers of a cell.",
)
Key = _checked(_key, describe="OpenSSH public key: `type base64`. A comment is dropped.")
Source = _checked(_source, describe="IPv4 network that logins come from, such as 198.51.100.0/24.")
#: KMS grants the use of a key to principals whose ARN has up to 256 characters.
#: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
Principal = _arn(
    rf"iam::[0-9]{{12}}:(role|user)/[\w+=,.@/-]{{1,{256 - len(f'arn:{PARTITION}:iam::123456789012:role/')}}}",
    "a role or user of IAM whose ARN has up to 256 characters",
    "iam::123456789012:role/uploader",
    describe="ARN of an IAM role or user that may put objects below inbound/sdk/.",
)
Queue = _arn(
    rf"sqs:({_REGION}):[0-9]{{12}}:[\w-]{{1,80}}",
    "a standard queue of SQS in a GovCloud region (a topic cannot feed a .fifo queue)",
    "sqs:us-gov-west-1:123456789012:receipts",
    describe="ARN of a standard queue; its own policy must let the topic send to it.",
)
Url = _matching(
    r"https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?(/[^\s@]*)?",
    "is not an https address; write https://host/path, without a user or password",
    describe="Address that answers SNS's confirmation request.",
)
Address = _matching(
    r"[^\s@<>]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    "is not an e-mail address",
    describe="Mailbox; a person confirms the subscription once in each region.",
)
Host = _checked(_host, describe="DNS name or IPv4 address of the partner's SFTP server.")
Login = _matching(
    r"[A-Za-z0-9_][\w.@\\-]{0,63}", "is not a login", describe="User at the partner's SFTP server."
)
Secret = _matching(
    r"[A-Za-z0-9/_+=.@-]{1,512}",
    "is not the name of a secret; write the name, never the content, of the Secrets Manager secret",
    describe="Name of the secret that holds the private key: in Secrets Manager of both regions it is"
    " `<namespace>/<id>/<this name>`. Never the key itself.",
    show=False,  # somebody may have pasted the content here
)
RemoteDirectory = _matching(
    r"(?!(.*/)?\.\.(/|$))[^\x00-\x1f\\]{1,512}",
    "is not a directory; write a path without '..' and backslashes",
    describe="Directory on the partner's server; `.` is where the login starts.",
)
Bucket = _checked(names.check_bucket, describe="Bucket of the partner, in one of the GovCloud regions.")
Prefix = _matching(
    r"|(?!/)[^\x00-\x1f]{1,512}/",
    "is not a prefix; end it with '/' and do not begin with one, or leave it out",
    describe="Where in the bucket files go; empty, or ending in '/'.",
)
DestinationName = _matching(
    r"[a-z][a-z0-9-]{0,39}",
    "is not a destination name; use up to 40 lower-case letters, digits and hyphens, the first a letter",
    describe="What routes call it.",
)
Glob = _checked(_glob, describe="Pattern on the key below inbound/, such as sdk/** or sftp/alpha/*.csv.")
TemporaryName = _checked(_temporary, describe="Pattern on the last part of a key: such an upload waits.")
Duration = _checked(
    lambda text: seconds(text) and None, pattern=_DURATION.pattern, describe="A number and d or h: 7d, 12h."
)
Whole = Annotated[int, Strict()]
