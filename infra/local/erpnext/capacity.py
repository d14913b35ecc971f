"""How much a site can do: as many requests at once as it has workers, each for its time, and what too many at once cause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from infra.local.erpnext.errors import FrappeError
from infra.local.erpnext.faults import DEADLOCK


class Capacity:
    """Entered by each request. The next ones wait for a worker, as they do in gunicorn's backlog.

    A request takes `seconds`, its real work included. Where `contended_above` writes are at work already, one more meets a
    deadlock, as parallel writers of tabBin and the naming series do.
    """

    def __init__(
        self, workers: int, seconds: float, sleep: Callable[[float], None], contended_above: int | None = None
    ) -> None:
        self._slots = threading.Semaphore(workers)
        self._seconds = seconds
        self._sleep = sleep
        self._contended_above = contended_above
        self._began = threading.local()
        self._lock = threading.Lock()
        self._asking = self._writing = self._most = self._deadlocks = self._requests = 0

    def __enter__(self) -> None:
        with self._lock:
            self._asking += 1
            self._requests += 1
            self._most = max(self._most, self._asking)
        self._slots.acquire()
        self._began.at, self._began.writes = time.monotonic(), False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sleep(max(self._seconds - (time.monotonic() - self._began.at), 0.0))
        with self._lock:
            self._asking -= 1
            self._writing -= self._began.writes
        self._slots.release()

    def collide(self) -> None:
        """A write begins; raises what the site answers where it is one too many."""
        with self._lock:
            if self._writing == self._contended_above:
                self._deadlocks += 1
                raise FrappeError("QueryDeadlockError", DEADLOCK, from_erpnext=True)
            self._writing += 1
            self._began.writes = True

    def seen(self) -> dict[str, int]:
        """What happened so far: requests, the most that were being asked at once, deadlocks."""
        with self._lock:
            return {"requests": self._requests, "most_at_once": self._most, "deadlocks": self._deadlocks}
