"""Every name that is visible outside. Pure and injective; a name that is too long is refused, never cut.

Two things never get the same name. Ids, cells and roles contain no hyphen, so the name of a bucket can be
parsed from its right end (side, then id or role, for a role then the cell, then the namespace), whatever the
namespace contains. Roles and the ids of canaries are reserved, so no customer's id equals one.
"""

from __future__ import annotations

import re

from runtime import contract
from runtime.contract import ENDPOINTS, PRIMARY, SIDES, BucketRecord

ROLES = ("archive", "config", "audit", "switch")

#: Words that have a meaning in a name, so an id must not be one of them.
RESERVED = frozenset({*SIDES, PRIMARY, *ROLES, "sftp", "sdk", "inbound"})
ID = r"[a-z][a-z0-9]{2,19}"
CELL = "[1-9][0-9]{0,2}"
#: What Transfer Family allows, without capitals and without the logins of synthetic senders.
#: https://docs.aws.amazon.com/transfer/latest/APIReference/API_CreateUser.html
USER = rf"(?!{contract.CANARY})[a-z0-9_][a-z0-9_@.-]{{2,99}}"
_CELL_WORD = re.compile(r"(east|west|cell)[0-9]+")  # `west1` in a host name is a cell

#: The last word of every namespace, and no other word of it.
LAST_WORD = "mft"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ZONE = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_LIMIT = 63
_BUCKET_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
#: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
_PARAMETER_PREFIXES = ("aws", "ssm")
#: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
SECRET_LIMIT = 512
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")

#: RFC 1035 section 2.3.4, without the root's empty label and the final dot.
HOST_LIMIT = 253
#: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
ALIAS_LIMIT = 256


class NameRefusedError(ValueError):
    """A name that is not allowed; the message says why and what to change."""


class NameTooLongError(NameRefusedError):
    """A name that is too long. Names are never cut to fit."""

    def __init__(self, value: str, limit: int, remedy: str) -> None:
        self.value, self.limit, self.remedy = value, limit, remedy
        super().__init__(f"{value!r} has {len(value)} characters, but {limit} are allowed; {remedy}")


def check_id(id: str) -> str:
    """Return `id` if a customer may have it; NameRefusedError otherwise."""
    if not re.fullmatch(ID, id):
        raise NameRefusedError(
            f"{id!r} is not an id; use 3 to 20 lower-case letters and digits, the first a letter"
        )
    if _is_reserved(id):
        raise NameRefusedError(f"{id!r} is reserved; use an opaque id such as 'c7k2m'")
    return id


def is_id(text: object) -> bool:
    """Return whether a customer may have this id."""
    return isinstance(text, str) and bool(re.fullmatch(ID, text)) and not _is_reserved(text)


def is_cell(text: object) -> bool:
    """Return whether a cell may have this name."""
    return isinstance(text, str) and bool(re.fullmatch(CELL, text))


def check_namespace(namespace: str) -> str:
    """Return `namespace` if names of buckets and parameters may begin with it; NameRefusedError otherwise."""
    if not _NAMESPACE.fullmatch(namespace):
        raise NameRefusedError(
            f"{namespace!r} is not a namespace; use lower-case letters, digits and hyphens between them"
        )
    for prefix in _BUCKET_PREFIXES:
        if f"{namespace}-".startswith(prefix):
            raise NameRefusedError(
                f"{namespace!r} makes bucket names begin with {prefix!r}, which S3 reserves; use another"
            )
    for prefix in _PARAMETER_PREFIXES:
        if namespace.startswith(prefix):
            raise NameRefusedError(
                f"{namespace!r} begins with {prefix!r}, which Systems Manager reserves; use another"
            )
    return namespace


def check_last_word(namespace: str) -> str:
    """Return `namespace` if its last word, and no other, is `mft`; NameRefusedError otherwise.

    Then no namespace with a hyphen behind it begins another namespace, so that `<namespace>-*` in policies
    and event rules matches nothing of another environment.
    """
    *words, last = namespace.split("-")
    if last != LAST_WORD or LAST_WORD in words:
        remedy = f"{'-'.join(word for word in (*words, last) if word != LAST_WORD)}-{LAST_WORD}".lstrip("-")
        raise NameRefusedError(
            f"{namespace!r} does not end in the word {LAST_WORD!r}, or contains it before; policies could"
            f" then match names of another environment; use another, such as {remedy!r}"
        )
    return namespace


def check_zone(zone: str) -> str:
    """Return `zone` if it can name a hosted zone (without a final dot); NameRefusedError otherwise."""
    if not _ZONE.fullmatch(zone):
        raise NameRefusedError(
            f"{zone!r} is not a zone; use lower-case labels of up to 63 characters, no final dot"
        )
    return zone


