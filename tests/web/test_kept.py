"""What takes long is found once in a while, and by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from ipml.web.kept import Kept, KeptByName


def test_an_answer_is_found_anew_when_it_is_too_old() -> None:
    """As long as it is good nobody looks for another."""
    now = [0.0]
    kept, answers = Kept[int](10.0, clock=lambda: now[0]), iter(range(5))
    given = []
    for now[0] in (0.0, 9.9, 10.0, 25.0):
        given.append(kept.get(lambda: next(answers)))
    assert given == [0, 0, 1, 2]


def test_those_who_ask_at_once_get_one_answer() -> None:
    """Of eight who ask together one finds it."""
    kept, together, found = Kept[int](10.0), Barrier(8), []

    def ask(number: int) -> int:
        together.wait()
        return kept.get(lambda: found.append(number) or number)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(found) == len(answers) == 1


def test_answers_are_kept_by_name() -> None:
    """Each for itself, those asked for last; what could not be found is kept for nobody, and pushes nothing out."""
    kept, answers = KeptByName[int](10.0, most=2, clock=lambda: 0.0), iter(range(9))

    def find() -> int:
        return next(answers)

    def fail() -> int:
        raise LookupError

    assert [kept.get(name, find) for name in "abab"] == [0, 1, 0, 1]
    for name in "cdef":
        with pytest.raises(LookupError):
            kept.get(name, fail)
    assert [kept.get(name, find) for name in "abcab"] == [0, 1, 2, 3, 4]
