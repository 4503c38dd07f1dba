"""The list of cases: filters, orders and pages."""

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, ask

from ipml.errors import NotFound, Refused
from ipml.records import Case
from ipml.review.queue import enqueue
from ipml.review.worklists.search import ORDERS, Filter, browse


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
        whole, pages, after = ask(full, browse, wanted, order, limit=100), [], None
        while page := ask(full, browse, wanted, order, limit=5, after=after):
            pages += page
            after = page[-1].case_id
        assert pages == whole, (order, wanted)
        assert pages


def test_orders(full: Engine):
    """By score the likeliest comes first and what has none last; by arrival the oldest comes first."""
    by_score = [case.scored.score for case in ask(full, browse, Filter(), "score")]
    known = [score for score in by_score if score is not None]
    assert known == sorted(known, reverse=True)
    assert by_score[len(known) :] == [None] * 3
    assert numbers(ask(full, browse, Filter(), "first come")) == list(range(1, 25))
    assert numbers(ask(full, browse, Filter(), "score")) == numbers(ask(full, browse, Filter(), "rank"))
    with pytest.raises(Refused, match="found 'beauty'; expected one of rank, value, score, first come"):
        ask(full, browse, Filter(), "beauty")
    with pytest.raises(NotFound, match="No case"):
        ask(full, browse, Filter(), after=999)


def test_every_filter_keeps_what_matches(full: Engine, make_scored: Make):
    """Category, score, age and deadline narrow the list as they say, alone and together."""
    assert {case.scored.listing.category for case in ask(full, browse, Filter(category="bags"))} == {"bags"}
    scores = [case.scored.score for case in ask(full, browse, Filter(least_score=0.25, most_score=0.5))]
    assert (len(scores), min(scores), max(scores)) == (7, 0.25, 0.5)
    assert numbers(ask(full, browse, Filter(waiting_days=20), "first come", now=NOON)) == [1, 2, 3, 4, 5]
    assert numbers(ask(full, browse, Filter(category="shoes", waiting_days=20), now=NOON)) == [3]
    for name, hours in (("soon", 3), ("over", -2), ("later", 30)):
        enqueue(full, [make_scored(name)], now=NOON, due_at=NOON + timedelta(hours=hours))
    found = ask(full, browse, Filter(due_hours=4), now=NOON)
    due = {case.scored.listing.listing_id: case.due_at for case in found}
    assert due == {"soon": NOON + timedelta(hours=3), "over": NOON - timedelta(hours=2)}
