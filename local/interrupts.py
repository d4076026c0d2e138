"""Ctrl-C, SIGTERM and SIGHUP end a command in order, and by force where nobody takes notice.

KeyboardInterrupt may be lost: where it is raised in a finalizer or in a callback from C, Python prints it and
goes on, and Pulumi's SDK may take the cancellation of its task for that of one resource.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from local import leftovers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_MESSAGE = "interrupted; everything that was started has been stopped"

#: Seconds from a signal to the beginning of the end, and from there to the end.
_UNNOTICED, _UNFINISHED = 1.5, 3.0

_is_watching = _is_noticed = False
_status = 1
_deadline: threading.Timer | None = None
_ending = threading.Lock()


def watch() -> None:
    """Let the first signal raise KeyboardInterrupt; one that is ignored, as by `nohup`, stays ignored."""
    global _is_watching
    _is_watching = True
    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _interrupt)


def asked() -> bool:
    """Note that a process that watches is to end; return whether this is the first time."""
    is_first = _deadline is None
    if is_first and _is_watching:
        _end_within(_UNNOTICED)
    return is_first


def noticed(*, status: int = 1) -> None:
    """Give the process time to stop what it has started, if it is to end; by force, it ends with `status`."""
    global _is_noticed, _status
    if _deadline is not None and not _is_noticed:
        _is_noticed, _status = True, status
        _deadline.cancel()
        _end_within(_UNFINISHED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if asked():
        raise KeyboardInterrupt


def _end_within(seconds: float) -> None:
    global _deadline
    _deadline = threading.Timer(seconds, end)
    _deadline.daemon = True
    _deadline.start()


def end() -> NoReturn:
    """End the process, and leave nothing.

    Threads that still wait for an answer are not waited for.
    """
    leftovers.remove_all()
    with _ending:  # the deadline may pass while the process ends in order: one of both says so
        sys.stdout.flush()
        sys.stderr.write(f"{_MESSAGE}\n")
        sys.stderr.flush()
        os._exit(_status)
