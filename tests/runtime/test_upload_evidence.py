"""What the session log proves about a version of an SFTP upload."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.session_log import Ending, SessionLog, SessionLogUnreadError, Written
from runtime.upload_evidence import Verdict, judge

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def entry(ending: Ending, seconds: float, size: int | None = 10) -> Written:
    return Written(ending=ending, at=AT + timedelta(seconds=seconds), size=size)


WHOLE, CUT_OFF, RENAMED = Ending.WHOLE, Ending.CUT_OFF, Ending.RENAMED


@pytest.mark.parametrize(
    ("entries", "alike", "verdict"),
    [
        ([entry(WHOLE, 1)], [0], Verdict.WHOLE),
        ([entry(WHOLE, 3600)], [0], Verdict.WHOLE),  # S3's time is that of the beginning
        ([], [0], Verdict.UNPROVEN),
        ([entry(WHOLE, 1, size=9)], [0], Verdict.UNPROVEN),  # another file
        ([entry(WHOLE, -60)], [0], Verdict.UNPROVEN),  # an older one
        ([entry(CUT_OFF, 1)], [0], Verdict.CUT_OFF),
        ([entry(CUT_OFF, 1, size=4), entry(WHOLE, 9)], [0], Verdict.WHOLE),  # begun again, and ended
        ([entry(CUT_OFF, 1), entry(WHOLE, 9)], [0, 9], Verdict.UNPROVEN),  # which of the two is it?
        ([entry(CUT_OFF, 1), entry(WHOLE, 9)], [0], Verdict.UNPROVEN),  # the other one was removed
        ([entry(WHOLE, 1)], [0, 5], Verdict.UNPROVEN),  # one of two has ended
        ([entry(WHOLE, 1), entry(WHOLE, 6)], [0, 5], Verdict.WHOLE),
        ([entry(RENAMED, 1, None)], [0], Verdict.WHOLE),
        ([entry(RENAMED, 600, None)], [0], Verdict.UNPROVEN),  # of something that came later
        ([entry(WHOLE, 1), entry(RENAMED, 601, None)], [0, 600], Verdict.WHOLE),
    ],
)
def test_a_version_is_whole_only_if_the_log_has_an_end_for_each_like_it(
    entries: list[Written], alike: list[float], verdict: Verdict
) -> None:
    times = [AT + timedelta(seconds=each) for each in alike]
    assert judge(size=10, modified=AT, alike=times, entries=entries)[0] is verdict


class Pages:
    """CloudWatch Logs with these pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self._pages = pages

    def get_paginator(self, operation: str) -> Any:
        assert operation == "filter_log_events"
        return self

    def paginate(self, *, startTime: int, **asked: Any) -> Any:
        """Return the events from a time in milliseconds since the epoch.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
        """
        return [{"events": [each for each in page if each["timestamp"] >= startTime]} for page in self._pages]


def event(**entry: str) -> dict[str, Any]:
    return {"timestamp": int(AT.timestamp() * 1000), "message": json.dumps(entry)}


def test_only_entries_about_the_paths_are_kept_and_what_is_no_entry_is_passed_over() -> None:
    log = SessionLog(
        group="sessions",
        logs=Pages(
            [
                event(**{"activity-type": "OPEN", "path": "/b/a"}),
                event(**{"activity-type": "CLOSE", "path": "/b/a", "bytes-in": "10"}),
                event(**{"activity-type": "CLOSE", "path": "/b/other", "bytes-in": "10"}),
                {**event(), "message": "no JSON"},
                {**event(), "message": "[]"},
                event(**{"activity-type": "CLOSE", "path": "/b/a"}) | {"timestamp": event()["timestamp"] - 1},
            ],
            [],
            [event(**{"activity-type": "RENAME", "path": "/b/a.filepart", "called": "/b/a"})],
        ),
    )
    found = log.read({"/b/a"}, since=AT, remaining=lambda: 100, reserve=30)
    assert found.about("b", "a") == [entry(WHOLE, 0), entry(RENAMED, 0, None)]
    assert found.about("b", "other") == []
    with pytest.raises(SessionLogUnreadError):
        log.read({"/b/a"}, since=AT, remaining=lambda: 10, reserve=30)
