"""What a page is asked for: the parameters of its address, each parsed as the same option of a verb is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import typer

from ops.recovery.window import Window, length, moment
from runtime.patterns import PatternError, check

_T = TypeVar("_T")


class BadQueryError(ValueError):
    """A parameter is not what the page takes; the message names it, its value and the remedy."""


class Query:
    """The parameters of one address. Each may be left out or empty, and means the same then."""

    def __init__(self, given: Mapping[str, str], known: Collection[str]) -> None:
        """BadQueryError for a parameter that the page does not know: it would be ignored, and so misread."""
        for name in given:
            if name not in known:
                raise BadQueryError(f"{name!r} is no parameter of this page; it takes: {', '.join(known)}")
        #: All parameters that the page knows, empty where they were not given.
        self.all = {name: given.get(name, "").strip() for name in known}

    @property
    def given(self) -> dict[str, str]:
        """The parameters that are not empty."""
        return {name: text for name, text in self.all.items() if text}

    def text(self, name: str) -> str:
        """Return a parameter, empty if it was not given."""
        return self.all[name]

    def parsed(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        """Return what `parse` makes of a parameter, None if it was not given."""
        text = self.text(name)
        try:
            return parse(text) if text else None
        except (typer.BadParameter, PatternError) as error:
            shown = "" if repr(text) in str(error) else f"{text!r} "
            raise BadQueryError(f"{name}: {shown}{error}") from error

    def customers(self) -> list[str]:
        """Return the ids in the parameter `customer`, which spaces or commas separate."""
        return self.text("customer").replace(",", " ").split()

    def pattern(self) -> str | None:
        """Return the parameter `key`, a pattern over names below `inbound/`."""
        return self.parsed("key", _pattern)

    def window(self, usual: timedelta, *, longest: timedelta | None = None) -> Window:
        """Return the window of `since`, `until` and `window`; without any, the `usual` time until now."""
        since, until = self.parsed("since", moment), self.parsed("until", moment)
        try:
            window = Window.of(since=since, until=until, length=self.parsed("window", length) or usual)
        except typer.BadParameter as error:
            raise BadQueryError(str(error).removeprefix("--")) from error
        if longest is not None and window.until - window.since > longest + timedelta(minutes=1):
            raise BadQueryError(
                f"window: this page searches {longest.days} days at most; the command line has no such bound"
            )
        return window


def _pattern(text: str) -> Any:
    check(text)
    return text
