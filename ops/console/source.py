"""Where the console's pages have everything from: the same objects that the verbs ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import is_silence
from ops.cell import side_of
from ops.environment import Environment
from ops.health.status import StatusWatch
from ops.health.status_document import document_of
from ops.plan import RefusedError
from ops.recovery.regions import Regions

_T = TypeVar("_T")

#: Seconds after which both regions are asked again whether they answer and which customers they have.
_FRESH = 30.0


class UnansweredError(RefusedError):
    """No region that is needed answers; the message says why."""


class Source:
    """One environment. Threads may share it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._watch, self._watching = StatusWatch(environment), threading.Lock()
        self._found: dict[str | None, tuple[float, Regions]] = {}
        self._finding = threading.Lock()

    def status(self) -> dict[str, Any]:
        """Return the present state of both regions, as `mft-ops status --json` prints it."""
        with self._watching:
            return document_of(self._watch.look())

    def ask(self, look: Callable[[Regions], _T], *, only: str | None = None) -> _T:
        """Return what `look` finds in the regions that answer, or in `only` one.

        Which regions answer is known from a moment ago, so that pages do not wait for a dead one each time.
        If one has fallen silent since, it is asked once more. RefusedError for an unknown region.
        """
        if only is not None:
            side_of(only)
        began = time.monotonic()
        try:
            return look(self._regions(only, since=began - _FRESH))
        except (BotoCoreError, ClientError) as error:
            if not is_silence(error):
                raise
        return look(self._regions(only, since=began))

    def _regions(self, only: str | None, *, since: float) -> Regions:
        with self._finding:
            at, found = self._found.get(only, (0.0, None))
            if found is None or at < since:
                try:
                    found = Regions.find(self.environment, only=only)
                except RefusedError as error:
                    raise UnansweredError(str(error)) from error
                self._found[only] = time.monotonic(), found
            return found
