"""Finding cases by their words."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import Make, ask, judge

from ipml.records import Case
from ipml.review.queue import enqueue
from ipml.review.worklists import search
from ipml.review.worklists.search import Filter, browse
from ipml.storage.database import reading

TITLES = (
    "Vellmar TOTE bag",
    "V\u0435llmar wallet",
    "R\u00e9plica n\u200bike",
    "\u8010\u514b\u978b 42",
    "100 % wool_coat",
)


@pytest.fixture
def found(engine: Engine, make_scored: Make) -> Callable[[str], list[str]]:
    """Return what finds the titles of cases by words."""
    enqueue(
        engine,
        [make_scored(f"L{n}", 0.9 - n / 10, title=title, seller_id=f"Shop-{n}") for n, title in enumerate(TITLES)],
    )

    def find(words: str) -> list[str]:
        return [titles(case) for case in ask(engine, browse, Filter(search=words))]

    return find


def titles(case: Case) -> str:
    """Return the title of a case's listing."""
    return case.scored.listing.title


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("tote", [0]),
        ("BAG vellmar", [0]),
        ("replica", [2]),
        ("NIKE", [2]),
        ("\u8010\u514b", [3]),
        ("L3", [3]),
        ("shop-1", [1]),
        ("%", [4]),
        ("l_c", [4]),
        ("' OR 1=1 --", []),
        ("tote wallet", []),
        ("   ", [0, 1, 2, 3, 4]),
    ],
)
def test_words_are_found_in_any_writing(found: Callable[[str], list[str]], words: str, titles: list[int]):
    """Case, accents, invisible letters and the order of words make no difference; signs are what they are."""
    assert found(words) == [TITLES[number] for number in titles]


def test_a_search_keeps_to_the_other_filters(engine: Engine, found: Callable[[str], list[str]]):
    """Words narrow what the filters leave."""
    judge(engine, 1)
    assert found("vellmar") == []
    assert [titles(case) for case in ask(engine, browse, Filter("decided", search="vellmar"))] == [TITLES[0]]


def test_a_rescored_case_is_found_by_its_new_title(engine: Engine, make_scored: Make):
    """What a search looks through is what the case shows."""
    enqueue(engine, [make_scored("L1", 0.5, title="Old name")])
    enqueue(engine, [make_scored("L1", 0.6, title="New name")])
    assert ask(engine, browse, Filter(search="old")) == []
    assert len(ask(engine, browse, Filter(search="new"))) == 1


def test_many_and_few_are_found_alike(engine: Engine, make_scored: Make, monkeypatch: pytest.MonkeyPatch):
    """Whether the words pick cases or the list is read from its top, the pages are the same, in every order."""
    enqueue(engine, [make_scored(f"L{n}", n % 7 / 7, title="odd bag" if n % 2 else "even bag") for n in range(60)])
    with reading(engine) as connection:
        few = [
            browse(connection, Filter(search="odd"), order, limit=7, after=after)
            for order in ("rank", "score")
            for after in (None, 22)
        ]
    monkeypatch.setattr(search, "_FEW", 3)
    with reading(engine) as connection:
        many = [
            browse(connection, Filter(search="odd"), order, limit=7, after=after)
            for order in ("rank", "score")
            for after in (None, 22)
        ]
    assert few == many
    assert all(len(page) == 7 for page in few[::2])


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str):
    """A folded word is found by itself, and every database can hold it."""
    folded = search.fold(text)
    assert search.fold(folded) == folded
    assert folded.encode().decode() == folded
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in folded)
