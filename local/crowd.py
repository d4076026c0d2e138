"""The clients that a scenario begins with: one of each kind, in the region that will go."""

from __future__ import annotations

from functools import cache
from typing import Any

from customers import names
from local.clients import SftpClient
from local.kinds import ByName, ByRecord, Client, ForEver, HardCoded, Staying
from local.sender import Sender
from local.world import SIDE_AT, World

#: They use whatever name their customer gave them years ago, and do not wait long.
_IMPATIENT = {"connect_timeout": 3, "read_timeout": 20, "retries": {"total_max_attempts": 1}}


def crowd(world: World, side: str, *, by_sftp: Sender, by_sdk: Sender) -> list[Client]:
    """Return one client of each kind, of these senders' customers, which use the names of `side`."""

    def at(address: str) -> tuple[str, SftpClient]:
        return SIDE_AT[address], world.sftp_at(by_sftp.user, address)

    @cache
    def storage(region: str) -> Any:
        return world.aws.new_client("s3", region, **_IMPATIENT)

    host = names.endpoint_host(side, by_sftp.customer.id, world.zone)
    record = names.bucket_record(side, by_sdk.customer.id, world.zone)
    return [
        *(kind(by_sftp, host, world.serve_names(), at) for kind in (ByName, ForEver, Staying)),
        *(kind(by_sdk, record, world.serve_names(), storage) for kind in (ByRecord, HardCoded)),
    ]
