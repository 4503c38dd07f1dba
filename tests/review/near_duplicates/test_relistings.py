"""A removed listing that comes again is recognised, also by its first picture, which joins listings as well."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from support.reviewing import NOON, Make, judge
from support.shown_goods import NOON as SHOWN
from support.shown_goods import show_goods
from support.transactions import act, ask

from ipml.records import Listing, PriceRange, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import StoredCase, find_case, get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.near_duplicates.relistings import find_relistings
from ipml.review.near_duplicates.same_pictures import mark_same_pictures
from ipml.review.ranking.policy import MatchKind, load_policy
from ipml.storage.database import writing
from ipml.storage.tables import cases

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


def test_other_goods_are_no_relisting(removed: Engine, make_scored: Make):
    """Be they of the same brand; and of titles without letters nothing is common."""
    goods = ["Steel watch, new", "Leather belt, black, AAA", "Wallet", "Brown leather shoes, size 42"]
    cases = list(product(goods, ("Acme", None, "Other")))
    others = [make_scored(f"M{n}", title=title, brand=brand) for n, (title, brand) in enumerate(cases)]
    assert dict(zip(cases, _relist(removed, *others), strict=True)) == dict.fromkeys(cases)
    assert ask(removed, explain_relisting, 2) is None
    number = len(cases) + 2
    enqueue(removed, [make_scored("W", title="\u231a")])
    judge(removed, number, Verdict.COUNTERFEIT)
    assert _relist(removed, make_scored("X", title="\U0001f45c"), number=number + 1) == [None]


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


LATER = SHOWN + timedelta(hours=1)
TITLES = {"L1": "Leather wallet", "L2": "Steel watch", "L3": "Silk scarf", "L4": "Wool coat"}


@pytest.fixture
def show(engine: Engine, make_scored: Make, tmp_path: Path) -> Callable[..., int]:
    """Return what makes a case of a title of its own whose listing shows some goods."""

    def show_some(listing_id: str, *seeds: int, score: float = 0.5, now=SHOWN, **said: object) -> int:
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
        assert claim(connection, "ana", first, now=SHOWN)
        assert mark_same_pictures(connection, [first, second], SHOWN) == {}
        connection.execute(update(cases).values(exemplar=None))
        assert mark_same_pictures(connection, [third], SHOWN, joins_alike=False) == {}
        assert mark_same_pictures(connection, [third], SHOWN) == {third: second}


def test_a_removed_picture_that_comes_again_is_marked(engine: Engine, show):
    """Whoever sells it, if it came after the verdict."""
    before, first = show("L1", 1, seller_id="cem"), show("L2", 1)
    claimed = act(engine, claim, "ana", first, now=SHOWN)
    act(engine, decide, DecisionRequest(claimed, Verdict.COUNTERFEIT, "declared_replica"), now=SHOWN)
    again = show("L3", 1, seller_id="ben", now=LATER)
    assert read(engine, again).relisting_of == first
    assert read(engine, before).relisting_of is None
    assert read(engine, show("L4", 2, 1, seller_id="dan", now=LATER)).relisting_of is None


def test_the_address_of_a_confirmed_picture_is_known_on_arrival(engine: Engine, show):
    """Whatever title and seller, if it is the first and was looked at: a case at any score."""
    for number, seeds in ((1, (1,)), (2, ())):
        judge(engine, show(f"L{number}", *seeds, image_urls=f"https://a.example/{number}"), Verdict.COUNTERFEIT)
    addresses = (f"https://a.example/{number} https://a.example/1" for number in (1, 2, 3))
    some = [Listing(str(number), "ben", f"Other {number}", image_urls=said) for number, said in enumerate(addresses)]
    (found,) = ask(engine, find_relistings, some, load_policy()).items()
    assert (found[0], found[1].case_id, found[1].kind, found[1].makes_case) == ("0", 1, MatchKind.PICTURE, True)
