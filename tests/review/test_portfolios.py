"""Portfolios are stored as listings come in: each counts once, in any order, whoever brings it."""

import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, product
from multiprocessing import get_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select
from support.databases import copy_memory, on_both
from support.portfolio_writer import NOON, add_one_by_one
from support.transactions import act, ask

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import EarlierListings, Listing, ScoredListing, StoredPortfolio
from ipml.review.arrivals.marketplace import Submission, Withdrawal, find_known, rescore_changed, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.sellers.portfolios import (
    WeighedListing,
    add_to_portfolios,
    find_earlier,
    find_portfolios,
    rebuild_portfolios,
)
from ipml.storage.tables import portfolio_listings

SELLERS = "abc"
WEIGHTS = st.none() | st.integers(0, 1_000).map(lambda thousandths: thousandths / 1_000)


def at(hours: int) -> datetime:
    """Return a moment."""
    return NOON + timedelta(hours=hours)


WEIGHED = st.lists(
    st.builds(
        WeighedListing,
        st.integers(0, 9).map(lambda number: f"L{number}"),
        st.sampled_from(SELLERS),
        st.integers(-2, 2).map(at),
        WEIGHTS,
    ),
    max_size=12,
    unique_by=lambda one: one.listing_id,
)


def add(engine: Engine, weighed: Sequence[WeighedListing], version: str = "m1") -> int:
    """Add listings in one transaction."""
    return act(engine, add_to_portfolios, version, weighed, NOON)


def stored(engine: Engine, version: str = "m1") -> list[StoredPortfolio]:
    """Return the portfolios, in the order of the sellers."""
    portfolios = ask(engine, find_portfolios, version, ["ann", "ben", *SELLERS])
    return sorted(portfolios, key=lambda one: one.seller_id)


def earlier(engine: Engine, *some: Listing) -> list[EarlierListings]:
    """Return what is known of the listings before each."""
    return ask(engine, find_earlier, "m1", some, NOON)


def add_up(weighed: Sequence[WeighedListing], seller: str, moment: datetime) -> EarlierListings:
    """Return what a seller listed before a moment, the plain way."""
    weights = [one.suspicion for one in weighed if one.seller_id == seller and one.moment < moment]
    counted = [round(1_000 * weight) for weight in weights if weight is not None]
    return EarlierListings(len(counted), sum(counted) / 1_000)


@settings(max_examples=10)
@given(WEIGHED, st.randoms())
def test_what_is_known_at_any_moment_is_what_came_before(weighed: list[WeighedListing], draw: random.Random):
    """Of any seller, whatever the order in which the listings came and how they were grouped."""
    ends = []
    for _ in range(2):
        engine = copy_memory()
        remaining = draw.sample(weighed, len(weighed))
        while remaining:
            n_now = draw.randint(1, len(remaining))
            assert add(engine, remaining[:n_now]) == n_now
            remaining = remaining[n_now:]
        places = product(SELLERS, range(-3, 4))
        asked = [Listing(f"new {hours}", seller, "Bag", listed_at=at(hours)) for seller, hours in places]
        assert earlier(engine, *asked) == [add_up(weighed, one.seller_id, one.listed_at or NOON) for one in asked]
        ends.append(stored(engine))
        engine.dispose()
    assert ends[0] == ends[1]


def test_a_listing_counts_once_as_it_first_came(engine: Engine):
    """Changed, sold by somebody else or later, it counts as it did; to another model it is new."""
    first = WeighedListing("L1", "ann", NOON, 0.5)
    assert add(engine, [first, replace(first, suspicion=1.0)]) == 1
    before = stored(engine)
    for again in (first, replace(first, suspicion=1.0), replace(first, seller_id="ben"), replace(first, moment=at(9))):
        assert add(engine, [again]) == 0
    assert stored(engine) == before == [StoredPortfolio("ann", 1, 500, NOON, 0, 0)]
    assert add(engine, [first], version="m2") == 1


def test_a_listing_is_none_of_its_own_earlier_ones(engine: Engine):
    """Observed again it stands where it stood first; what training knew moves no other."""
    weights = (("L0", -1, None), ("L1", 0, 0.5), ("L2", 1, 0.25))
    add(engine, [WeighedListing(name, "ann", at(hours), weight) for name, hours, weight in weights])
    assert stored(engine) == [StoredPortfolio("ann", 2, 750, at(1), 1, 500)]
    again = [Listing(name, "ann", "Bag", observed_at=at(5)) for name in ("L1", "L2", "L3")]
    assert earlier(engine, *again) == [EarlierListings(0, 0.0), EarlierListings(1, 0.5), EarlierListings(2, 0.75)]


