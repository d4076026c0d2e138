"""Every name that the outside knows. Pure and injective; a name that does not fit is refused, never cut.

Why two things never get one name: an id, a cell and a role hold no hyphen, so a bucket's name reads from
its right end (side, then id or role, then for a role the cell, then the namespace) whatever the
namespace holds; and no id is a role or that of a canary, because those are reserved.
"""

from __future__ import annotations

import re

from runtime import contract
from runtime.contract import ENDPOINTS, PRIMARY, SIDES

ROLES = ("archive", "config", "audit", "switch")

#: Words that mean something in a name; an id that was one of them would be read as the other thing.
RESERVED = frozenset({*SIDES, PRIMARY, *ROLES, "sftp", "sdk", "inbound"})
ID = r"[a-z][a-z0-9]{2,19}"
CELL = r"[a-z0-9]{1,8}"
#: What Transfer Family allows, without capitals.
#: https://docs.aws.amazon.com/transfer/latest/APIReference/API_CreateUser.html
USER = r"[a-z0-9_][a-z0-9_@.-]{2,99}"
_CELL_WORD = re.compile(r"(east|west|cell)[0-9]+")  # `west1` in a host name is a cell

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
    """A name that may not be made; the message says why and what to change."""


class NameTooLongError(NameRefusedError):
    """A name longer than its place allows. Nothing is ever cut to fit."""

    def __init__(self, value: str, limit: int, remedy: str) -> None:
        self.value, self.limit, self.remedy = value, limit, remedy
        super().__init__(f"{value!r} has {len(value)} characters, {limit} are allowed; {remedy}")


def check_id(id: str) -> str:
    """Return `id` when a customer may have it; NameRefusedError when not."""
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
    """Return whether a cell may be called this."""
    return isinstance(text, str) and bool(re.fullmatch(CELL, text))


def check_namespace(namespace: str) -> str:
    """Return `namespace` when buckets and parameters may begin with it; NameRefusedError when not."""
    if not _NAMESPACE.fullmatch(namespace):
        raise NameRefusedError(
            f"{namespace!r} is not a namespace; use lower-case letters, digits and hyphens between them"
        )
    for prefix in _BUCKET_PREFIXES:
        if f"{namespace}-".startswith(prefix):
            raise NameRefusedError(
                f"{namespace!r} begins like {prefix!r}, which S3 keeps for itself; use another"
            )
    for prefix in _PARAMETER_PREFIXES:
        if namespace.startswith(prefix):
            raise NameRefusedError(
                f"{namespace!r} begins with {prefix!r}, which Systems Manager keeps for itself; use another"
            )
    return namespace


def check_zone(zone: str) -> str:
    """Return `zone` when it is the name of a hosted zone, without a final dot; NameRefusedError when not."""
    if not _ZONE.fullmatch(zone):
        raise NameRefusedError(f"{zone!r} is not a zone; use lower-case labels of up to 63, no final dot")
    return zone


def check_bucket(name: str) -> str:
    """Return `name` when anybody's general purpose bucket may have it; NameRefusedError when not."""
    if len(name) > BUCKET_LIMIT:
        raise NameTooLongError(name, BUCKET_LIMIT, "a longer bucket cannot exist")
    if len(name) < 3 or not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        raise NameRefusedError(
            f"{name!r} is not a bucket; use its bare name: 3 to 63 lower-case letters, digits, dots, hyphens"
        )
    if name.startswith(_BUCKET_PREFIXES) or name.endswith(_BUCKET_SUFFIXES):
        raise NameRefusedError(
            f"{name!r} begins or ends with a text that S3 keeps for itself; use the bucket's name"
        )
    return name


def bucket(namespace: str, id: str, side: str) -> str:
    """Return the name of a customer's bucket in one region."""
    return _own_bucket(f"{check_namespace(namespace)}-{check_id(id)}-{_one_of(side, SIDES)}")


def cell_bucket(namespace: str, cell: str, role: str, side: str) -> str:
    """Return the name of one of a cell's own buckets; `role` is one of ROLES."""
    return _own_bucket(
        f"{check_namespace(namespace)}-cell{_cell(cell)}-{_one_of(role, ROLES)}-{_one_of(side, SIDES)}"
    )


def canary_bucket(namespace: str, cell: str, side: str) -> str:
    """Return the name of the bucket of a cell's synthetic transfers; its id is one that no customer has."""
    return _own_bucket(f"{check_namespace(namespace)}-{contract.canary(_cell(cell))}-{_one_of(side, SIDES)}")


def cell_host(side: str, cell: str, zone: str) -> str:
    """Return the host name of a cell's SFTP endpoint: the A record that customers' names point to."""
    return _host(f"sftp.{_one_of(side, SIDES)}{_cell(cell)}.{check_zone(zone)}")


def endpoint_host(endpoint: str, id: str, zone: str) -> str:
    """Return the host name that a customer's SFTP clients use for one of their three endpoints."""
    return _host(f"{_one_of(endpoint, ENDPOINTS)}.{check_id(id)}.{check_zone(zone)}")


def bucket_record(endpoint: str, id: str, zone: str) -> str:
    """Return the name of the TXT record that tells SDK clients the bucket behind one endpoint."""
    return _host(contract.BucketRecord.name(_one_of(endpoint, ENDPOINTS), check_id(id), check_zone(zone)))


def check_secret(namespace: str, id: str, secret: str) -> None:
    """Raise NameRefusedError when a secret's full name would be too long; the message does not repeat it."""
    length = len(contract.secret_name(check_namespace(namespace), check_id(id), secret))
    if length > SECRET_LIMIT:
        raise NameRefusedError(
            f"the secret's full name, {namespace}/{id}/ and this name, has {length} characters,"
            f" {SECRET_LIMIT} are allowed; shorten this name"
        )


def tracker_table(cell: str) -> str:
    """Return the name of a cell's tracker, the same in both regions; the first cell's has no suffix."""
    return "MFT-TransferTracker" if _cell(cell) == "1" else f"MFT-TransferTracker-{cell}"


def key_alias(namespace: str, cell: str) -> str:
    """Return the alias, the same in both regions, of a cell's KMS key."""
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
        raise NameRefusedError(f"{cell!r} is not a cell; use 1 to 8 lower-case letters and digits")
    return cell


def _one_of(word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise NameRefusedError(f"{word!r} is not one of {', '.join(words)}")
    return word
