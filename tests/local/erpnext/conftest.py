"""A stand-in for each test, with a clock that stands still until it is moved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.erpnext.server import ErpNextStandIn
from tests.local.erpnext.calling import Clock, shop


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def erp(clock: Clock) -> Iterator[ErpNextStandIn]:
    """A stand-in with Cust 001, SKU-001, and a unique external_id on customers and orders."""
    with shop(now=clock) as standin:
        yield standin
