"""Questions to AWS, with a bound on how long a page waits for the answer, whatever a region does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

_T = TypeVar("_T")

#: Seconds for which a page waits for AWS. A region that accepts connections and says nothing is given up by
#: a client after two tries of ten seconds each.
PATIENCE = 30.0
#: Seconds for which an answer that nobody has waited for is kept.
_KEPT = 60.0


class LateError(TimeoutError):
    """AWS has not answered within the bound; the question goes on, and its answer is kept for a while."""


@dataclass(kw_only=True)
class _Question:
    """A question that a thread of its own asks; `at` is when it was answered, None until then."""

    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: BaseException | None = None
    at: float | None = None
    is_heard: bool = False

    def is_kept(self, fresh: float) -> bool:
        """Return whether the answer is still to come, is `fresh` enough, or was not heard yet."""
        age = 0.0 if self.at is None else time.monotonic() - self.at
        return self.at is None or age < fresh or (not self.is_heard and age < _KEPT)


class Answers:
    """Asks each question once, however many pages wait for it."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience, self._lock = patience, threading.Lock()
        self._asked: dict[Hashable, _Question] = {}

    def get(self, key: Hashable, ask: Callable[[], _T], *, fresh: float = 0.0) -> _T:
        """Return the answer, at most `fresh` seconds old if it was heard before.

        Raises what `ask` raises, and LateError when the answer does not come within the bound.
        """
        with self._lock:
            self._asked = {name: each for name, each in self._asked.items() if each.is_kept(_KEPT)}
            question = self._asked.get(key)
            if question is None or not question.is_kept(fresh):
                question = self._asked[key] = _Question()
                # A daemon: a question to a silent region does not keep the console from ending.
                threading.Thread(target=_ask, args=(question, ask), daemon=True).start()
        if not question.done.wait(self._patience):
            raise LateError(
                f"AWS has not answered within {self._patience:g} s. The question goes on: reload this page in"
                " a few seconds to see its answer"
            )
        question.is_heard = True
        if question.error is not None:
            with self._lock:
                if (
                    self._asked.get(key) is question
                ):  # an error is told once; the next time, AWS is asked again
                    del self._asked[key]
            raise question.error
        answer: _T = question.value
        return answer


def _ask(question: _Question, ask: Callable[[], Any]) -> None:
    try:
        question.value = ask()
    except BaseException as error:
        question.error = error
    question.at = time.monotonic()
    question.done.set()
