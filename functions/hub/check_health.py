"""Check an integration: look at all that can be known of it, remember that, and mend what the provider dropped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from hub.errors import Category, HubError, Temporary
from hub.expiry import Expiry
from hub.health import BEATS, Beat, Part, Record, Records, Registered, Status, Waiting
from hub.mend_subscriptions import Mending, mend_subscriptions
from hub.subscriptions import Lacks, Subscription, lacks

EXPIRES_SOON = timedelta(days=7)
STUCK = timedelta(minutes=15)  # a queue that was not once empty or shorter for so long
LOOK_BACK = timedelta(hours=1)  # for deliveries, where the last check is longer ago: a log is read line by line
MENDING = timedelta(minutes=2)  # longer than a check may run


@dataclass(frozen=True, slots=True)
class Looks:
    """What can be known of an integration; what is None cannot. Each raises HubError."""

    call: Callable[[], object] | None = None  # its cheapest call that needs our credentials
    slow_milliseconds: float = 2_000
    missing_secrets: Callable[[], Sequence[str]] = tuple  # that it cannot do without
    expiries: Callable[[], Sequence[Expiry]] = tuple
    flows: Sequence[str] = ()  # that start at it
    depth: Callable[[str], int] = lambda _: 0  # events on a flow's queue
    accepted: Callable[[datetime, datetime], datetime | None] | None = None  # the last delivery accepted in between
    silent_after: timedelta | None = None
    subscriptions: Callable[[], Sequence[Subscription]] | None = None
    listens_at: str = ""  # where its provider must send to; "" where that is not known
    supported_until: datetime | None = None  # of the provider's API, in the version that we speak


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, and did."""

    record: Record
    milliseconds: float | None = None  # of the call
    mended: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()  # what could not be done, and is done by the next check


@dataclass(slots=True)
class _Seen:
    """What a check sees, part by part."""

    record: Record
    now: datetime
    parts: list[Part] = field(default_factory=list)
    milliseconds: float | None = None
    missing: Lacks | None = None  # None where the subscriptions were not seen


def check_health(
    integration: str,
    looks: Looks,
    records: Records,
    mending: Mending | None,
    monotonic: Callable[[], float],
    now: datetime,
) -> Checked:
    """Look, remember, mend. Of two checks at the same time one is remembered, and only that one mends.

    Raises nothing but bugs: where the ledger cannot be read or written, what was seen is told all the same. Repeating
    it is safe; what a check leaves undone the next one does.
    """
    troubles: list[str] = []
    try:
        record, registered = records.read(integration), records.registered(integration)
    except Temporary as trouble:
        record, registered = Record(), None
        troubles.append(str(trouble))
    seen = _Seen(record, now)
    _look_at_call(seen, looks, monotonic)
    _look_at_secrets(seen, looks)
    _look_at_subscriptions(seen, looks, registered)
    waiting = _look_at_queues(seen, looks)
    accepted_at = _look_at_deliveries(seen, looks)
    after = replace(_remembered(seen), waiting=waiting, accepted_at=accepted_at)
    if troubles:
        return Checked(after, seen.milliseconds, troubles=tuple(troubles))
    vanished = seen.missing.vanished if seen.missing else ()
    is_free = record.owed_until is None or now >= record.owed_until
    begins = bool(seen.missing and mending and is_free and (vanished or record.owed))
    if begins:
        after = replace(after, owed=tuple(sorted({*record.owed, *vanished})), owed_until=now + MENDING)
    try:
        is_ours = records.write(integration, after, now)
        if not (is_ours and begins and mending and registered):
            return Checked(after, seen.milliseconds)
        written = replace(after, version=after.version + 1)
        mended = mend_subscriptions(integration, written, vanished, registered, mending, now)
        records.write(integration, mended.record, now)
    except Temporary as trouble:
        return Checked(after, seen.milliseconds, troubles=(str(trouble),))
    return Checked(mended.record, seen.milliseconds, mended.topics, mended.troubles)


def _look_at_call(seen: _Seen, looks: Looks, monotonic: Callable[[], float]) -> None:
    if looks.call is None:
        return
    began = monotonic()
    try:
        looks.call()
    except HubError as error:
        is_busy = isinstance(error, Temporary) and error.category is Category.RATE_LIMIT_EXCEEDED
        seen.parts.append(Part("call", Status.DEGRADED if is_busy else Status.DOWN, str(error)))
        return
    took = seen.milliseconds = (monotonic() - began) * 1000
    if took > looks.slow_milliseconds:
        told = f"took {took:,.0f} ms, which is more than {looks.slow_milliseconds:,.0f}"
        seen.parts.append(Part("call", Status.DEGRADED, told))
    else:
        seen.parts.append(Part("call"))


