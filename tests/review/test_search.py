"""Finding cases: by words, filters and pages, and names as they are typed."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, judge
from support.transactions import ask

from ipml.errors import NotFound, Refused
from ipml.records import Case
from ipml.review.arrivals.intake import enqueue
from ipml.review.ranking.list_marks import QueueParts
from ipml.review.worklists import search
from ipml.review.worklists.search import ORDERS, Filter, browse_cases
from ipml.review.worklists.suggestions import MOST_SUGGESTIONS, suggest

TITLES = ("Vellmar TOTE bag", "V\u0435llmar wallet", "R\u00e9plica n\u200bike", "\u8010\u514b\u978b 42")
TITLES += ("100 % wool_coat",)

AT_NOON = QueueParts((), (), NOON)


@pytest.fixture
def found(engine: Engine, make_scored: Make) -> Callable[[str], list[int]]:
    """Return what finds the numbers of titles by words."""
    places = {title: number for number, title in enumerate(TITLES)}
    made = [make_scored(f"L{n}", 0.9 - n / 10, title=title, seller_id=f"Shop-{n}") for title, n in places.items()]
    enqueue(engine, made)

    def find(words: str, state: str = "open") -> list[int]:
        return [places[case.scored.listing.title] for case in ask(engine, browse_cases, Filter(state, search=words))]

    return find


@on_both
def test_words_are_found_in_any_writing(engine: Engine, found: Callable[..., list[int]]):
    """Case, accents, invisible letters and the order of words make no difference; words narrow what filters leave."""
    wanted = {
        **{"tote": [0], "BAG vellmar": [0], "replica": [2], "NIKE": [2], "\u8010\u514b": [3], "L3": [3], "shop-1": [1]},
        **{"%": [4], "l_c": [4], "' OR 1=1 --": [], "tote wallet": [], "   ": [0, 1, 2, 3, 4]},
    }
    assert {words: found(words) for words in wanted} == wanted
    judge(engine, 1)
    assert (found("vellmar"), found("vellmar", "decided")) == ([], [0])


def test_a_rescored_case_is_found_by_its_new_title(engine: Engine, make_scored: Make):
    """What a search looks through is what the case shows."""
    for score, title in ((0.5, "Old name"), (0.6, "New name")):
        enqueue(engine, [make_scored("L1", score, title=title)])
    assert [len(ask(engine, browse_cases, Filter(search=word))) for word in ("old", "new")] == [0, 1]


def test_many_and_few_are_found_alike(engine: Engine, make_scored: Make, monkeypatch: pytest.MonkeyPatch):
    """Whether the words pick cases or the list is read from its top, the pages are the same, in every order."""
    enqueue(engine, [make_scored(f"L{n}", n % 7 / 7, title="odd bag" if n % 2 else "even bag") for n in range(40)])

    def read_pages() -> list[list[Case]]:
        pages = product(("rank", "score"), (None, 22))
        return [ask(engine, browse_cases, Filter(search="odd"), order, limit=7, after=after) for order, after in pages]

    few = read_pages()
    monkeypatch.setattr(search, "_FEW", 3)
    assert few == read_pages()
    assert all(len(page) == 7 for page in few[::2])


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str):
    """A folded word is found by itself, and every database can hold it."""
    folded = search.fold_text(text)
    assert search.fold_text(folded) == folded
    assert folded.encode().decode() == folded
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in folded)


@pytest.fixture
def full(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 24 cases that came one by one, the last first by score; some have no score."""
    for number in range(24):
        score = None if number % 8 == 7 else number // 2 / 12
        offer = {"brand": "AB"[number % 2], "category": ("bags", None, "shoes")[number % 3]}
        scored = make_scored(f"L{number}", score, seller_id=f"s{number % 3}", **offer)
        enqueue(engine, [scored], now=NOON - timedelta(days=24 - number))
    return engine


def numbers(cases: list[Case]) -> list[int]:
    """Return the numbers of cases."""
    return [case.case_id for case in cases]


