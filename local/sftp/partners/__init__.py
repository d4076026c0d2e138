"""The partners' SFTP servers on this machine: OpenSSH if it is installed, asyncssh otherwise.

    with partner() as p:
        ...deliver to p.host, p.port, p.user, p.directory with p.private_key, expecting p.host_key...
        p.faults.drop(after=100_000)
        assert p.files() == {"a.txt": b"..."}

They differ in the faults that they support: only the asyncssh server can freeze (see Faults.freeze).
"""

from __future__ import annotations

from typing import Any, assert_never

from local.sftp.partners.faults import Faults
from local.sftp.partners.inprocess import AsyncsshPartner
from local.sftp.partners.openssh import OpenSshPartner, openssh_missing
from local.sftp.partners.server import Partner, PartnerKind

__all__ = ["AsyncsshPartner", "Faults", "OpenSshPartner", "Partner", "openssh_missing", "partner"]


def partner(kind: PartnerKind | None = None, **settings: Any) -> Partner:
    """Return a partner of a kind, not yet started; without a kind, OpenSSH's where that works.

    `settings` are those of Partner.
    """
    match kind or ("asyncssh" if openssh_missing() else "openssh"):
        case "asyncssh":
            return AsyncsshPartner(**settings)
        case "openssh":
            return OpenSshPartner(**settings)
        case other:
            assert_never(other)
