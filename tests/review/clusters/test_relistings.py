"""A listing that was removed and comes again is recognised."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from ipml.records import ScoredListing, Verdict
from ipml.review.clusters.relistings import explain_relisting
from ipml.review.queue import claim, decide, enqueue, get_case, undo

Make = Callable[..., ScoredListing]
NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


@pytest.fixture
def removed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose one case was decided counterfeit."""
    enqueue(engine, [make_scored("L1", title="Leather wallet, brown, AAA", price=50.0, brand="Acme")])
    decide(engine, claim(engine, "ana", now=NOON), Verdict.COUNTERFEIT, ground="test_purchase", now=NOON)
    return engine


def _relist(engine: Engine, make_scored: Make, **edits: Any) -> int | None:
    enqueue(engine, [make_scored("L2", **({"title": "LEATHER wallet: brown AAA!", "brand": "ACME"} | edits))])
    return get_case(engine, 2).relisting_of


@pytest.mark.parametrize("seller", ["s1", "s2"])
@pytest.mark.parametrize("price", [None, 20.0])
def test_a_removed_listing_that_comes_again_says_so(
    removed: Engine, make_scored: Make, seller: str, price: float | None
):
    """From the same seller or another, at whatever price; a person decides on it."""
    assert _relist(removed, make_scored, seller_id=seller, price=price) == 1
    whose = "the same seller" if seller == "s1" else "another seller"
    sentence = f"Looks like the listing of case 1, of {whose}, which was decided counterfeit on 2 May 2024."
    assert explain_relisting(removed, 2) == sentence
    assert get_case(removed, 2).state == "open"


@pytest.mark.parametrize("edits", [{"title": "Steel watch, new"}, {"brand": "Other"}], ids=str)
def test_another_offer_is_no_relisting(removed: Engine, make_scored: Make, edits: dict[str, Any]):
    """Neither another title nor another brand."""
    assert _relist(removed, make_scored, **edits) is None
    assert explain_relisting(removed, 2) is None


def test_the_same_picture_is_a_relisting(engine: Engine, make_scored: Make):
    """Whatever the title says."""
    enqueue(engine, [make_scored("L1", image_hash="f00d")])
    decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="test_purchase")
    assert _relist(engine, make_scored, brand=None, title="For gentlemen", image_hash="f00d") == 1


@pytest.mark.parametrize("verdict", [Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE])
def test_what_was_not_found_counterfeit_is_not_removed(engine: Engine, make_scored: Make, verdict: Verdict):
    """A copy of a genuine listing is nothing to speak of."""
    enqueue(engine, [make_scored("L1", title="Leather wallet, brown, AAA", brand="Acme")])
    decide(engine, claim(engine, "ana"), verdict)
    assert _relist(engine, make_scored) is None


def test_a_removal_that_was_undone_counts_no_more(removed: Engine, make_scored: Make):
    """Neither for those that come nor for those that came."""
    assert _relist(removed, make_scored) == 1
    undo(removed, 1, "ana", now=NOON)
    assert explain_relisting(removed, 2) is None
    enqueue(removed, [make_scored("L3", title="Leather wallet, brown, AAA", brand="Acme")])
    assert get_case(removed, 3).relisting_of is None


def test_of_several_removed_ones_the_most_alike_is_named(removed: Engine, make_scored: Make):
    """Whoever its seller is; among equals the one that was there first."""
    titles = ("Leather wallet, brown, AAA, boxed", "Leather wallet, brown, AAA", "Silk scarf")
    enqueue(removed, [make_scored(title, title=title, brand="Acme", seller_id="s2") for title in titles])
    for case_id in (2, 3, 4):
        decide(removed, claim(removed, "ana", case_id), Verdict.COUNTERFEIT, ground="test_purchase")
    copies = (("L8", titles[0], 2), ("L9", titles[1], 1))
    enqueue(removed, [make_scored(name, title=title, brand="Acme", seller_id="s3") for name, title, _ in copies])
    named = [get_case(removed, number).relisting_of for number in (5, 6)]
    assert sorted(named) == sorted(expected for _, _, expected in copies)
