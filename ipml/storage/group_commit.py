"""Work of many callers done together, in one transaction: each waits for the disk once, and not behind all others.

A database that has one writer at a time, and a disk that takes milliseconds for a commit, bear some hundred commits a
second, but ten thousand rows. So whoever comes while others are at work waits, and the next turn does the work of all
who wait. Nobody is answered before their own work is committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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

    Examples
    --------
    >>> together = GroupCommit(lambda items: [item * 2 for item in items], most=100)
    >>> together.do(21)
    42
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int) -> None:
        self._work, self._most = work, most
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._guard, self._is_at_work = Lock(), False

    def do(self, item: Item, size: int = 1) -> Result:
        """Return what came of an item, once it is done; what its own work raises is raised here, and nowhere else."""
        mine: _Waiting[Item, Result] = _Waiting(item, size)
        mine.asleep.acquire()
        with self._guard:
            self._waiting.append(mine)
            is_first, self._is_at_work = not self._is_at_work, True
        if not is_first:
            mine.asleep.acquire()
        if not mine.is_done:
            self._work_for_all()
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]  # None only where the work gives that

    def _work_for_all(self) -> None:
        """Do the work of those who wait, wake them, and leave the next turn to the first of the others.

        Each is woken by itself: were they all to wait for one lock, one whose work is done could get it after the next
        turn, and be answered so much later.
        """
        taken = self._take()
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
            with self._guard:
                if self._waiting:
                    self._waiting[0].asleep.release()
                else:
                    self._is_at_work = False

    def _take(self) -> list[_Waiting[Item, Result]]:
        """Return the next who wait, the first of them in any case."""
        with self._guard:
            taken = [self._waiting.popleft()]
            size = taken[0].size
            while self._waiting and size + self._waiting[0].size <= self._most:
                size += self._waiting[0].size
                taken.append(self._waiting.popleft())
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
