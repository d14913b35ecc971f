"""Asks a destination once for all entities of a batch, where it takes many events in one call.

Each entity is delivered by its own thread, as ever, until it asks something of the destination; there it waits until all
others ask too or have ended. So whatever is decided event by event before (versions, echoes, what is said already)
stays as it is, and one call goes out for those that are left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING

from hub.connector import Asked, Batching, Written
from hub.errors import BatchRefused, Temporary, Unavailable
from hub.events import Event

if TYPE_CHECKING:
    from hub.records import Record

PUSHED = "Pushed"  # the metric of the rows that a destination took, or had already
PUSH_FAILED = "PushFailed"  # the metric of the rows that it did not take this time
PUSH_BATCHES = "PushBatches"  # the metric of the calls with which they were sent

Result = Written | BaseException


@dataclass(slots=True)
class _Place:
    """One entity's question, and how it ended."""

    asked: Asked
    result: Result | None = None


@dataclass(slots=True)
class Pushes:
    """What a batch's calls came to, in rows and calls."""

    pushed: int = 0
    failed: int = 0
    calls: int = 0

    def metrics(self) -> dict[str, int]:
        """Name → value; nothing where nothing was asked."""
        return {PUSHED: self.pushed, PUSH_FAILED: self.failed, PUSH_BATCHES: self.calls} if self.calls else {}


class Together:
    """A Destination for the threads of one batch at a time. Others may stand before it: all that counts is that each thread
    arrives here or leaves."""

    def __init__(self, destination: Batching) -> None:
        self._destination = destination
        self._changed = Condition()  # guards all that follows
        self._threads = 0
        self._out_of_time: Callable[[], bool] = lambda: False
        self._waiting: list[_Place] = []
        self._pushes = Pushes()

    def begin(self, threads: int, out_of_time: Callable[[], bool]) -> Pushes:
        """A batch begins, on so many threads, each of which must `leave` once. What its calls come to is counted in the
        answer."""
        with self._changed:
            self._threads, self._out_of_time, self._pushes = threads, out_of_time, Pushes()
            return self._pushes

    def apply(self, action: str, record: "Record", event: Event, known_name: str) -> Written:
        """As Destination.apply; returns once all have been asked for."""
        place = _Place(Asked(action, record, event, known_name))
        with self._changed:
            self._waiting.append(place)
            self._ask_if_all_wait()
            while place.result is None:
                self._changed.wait()
        if isinstance(place.result, BaseException):
            raise place.result
        return place.result

    def leave(self) -> None:
        """This thread asks for nothing more."""
        with self._changed:
            self._threads -= 1
            self._ask_if_all_wait()

    def _ask_if_all_wait(self) -> None:
        """The last one asks for all; meanwhile the others can do nothing but wait."""
        if not self._waiting or len(self._waiting) < self._threads:
            return
        places = sorted(self._waiting, key=lambda place: (place.asked.event.subject, place.asked.event.id))
        self._waiting = []
        results = self._asked([place.asked for place in places])
        for place, result in zip(places, results, strict=True):
            place.result = result
        done = sum(isinstance(result, Written) for result in results)
        self._pushes.pushed += done
        self._pushes.failed += len(results) - done
        self._changed.notify_all()

    def _asked(self, asked: Sequence[Asked]) -> list[Result]:
        """How each ended. What is refused as a whole is asked again in halves, until the one that is to blame is found;
        where the destination does not serve meanwhile, or time is up, the rest is not tried."""
        try:
            self._pushes.calls += 1
            results = list(self._destination.apply_many(asked))
            if len(results) != len(asked):
                raise ValueError(f"{len(results)} results for {len(asked)} events")
        except BatchRefused as error:
            if len(asked) == 1:
                return [error]
        except BaseException as error:  # noqa: BLE001 - raised again by each of the threads that wait
            return [error] * len(asked)
        else:
            return list(results)
        ended: list[Result] = []
        for half in (asked[: len(asked) // 2], asked[len(asked) // 2 :]):
            down: Temporary | None = next((result for result in ended if isinstance(result, Unavailable)), None)
            if self._out_of_time():
                down = Temporary("the invocation's time was up while a refused batch was sent again in halves")
            ended += [down] * len(half) if down else self._asked(half)
        return ended
