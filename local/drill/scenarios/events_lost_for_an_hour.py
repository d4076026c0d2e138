"""Events are lost for an hour, and executions end without a trace.

The rules of West's intake select nothing for a while, as if EventBridge dropped every event. What customers
send meanwhile, by SFTP and by the S3 API, is acknowledged and has no event. West's sweep takes it in, and
East's takes nothing of it. Then a file's execution is aborted while its partner is down, and is restarted.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Lose West's events and then an execution, let sweeps run, and lose no file."""
    api.delivered(api.send("before.csv", to=WEST), by=WEST)
    api.events_stop(WEST)
    by_sftp = api.send("by-sftp.csv", to=WEST)
    by_sdk = api.put("by-sdk.csv", to=WEST)
    api.copied()
    api.unknown(by_sftp, by=WEST)
    api.unknown(by_sdk, by=by_sdk.side)
    api.sweeps(EAST, finds=[file for file in (by_sftp, by_sdk) if file.side == EAST])
    api.sweeps(WEST, finds=[file for file in (by_sftp, by_sdk) if file.side == WEST])
    for side in (EAST, WEST):
        api.sweeps(side, finds=[])
    api.delivered(by_sftp, by=WEST)
    api.delivered(by_sdk, by=by_sdk.side)
    api.events_flow(WEST)
    api.delivered(api.send("after.csv", to=WEST), by=WEST)

    api.partner_refuses(api.newcomer)
    aborted = api.send("aborted.csv", to=WEST, by=api.newcomer)
    api.tried(aborted, by=WEST)
    api.executions_end(WEST)
    api.partner_answers(api.newcomer)
    api.restarts(WEST, aborted)
    api.delivered(aborted, by=WEST)
