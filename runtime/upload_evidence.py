"""What the session log proves about one version of an SFTP upload: whole, cut off, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def judge(
    *, size: int, modified: datetime, alike: Sequence[datetime], entries: Iterable[Written]
) -> tuple[Verdict, str]:
    """Return what is proven about a version, with the reason.

    `size` is in bytes, `modified` its time as S3 has it, and `entries` are those about its path. `alike` are
    the times of the versions of its key, this one included, that were uploaded here, are of its size and are
    not older: the log cannot tell them apart, so each needs an entry of its own.
    """
    known = [each for each in entries if each.at >= modified - SLACK]
    whole = cut_off = 0
    renames: list[datetime] = []
    for each in known:
        match each.ending:
            case Ending.WHOLE:
                whole += each.size == size
            case Ending.CUT_OFF:
                cut_off += each.size == size
            case Ending.RENAMED:
                renames.append(each.at)
            case _:
                assert_never(each.ending)
    # The entry of a rename has no size: it speaks for the version that was made at its time.
    whole += sum(any(made - SLACK <= at <= made + _RENAMING for at in renames) for made in alike)
    if whole >= len(alike) and not cut_off:
        return Verdict.WHOLE, "the session log has the end of its upload"
    if cut_off and not whole:
        return Verdict.CUT_OFF, "the session log shows that its upload was cut off"
    return Verdict.UNPROVEN, (
        f"of {len(alike)} versions of {size} bytes, the session log shows {whole} uploads that ended and "
        f"{cut_off} that were cut off"
    )
