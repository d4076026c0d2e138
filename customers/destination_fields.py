"""The types of the values that describe a destination, as in `customers.fields`."""

from __future__ import annotations

import re
from typing import Annotated

from customers import addresses, names
from customers.fields import REGION, arn, checked, matching
from customers.paths import shown

_NAMES_IN_MANAGER = "[A-Za-z0-9/_+=.@-]{1,512}"
_UPLOAD_NAME = r"[A-Za-z0-9._~+-]{0,20}\*[A-Za-z0-9._~+-]{0,20}"
#: A long word of mixed letters and digits, as generated passwords and tokens are.
_CONTENT = "(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{16}"


def _secret(name: str) -> None:
    """Raise ValueError if a text is not a secret's name. It may be the content, so it is never repeated."""
    if not re.fullmatch(_NAMES_IN_MANAGER, name, re.ASCII):
        raise ValueError(
            "is not the name of a secret; write the name, never the content, of the Secrets Manager secret"
        )
    if {"", ".", ".."} & set(name.split("/")):
        raise ValueError(
            "is not the name of a secret below `<namespace>/<id>/`; write it without '.', '..' or an empty"
            " part between slashes or at an end"
        )
    if re.search(_CONTENT, name):
        raise ValueError(
            "looks like the content of a secret; if it is, remove it from the repository's history and"
            " replace it at its origin; write the name of the Secrets Manager secret, in words with hyphens"
        )


def _upload_name(pattern: str) -> None:
    if not re.fullmatch(_UPLOAD_NAME, pattern, re.ASCII) or pattern in ("*", ".*"):
        raise ValueError(
            f"{shown(pattern)} is not a name for unfinished uploads; write up to 40 letters, digits and ._~+-"
            " around one '*', which stands for the file's own name, such as .*.part or *.uploading"
        )


Host = Annotated[
    str,
    *checked(addresses.check_host, describe="DNS name or IPv4 address of the partner's SFTP server."),
]
Login = Annotated[
    str,
    *matching(
        r"[A-Za-z0-9_][\w.@\\-]{0,63}", "is not a login", describe="User at the partner's SFTP server."
    ),
]
Secret = Annotated[
    str,
    *checked(
        _secret,
        pattern=_NAMES_IN_MANAGER,
        describe="Name of the secret that holds the private key: in Secrets Manager of both regions it is"
        " `<namespace>/<id>/<this name>`. Never the key itself.",
    ),
]
RemoteDirectory = Annotated[
    str,
    *matching(
        r"(?!(.*/)?\.\.(/|$))[^\x00-\x1f\\]{1,512}",
        "is not a directory; write a path without '..' or backslashes",
        describe="Directory on the partner's server; `.` is where the login starts.",
    ),
]
UploadName = Annotated[
    str,
    *checked(
        _upload_name,
        pattern=_UPLOAD_NAME,
        describe="Name of an unfinished upload in the same directory; `*` stands for the file's name and the"
        " attempt. The partner must not pick up such files.",
    ),
]
Bucket = Annotated[
    str, *checked(names.check_bucket, describe="Bucket of the partner, in one of the GovCloud regions.")
]
Account = Annotated[
    str,
    *matching(
        r"[0-9]{12}",
        "is not an account id; write its 12 digits, in quotes",
        describe="Id of the AWS account that owns the partner's bucket.",
    ),
]
KmsKey = Annotated[
    str,
    *arn(
        rf"kms:({REGION}):[0-9]{{12}}:key/[a-z0-9-]{{1,64}}",
        "a key of KMS in a GovCloud region (an alias does not do: policies name keys)",
        "kms:us-gov-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        describe="ARN of the key under which the partner's bucket encrypts.",
    ),
]
Prefix = Annotated[
    str,
    *matching(
        r"|(?!/)[^\x00-\x1f]{1,512}/",
        "is not a prefix; end it with '/' and do not begin it with one, or leave it out",
        describe="Prefix of the files' keys in the bucket: empty, or ending in '/'.",
    ),
]
