"""Register again what a provider has dropped, read what it did not send meanwhile, and tell operators once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.dead_letter import Notices
from hub.errors import HubError, Temporary
from hub.health import Part, Record, Registered, Status
from hub.subscriptions import Wanted

TOLD_AGAIN_AFTER = timedelta(days=1)  # what vanishes every few minutes is mended every time, and told once a day


@dataclass(frozen=True, slots=True)
class Gap:
    """What is done about the time in which nothing was sent."""

    pulled: tuple[str, ...] = ()  # streams that go on from where they were read last
    unread: tuple[str, ...] = ()  # streams that were never read: reading them would read everything


@dataclass(frozen=True, slots=True)
class Mending:
    """What mending needs."""

    wanted: Callable[[Sequence[str], str], Sequence[Wanted]]  # of topics, at a URL; raises HubError
    register: Callable[[Wanted], str]
    pull: Callable[[], Gap]  # raises Temporary
    notices: Notices


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of it. `record` still owes what could not be done."""

    record: Record
    topics: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


def mend_subscriptions(
    integration: str, record: Record, vanished: Sequence[str], registered: Registered, mending: Mending, now: datetime
) -> Mended:
    """Register, then pull, then tell; what fails stays owed, and the next check goes on there."""
    try:
        for wanted in mending.wanted(vanished, registered.url) if vanished else ():
            mending.register(wanted)
    except HubError as error:
        told = f"{', '.join(vanished)} vanished at the provider and could not be registered again: {error}"
        return Mended(_with(record, Status.DOWN, told), troubles=(told,))
    topics = tuple(vanished)
    if vanished:
        record = _with(record, Status.DEGRADED, f"{', '.join(vanished)} had vanished and was registered again")
    try:
        gap = mending.pull()
        if record.told_at is None or now - record.told_at >= TOLD_AGAIN_AFTER:
            mending.notices.tell(f"{integration}: webhooks had vanished", _notice(integration, record, gap))
            record = replace(record, told_at=now)
    except Temporary as trouble:
        return Mended(replace(record, owed_until=None), topics, (str(trouble),))
    return Mended(replace(record, owed=(), owed_until=None), topics)


def _with(record: Record, status: Status, told: str) -> Record:
    parts = tuple(part for part in record.parts if part.name != "subscriptions")
    changed = replace(record, parts=(*parts, Part("subscriptions", status, told)), owed_until=None)
    *before, last = changed.beats
    return replace(changed, beats=(*before, replace(last, status=changed.status)))


def _notice(integration: str, record: Record, gap: Gap) -> str:
    since = f"since {record.subscribed_at:%Y-%m-%d %H:%M} UTC at the latest" if record.subscribed_at else "for a while"
    lines = [
        f"{integration} had no longer registered {', '.join(record.owed)}, {since}. The hub has registered it again."
    ]
    if gap.pulled:
        lines.append(f"What was not sent meanwhile is being read: {', '.join(gap.pulled)}. Look: hub sync status")
    for stream in gap.unread:
        where, _, name = stream.partition("/")
        lines.append(f"{stream} was never read, so that no gap is known: hub sync backfill {where} {name}")
    if not gap.pulled and not gap.unread:
        lines.append(
            "No stream of it is configured, so that nothing can find what was not sent: let the provider send it again, "
            "and state `streams` for the next time."
        )
    lines.append("Providers drop what was refused for long: look for refusals before. Look: hub status")
    return "\n\n".join(lines)
