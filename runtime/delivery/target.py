"""A partner's SFTP server as a destination: where it is, and what it can and cannot do."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.delivery.names import TEMPORARY


@dataclass(frozen=True, kw_only=True)
class SftpTarget:
    """A directory on a partner's server. `host_key`, an OpenSSH line, is the only key that is accepted.

    `directory` is absolute or relative to the user's initial directory, and has to exist. `temporary_name` is
    the name of an upload, with a `*` for the file's name and the attempt. Without `renames`, a file is
    written under its final name; without `verifies`, its size is not looked up; without `fsync`, the server
    is not asked to write it to its disk first.
    """

    host: str
    port: int = 22
    user: str
    host_key: str
    directory: str
    temporary_name: str = TEMPORARY
    renames: bool = True
    verifies: bool = True
    fsync: bool = True

    @property
    def place(self) -> str:
        """The server in the form that messages use."""
        return f"{self.host}:{self.port}"

    @property
    def login(self) -> str:
        """The server and the login there."""
        return f"{self.user}@{self.place}"
