"""Partners to deliver to: every test that takes `partner` runs against each kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.sftp import partners


@pytest.fixture(params=["openssh", "asyncssh"])
def make_partner(request: pytest.FixtureRequest) -> Iterator[Callable[..., partners.Partner]]:
    """Return a function that starts a partner of this run's kind; it takes the settings of Partner."""
    if request.param == "openssh" and (why := partners.openssh_missing()):
        pytest.skip(why)
    with ExitStack() as stack:

        def make(**settings: Any) -> partners.Partner:
            return stack.enter_context(partners.partner(request.param, **settings))

        yield make


@pytest.fixture
def in_process() -> Iterator[partners.Partner]:
    """A partner whose kind does not matter: the quicker one."""
    with partners.partner("asyncssh") as started:
        yield started


@pytest.fixture
def partner(make_partner: Callable[..., partners.Partner]) -> partners.Partner:
    """A partner whose server is in order."""
    return make_partner()
