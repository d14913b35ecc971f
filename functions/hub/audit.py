"""Account for what came in: n events accepted, n of them found again, and every one that is not is named."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.events import Event

Key = tuple[str, str]  # entity and event id: what providers call an id need not be one across entities
ON_A_QUEUE_AT_MOST = timedelta(days=14)  # SQS keeps no message for longer


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that the edge acknowledged to its provider, or that was read and queued, as the log tells it."""

    entity: str
    event_id: str
    type: str
    received_at: datetime

    @property
    def key(self) -> Key:
        """By which the ledger knows it too."""
        return self.entity, self.event_id


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the events that a flow was given in a period: `arrived` is the sum of all the rest."""

    arrived: int
    outcomes: Mapping[str, int]  # as the ledger has them
    waiting: int  # not ended, and as many messages wait on the flow's queues
    unaccounted: tuple[Accepted, ...]  # not ended, and on no queue; the oldest first


def packed(events: Iterable[Event]) -> str:
    """What the log must say of events that were queued, in some 35 characters each where they are many: `told` reads it."""
    told: dict[str, list[str]] = {}
    for each in events:
        told.setdefault(each.type, []).extend((each.subject, each.id))
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), check_circular=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"))).decode()


def told(text: str, at: datetime) -> Iterator[Accepted]:
    """Read what `packed` wrote; raises ValueError, TypeError or AttributeError for what it did not."""
    try:
        raw = zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError("not what `packed` writes") from error
    for kind, pairs in json.loads(raw.decode("utf-8", "surrogatepass")).items():
        for subject, event_id in zip(pairs[::2], pairs[1::2], strict=True):
            yield Accepted(subject, event_id, kind, at)


def once(accepted: Collection[Accepted]) -> list[Accepted]:
    """Each event once, as it came first: a provider repeats what it was not sure of."""
    first: dict[Key, Accepted] = {}
    for each in sorted(accepted, key=lambda each: each.received_at):
        first.setdefault(each.key, each)
    return list(first.values())


def account(
    accepted: Collection[Accepted],
    later: Collection[Accepted],
    ended: Mapping[Key, str],
    messages: int,
    now: datetime,
) -> Account:
    """Account for `accepted`, each given once. `later` are events after the period, `ended` the outcomes of both, and
    `messages` how many messages wait on the flow's queue and dead letter queue.

    A queue does not tell which events wait on it. It can hold no more of them than it has messages, so what exceeds
    them is unaccounted for; and the oldest are named, since a queue empties from its old end and keeps nothing for ever.
    """
    open_ones = [each for each in [*accepted, *later] if each.key not in ended]
    open_ones.sort(key=lambda each: each.received_at, reverse=True)
    can_wait = [each for each in open_ones if now - each.received_at <= ON_A_QUEUE_AT_MOST][:messages]
    waiting = {each.key for each in can_wait}
    missing = [each for each in accepted if each.key not in ended]
    return Account(
        arrived=len(accepted),
        outcomes=Counter(ended[each.key] for each in accepted if each.key in ended),
        waiting=sum(each.key in waiting for each in missing),
        unaccounted=tuple(
            sorted((each for each in missing if each.key not in waiting), key=lambda each: each.received_at)
        ),
    )
