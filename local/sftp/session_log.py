"""The structured log of an SFTP endpoint, in the emulated CloudWatch Logs.

Of the entries that Transfer Family writes, these are the ends of uploads and renames:
https://docs.aws.amazon.com/transfer/latest/userguide/cw-structure-logs.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

#: The `activity-type` of the entry that is written beside each event.
_ENTRIES = {
    "Upload Completed": "CLOSE",
    "Upload Failed": "PARTIAL_CLOSE",
    "Rename Completed": "RENAME",
}


class SessionLogWriter:
    """Writes to one stream of a log group; `logs` is a client of the emulated AWS."""

    def __init__(self, *, logs: Any, group: str, stream: str) -> None:
        self._logs, self._group, self._stream = logs, group, stream
        logs.create_log_stream(logGroupName=group, logStreamName=stream)

    @classmethod
    def of_server(cls, logs: Any, server_id: str, destination: str) -> SessionLogWriter:
        """Return the writer to the log group that a server names as the destination of its log, by ARN."""
        group = destination.partition(":log-group:")[2].removesuffix(":*")
        return cls(logs=logs, group=group, stream=server_id)

    def write(self, event: str, *, user: str, session: str, detail: Mapping[str, Any]) -> None:
        """Write the entry beside an event of these details; nothing for other events."""
        if event not in _ENTRIES:
            return
        entry = {"activity-type": _ENTRIES[event], "user": user, "session-id": session}
        if event == "Rename Completed":
            entry |= {"path": detail["original_file_path"], "new-path": detail["renamed_file_path"]}
        else:
            entry |= {"path": detail["file_path"], "bytes-in": str(detail["bytes"])}
        message = {"timestamp": int(time.time() * 1000), "message": json.dumps(entry)}
        self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=[message])
