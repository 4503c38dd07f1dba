"""Work of many callers done together, in one transaction: each waits for the disk once, and not behind all others.

A database that has one writer at a time, and a disk that takes milliseconds for a commit, bear some hundred commits a
second, but ten thousand rows. So whoever comes while others are at work waits, and the next turn does the work of all
who wait. Nobody is answered before their own work is committed.

Each turn costs some time of its own, however little it does. So where they follow one another, a turn begins no sooner
than a moment after the one before it began: more have come by then, and are done in the same. Who comes alone does not
wait. Large items and small ones have turns of their own, one after the other: a small one waits for one turn of large
ones at most, and is not done among them.
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
    """The work of one caller, and what will come of it."""

    item: Item
    size: int
    done: Future[Result] = field(default_factory=Future)


class GroupCommit(Generic[Item, Result]):
    """Do the work of many callers, that of all who wait in one go.

    Parameters
    ----------
    work : callable
        Does some items in one transaction and returns the result of each, in their order.
    most : int
        Of this size together at most in one go; an item that is larger is done alone.
    gap_seconds : float, default=0
        How long after the beginning of a turn the next one begins, at the earliest, where some wait already.

    Examples
    --------
    >>> together = GroupCommit(lambda items: [item * 2 for item in items], most=100)
    >>> together.submit(21).result()
    42
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int, gap_seconds: float = 0.0) -> None:
        self._work, self._most, self._gap = work, most, gap_seconds
        self._small: deque[_Waiting[Item, Result]] = deque()
        self._large: deque[_Waiting[Item, Result]] = deque()
        self._guard, self._is_at_work, self._begun_at = Lock(), False, 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="group commit")

    def submit(self, item: Item, size: int = 1) -> Future[Result]:
        """Return what will come of an item once it is written, or what its own work, and no other's, raised."""
        mine: _Waiting[Item, Result] = _Waiting(item, size)
        mine.done.set_running_or_notify_cancel()  # whoever no longer waits for it has handed it in all the same
        queue = self._small if size <= _SMALL else self._large
        with self._guard:
            queue.append(mine)
            is_first, self._is_at_work = not self._is_at_work, True
        if is_first:
            self._pool.submit(self._take_turn, queue)
        return mine.done

    def _take_turn(self, queue: deque[_Waiting[Item, Result]], *, follows: bool = False) -> None:
        """Do the work of those who wait in a queue; then another turn may begin."""
        if follows:
            sleep(max(0.0, self._begun_at + self._gap - monotonic()))
        self._begun_at = monotonic()
        taken = self._take(queue)
        try:
            self._do_together(taken)
        finally:
            self._leave_turn(queue)

    def _take(self, queue: deque[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
        """Return the next who wait, the first of them in any case."""
        with self._guard:
            taken = [queue.popleft()]
            size = taken[0].size
            while queue and size + queue[0].size <= self._most:
                size += queue[0].size
                taken.append(queue.popleft())
            return taken

    def _leave_turn(self, queue: deque[_Waiting[Item, Result]]) -> None:
        """Have the next turn begin if anybody waits: the large ones' after one of the small ones, and the reverse."""
        other = self._large if queue is self._small else self._small
        with self._guard:
            following = other or queue
            self._is_at_work = bool(following)
        if following:
            self._pool.submit(self._take_turn, following, follows=True)

    def _do_together(self, taken: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = self._work([one.item for one in taken])
        except Exception as error:
            if len(taken) > 1:  # each by itself: what is wrong with one is not the others' fault
                for one in taken:
                    self._do_together([one])
                return
            taken[0].done.set_exception(error)
            return
        for one, result in zip(taken, results, strict=True):
            one.done.set_result(result)
