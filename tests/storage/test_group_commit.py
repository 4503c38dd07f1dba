"""Work of many callers is done together, each gets their own answer, and one who is wrong harms nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ipml.storage.group_commit import GroupCommit


def double(items: Sequence[int]) -> list[int]:
    """Return twice each item; ValueError where one is negative."""
    if min(items) < 0:
        raise ValueError(min(items))
    return [2 * item for item in items]


def do_at_once(together: GroupCommit[int, int], items: Sequence[int], busy: threading.Event) -> list[int | Exception]:
    """Do some items while the first, 0, is at work until all others wait."""

    def do(item: int) -> int | Exception:
        try:
            return together.do(item)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(do, 0)
        others = [pool.submit(do, item) for item in items]
        while len(together._small) < len(items):
            threading.Event().wait(0.001)
        busy.set()
        assert first.result() == 0
        return [one.result() for one in others]


def make(most: int) -> tuple[GroupCommit[int, int], list[list[int]], threading.Event]:
    """Return a group commit whose first work waits for an event, and what was done together."""
    groups: list[list[int]] = []
    busy = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            busy.wait(10)
        groups.append(sorted(items))
        return double(items)

    return GroupCommit(work, most), groups, busy


def test_all_who_wait_are_done_together():
    """One transaction for all, and each has what is theirs."""
    together, groups, busy = make(100)
    assert do_at_once(together, [1, 2, 3], busy) == [2, 4, 6]
    assert groups == [[0], [1, 2, 3]]


def test_no_more_than_so_many_are_done_in_one_go():
    """Whoever is over waits for the next."""
    together, groups, busy = make(2)
    assert do_at_once(together, [1, 2, 3], busy) == [2, 4, 6]
    assert sorted(map(len, groups)) == [1, 1, 2]


def test_what_is_wrong_with_one_is_raised_to_them_alone():
    """The others are done all the same."""
    together, _, busy = make(100)
    first, wrong, last = do_at_once(together, [1, -1, 3], busy)
    assert (first, last) == (2, 6)
    assert isinstance(wrong, ValueError)


def test_an_item_larger_than_all_is_done_alone():
    """Nobody waits for ever."""
    assert GroupCommit(double, 2).do(21, size=1_000) == 42


def test_a_failure_leaves_nothing_behind():
    """Whoever comes next is done as ever."""
    together = GroupCommit(double, 2)
    with pytest.raises(ValueError, match="-1"):
        together.do(-1)
    assert together.do(4) == 8


def test_whoever_is_done_is_answered_before_the_next_turn():
    """Though others are at work by then, for as long as it takes them."""
    begun, later = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            begun.wait(10)
        if 9 in items:
            later.wait(10)
        return double(items)

    together = GroupCommit(work, 3)
    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(together.do, item) for item in (0, 1, 2, 3)]
        while len(together._small) < 3:
            threading.Event().wait(0.001)
        last = pool.submit(together.do, 9)
        while len(together._small) < 4:
            threading.Event().wait(0.001)
        begun.set()
        try:
            assert sorted(one.result(timeout=10) for one in done) == [0, 2, 4, 6]
        finally:
            later.set()
        assert last.result() == 18


def test_small_ones_do_not_wait_for_several_large_ones():
    """Each have turns of their own, one after the other."""
    turns: list[list[int]] = []
    busy = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        busy.wait(10)
        turns.append(list(items))
        return double(items)

    together = GroupCommit(work, 100)
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(together.do, 0)]
        for n_large, n_small, (item, size) in ((1, 0, (60, 60)), (2, 0, (70, 70)), (2, 1, (1, 1)), (2, 2, (2, 1))):
            done.append(pool.submit(together.do, item, size))
            while (len(together._large), len(together._small)) != (n_large, n_small):
                threading.Event().wait(0.001)
        busy.set()
        assert [one.result(timeout=10) for one in done] == [0, 120, 140, 2, 4]
    assert turns == [[0], [60], [1, 2], [70]]


def test_turns_that_follow_one_another_begin_no_sooner_than_the_gap_says():
    """Who comes alone does not wait; more have come by the second turn, and are done in it."""
    begun: list[float] = []

    def work(items: Sequence[int]) -> list[int]:
        begun.append(time.monotonic())
        threading.Event().wait(0.01)  # so that the others come meanwhile
        return double(items)

    together = GroupCommit(work, 100, gap_seconds=0.2)
    came = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(together.do, item) for item in (1, 2)]
        assert [one.result(timeout=10) for one in done] == [2, 4]
    assert begun[0] - came < 0.2 <= begun[1] - begun[0]
