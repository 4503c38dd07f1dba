"""Finding cases by their words."""

import unicodedata
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import Make, ask, judge

from ipml.records import Case
from ipml.review.queue import enqueue
from ipml.review.worklists import search
from ipml.review.worklists.search import Filter, browse

TITLES = (
    "Vellmar TOTE bag",
    "V\u0435llmar wallet",
    "R\u00e9plica n\u200bike",
    "\u8010\u514b\u978b 42",
    "100 % wool_coat",
)


@pytest.fixture
def found(engine: Engine, make_scored: Make) -> Callable[[str], list[int]]:
    """Return what finds the numbers of titles by words."""
    places = {title: number for number, title in enumerate(TITLES)}
    made = [make_scored(f"L{n}", 0.9 - n / 10, title=title, seller_id=f"Shop-{n}") for title, n in places.items()]
    enqueue(engine, made)

    def find(words: str, state: str = "open") -> list[int]:
        return [places[case.scored.listing.title] for case in ask(engine, browse, Filter(state, search=words))]

    return find


WORDS = {
    **{"tote": [0], "BAG vellmar": [0], "replica": [2], "NIKE": [2], "\u8010\u514b": [3], "L3": [3], "shop-1": [1]},
    **{"%": [4], "l_c": [4], "' OR 1=1 --": [], "tote wallet": [], "   ": [0, 1, 2, 3, 4]},
}


@on_both
def test_words_are_found_in_any_writing(engine: Engine, found: Callable[..., list[int]]):
    """Case, accents, invisible letters and the order of words make no difference; words narrow what filters leave."""
    assert {words: found(words) for words in WORDS} == WORDS
    judge(engine, 1)
    assert (found("vellmar"), found("vellmar", "decided")) == ([], [0])


def test_a_rescored_case_is_found_by_its_new_title(engine: Engine, make_scored: Make):
    """What a search looks through is what the case shows."""
    for score, title in ((0.5, "Old name"), (0.6, "New name")):
        enqueue(engine, [make_scored("L1", score, title=title)])
    assert [len(ask(engine, browse, Filter(search=word))) for word in ("old", "new")] == [0, 1]


def test_many_and_few_are_found_alike(engine: Engine, make_scored: Make, monkeypatch: pytest.MonkeyPatch):
    """Whether the words pick cases or the list is read from its top, the pages are the same, in every order."""
    enqueue(engine, [make_scored(f"L{n}", n % 7 / 7, title="odd bag" if n % 2 else "even bag") for n in range(40)])

    def read_pages() -> list[list[Case]]:
        pages = product(("rank", "score"), (None, 22))
        return [ask(engine, browse, Filter(search="odd"), order, limit=7, after=after) for order, after in pages]

    few = read_pages()
    monkeypatch.setattr(search, "_FEW", 3)
    assert few == read_pages()
    assert all(len(page) == 7 for page in few[::2])


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str):
    """A folded word is found by itself, and every database can hold it."""
    folded = search.fold(text)
    assert search.fold(folded) == folded
    assert folded.encode().decode() == folded
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in folded)
