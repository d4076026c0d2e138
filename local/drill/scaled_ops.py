"""`python -m ops` in scaled time: what is missing counts as replicating for seconds, not for 15 minutes."""

from __future__ import annotations

import os
from datetime import timedelta

from ops.__main__ import app
from ops.plan import COMMAND
from ops.recovery import reconcile

#: Holds the seconds that stand for 15 minutes.
ENV_GRACE = "MFT_DRILL_GRACE"

if __name__ == "__main__":
    reconcile.GRACE = timedelta(seconds=float(os.environ[ENV_GRACE]))
    app(prog_name=COMMAND)
