"""Brands and sellers as somebody types them."""

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import Make, ask

from ipml.review.queue import enqueue
from ipml.review.worklists.suggestions import MOST_SUGGESTIONS, suggest


@pytest.fixture
def full(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 25 cases: of 15 brands that begin alike, and of others."""
    brands = [f"Nord {number:02}" for number in range(15)] + ["Élan", "acme", "ACME", "Acme", None] * 2
    made = [make_scored(f"L{n}", 0.5, seller_id=f"s{n % 3}", brand=brand) for n, brand in enumerate(brands)]
    enqueue(engine, made, joins_alike=False)
    return engine


ACME = {"acme", "ACME", "Acme"}
FOUND = {"ac": ACME, "AC": ACME, "nord 07": {"Nord 07"}, "él": {"Élan"}} | {
    typed: set() for typed in ("x", "  ", "\0", "%")
}


@on_both
def test_names_that_begin_so_are_suggested(full: Engine):
    """In any case, and nothing else; what no case can have finds nothing."""
    assert {typed: set(ask(full, suggest, "brand", typed)) for typed in FOUND} == FOUND


def test_suggestions_are_few_and_of_the_state_that_is_shown(full: Engine):
    """At most ten are given, each once, and only of cases in the state."""
    assert ask(full, suggest, "brand", "no") == [f"Nord {number:02}" for number in range(MOST_SUGGESTIONS)]
    assert ask(full, suggest, "seller_id", "S") == ["s0", "s1", "s2"]
    assert ask(full, suggest, "brand", "no", state="decided") == []
