"""Several functions at work at once, and yet the same story for the same seed: they take turns at the calls that they make."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class _Task(Generic[T]):
    """One function at work: it goes on when it is its turn."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.go = threading.Semaphore(0)
        self.result: T | BaseException | None = None


class Turns:
    """Runs tasks as if at the same time. Only one runs at any moment; whoever makes a call may have to wait for others."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._at_work: list[_Task] = []  # type: ignore[type-arg]
        self._now: _Task | None = None  # type: ignore[type-arg]
        self._all_done = threading.Event()

    def run(self, works: Sequence[Callable[[], T]]) -> list[T | BaseException]:
        """Run all to their ends; what one raised, its death included, stands in the place of its result."""
        tasks = [_Task(work) for work in works]
        self._at_work = list(tasks)
        self._all_done.clear()
        threads = [threading.Thread(target=self._live, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        self._pass_on()
        self._all_done.wait()
        for thread in threads:
            thread.join()
        self._now = None
        return [task.result for task in tasks]  # type: ignore[misc]

    def change(self) -> None:
        """At a call: perhaps somebody else goes on first. Without others nothing happens."""
        me = self._now
        if me is None or len(self._at_work) < 2:
            return
        self._now = self._dice.choice(self._at_work)
        if self._now is not me:
            self._now.go.release()
            me.go.acquire()

    def _live(self, task: _Task[T]) -> None:
        task.go.acquire()
        try:
            task.result = task.work()
        except BaseException as death:  # noqa: BLE001 - the death of a process is a result too
            task.result = death
        self._at_work.remove(task)
        self._pass_on()

    def _pass_on(self) -> None:
        if not self._at_work:
            self._all_done.set()
            return
        self._now = self._dice.choice(self._at_work)
        self._now.go.release()
