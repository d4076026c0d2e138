"""Temporary names: what SFTP clients call a file while they upload it, before they rename it. Pure.

Below `inbound/sftp/` a file with such a name is not one yet. Upper and lower case do not matter. The S3 API
knows no rename, so below `inbound/sdk/` every name is that of a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from runtime import patterns
from runtime.contract import INBOUND_SFTP

#: What each client calls an unfinished upload, by the words of `incoming.client` in the registry.
#:
#: WinSCP: https://winscp.net/eng/docs/resume. rclone (since 1.63): https://rclone.org/docs/#partial-suffix-string.
#: lftp: `xfer:temp-file-name`, https://lftp.yar.ru/lftp-man.html, and `*.lftp`, which many set there. Spring:
#: https://docs.spring.io/spring-integration/reference/sftp/outbound.html (`temporary-file-suffix`). GVfs, on
#: replacing a file: `do_replace` in daemon/gvfsbackendsftp.c of https://gitlab.gnome.org/GNOME/gvfs.
OF_CLIENT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "winscp": ("*.filepart",),
        "rclone": ("*.partial",),
        "lftp": (".in.*", "*.lftp"),
        "spring": ("*.writing",),
        "gvfs": (".giosave??????",),
        # OpenSSH's sftp and scp, psftp, pscp, FileZilla and libraries write a file under its name.
        "in-place": (),
    }
)

#: What scripts and other clients use: browsers, KDE, upload pages.
_USUAL = ("*.tmp", "*.part", "*.uploading", "*.incomplete", "*.inprogress", "*.crdownload", "*.download")

#: The names for a customer whose client the registry does not say.
ANY = (*(name for names in OF_CLIENT.values() for name in names), *_USUAL)


def is_temporary(key: str, names: Iterable[str]) -> bool:
    """Return whether the last segment of a key below `inbound/sftp/` matches one of these patterns."""
    return key.startswith(INBOUND_SFTP) and fits(key.rpartition("/")[2], names)


def fits(name: str, names: Iterable[str]) -> bool:
    """Return whether a name, the last segment of a key, matches one of these patterns in any case.

    Raises patterns.PatternError.
    """
    return any(patterns.matches(each.lower(), name.lower()) for each in names)
