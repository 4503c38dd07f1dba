"""The same first picture joins listings of one seller, and shows that a removed one is listed again."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from support.reviewing import Make, act, ask
from support.shown_goods import NOON, show_goods

from ipml.records import Verdict
from ipml.review.cases import StoredCase, find_case
from ipml.review.near_duplicates.same_pictures import mark_same_pictures
from ipml.review.queue import claim, decide
from ipml.storage.database import writing
from ipml.storage.tables import cases

LATER = NOON + timedelta(hours=1)
TITLES = {"L1": "Leather wallet", "L2": "Steel watch", "L3": "Silk scarf", "L4": "Wool coat"}


@pytest.fixture
def show(engine: Engine, make_scored: Make, tmp_path: Path) -> Callable[..., int]:
    """Return what makes a case of a title of its own whose listing shows some goods."""

    def show_some(listing_id: str, *seeds: int, score: float = 0.5, now=NOON, **said: object) -> int:
        fields = {"seller_id": "ann", "price": 50.0, "currency": "EUR"} | said
        scored = make_scored(listing_id, score, title=TITLES.get(listing_id, f"Thing {listing_id}"), **fields)
        return show_goods(engine, tmp_path, scored, *seeds, now=now)

    return show_some


def read(engine: Engine, case_id: int) -> StoredCase:
    """Return a case as it is stored."""
    return ask(engine, find_case, case_id)


def test_a_seller_s_same_picture_waits_for_the_first(engine: Engine, show):
    """At about the same price, whatever the title; only first pictures are compared, no table of sizes."""
    first, second = show("L1", 1, 9), show("L2", 1, 2, price=52.0)
    assert read(engine, second).exemplar == first
    assert read(engine, first).exemplar is None
    assert [read(engine, show(name, *seeds)).exemplar for name, *seeds in (("L3", 9), ("L4", 3, 9))] == [None, None]
    assert read(engine, show("L5", 1)).exemplar == first


def test_what_is_another_offer_stands_for_itself(engine: Engine, show):
    """Though it shows the same picture: another seller's, at another price, of another brand, of a higher score."""
    show("L1", 1)
    for number, said in enumerate(({"seller_id": "ben"}, {"price": 80.0}, {"brand": "Another"}, {"score": 0.9})):
        assert read(engine, show(f"M{number}", 1, **said)).exemplar is None, said


def test_a_case_in_hand_or_waited_for_does_not_wait(engine: Engine, show):
    """It must not vanish from under a reviewer, nor leave others without an exemplar; nor does any if so set."""
    first, second, third = show("L1", 1), show("L2", 2), show("L3", 2)
    assert read(engine, third).exemplar == second
    with writing(engine) as connection:
        assert claim(connection, "ana", first, now=NOON)
        assert mark_same_pictures(connection, [first, second], NOON) == {}
        connection.execute(update(cases).values(exemplar=None))
        assert mark_same_pictures(connection, [third], NOON, joins_alike=False) == {}
        assert mark_same_pictures(connection, [third], NOON) == {third: second}


def test_a_removed_picture_that_comes_again_is_marked(engine: Engine, show):
    """Whoever sells it, if it came after the verdict."""
    before, first = show("L1", 1, seller_id="cem"), show("L2", 1)
    claimed = act(engine, claim, "ana", first, now=NOON)
    act(engine, decide, claimed, Verdict.COUNTERFEIT, ground="declared_replica", now=NOON)
    again = show("L3", 1, seller_id="ben", now=LATER)
    assert read(engine, again).relisting_of == first
    assert read(engine, before).relisting_of is None
    assert read(engine, show("L4", 2, 1, seller_id="dan", now=LATER)).relisting_of is None
