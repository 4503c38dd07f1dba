"""Work of many callers is done together, each gets their own answer, and one who is wrong harms nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from ipml.storage.group_commit import GroupCommit

PATIENCE_SECONDS = 20


def double(items: Sequence[int]) -> list[int]:
    """Return twice each item; ValueError where one is negative."""
    if min(items) < 0:
        raise ValueError(min(items))
    return [2 * item for item in items]


class Work:
    """Doubles; the turn in which 0 is does not end before it may."""

    def __init__(self, most: int, gap_seconds: float = 0.0) -> None:
        self.may_end, self.is_begun = threading.Event(), threading.Event()
        self.turns: list[list[int]] = []
        self.together = GroupCommit(self._work, most, gap_seconds)

    def _work(self, items: Sequence[int]) -> list[int]:
        if 0 in items:
            self.is_begun.set()
            assert self.may_end.wait(PATIENCE_SECONDS)
        self.turns.append(list(items))
        return double(items)

    def do_at_once(self, *items: tuple[int, int]) -> list[int | BaseException]:
        """Do items of some sizes, all of which come while 0 is at work; return what came of each."""
        first = self.together.submit(0)
        assert self.is_begun.wait(PATIENCE_SECONDS)
        others = [self.together.submit(item, size) for item, size in items]
        self.may_end.set()
        assert first.result(PATIENCE_SECONDS) == 0
        return [one.exception(PATIENCE_SECONDS) or one.result() for one in others]


def test_all_who_wait_are_done_together():
    """One transaction for all, but no more than so many, and each has what is theirs."""
    for most, turns in ((100, [[0], [1, 2, 3]]), (2, [[0], [1, 2], [3]])):
        work = Work(most)
        assert work.do_at_once((1, 1), (2, 1), (3, 1)) == [2, 4, 6]
        assert work.turns == turns


def test_what_is_wrong_with_one_is_raised_to_them_alone():
    """The others are done all the same."""
    first, wrong, last = Work(100).do_at_once((1, 1), (-1, 1), (3, 1))
    assert (first, last) == (2, 6)
    assert isinstance(wrong, ValueError)


def test_small_ones_do_not_wait_for_several_large_ones():
    """Each have turns of their own, one after the other."""
    work = Work(100)
    assert work.do_at_once((60, 60), (70, 70), (1, 1), (2, 1)) == [120, 140, 2, 4]
    assert work.turns == [[0], [60], [1, 2], [70]]


def test_turns_that_follow_one_another_begin_no_sooner_than_the_gap_says():
    """Who comes alone does not wait; more have come by the second turn, and are done in it."""
    begun: list[float] = []
    is_begun = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        begun.append(time.monotonic())
        is_begun.set()
        threading.Event().wait(0.01)  # so that the others come meanwhile
        return double(items)

    together = GroupCommit(work, 100, gap_seconds=0.2)
    came = time.monotonic()
    first = together.submit(1)
    assert is_begun.wait(PATIENCE_SECONDS)
    others = [together.submit(2), together.submit(3)]
    assert [one.result(PATIENCE_SECONDS) for one in (first, *others)] == [2, 4, 6]
    assert begun[0] - came < 0.2 <= begun[1] - begun[0]
    assert len(begun) == 2


def test_neither_a_failure_nor_a_large_item_holds_up_who_comes_next():
    """An item larger than all is done alone, and after a failure the next is done as ever."""
    together = GroupCommit(double, 2)
    with pytest.raises(ValueError, match="-1"):
        together.submit(-1).result(PATIENCE_SECONDS)
    assert together.submit(21, size=1_000).result(PATIENCE_SECONDS) == 42
