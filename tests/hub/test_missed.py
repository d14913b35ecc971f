"""A webhook is missed where a pull changes a document long after the change that it tells of."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hub.ledger import Entry, Outcome
from hub.missed import GRACE, missed_webhook
from tests.fakes import NOW, an_event

LONG_AGO = NOW - timedelta(hours=1)
PULLED = frozenset({"shopify.orders"})


def pulled(
    changed_at: datetime | None = LONG_AGO, outcome: Outcome = Outcome.APPLIED, of: str = "shopify.orders"
) -> Entry:
    event = replace(an_event("e-1"), type=of, time=changed_at, received_at=NOW)
    return Entry("shop-eu-to-erp", event, outcome, 1, NOW)


def test_a_change_of_an_hour_ago_that_a_pull_writes_was_missed() -> None:
    assert missed_webhook(pulled(), PULLED)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.APPLIED])
def test_what_changes_no_document_was_not_missed(outcome: Outcome) -> None:
    assert not missed_webhook(pulled(outcome=outcome), PULLED)


@pytest.mark.parametrize(("age", "missed"), [(GRACE, False), (GRACE + timedelta(microseconds=1), True)])
def test_a_webhook_may_still_be_on_its_way(age: timedelta, missed: bool) -> None:
    assert missed_webhook(pulled(NOW - age), PULLED) is missed


def test_a_webhook_itself_however_late_and_a_row_without_time_are_none() -> None:
    assert not missed_webhook(pulled(of="shopify.orders/updated"), PULLED)
    assert not missed_webhook(pulled(None), PULLED)


def test_an_operators_replay_is_none() -> None:
    entry = pulled()

    assert not missed_webhook(replace(entry, event=entry.event.replayed(NOW)), PULLED)
