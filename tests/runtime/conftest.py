"""One emulated AWS for the tests of this directory, and cells of their own for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.aws.emulator import Emulator
from local.sftp import partners
from local.sftp.partners import Partner
from runtime.contract import Kind, Outcome
from runtime.transfer import Transfer
from tests.runtime.cells import CONTENT, Cell, owner, sides_of_a_customer


@pytest.fixture(scope="session")
def aws() -> Iterator[Emulator]:
    with Emulator(wait_scale=0.01, lambdas=1) as emulator:
        yield emulator


@pytest.fixture
def sides(aws: Emulator) -> tuple[Cell, Cell]:
    """West and East of one customer, with a tracker between them and nothing else of another test's."""
    return sides_of_a_customer(aws)


@pytest.fixture
def west(sides: tuple[Cell, Cell]) -> Cell:
    return sides[0].make()


@pytest.fixture
def east(sides: tuple[Cell, Cell]) -> Cell:
    return sides[1].make()


@pytest.fixture
def partner() -> Iterator[partners.Partner]:
    """A partner's SFTP server, in this process."""
    with partners.partner("asyncssh") as started:
        yield started


@pytest.fixture
def held(west: Cell, server: Partner) -> Transfer:
    """A transfer whose first attempt ended without an answer; its partner, `server`, has no file."""
    transfer = west.receive(CONTENT)
    west.workflow.claim(transfer, owner=owner(transfer))
    assert west.attempt(transfer, after_unknown=True) == Kind.HELD
    assert west.workflow.complete(transfer, [], owner=owner(transfer)) is Outcome.HELD
    west.receipts_published(1)
    return transfer
