"""A transfer: what ingest has found out about it, which is the input of every step of the workflow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from runtime.contract import Kind
from runtime.facts import Fact


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One submitted version of a customer's file.

    `file` and `id` are the tracker's (contract.file_id, contract.transfer_id). `size` is in bytes.
    `destinations` are names in the customer's routing document. `expires`, in seconds since the epoch, is the
    same for all facts of the transfer. `taken_over` means that another execution, in a lost region or one
    that died here, may have delivered it already. `asks` means that nothing is sent: the destinations that
    hold the transfer are asked whether they have the file.
    """

    id: str
    file: str
    customer: str
    bucket: str
    key: str
    version_id: str
    size: int
    etag: str
    destinations: tuple[str, ...]
    expires: int
    taken_over: bool = False
    asks: bool = False

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Transfer:
        """Return the transfer that a workflow's input describes; TypeError if a field is missing.

        Fields that a newer version has added are ignored.
        """
        known = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        return cls(**{**known, "destinations": tuple(document["destinations"])})

    @classmethod
    def here(cls, received: Fact, side: str, *, taken_over: bool = False, asks: bool = False) -> Transfer:
        """Return the transfer of a RECEIVED fact as a transfer of `side`, with the bucket of that side."""
        return cls(
            id=received.transfer,
            file=received.file,
            customer=received.customer,
            bucket=received.detail["bucket"].removesuffix(received.side) + side,
            key=received.key,
            version_id=received.detail["version_id"],
            size=received.detail["size"],
            etag=received.detail["etag"],
            destinations=tuple(received.detail["destinations"]),
            expires=received.expires,
            taken_over=taken_over,
            asks=asks,
        )

    def document(self) -> dict[str, Any]:
        """Return the workflow's input as a document that is ready for JSON."""
        return {**asdict(self), "destinations": list(self.destinations)}

    def fact(self, kind: Kind, *, side: str, writer: str, destination: str = "", **detail: Any) -> Fact:
        """Return a fact about this transfer with the current time."""
        return Fact(
            file=self.file,
            transfer=self.id,
            kind=kind,
            customer=self.customer,
            key=self.key,
            side=side,
            writer=writer,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            expires=self.expires,
            destination=destination,
            detail=detail,
        )