@pytest.mark.slow
@on_both
def test_two_processes_lose_nothing_of_each_other(engine: Engine, database_url: str):
    """They add for the same sellers at once, and half of their listings are the same."""
    weighed = [WeighedListing(f"L{n}", f"s{n % 2}", at(n * 37 % 11), n % 9 / 10) for n in range(150)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        adding = [pool.submit(add_one_by_one, database_url, some) for some in (weighed[:100], weighed[:49:-1])]
        assert sum(one.result() for one in adding) == 150
    asked = [Listing(f"new {n}", f"s{n % 2}", "Bag", observed_at=at(n // 2)) for n in range(24)]
    assert earlier(engine, *asked) == [add_up(weighed, one.seller_id, one.observed_at or NOON) for one in asked]


def make_model(version: str, weight: float) -> IntakeModel:
    """Return a model that suspects copies so much by themselves, and scores by the share of the seller's others."""

    def score(some: Sequence[Listing], before: Sequence[EarlierListings], explain: bool) -> list[ScoredListing]:
        scored = []
        for one, known in zip(some, before, strict=True):
            plain = ScoredListing(one, known.share, 0.0, (), (), None, version, earlier_listings=float(known.n))
            own = weight if "copy" in one.title else 0.0
            scored.append(replace(plain, earlier_suspicion=known.suspicion, suspicion=own))
        return scored

    return IntakeModel(version, score)


def submit(engine: Engine, model: IntakeModel, *some: Listing) -> dict[str, float | None]:
    """Submit listings one by one, and return the score of each."""
    known = {one.listing_id: take_in(engine, [Submission((one,))], model, NOON) for one in some}
    return {name: found[name].scored.score for name, found in known.items()}


OFFERS = [Listing(f"L{n}", "ann", "Bag, copy" if n % 3 else "Wool hat", observed_at=at(n)) for n in range(8)]


def test_the_next_listing_is_scored_by_those_before(engine: Engine):
    """In the same minute, and not by those of others."""
    scores = submit(engine, make_model("m1", 0.9), *OFFERS, Listing("X", "ben", "Bag, copy", observed_at=at(9)))
    weighed = [WeighedListing.of(one, 0.9 if "copy" in one.title else 0.0, NOON) for one in OFFERS]
    expected = {one.listing_id: add_up(weighed, "ann", one.moment).share for one in weighed}
    assert scores == expected | {"X": 0.0}
    assert expected["L7"] > expected["L2"] > expected["L1"] == 0
    before = stored(engine)
    submit(engine, make_model("m1", 0.9), *(replace(one, title="Mug, copy", observed_at=at(20)) for one in OFFERS))
    assert stored(engine) == before


def test_another_model_ends_where_it_would_have_begun(engine: Engine):
    """It begins with nothing; what is kept is weighed, gone or on offer, and all scores are as if it had been there."""
    submit(engine, make_model("m1", 0.9), *OFFERS[:6])
    take_in(engine, [Submission((), (Withdrawal("L1", at(2)),))], make_model("m1", 0.9), NOON)
    model, stops = make_model("m2", 0.4), count()
    assert submit(engine, model, OFFERS[6]) == {"L6": 0.0}

    def weigh(some: Sequence[Listing]) -> list[ScoredListing]:
        return model.score(some, [EarlierListings(0, 0.0)] * len(some), False)

    def rebuild() -> int:
        return rebuild_portfolios(engine, "m2", weigh, NOON, is_stopped=lambda: next(stops) == 0)

    assert [rebuild(), rebuild(), rebuild()] == [0, 6, 0]
    assert rescore_changed(engine, model, NOON) == 5
    submit(engine, model, OFFERS[7])
    assert rebuild() == 0
    other = copy_memory()
    expected = submit(other, model, *OFFERS)
    assert stored(engine, "m2") == stored(other, "m2")
    found = ask(engine, find_known, [one.listing_id for one in OFFERS])
    now = {name: one.scored.score for name, one in found.items()}
    assert now.items() >= {name: expected[name] for name in expected.keys() - {"L1", "L6"}}.items()
    other.dispose()


def test_an_erased_seller_is_a_stranger(engine: Engine):
    """Nothing of them is left, also where files alone had told of them; what they list then is their first."""
    add(engine, [WeighedListing("L1", "ann", NOON, 0.5), WeighedListing("L2", "ben", NOON, 0.5)])
    erase_sellers(engine, ["ann"], why="request 7", by="lea")
    assert [one.seller_id for one in stored(engine)] == ["ben"]
    assert ask(engine, Connection.scalar, select(func.count()).select_from(portfolio_listings)) == 1
    assert earlier(engine, Listing("L3", "ann", "Bag", observed_at=at(1))) == [EarlierListings(0, 0.0)]
    assert add(engine, [WeighedListing("L1", "ann", NOON, 0.5)]) == 1