def _look_at_secrets(seen: _Seen, looks: Looks) -> None:
    try:
        missing, expiries = looks.missing_secrets(), looks.expiries()
    except HubError as error:
        seen.parts.append(Part("secrets", Status.DOWN, str(error)))
        return
    over = [each for each in expiries if each.at <= seen.now]
    soon = [each for each in expiries if seen.now < each.at <= seen.now + EXPIRES_SOON]
    told = [f"{name} is not stored" for name in missing]
    told += [f"{each.secret} ended on {each.at:%Y-%m-%d %H:%M} UTC" for each in over]
    told += [f"{each.secret} ends on {each.at:%Y-%m-%d %H:%M} UTC" for each in soon]
    status = Status.DOWN if missing or over else Status.DEGRADED if soon else Status.HEALTHY
    seen.parts.append(Part("secrets", status, ", ".join(told)))


def _look_at_subscriptions(seen: _Seen, looks: Looks, registered: Registered | None) -> None:
    if looks.supported_until and seen.now >= looks.supported_until:
        told = f"the provider supports the hub's version of its API no longer, since {looks.supported_until:%Y-%m-%d}"
        seen.parts.append(Part("api version", Status.DEGRADED, told))
    if looks.subscriptions is None or registered is None:
        return
    if any(part.name == "call" and part.status is Status.DOWN for part in seen.parts):
        return  # it would only say the same
    if looks.listens_at not in ("", registered.url) and not is_here(registered.url):
        told = f"registered for {registered.url}, while the hub listens at {looks.listens_at}: hub setup webhooks"
        seen.parts.append(Part("subscriptions", Status.DOWN, told))
        return
    try:
        listed = looks.subscriptions()
    except HubError as error:
        seen.parts.append(Part("subscriptions", told=f"could not be looked at: {error}"))
        return
    missing = seen.missing = lacks(registered.topics, registered.url, listed)
    if missing.vanished:
        told = f"{', '.join(missing.vanished)} vanished at the provider"
        seen.parts.append(Part("subscriptions", Status.DOWN, "; ".join([told, *missing.wrong])))
    elif missing.wrong:
        seen.parts.append(Part("subscriptions", Status.DEGRADED, "; ".join(missing.wrong)))
    else:
        seen.parts.append(Part("subscriptions"))


def is_here(url: str) -> bool:
    """Whether an address is this machine's, as the local AWS is reached: its functions know it by another."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost")


def _look_at_queues(seen: _Seen, looks: Looks) -> Mapping[str, Waiting]:
    """What waits since when; a queue's own age is a metric that no function may ask for by the queue."""
    waiting: dict[str, Waiting] = {}
    stuck = []
    try:
        for flow in looks.flows:
            count, before = looks.depth(flow), seen.record.waiting.get(flow)
            if not count:
                continue
            goes_on = before is not None and count >= before.count
            waiting[flow] = Waiting(count, before.since if before and goes_on else seen.now)
            if seen.now - waiting[flow].since >= STUCK:
                stuck.append(f"{count:,} events of {flow} have not moved for {_span(seen.now - waiting[flow].since)}")
    except HubError as error:
        seen.parts.append(Part("queues", Status.DEGRADED, str(error)))
        return seen.record.waiting
    if looks.flows:
        seen.parts.append(Part("queues", Status.DEGRADED if stuck else Status.HEALTHY, "; ".join(stuck)))
    return waiting


def _look_at_deliveries(seen: _Seen, looks: Looks) -> datetime | None:
    """When the edge accepted the last delivery: since the last check that looked, or as it was known then."""
    known = seen.record.accepted_at
    if looks.accepted is None:
        return known
    looked_until = seen.record.beats[-1].at if seen.record.beats else seen.now - LOOK_BACK
    try:
        known = looks.accepted(max(looked_until, seen.now - LOOK_BACK), seen.now) or known
    except HubError as error:
        seen.parts.append(Part("deliveries", told=f"could not be looked for: {error}"))
        return known
    first = seen.record.beats[0].at if seen.record.beats else seen.now
    silence = seen.now - (known or first)
    if looks.silent_after and silence >= looks.silent_after:
        seen.parts.append(Part("deliveries", Status.DEGRADED, f"none was accepted for {_span(silence)}"))
    else:
        seen.parts.append(Part("deliveries"))
    return known


def _remembered(seen: _Seen) -> Record:
    record = replace(seen.record, parts=tuple(seen.parts))
    before = seen.record.beats[-1].status if seen.record.beats else None
    took = None if seen.milliseconds is None else round(seen.milliseconds)
    found_all = any(part.name == "subscriptions" and not part.told for part in seen.parts)
    return replace(
        record,
        beats=(*record.beats, Beat(seen.now, record.status, took))[-BEATS:],
        since=record.since if record.status is before else seen.now,
        healthy_at=seen.now if record.status is Status.HEALTHY else record.healthy_at,
        subscribed_at=seen.now if found_all else record.subscribed_at,
    )


def _span(lasting: timedelta) -> str:
    minutes = int(lasting.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days"
