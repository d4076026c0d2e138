"""The JSON form of a notice, as its customer's programs read it."""

from __future__ import annotations

from typing import Literal, NotRequired, Required

from typing_extensions import TypedDict

from runtime.routing import DuplicatesPolicy


class NoticeDestination(TypedDict, total=False):
    """What is known of a file at one destination."""

    name: Required[str]
    """The destination, as the registry names it."""
    delivered: str
    """When it was delivered, in UTC."""
    sha256: str
    """The SHA-256 of what was delivered; of a large file the hash that its receipt would state."""
    duplicate_of: str
    """The transfer that delivered the same content before."""
    held: str
    """Why it is held: it must not be sent again."""
    not_delivered: str
    """Why it was not delivered there, of a file that is held elsewhere."""


class NoticeFile(TypedDict):
    """One submission of a file."""

    key: str
    """The object's key in the customer's bucket."""
    transfer: str
    """The transfer's id, as receipts state it."""
    submitted: str
    """When it was submitted, in UTC to the second."""
    why: NotRequired[str]
    """Why it is to be sent again."""
    destinations: NotRequired[list[NoticeDestination]]
    """What is known of it at each destination, unless it is to be sent again."""


class NoticeList(TypedDict):
    """Files of one kind."""

    count: int
    """How many there are."""
    files: list[NoticeFile]
    """Those for which the message has room."""


class NoticeHosts(TypedDict):
    """Names of the SFTP endpoint that serves."""

    primary: str
    """The customer's name that moves with a failover."""
    region: str
    """The customer's name of the region that serves."""
    cell: str
    """The name of the endpoint itself."""


class NoticeDocument(TypedDict):
    """Where to send while a region is out, and what became of what was sent to it.

    It arrives on the topic of the receipts; its `outcome` tells it from them. More fields may come; a program
    ignores those that it does not know.
    """

    schema: Literal[1]
    """The version of this format."""
    outcome: Literal["notice"]
    """It is a notice."""
    customer: str
    """The customer's id."""
    out: str
    """The region that is out of service."""
    region: str
    """The region that takes files."""
    bucket: str
    """The customer's bucket there."""
    hosts: NoticeHosts
    """Names of the SFTP endpoint there."""
    record: str
    """The TXT record that names the bucket to send to."""
    policy: DuplicatesPolicy
    """`content`: a file that is sent again is compared. `version`: whatever is sent is delivered."""
    window_seconds: int
    """For how long after the first time a file that is sent again is recognised."""
    since: str
    """Files that were submitted since then, in UTC, are listed."""
    resend: NoticeList
    """Files to send again."""
    held: NoticeList
    """Files not to send again until the operators have decided."""
    delivered: NoticeList
    """Files that need not be sent again."""
    whole: NotRequired[str]
    """If a list is cut: the command by which operators get all of it."""
