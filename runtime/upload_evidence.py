"""What the session log proves about one version of an SFTP upload: whole, cut off, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from runtime.session_log import Ending, Written

#: S3 gives a version the time at which its upload began, to the second, and the log the time at which it
#: ended, by another clock.
SLACK = timedelta(seconds=2)

#: A rename copies; the copy's version is at most this much older than the entry of its rename.
_RENAMING = timedelta(minutes=1)


class Verdict(StrEnum):
    """What is proven. UNPROVEN: whether the file is whole is not known, so it is not delivered."""

    WHOLE = "whole"
    CUT_OFF = "cut off"
    UNPROVEN = "unproven"


@dataclass(frozen=True, kw_only=True)
class Object:
    """One version of an object: its size in bytes, and its time as S3 has it."""

    size: int
    modified: datetime


def judge(version: Object, versions: Iterable[Object], entries: Iterable[Written]) -> tuple[Verdict, str]:
    """Return what is proven about a version, with the reason.

    `versions` are all versions of its key, this one included, and `entries` those about its path. Versions of
    one size cannot be told apart by the log, so each needs an entry of its own.
    """
    since = version.modified - SLACK
    alike = sum(each.size == version.size and each.modified >= since for each in versions)
    whole = cut_off = 0
    for each in entries:
        if each.at < since:
            continue
        match each.ending:
            case Ending.WHOLE:
                whole += each.size == version.size
            case Ending.CUT_OFF:
                cut_off += each.size == version.size
            case Ending.RENAMED:
                whole += each.at <= version.modified + _RENAMING
            case _:
                assert_never(each.ending)
    if whole >= alike and not cut_off:
        return Verdict.WHOLE, "the session log has the end of its upload"
    if cut_off and not whole:
        return Verdict.CUT_OFF, "the session log shows that its upload was cut off"
    return Verdict.UNPROVEN, (
        f"of {alike} versions of {version.size} bytes, the session log shows {whole} uploads that ended and "
        f"{cut_off} that were cut off"
    )
