"""Brands and sellers as somebody types them."""

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, ask

from ipml.review.queue import enqueue
from ipml.review.worklists.suggestions import MOST_SUGGESTIONS, suggest


@pytest.fixture
def full(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 40 cases: of 30 brands that begin alike, and of others."""
    for number in range(40):
        brand = f"Nord {number:02}" if number < 30 else ("Élan", "acme", "ACME", "Acme", None)[number % 5]
        enqueue(engine, [make_scored(f"L{number}", 0.5, seller_id=f"s{number % 3}", brand=brand)])
    return engine


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ac", {"acme", "ACME", "Acme"}),
        ("AC", {"acme", "ACME", "Acme"}),
        ("nord 07", {"Nord 07"}),
        ("él", {"Élan"}),
        ("x", set()),
        ("  ", set()),
        ("\0", set()),
        ("%", set()),
    ],
)
def test_names_that_begin_so_are_suggested(typed: str, found: set[str], full: Engine):
    """In any case, and nothing else; what no case can have finds nothing."""
    assert set(ask(full, suggest, "brand", typed)) == found


def test_suggestions_are_few_and_of_the_state_that_is_shown(full: Engine):
    """At most ten are given, each once, and only of cases in the state."""
    assert ask(full, suggest, "brand", "no") == [f"Nord {number:02}" for number in range(MOST_SUGGESTIONS)]
    assert ask(full, suggest, "seller_id", "S") == ["s0", "s1", "s2"]
    assert ask(full, suggest, "brand", "no", state="decided") == []
