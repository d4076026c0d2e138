"""The types of the values in a customer's file: pydantic types whose errors are sentences for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from customers import addresses, names
from customers.keys import KeyRefusedError, PublicKey
from customers.paths import shown
from runtime import patterns
from runtime.contract import PARTITION, REGION_OF

#: The type of every error that these checks raise. Its message is already a complete sentence.
REFUSED = "refused"

#: The names of the regions, for a regular expression.
REGION = "|".join(sorted(REGION_OF.values()))
_DURATION = re.compile(r"([1-9][0-9]{0,3})([dh])")
_URL = r"https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?(/[^\s@]*)?"


def refused(message: str) -> PydanticCustomError:
    """Return an error whose `message` pydantic passes on unchanged."""
    return PydanticCustomError(REFUSED, "{message}", {"message": message})


#: The metadata of an `Annotated[str, ...]`: the check of a text, and its description in the schema.
Marks = tuple[AfterValidator, Any]


def checked(check: Callable[[str], object], *, describe: str, pattern: str | None = None) -> Marks:
    """Return the metadata of a text that `check` accepts; `check` returns None or another text to use.

    It raises ValueError, with a sentence for people, for a text that it refuses.
    """

    def validated(value: str) -> str:
        try:
            result = check(value)
        except ValueError as error:
            raise refused(str(error)) from None
        return value if result is None else str(result)

    extra: JsonDict | None = {"pattern": f"^(?:{pattern})$"} if pattern else None
    return AfterValidator(validated), Field(description=describe, json_schema_extra=extra)


def matching(pattern: str, rule: str, *, describe: str) -> Marks:
    """Return the metadata of a text that matches a regular expression from end to end; `rule` explains it."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} {rule}")

    return checked(check, describe=describe, pattern=pattern)


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as `7d` or `12h`; ValueError for any other text."""
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"{shown(duration)} is not a duration; write a number and d or h, such as 7d or 12h")
    return int(found[1]) * {"d": 86400, "h": 3600}[found[2]]


def _temporary(pattern: str) -> None:
    patterns.check(pattern)
    if "/" in pattern:
        raise ValueError(
            f"{shown(pattern)} contains '/', but it is compared only with the last part of a key"
        )
    if not pattern.strip("*?"):
        raise ValueError(f"{shown(pattern)} matches every name, so no file would ever be sent; add an ending")


def _glob(pattern: str) -> None:
    try:
        patterns.check(pattern)
    except patterns.PatternError as error:
        raise ValueError(f"{shown(pattern)} {error}") from None


def _url(url: str) -> None:
    if not re.fullmatch(_URL, url, re.ASCII):
        raise ValueError(
            f"{shown(url)} is not an https address; write https://host/path, without a user or password"
        )
    addresses.check_host(url.removeprefix("https://").partition("/")[0].partition(":")[0])


def _key(line: str) -> PublicKey:
    try:
        return PublicKey.parse(line)
    except KeyRefusedError as error:
        raise ValueError(str(error)) from None


def _login_key(line: str) -> PublicKey:
    # The endpoint's security policy is one of FIPS, and AWS's page says of ed25519 that it is "not
    # FIPS-compliant": https://docs.aws.amazon.com/transfer/latest/userguide/key-management.html
    key = _key(line)
    if key.type == "ssh-ed25519":
        raise ValueError(
            "is an ed25519 key, which the endpoint's FIPS policy does not allow; let the customer make"
            " another: ssh-keygen -t ecdsa -b 384"
        )
    return key


def arn(rest: str, what: str, example: str, *, describe: str) -> Marks:
    """Return the metadata of an ARN of this partition."""
    pattern = rf"arn:{PARTITION}:{rest}"

    def check(value: str) -> None:
        partition = value.split(":")[1] if value.startswith("arn:") and value.count(":") > 1 else PARTITION
        if partition != PARTITION:
            raise ValueError(
                f"{shown(value)} is in the partition {partition!r}, and this platform is in {PARTITION!r};"
                f" use an ARN of the GovCloud account, such as arn:{PARTITION}:{example}"
            )
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} is not {what}; write arn:{PARTITION}:{example}")

    return checked(check, describe=describe, pattern=pattern)


Id = Annotated[
    str,
    *checked(
        names.check_id,
        pattern=names.ID,
        describe="Short, opaque and never changed: it is part of bucket names, DNS names and metrics, where"
        " nobody's name may appear.",
    ),
]
Cell = Annotated[
    str,
    *matching(
        names.CELL,
        "is not a cell; write its number, from 1 to 999, without leading zeros",
        describe="Which cell of each region serves the customer.",
    ),
]
HumanName = Annotated[
    str,
    *matching(
        r"\S(.{0,98}\S)?",
        "is not a name; write 1 to 100 characters on one line, without blanks at either end",
        describe="Name for people. It is never used outside this file.",
    ),
]
User = Annotated[
    str,
    *matching(
        names.USER,
        "is not an SFTP user name; use 3 to 100 lower-case letters, digits, '_', '@', '.' and '-',"
        " the first a letter, digit or '_', and not 'canary' at the beginning",
        describe="SFTP login, unique in the whole registry: one server serves all customers of a cell.",
    ),
]
LoginKey = Annotated[
    str,
    *checked(_login_key, describe="OpenSSH public key, RSA or ECDSA: `type base64`. A comment is dropped."),
]
Key = Annotated[str, *checked(_key, describe="OpenSSH public key: `type base64`. A comment is dropped.")]
Source = Annotated[
    str,
    *checked(
        addresses.check_network, describe="IPv4 network that logins come from, such as 198.51.100.0/24."
    ),
]
Principal = Annotated[
    str,
    *arn(
        r"iam::[0-9]{12}:(role|user)/[\w+=,.@/-]{1,576}",
        "a role or user of IAM",
        "iam::123456789012:role/uploader",
        describe="ARN of an IAM role or user that may put objects below inbound/sdk/.",
    ),
]
VpcEndpoint = Annotated[
    str,
    *matching(
        "vpce-[0-9a-f]{8,17}",
        "is not a VPC endpoint; write its id, such as vpce-0123456789abcdef0",
        describe="Id of a VPC endpoint of S3.",
    ),
]
Queue = Annotated[
    str,
    *arn(
        rf"sqs:({REGION}):[0-9]{{12}}:[\w-]{{1,80}}",
        "a standard queue of SQS in a GovCloud region (a topic cannot feed a .fifo queue)",
        "sqs:us-gov-west-1:123456789012:receipts",
        describe="ARN of a standard queue; its own policy must let the topic send to it.",
    ),
]
Url = Annotated[
    str, *checked(_url, pattern=_URL, describe="Address that answers SNS's confirmation request.")
]
Address = Annotated[
    str,
    *matching(
        r"[^\s@<>]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
        "is not an e-mail address",
        describe="Mailbox; a person confirms the subscription once in each region.",
    ),
]
DestinationName = Annotated[
    str,
    *matching(
        r"[a-z][a-z0-9-]{0,39}",
        "is not a destination name; use up to 40 lower-case letters, digits and hyphens, the first a letter",
        describe="Name by which routes refer to the destination.",
    ),
]
Glob = Annotated[
    str, *checked(_glob, describe="Pattern for the key below inbound/, such as sdk/** or sftp/alpha/*.csv.")
]
TemporaryName = Annotated[
    str,
    *checked(
        _temporary, describe="Pattern for the last part of a key: a matching upload waits for its rename."
    ),
]
Duration = Annotated[
    str,
    *checked(
        lambda text: seconds(text) and None,
        pattern=_DURATION.pattern,
        describe="A number followed by d or h, such as 7d or 12h.",
    ),
]
Whole = Annotated[int, Strict()]
