"""Tells which changes a webhook should have brought, and a pull did."""

from collections.abc import Collection
from datetime import timedelta

from hub.ledger import Entry, Outcome

GRACE = timedelta(minutes=5)  # a webhook that is still on its way is not missed


def missed_webhook(entry: Entry, pulled: Collection[str]) -> bool:
    """Whether an event of one of the types `pulled`, of whose entities webhooks tell as well, changed a document long
    after the change that it tells of. What a first run or a backfill finds counts, too."""
    event = entry.event
    if entry.outcome is not Outcome.APPLIED or event.type not in pulled or event.replay_of or event.time is None:
        return False
    return event.time + GRACE < event.received_at
