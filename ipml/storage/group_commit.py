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
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, sleep
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_SMALL = 5  # items up to this size are done together, and apart from larger ones


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Result]):
    """The work of one caller, and what came of it."""

    item: Item
    size: int
    asleep: Lock = field(default_factory=Lock)  # released once it is done, or its caller is to work for all who wait
    is_done: bool = False
    result: Result | None = None
    error: BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Do the work of callers in many threads, that of all who wait in one go.

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
    >>> together.do(21)
    42
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int, gap_seconds: float = 0.0) -> None:
        self._work, self._most, self._gap = work, most, gap_seconds
        self._small: deque[_Waiting[Item, Result]] = deque()
        self._large: deque[_Waiting[Item, Result]] = deque()
        self._guard, self._is_at_work, self._begun_at = Lock(), False, 0.0

    def do(self, item: Item, size: int = 1) -> Result:
        """Return what came of an item, once it is done; what its own work raises is raised here, and nowhere else."""
        mine: _Waiting[Item, Result] = _Waiting(item, size)
        queue = self._small if size <= _SMALL else self._large
        mine.asleep.acquire()
        with self._guard:
            queue.append(mine)
            is_first, self._is_at_work = not self._is_at_work, True
        if not is_first:
            mine.asleep.acquire()
        if not mine.is_done:
            if not is_first:
                sleep(max(0.0, self._begun_at + self._gap - monotonic()))
            self._work_for_all(queue)
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]  # None only where the work gives that

    def _work_for_all(self, queue: deque[_Waiting[Item, Result]]) -> None:
        """Do the work of those who wait in a queue, wake them, and leave the next turn to the first of the others.

        Each is woken by itself: were they all to wait for one lock, one whose work is done could get it after the next
        turn, and be answered so much later.
        """
        self._begun_at = monotonic()
        taken = self._take(queue)
        try:
            self._do_together(taken)
        except BaseException as error:
            for one in taken:
                one.error = one.error or error
            raise
        finally:
            for one in taken:
                one.is_done = True
                one.asleep.release()
            other = self._large if queue is self._small else self._small
            with self._guard:
                if following := other or queue:
                    following[0].asleep.release()
                else:
                    self._is_at_work = False

    def _take(self, queue: deque[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
        """Return the next who wait, the first of them in any case."""
        with self._guard:
            taken = [queue.popleft()]
            size = taken[0].size
            while queue and size + queue[0].size <= self._most:
                size += queue[0].size
                taken.append(queue.popleft())
            return taken

    def _do_together(self, taken: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = self._work([one.item for one in taken])
        except Exception as error:
            if len(taken) > 1:  # each by itself: what is wrong with one is not the others' fault
                for one in taken:
                    self._do_together([one])
                return
            taken[0].error = error
            return
        for one, result in zip(taken, results, strict=True):
            one.result = result