@on_both
def test_pages_together_are_the_whole_list(full: Engine):
    """In every order and under any filter, going on after the last case misses and repeats none."""
    filters = (Filter(), Filter(brand="A"), Filter(seller_id="s1", least_score=0.2), Filter(state=None))
    for order, wanted in product(ORDERS, filters):
        whole, pages, after = ask(full, browse_cases, wanted, order, limit=100), [], None
        while page := ask(full, browse_cases, wanted, order, limit=5, after=after):
            pages += page
            after = page[-1].case_id
        assert pages == whole, (order, wanted)
        assert pages


def test_orders(full: Engine):
    """By score the likeliest comes first and what has none last; by arrival the oldest comes first."""
    by_score = [case.scored.score for case in ask(full, browse_cases, Filter(), "score")]
    known = [score for score in by_score if score is not None]
    assert known == sorted(known, reverse=True)
    assert by_score[len(known) :] == [None] * 3
    assert numbers(ask(full, browse_cases, Filter(), "first come")) == list(range(1, 25))
    assert numbers(ask(full, browse_cases, Filter(), "score")) == numbers(ask(full, browse_cases, Filter(), "rank"))
    with pytest.raises(Refused, match="found 'beauty'; expected one of rank, value, score, first come"):
        ask(full, browse_cases, Filter(), "beauty")
    with pytest.raises(NotFound, match="No case"):
        ask(full, browse_cases, Filter(), after=999)


def test_every_filter_keeps_what_matches(full: Engine, make_scored: Make):
    """Category, score, age and deadline narrow the list as they say, alone and together."""
    assert {case.scored.listing.category for case in ask(full, browse_cases, Filter(category="bags"))} == {"bags"}
    scores = [case.scored.score for case in ask(full, browse_cases, Filter(least_score=0.25, most_score=0.5))]
    assert (len(scores), min(scores), max(scores)) == (7, 0.25, 0.5)
    long_waiting = Filter(waiting_days=20)
    assert numbers(ask(full, browse_cases, long_waiting, "first come", parts=AT_NOON)) == [1, 2, 3, 4, 5]
    assert numbers(ask(full, browse_cases, replace(long_waiting, category="shoes"), parts=AT_NOON)) == [3]
    for name, hours in (("soon", 3), ("over", -2), ("later", 30)):
        enqueue(full, [make_scored(name)], now=NOON, due_at=NOON + timedelta(hours=hours))
    found = ask(full, browse_cases, Filter(due_hours=4), parts=AT_NOON)
    due = {case.scored.listing.listing_id: case.due_at for case in found}
    assert due == {"soon": NOON + timedelta(hours=3), "over": NOON - timedelta(hours=2)}


@pytest.fixture
def named(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 25 cases: of 15 brands that begin alike, and of others."""
    brands = [f"Nord {number:02}" for number in range(15)] + ["Élan", "acme", "ACME", "Acme", None] * 2
    made = [make_scored(f"L{n}", 0.5, seller_id=f"s{n % 3}", brand=brand) for n, brand in enumerate(brands)]
    enqueue(engine, made, joins_alike=False)
    return engine


ACME = {"acme", "ACME", "Acme"}
FOUND = {"ac": ACME, "AC": ACME, "nord 07": {"Nord 07"}, "él": {"Élan"}}
FOUND |= {typed: set() for typed in ("x", "  ", "\0", "%")}


@on_both
def test_suggestions_are_few_and_of_the_state_that_is_shown(named: Engine):
    """In any case at most ten that begin so, each once, of cases in the state; what none can have finds none."""
    assert ask(named, suggest, "brand", "no") == [f"Nord {number:02}" for number in range(MOST_SUGGESTIONS)]
    assert ask(named, suggest, "seller_id", "S") == ["s0", "s1", "s2"]
    assert ask(named, suggest, "brand", "no", state="decided") == []
    assert {typed: set(ask(named, suggest, "brand", typed)) for typed in FOUND} == FOUND
