"""A site with few workers makes requests wait their turn, and one with too many writers makes them collide."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from infra.local.erpnext.server import ErpNextStandIn
from infra.local.stand_in import client

SERVICE_SECONDS = 0.05


@pytest.fixture
def site() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn() as running:
        yield running


def at_once(site: ErpNextStandIn, count: int) -> list[int]:
    """The answers to so many customers that are made at the same time."""
    with client(site.url, site.token) as erp, ThreadPoolExecutor(count) as pool:
        return list(
            pool.map(
                lambda n: erp.post("/api/resource/Customer", json={"customer_name": f"Customer {n}"}).status_code,
                range(count),
            )
        )


def test_requests_wait_for_a_worker(site: ErpNextStandIn) -> None:
    site.serve_with(workers=2, seconds=SERVICE_SECONDS)
    began = time.monotonic()

    assert at_once(site, 6) == [200] * 6

    assert time.monotonic() - began >= 3 * SERVICE_SECONDS
    assert site.capacity is not None
    assert site.capacity.seen() == {"requests": 6, "most_at_once": 6, "deadlocks": 0}


def test_one_writer_too_many_meets_a_deadlock_and_writes_nothing(site: ErpNextStandIn) -> None:
    site.serve_with(workers=4, seconds=SERVICE_SECONDS, contended_above=1)
    before = len(site.documents("Customer"))

    answers = at_once(site, 4)

    assert sorted(answers)[0] == 200
    assert 500 in answers
    assert len(site.documents("Customer")) - before == answers.count(200)


def test_another_process_sets_the_capacity_and_asks_what_it_saw(site: ErpNextStandIn) -> None:
    httpx.post(f"{site.url}/_standin/capacity", json={"workers": 1, "seconds": 0.0}).raise_for_status()
    at_once(site, 2)

    assert httpx.get(f"{site.url}/_standin/capacity").json()["requests"] == 2
    site.behave()
    assert httpx.get(f"{site.url}/_standin/capacity").status_code == 404
