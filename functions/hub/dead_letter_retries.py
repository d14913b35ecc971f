"""Tend a flow's dead letters: try again where that can help, note what ended meanwhile, tell people of the rest by cause."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from hub.breaker import Breakers, State
from hub.dead_letter import (
    GAVE_UP,
    NO_EVENT,
    End,
    Letter,
    Notices,
    Status,
    cause_id,
    closed,
    escalated,
    looked_at,
    next_life,
    planned,
    sent_again,
)
from hub.errors import Category, QueueUnavailable, Temporary
from hub.events import Event

ESCALATED_METRIC, RESOLVED_METRIC, RETRIED_METRIC = "EscalatedDeadLetters", "ResolvedDeadLetters", "RetriedDeadLetters"

MINUTES = (5.0, 15.0, 60.0)
# What nothing but a person's work changes is not tried again unless the configuration says so
NO_USE = (Category.DATA_VALIDATION_FAILED, Category.INVALID_REQUEST)
# A function that crashed on it fifty times and more would crash as often again, and delay others
NEVER_BY_ITSELF = (GAVE_UP, NO_EVENT)

MOST_RETRIED = 300  # per run: each takes some 30 ms, the function has a minute, and a destination must cope
MOST_NOTICES = 5  # per flow and run: the rest follows in the next one
TOLD_EVERY = timedelta(hours=6)  # what dies of the same cause meanwhile is counted, and told then
LEASE = timedelta(minutes=2)  # longer than a run: a notice of a function that died meanwhile is told by the next one
UNHEARD = timedelta(hours=24)  # of an event that was queued again, while its destination serves: a person looks


@dataclass(frozen=True, slots=True)
class Plan:
    """When a flow's dead letters are tried again. `categories` differ from `minutes`: the waits before each try."""

    flow: str
    source: str
    destination: str
    minutes: Sequence[float] = MINUTES
    categories: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def wait(self, letter: Letter) -> timedelta | None:
        """How long after its last death a letter is tried again; None where it is not."""
        waits = self.categories.get(letter.failure.category, self.minutes)
        if letter.failure.code in NEVER_BY_ITSELF or letter.deaths > len(waits):
            return None
        return timedelta(minutes=waits[letter.deaths - 1])

    def to_request(self) -> dict[str, Any]:
        """The plan as a schedule hands it over."""
        return asdict(self)

    @classmethod
    def from_request(cls, request: Mapping[str, Any]) -> "Plan":
        """Read what `to_request` wrote."""
        return cls(**request)


