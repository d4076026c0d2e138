"""The canary's upload by SFTP: through a login of the cell's endpoint, as a customer's client does it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncssh

from runtime.delivery.answers import ask
from runtime.delivery.errors import TransientDeliveryError
from runtime.delivery.ssh import Patience, connect
from runtime.delivery.target import SftpTarget

#: Each address gets few seconds: that of a lost zone does not answer, and the others have to be tried too.
PATIENCE = Patience(connect=10.0, step=30.0)


class NotSentError(RuntimeError):
    """No address of the endpoint took the file; the message has the reason of each."""


@dataclass(frozen=True, kw_only=True)
class SftpUpload:
    """Uploads to the endpoint at `addresses` (`host:port`) as `login`, whose key is fetched for each upload.

    Like the client of a name with several addresses, it goes on to the next address if one does not answer.
    `host_key` (an OpenSSH public key) is the only key that is accepted of the endpoint.
    """

    addresses: Sequence[str]
    login: str
    host_key: str
    private_key: Callable[[], str]
    patience: Patience = PATIENCE

    def __call__(self, name: str, content: bytes) -> None:
        """Write a file into the login's folder; NotSentError if no address answers.

        Raises PermanentDeliveryError if the host key or the login is refused, and TransientDeliveryError if
        the upload breaks off.
        """
        asyncio.run(self._upload(name, content))

    async def _upload(self, name: str, content: bytes) -> None:
        key, silent = self.private_key(), []
        for address in random.sample(self.addresses, len(self.addresses)):
            host, _, port = address.rpartition(":")
            endpoint = SftpTarget(
                host=host, port=int(port), user=self.login, host_key=self.host_key, directory="."
            )
            is_connected = False
            try:
                async with connect(endpoint, key, self.patience) as (_, sftp):
                    is_connected = True
                    writing = _write(sftp, name, content)
                    return await ask(endpoint.place, "upload", writing, self.patience.step)
            except TransientDeliveryError as error:
                if is_connected:
                    raise
                silent.append(str(error))
        raise NotSentError("; ".join(silent))


async def _write(sftp: asyncssh.SFTPClient, name: str, content: bytes) -> None:
    async with sftp.open(name, "wb") as file:
        await file.write(content)
