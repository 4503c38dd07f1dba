"""What takes long is found once in a while, and by one."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from ipml.web.cache import CachedAhead, CachedAnswer, CachedByName


def test_an_answer_is_found_anew_when_it_is_too_old() -> None:
    """As long as it is good nobody looks for another."""
    now = [0.0]
    kept, answers = CachedAnswer[int](10.0, clock=lambda: now[0]), iter(range(5))
    given = []
    for now[0] in (0.0, 9.9, 10.0, 25.0):
        given.append(kept.get(lambda: next(answers)))
    assert given == [0, 0, 1, 2]


def test_those_who_ask_at_once_get_one_answer() -> None:
    """Of eight who ask together one finds it."""
    kept, together, found = CachedAnswer[int](10.0), Barrier(8), []

    def ask(number: int) -> int:
        together.wait()
        return kept.get(lambda: found.append(number) or number)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(found) == len(answers) == 1


def test_nobody_waits_for_what_takes_long() -> None:
    """There is no answer yet, then there is; a later one is found while the last is given; what fails is told."""
    now, may_end = [0.0], Event()
    kept = CachedAhead[str](10.0, patience=0.01, clock=lambda: now[0])

    def find() -> str:
        may_end.wait()
        return f"of {now[0]:.0f}"

    assert kept.get(find) is None
    may_end.set()
    finding = kept.prepare(find)
    assert finding is None or finding.result() == "of 0"
    assert kept.get(find) == "of 0"
    may_end.clear()
    now[0] = 10.0
    assert kept.get(find) == "of 0"
    later = kept.prepare(find)
    may_end.set()
    assert later.result() == "of 10"


def test_what_could_not_be_found_is_told_and_tried_again() -> None:
    """Who asks hears of it."""
    kept = CachedAhead[int](10.0, patience=60.0)

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get(fail)
    assert kept.get(lambda: 7) == 7


def test_answers_are_kept_by_name() -> None:
    """Each for itself, those asked for last; what could not be found is kept for nobody, and pushes nothing out."""
    kept, answers = CachedByName[int](10.0, most=2, clock=lambda: 0.0), iter(range(9))

    def find() -> int:
        return next(answers)

    def fail() -> int:
        raise LookupError

    assert [kept.get(name, find) for name in "abab"] == [0, 1, 0, 1]
    for name in "cdef":
        with pytest.raises(LookupError):
            kept.get(name, fail)
    assert [kept.get(name, find) for name in "abcab"] == [0, 1, 2, 3, 4]
