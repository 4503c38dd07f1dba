"""The same first picture joins listings of one seller, and shows that a removed one is listed again."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from support.reviewing import Make, ask
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
        scored = make_scored(listing_id, score, title=TITLES[listing_id], **fields)
        return show_goods(engine, tmp_path, scored, *seeds, now=now)

    return show_some


def read(engine: Engine, case_id: int) -> StoredCase:
    """Return a case as it is stored."""
    return ask(engine, find_case, case_id)


def test_a_seller_s_same_picture_waits_for_the_first(engine: Engine, show):
    """At about the same price, whatever the title."""
    first, second = show("L1", 1), show("L2", 1, 2, price=52.0)
    assert read(engine, second).exemplar == first
    assert read(engine, first).exemplar is None
    assert read(engine, show("L3", 1)).exemplar == first


@pytest.mark.parametrize(
    "said",
    [{"seller_id": "ben"}, {"price": 80.0}, {"brand": "Another"}, {"score": 0.9}],
    ids=["of another seller", "at another price", "of another brand", "that scores higher"],
)
def test_what_is_another_offer_stands_for_itself(engine: Engine, show, said: dict[str, object]):
    """Though it shows the same picture."""
    show("L1", 1)
    assert read(engine, show("L2", 1, **said)).exemplar is None


def test_only_the_first_pictures_are_compared(engine: Engine, show):
    """A table of sizes further on says nothing of what is offered."""
    show("L1", 1, 9)
    assert read(engine, show("L2", 2, 9)).exemplar is None
    assert read(engine, show("L3", 9)).exemplar is None


def test_a_case_in_hand_or_waited_for_does_not_wait(engine: Engine, show):
    """It must not vanish from under a reviewer, nor leave others without an exemplar."""
    first, second, third = show("L1", 1), show("L2", 2), show("L3", 2)
    assert read(engine, third).exemplar == second
    with writing(engine) as connection:
        assert claim(connection, "ana", first, now=NOON)
        assert mark_same_pictures(connection, [first, second], NOON) == {}


def test_nothing_joins_where_that_is_switched_off(engine: Engine, show):
    """By the setting of near-duplicates."""
    first, second = show("L1", 1), show("L2", 1)
    with writing(engine) as connection:
        connection.execute(update(cases).values(exemplar=None))
        assert mark_same_pictures(connection, [second], NOON, joins_alike=False) == {}
        assert mark_same_pictures(connection, [second], NOON) == {second: first}


def test_a_removed_picture_that_comes_again_is_marked(engine: Engine, show):
    """Whoever sells it, if it came after the verdict."""
    before, first = show("L1", 1, seller_id="cem"), show("L2", 1)
    with writing(engine) as connection:
        claimed = claim(connection, "ana", first, now=NOON)
        decide(connection, claimed, Verdict.COUNTERFEIT, ground="declared_replica", now=NOON)
    again = show("L3", 1, seller_id="ben", now=LATER)
    assert read(engine, again).relisting_of == first
    assert read(engine, before).relisting_of is None
    assert read(engine, show("L4", 2, 1, seller_id="dan", now=LATER)).relisting_of is None
