"""Drain a list of messages: take some off, queue them, and only then let go of them.

What was taken and not let go of stays in a place of its own at the source. A run that dies in between leaves it there,
and the next one begins with it: nothing is lost, and what is queued twice bears the same event id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from hub.events import Event
from hub.pull import Pulled, event_of
from hub.runs import Run, State
from hub.streams import Row, Stream


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken. Its row's version is its number in the order of taking, the same however often it is
    read; `event_id` is its producer's own id for it, "" where there is none."""

    row: Row
    event_id: str
    token: Any  # what `let_go` wants of it


@runtime_checkable
class Messages(Protocol):
    """A list that messages are taken off. Raises Temporary or Permanent."""

    def take(self) -> Sequence[Message]:
        """The messages that were taken and not let go of, else the next ones; none where the list is empty."""

    def let_go(self, taken: Sequence[Message]) -> None:
        """These are queued for good."""


def drain(
    stream: Stream,
    messages: Messages,
    state: State,
    *,
    keep: Callable[[State], State],
    queue: Callable[[Sequence[Event]], None],
    now: Callable[[], datetime],
    out_of_time: Callable[[], bool],
) -> Pulled:
    """Queue messages until there are none left, or until time is up.

    `keep` prolongs the lease, and raises LeaseLost where another run has it: that is asked before anything is let go
    of. Raises Temporary where the source or the queue fails; nothing is lost by that.
    """
    stream = replace(stream, cursor="integer")  # whatever the configuration says: a message's version is its number
    run = Run(began_at=now(), since="")
    while not out_of_time():
        taken = messages.take()
        if not taken:
            return Pulled(keep(replace(state, looked_at=run.began_at)), run, ended=True)
        queue([_event(stream, message, run, now()) for message in taken])  # first keep the events,
        state = keep(state)
        messages.let_go(taken)  # then, and only then, let go
        run = replace(run, pages=run.pages + 1, rows=run.rows + len(taken), queued=run.queued + len(taken))
    return Pulled(state, run, ended=False)


def _event(stream: Stream, message: Message, run: Run, now: datetime) -> Event:
    event = event_of(stream, message.row, run, now)
    return replace(event, id=f"{stream.name}-{message.event_id}") if message.event_id else event
