"""A listing that was removed and comes again is recognised."""

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask, judge

from ipml.records import PriceRange, ScoredListing, Verdict
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.queue import enqueue, get_case, undo

TITLE = "Leather wallet, brown, AAA"


@pytest.fixture
def removed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose one case was decided counterfeit."""
    enqueue(engine, [make_scored("L1", title=TITLE, price=50.0, brand="Acme")])
    judge(engine, None, Verdict.COUNTERFEIT, now=NOON)
    return engine


def _relist(engine: Engine, *scored: ScoredListing, number: int = 2) -> list[int | None]:
    """List some listings, and return of which case each is said to be a relisting; the first is case 2, or later."""
    enqueue(engine, scored)
    return [ask(engine, get_case, number + place).relisting_of for place in range(len(scored))]


def test_a_removed_listing_that_comes_again_says_so(removed: Engine, make_scored: Make):
    """From the same seller or another, at whatever price, whatever the brand field says; a person decides on it."""
    cases = list(product(("s1", "s2"), (None, 20.0), ("Other", None, "  ", "ACME")))
    again = [
        make_scored(f"M{n}", title="LEATHER wallet: brown AAA!", seller_id=seller, price=price, brand=brand)
        for n, (seller, price, brand) in enumerate(cases)
    ]
    assert dict(zip(cases, _relist(removed, *again), strict=True)) == dict.fromkeys(cases, 1)
    for number, (seller, *_) in enumerate(cases, start=2):
        whose = "the same seller" if seller == "s1" else "another seller"
        sentence = f"Looks like the listing of case 1, of {whose}, which was decided counterfeit on 2 May 2024."
        assert ask(removed, explain_relisting, number) == sentence
        assert ask(removed, get_case, number).state == "open"


OTHER_GOODS = ["Steel watch, new", "Leather belt, black, AAA", "Wallet", "Brown leather shoes, size 42"]


def test_other_goods_are_no_relisting(removed: Engine, make_scored: Make):
    """Be they of the same brand; and of titles without letters nothing is common."""
    cases = list(product(OTHER_GOODS, ("Acme", None, "Other")))
    others = [make_scored(f"M{n}", title=title, brand=brand) for n, (title, brand) in enumerate(cases)]
    assert dict(zip(cases, _relist(removed, *others), strict=True)) == dict.fromkeys(cases)
    assert ask(removed, explain_relisting, 2) is None
    number = len(cases) + 2
    enqueue(removed, [make_scored("W", title="\u231a")])
    judge(removed, number, Verdict.COUNTERFEIT)
    assert _relist(removed, make_scored("X", title="\U0001f45c"), number=number + 1) == [None]


def test_the_same_picture_is_a_relisting(engine: Engine, make_scored: Make):
    """Whatever title and brand say."""
    enqueue(engine, [make_scored("L1", image_hash="f00d", brand="Acme")])
    judge(engine, None, Verdict.COUNTERFEIT)
    shown = {"title": "For gentlemen", "image_hash": "f00d"}
    again = [make_scored(f"M{n}", brand=brand, **shown) for n, brand in enumerate(("Acme", "Other", None))]
    assert _relist(engine, *again) == [1, 1, 1]


def test_a_disguised_title_is_compared_as_the_model_read_it(removed: Engine, make_scored: Make):
    """Look-alike and spaced letters hide nothing."""
    cyrillic = "L\u0435\u0430th\u0435r w\u0430ll\u0435t, br\u043ewn, \u0410\u0410\u0410"
    titles = (cyrillic, "L e a t h e r w a l l e t brown AAA")
    read = [replace(make_scored(title, title=title), read_as="leather wallet brown aaa") for title in titles]
    assert _relist(removed, *read) == [1, 1]


def test_a_brand_that_only_the_title_names_is_a_brand(engine: Engine, make_scored: Make):
    """Both are of the brand that the model read, so that half of the title is enough."""
    enqueue(engine, [make_scored("L1", title="Acme leather wallet, brown, AAA", price=50.0, brand="Acme")])
    judge(engine, None, Verdict.COUNTERFEIT)
    again = make_scored("L2", title="Acme leather wallet, brown, boxed, new", seller_id="s2")
    usual = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)
    assert _relist(engine, replace(again, price_range=usual)) == [1]


def test_a_relisting_that_waits_for_a_sibling_is_named_where_people_see_it(removed: Engine, make_scored: Make):
    """The sibling is shown, so it says so too."""
    bag = {"price": 50.0, "currency": "EUR", "brand": "Acme"}
    enqueue(removed, [make_scored("L2", 0.9, title="Leather wallet, brown, boxed and new", **bag)])
    enqueue(removed, [make_scored("L3", 0.5, title="Leather wallet, brown, AAA, boxed and new", **bag)])
    assert ask(removed, get_case, 3).exemplar == 2
    assert [ask(removed, get_case, number).relisting_of for number in (2, 3)] == [1, 1]


def test_what_was_not_found_counterfeit_is_not_removed(engine: Engine, make_scored: Make):
    """A copy of a genuine listing is nothing to speak of."""
    verdicts = (Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE)
    enqueue(engine, [make_scored(verdict, title=TITLE, brand="Acme") for verdict in verdicts])
    for number, verdict in enumerate(verdicts, start=1):
        judge(engine, number, verdict)
    assert _relist(engine, make_scored("L4", title=TITLE, brand="Acme"), number=4) == [None]


def test_a_removal_that_was_undone_counts_no_more(removed: Engine, make_scored: Make):
    """Neither for those that come nor for those that came."""
    assert _relist(removed, make_scored("L2", title=TITLE)) == [1]
    act(removed, undo, 1, "ana", now=NOON)
    assert ask(removed, explain_relisting, 2) is None
    assert _relist(removed, make_scored("L3", title=TITLE, brand="Acme"), number=3) == [None]


def test_of_several_removed_ones_the_most_alike_is_named(removed: Engine, make_scored: Make):
    """Whoever its seller is; among equals the one that was there first."""
    titles = (f"{TITLE}, boxed", TITLE, "Silk scarf")
    enqueue(removed, [make_scored(title, title=title, brand="Acme", seller_id="s2") for title in titles])
    for case_id in (2, 3, 4):
        judge(removed, case_id, Verdict.COUNTERFEIT)
    names = {ask(removed, get_case, number).scored.listing.title: number for number in (2, 3, 4)}
    copies = [make_scored(title, title=title, brand="Acme", seller_id="s3") for title in titles[:2]]
    copies = [replace(one, listing=replace(one.listing, listing_id=f"L{n}")) for n, one in enumerate(copies)]
    enqueue(removed, copies)
    named = {}
    for number in (5, 6):
        case = ask(removed, get_case, number)
        named[case.scored.listing.title] = case.relisting_of
    assert named == {titles[0]: names[titles[0]], TITLE: 1}
