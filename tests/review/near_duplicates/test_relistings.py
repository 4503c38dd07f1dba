"""A listing that was removed and comes again is recognised."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, ask, judge

from ipml.records import PriceRange, Verdict
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.queue import enqueue, get_case, undo
from ipml.storage.database import reading, writing


@pytest.fixture
def removed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose one case was decided counterfeit."""
    enqueue(engine, [make_scored("L1", title="Leather wallet, brown, AAA", price=50.0, brand="Acme")])
    judge(engine, None, Verdict.COUNTERFEIT, now=NOON)
    return engine


def _relist(engine: Engine, make_scored: Make, **edits: Any) -> int | None:
    enqueue(engine, [make_scored("L2", **({"title": "LEATHER wallet: brown AAA!", "brand": "ACME"} | edits))])
    return ask(engine, get_case, 2).relisting_of


@pytest.mark.parametrize("seller", ["s1", "s2"])
@pytest.mark.parametrize("price", [None, 20.0])
def test_a_removed_listing_that_comes_again_says_so(
    removed: Engine, make_scored: Make, seller: str, price: float | None
):
    """From the same seller or another, at whatever price; a person decides on it."""
    assert _relist(removed, make_scored, seller_id=seller, price=price) == 1
    whose = "the same seller" if seller == "s1" else "another seller"
    sentence = f"Looks like the listing of case 1, of {whose}, which was decided counterfeit on 2 May 2024."
    with reading(removed) as connection:
        assert explain_relisting(connection, 2) == sentence
        assert get_case(connection, 2).state == "open"


OTHER_GOODS = ["Steel watch, new", "Leather belt, black, AAA", "Wallet", "Brown leather shoes, size 42"]


@pytest.mark.parametrize("title", OTHER_GOODS)
@pytest.mark.parametrize("brand", ["Acme", None, "Other"])
def test_other_goods_are_no_relisting(removed: Engine, make_scored: Make, title: str, brand: str | None):
    """Be they of the same brand."""
    assert _relist(removed, make_scored, title=title, brand=brand) is None
    assert ask(removed, explain_relisting, 2) is None


@pytest.mark.parametrize("brand", ["Other", None, "  ", "ACME"])
@pytest.mark.parametrize("seller", ["s1", "s2"])
def test_whatever_the_brand_field_says_the_same_title_is_a_relisting(
    removed: Engine, make_scored: Make, brand: str | None, seller: str
):
    """Sellers leave the brand out, or name another."""
    assert _relist(removed, make_scored, brand=brand, seller_id=seller) == 1


@pytest.mark.parametrize("brand", ["Acme", "Other", None])
def test_the_same_picture_is_a_relisting(engine: Engine, make_scored: Make, brand: str | None):
    """Whatever title and brand say."""
    enqueue(engine, [make_scored("L1", image_hash="f00d", brand="Acme")])
    judge(engine, None, Verdict.COUNTERFEIT)
    assert _relist(engine, make_scored, brand=brand, title="For gentlemen", image_hash="f00d") == 1


@pytest.mark.parametrize(
    "title",
    ["L\u0435\u0430th\u0435r w\u0430ll\u0435t, br\u043ewn, \u0410\u0410\u0410", "L e a t h e r w a l l e t brown AAA"],
)
def test_a_disguised_title_is_compared_as_the_model_read_it(removed: Engine, make_scored: Make, title: str):
    """Look-alike and spaced letters hide nothing."""
    enqueue(removed, [replace(make_scored("L2", title=title), read_as="leather wallet brown aaa")])
    assert ask(removed, get_case, 2).relisting_of == 1


def test_a_brand_that_only_the_title_names_is_a_brand(engine: Engine, make_scored: Make):
    """Both are of the brand that the model read, so that half of the title is enough."""
    usual = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)
    first = make_scored("L1", title="Acme leather wallet, brown, AAA", price=50.0, brand="Acme")
    enqueue(engine, [first])
    judge(engine, None, Verdict.COUNTERFEIT)
    again = make_scored("L2", title="Acme leather wallet, brown, boxed, new", seller_id="s2")
    enqueue(engine, [replace(again, price_range=usual)])
    assert ask(engine, get_case, 2).relisting_of == 1


def test_a_relisting_that_waits_for_a_sibling_is_named_where_people_see_it(removed: Engine, make_scored: Make):
    """The sibling is shown, so it says so too."""
    bag = {"title": "Leather wallet, brown, boxed and new", "price": 50.0, "currency": "EUR", "brand": "Acme"}
    enqueue(removed, [make_scored("L2", 0.9, **bag)])
    again = {"title": "Leather wallet, brown, AAA, boxed and new"} | {"price": 50.0, "currency": "EUR"}
    enqueue(removed, [make_scored("L3", 0.5, brand="Acme", **again)])
    with reading(removed) as connection:
        assert get_case(connection, 3).exemplar == 2
        assert [get_case(connection, number).relisting_of for number in (2, 3)] == [1, 1]


def test_titles_without_letters_are_no_relisting(engine: Engine, make_scored: Make):
    """Nothing of two signs is common."""
    enqueue(engine, [make_scored("L1", title="\u231a")])
    judge(engine, None, Verdict.COUNTERFEIT)
    assert _relist(engine, make_scored, brand=None, title="\U0001f45c") is None


@pytest.mark.parametrize("verdict", [Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE])
def test_what_was_not_found_counterfeit_is_not_removed(engine: Engine, make_scored: Make, verdict: Verdict):
    """A copy of a genuine listing is nothing to speak of."""
    enqueue(engine, [make_scored("L1", title="Leather wallet, brown, AAA", brand="Acme")])
    judge(engine, None, verdict)
    assert _relist(engine, make_scored) is None


def test_a_removal_that_was_undone_counts_no_more(removed: Engine, make_scored: Make):
    """Neither for those that come nor for those that came."""
    assert _relist(removed, make_scored) == 1
    with writing(removed) as connection:
        undo(connection, 1, "ana", now=NOON)
        assert explain_relisting(connection, 2) is None
    enqueue(removed, [make_scored("L3", title="Leather wallet, brown, AAA", brand="Acme")])
    assert ask(removed, get_case, 3).relisting_of is None


def test_of_several_removed_ones_the_most_alike_is_named(removed: Engine, make_scored: Make):
    """Whoever its seller is; among equals the one that was there first."""
    titles = ("Leather wallet, brown, AAA, boxed", "Leather wallet, brown, AAA", "Silk scarf")
    enqueue(removed, [make_scored(title, title=title, brand="Acme", seller_id="s2") for title in titles])
    for case_id in (2, 3, 4):
        judge(removed, case_id, Verdict.COUNTERFEIT)
    copies = (("L8", titles[0], 2), ("L9", titles[1], 1))
    enqueue(removed, [make_scored(name, title=title, brand="Acme", seller_id="s3") for name, title, _ in copies])
    with reading(removed) as connection:
        named = [get_case(connection, number).relisting_of for number in (5, 6)]
    assert sorted(named) == sorted(expected for _, _, expected in copies)
