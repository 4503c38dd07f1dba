"""Group commit: does the work of many callers in one transaction, so that they share the wait for the disk.

A single-writer database with a disk of some milliseconds allows some hundred commits a second, but ten thousand rows.
Callers that arrive during a turn wait, and the next turn does all their work. Results are returned after the commit
only. Consecutive turns start at least `gap_seconds` apart, to collect more callers; a single caller does not wait.
Large and small items alternate in separate turns, so a small one waits for at most one turn of large ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, sleep
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_SMALL = 5  # items up to this size are done together, and apart from larger ones


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    size: int
    done: Future[Result] = field(default_factory=Future)


class GroupCommit(Generic[Item, Result]):
    """Executor of the work of many callers, all waiting ones in one transaction.

    `work` does some items in one transaction and returns their results in order. A turn takes items of total size
    `most`, or a single larger item. `gap_seconds` is the least time between the starts of consecutive turns.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int, gap_seconds: float = 0.0) -> None:
        self._work, self._most, self._gap = work, most, gap_seconds
        self._small: deque[_Waiting[Item, Result]] = deque()
        self._large: deque[_Waiting[Item, Result]] = deque()
        self._guard, self._is_at_work, self._begun_at = Lock(), False, 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="group commit")

    def submit(self, item: Item, size: int = 1) -> Future[Result]:
        """Return a future with an item's result after the commit, or with the error of its own work."""
        mine: _Waiting[Item, Result] = _Waiting(item, size)
        mine.done.set_running_or_notify_cancel()  # an item cannot be cancelled, even if nobody waits for it
        queue = self._small if size <= _SMALL else self._large
        with self._guard:
            queue.append(mine)
            is_first, self._is_at_work = not self._is_at_work, True
        if is_first:
            self._pool.submit(self._take_turn, queue)
        return mine.done

    def _take_turn(self, queue: deque[_Waiting[Item, Result]], *, follows: bool = False) -> None:
        """Do the work waiting in a queue, then start another turn."""
        if follows:
            sleep(max(0.0, self._begun_at + self._gap - monotonic()))
        self._begun_at = monotonic()
        taken = self._take(queue)
        try:
            self._do_together(taken)
        finally:
            self._leave_turn(queue)

    def _take(self, queue: deque[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
        """Return the next items of a queue, at least one."""
        with self._guard:
            taken = [queue.popleft()]
            size = taken[0].size
            while queue and size + queue[0].size <= self._most:
                size += queue[0].size
                taken.append(queue.popleft())
            return taken

    def _leave_turn(self, queue: deque[_Waiting[Item, Result]]) -> None:
        """Start the next turn if anything waits, alternating between large and small items."""
        other = self._large if queue is self._small else self._small
        with self._guard:
            following = other or queue
            self._is_at_work = bool(following)
        if following:
            self._pool.submit(self._take_turn, following, follows=True)

    def _do_together(self, taken: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = self._work([entry.item for entry in taken])
        except Exception as error:
            if len(taken) > 1:  # one by one, so that a faulty item fails alone
                for entry in taken:
                    self._do_together([entry])
                return
            taken[0].done.set_exception(error)
            return
        for entry, result in zip(taken, results, strict=True):
            entry.done.set_result(result)