def waits_by_category(minutes: Sequence[float], stated: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """The waits of the categories that differ from `minutes`."""
    waits: dict[str, Sequence[float]] = {str(each): [] for each in NO_USE} | dict(stated)
    return {category: each for category, each in waits.items() if list(each) != list(minutes)}


@dataclass(frozen=True, slots=True)
class Cause:
    """What letters of a flow died of. `untold` of its escalated letters people have not heard of yet."""

    flow: str
    id: str
    text: str
    example: str  # an entity
    untold: int
    total: int
    told_at: datetime | None
    look_at: datetime | None  # not told of before then


class Letters(Protocol):
    """The letters of all flows; raises LedgerUnavailable. What was changed since it was read is left as it is."""

    def due(self, flow: str, now: datetime) -> Iterator[Sequence[tuple[Letter, End | None]]]:
        """Page by page, the open letters to be looked at now, with how their events ended."""

    def event(self, letter: Letter) -> Event | None:
        """The event as it came last; None where the ledger no longer has it."""

    def keep(self, letters: Sequence[Letter]) -> int:
        """Keep changed letters; how many were still as they had been read."""

    def escalate(self, letters: Sequence[Letter], cause: Cause) -> int:
        """Keep them as escalated and add them to what is untold of their cause, both or none; how many that were."""

    def causes(self, flow: str, now: datetime) -> Sequence[Cause]:
        """The causes of which people are to be told now."""

    def claim(self, cause: Cause, until: datetime) -> bool:
        """Keep others from telling of a cause until then; False where somebody else does."""

    def told(self, cause: Cause, at: datetime, next_at: datetime) -> None:
        """Note that people heard of what was untold; of more not before `next_at`."""


class Queues(Protocol):
    """The queues of all flows; raises QueueUnavailable unless the event is kept."""

    def put_again(self, flow: str, event: Event, mark: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Tended:
    """What a run did. `held` were due and wait for their destination."""

    retried: int = 0
    resolved: int = 0
    escalated: int = 0
    held: int = 0
    troubles: tuple[str, ...] = ()


def tend_letters(
    plan: Plan,
    letters: Letters,
    breakers: Breakers,
    queues: Queues,
    notices: Notices,
    now: datetime,
    out_of_time: Callable[[], bool] = lambda: False,
    most: int = MOST_RETRIED,
) -> Tended:
    """Bring the letters of one flow forward. Safe to repeat and to interrupt: an event is queued before its letter says so,
    as the same one each time, and nothing counts as told before it is.

    While the breaker of the destination is not closed nothing is queued: no try is used up, the letter is due until then.
    """
    run = _Run(plan, letters, queues, now, breakers, most)
    for page in letters.due(plan.flow, now):
        run.tend(page)
        if out_of_time():
            break
    run.escalate()
    run.tell(notices)
    done = run.done
    return Tended(done["retried"], done["resolved"], done["escalated"], done["held"], tuple(run.troubles))


@dataclass(slots=True)
class _Run:
    plan: Plan
    letters: Letters
    queues: Queues
    now: datetime
    breakers: Breakers
    most: int
    asked: bool | None = None  # whether the destination serves; only looked up where that matters
    done: Counter[str] = field(default_factory=Counter)
    given_up: dict[str, list[Letter]] = field(default_factory=lambda: defaultdict(list))  # by cause
    troubles: list[str] = field(default_factory=list)

    @property
    def serves(self) -> bool:
        if self.asked is None:
            self.asked = self.breakers.read(self.plan.destination).state is State.CLOSED
        return self.asked

    def tend(self, page: Sequence[tuple[Letter, End | None]]) -> None:
        changed: list[Letter] = []
        resolved: list[Letter] = []
        sent: list[Letter] = []
        for letter, end in page:
            if over := closed(letter, end, self.now) if end else None:
                resolved.append(over)
            elif letter.status is Status.ESCALATED:
                changed.append(looked_at(letter, self.now))
            elif letter.status is Status.RETRYING:
                self._unheard(letter, end)
            elif letter.retry_at is None:
                self._plan(letter, changed)
            elif again := self._retry(letter):
                sent.append(again)
        self.letters.keep(changed)
        self.done["resolved"] += self.letters.keep(resolved)
        self.letters.keep(sent)
        self.done["retried"] += len(sent)

    def _plan(self, letter: Letter, changed: list[Letter]) -> None:
        wait = self.plan.wait(letter)
        if wait is None:
            self.given_up[cause_id(letter.failure)].append(letter)
        else:
            changed.append(planned(letter, wait, self.now))

    def _retry(self, letter: Letter) -> Letter | None:
        if not self.serves or self.done["queued"] >= self.most or self.troubles:
            self.done["held"] += 1
            return None
        event = self.letters.event(letter)
        if event is None:
            self.given_up[cause_id(letter.failure)].append(letter)
            return None
        again = next_life(letter, event)
        try:
            self.queues.put_again(letter.flow, again, "")
        except QueueUnavailable as error:
            self.troubles.append(str(error))
            return None
        self.done["queued"] += 1
        return sent_again(letter, again.received_at, self.now)

    def _unheard(self, letter: Letter, end: End | None) -> None:
        is_parked = end and not end.outcome.final and end.life >= letter.life  # which has an end of its own
        if not is_parked and self.now - letter.changed_at >= UNHEARD and self.serves:
            self.given_up[cause_id(letter.failure)].append(letter)

    def escalate(self) -> None:
        for found in self.given_up.values():
            one = found[0]
            cause = Cause(one.flow, cause_id(one.failure), one.failure.told, one.subject, 0, 0, None, self.now)
            self.done["escalated"] += self.letters.escalate([escalated(each, self.now) for each in found], cause)

    def tell(self, notices: Notices) -> None:
        """One notice per cause, at the soonest TOLD_EVERY after its last."""
        for cause in self.letters.causes(self.plan.flow, self.now)[:MOST_NOTICES]:
            if cause.untold and not self.letters.claim(cause, self.now + LEASE):
                continue
            try:
                if cause.untold:
                    notices.tell(*_notice(cause))
                self.letters.told(cause, self.now, self.now + TOLD_EVERY)
            except Temporary as trouble:  # people are told once the lease is over
                self.troubles.append(str(trouble))
                return


def _notice(cause: Cause) -> tuple[str, str]:
    code = cause.id.rpartition("-")[0]
    events = "1 event waits" if cause.untold == 1 else f"{cause.untold:,} events wait"
    since = f" {cause.total:,} have in all." if cause.total > cause.untold else ""
    text = (
        f"{events} for a person in flow {cause.flow}: {code}.{since}\n\nFor example {cause.example}: {cause.text}\n\n"
        f"Look: hub dlq list --flow {cause.flow} --status escalated\n"
        f"Mend the cause, then: hub dlq redrive --flow {cause.flow} --error '{code}' --preview\n"
        f"More of the same cause is counted and told in {TOLD_EVERY.total_seconds() / 3600:g} hours at the soonest."
    )
    return f"{cause.flow}: {code}", text