def check_bucket(name: str) -> str:
    """Return `name` if a general purpose bucket may have it; NameRefusedError otherwise."""
    if len(name) > BUCKET_LIMIT:
        raise NameTooLongError(name, BUCKET_LIMIT, "no bucket has a longer name")
    if len(name) < 3 or not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        raise NameRefusedError(
            f"{name!r} is not a bucket; use its bare name: 3 to 63 lower-case letters, digits, dots, hyphens"
        )
    if name.startswith(_BUCKET_PREFIXES) or name.endswith(_BUCKET_SUFFIXES):
        raise NameRefusedError(
            f"{name!r} begins or ends with a text that S3 reserves; use the name of the bucket itself"
        )
    return name


def bucket(stem: str, id: str, side: str) -> str:
    """Return the name of a customer's bucket in one region; `stem` is that of its cell's names."""
    return _own_bucket(f"{check_namespace(stem)}-{check_id(id)}-{_one_of(side, SIDES)}")


def cell_bucket(namespace: str, cell: str, role: str, side: str) -> str:
    """Return the name of one of a cell's own buckets; `role` is one of ROLES."""
    return _own_bucket(
        f"{check_namespace(namespace)}-cell{_cell(cell)}-{_one_of(role, ROLES)}-{_one_of(side, SIDES)}"
    )


def canary_bucket(namespace: str, cell: str, side: str) -> str:
    """Return the name of the bucket of a cell's synthetic transfers. No customer has its id."""
    stem = contract.stem(check_namespace(namespace), _cell(cell))
    return _own_bucket(f"{stem}-{contract.canary(cell)}-{_one_of(side, SIDES)}")


def cell_host(side: str, cell: str, zone: str) -> str:
    """Return the host name of a cell's SFTP endpoint: the A record that the customers' names point to."""
    return _host(f"sftp.{_one_of(side, SIDES)}{_cell(cell)}.{check_zone(zone)}")


def endpoint_host(endpoint: str, id: str, zone: str) -> str:
    """Return the host name that a customer's SFTP clients use for one of their three endpoints."""
    return _host(f"{_one_of(endpoint, ENDPOINTS)}.{check_id(id)}.{check_zone(zone)}")


def receipts_topic(stem: str, id: str) -> str:
    """Return the name of a customer's topic of receipts, the same in both regions; `stem` as for a bucket."""
    return f"{check_namespace(stem)}-{check_id(id)}-receipts"


def deliver_role(namespace: str, cell: str, side: str) -> str:
    """Return the name of the role that delivers to partners. IAM is global, so it names the region's side."""
    return f"{check_namespace(namespace)}-cell{_cell(cell)}-deliver-{_one_of(side, SIDES)}"


def replication_job_role(namespace: str, cell: str, side: str) -> str:
    """Return the name of the role with which S3 replicates again what `side` has and its peer lacks."""
    return f"{check_namespace(namespace)}-cell{_cell(cell)}-replicate-{_one_of(side, SIDES)}"


def bucket_record(endpoint: str, id: str, zone: str) -> str:
    """Return the name of the TXT record in which SDK clients find the bucket behind an endpoint."""
    return _host(BucketRecord.name(_one_of(endpoint, ENDPOINTS), check_id(id), check_zone(zone)))


def check_secret(namespace: str, id: str, secret: str) -> None:
    """Raise NameRefusedError if a secret's full name is too long; the message does not repeat the name."""
    length = len(contract.secret_name(check_namespace(namespace), check_id(id), secret))
    if length > SECRET_LIMIT:
        raise NameRefusedError(
            f"the secret's full name, {namespace}/{id}/ and this name, has {length} characters,"
            f" {SECRET_LIMIT} are allowed; shorten this name"
        )


def tracker_table(cell: str) -> str:
    """Return the name of a cell's tracker table, the same in both regions. The first cell's has no suffix."""
    return "MFT-TransferTracker" if _cell(cell) == "1" else f"MFT-TransferTracker-{cell}"


def key_alias(namespace: str, cell: str) -> str:
    """Return the alias of a cell's KMS key, the same in both regions."""
    alias = f"alias/{check_namespace(namespace)}-{_cell(cell)}"
    if len(alias) > ALIAS_LIMIT:
        raise NameTooLongError(alias, ALIAS_LIMIT, "shorten the namespace")
    return alias


def _own_bucket(name: str) -> str:
    if len(name) > BUCKET_LIMIT:
        raise NameTooLongError(name, BUCKET_LIMIT, "shorten the namespace")
    return check_bucket(name)


def _host(name: str) -> str:
    if len(name) > HOST_LIMIT:
        raise NameTooLongError(name, HOST_LIMIT, "shorten the zone")
    return name


def _is_reserved(id: str) -> bool:
    return id in RESERVED or bool(_CELL_WORD.fullmatch(id)) or contract.is_canary(id)


def _cell(cell: str) -> str:
    if not is_cell(cell):
        raise NameRefusedError(f"{cell!r} is not a cell; write its number, from 1 to 999")
    return cell


def _one_of(word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise NameRefusedError(f"{word!r} is not one of {', '.join(words)}")
    return word
