"""What is kept of a seller's earlier listings."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.columns import ListingColumns
from ipml.features.portfolio import SILENT_BELOW, SellerPortfolios, listing_moments, seller_key, shares_of_others
from ipml.kit.moments import from_microseconds, to_microseconds
from ipml.records import PRIOR_LISTINGS, EarlierListings, StoredPortfolio

LISTING = st.tuples(st.sampled_from("abc"), st.floats(0, 1) | st.just(np.nan), st.integers(-3, 3))
LISTINGS = st.lists(LISTING, max_size=25)


def columns(listings):
    """Return sellers, probabilities and moments of listings."""
    sellers, probabilities, moments = zip(*listings, strict=True) if listings else ((), (), ())
    return list(sellers), np.array(probabilities, dtype=float), np.array(moments, dtype=np.int64)


def portfolios_of(listings):
    """Return portfolios that have taken the listings in."""
    portfolios = SellerPortfolios()
    portfolios.add(*columns(listings))
    return portfolios


def all_known(portfolios, moments=range(-4, 5)):
    """Return what is known of every seller at every moment."""
    return {(seller, moment): portfolios.known(seller, moment) for seller in "abcd" for moment in moments}


def suspicion(probability):
    """Return how suspicious a listing looks, the plain way."""
    return round(max(probability - SILENT_BELOW, 0) / (1 - SILENT_BELOW) * 1_000) / 1_000


@given(LISTINGS)
def test_what_is_known_is_what_came_before(listings):
    """From the latest moment of a seller on, number and suspicion are those of all listings strictly before."""
    portfolios = portfolios_of(listings)
    for seller in "abc":
        own = [(p, moment) for name, p, moment in listings if name == seller and not np.isnan(p)]
        for moment in range(max([moment for _, moment in own], default=-3), 5):
            before = [p for p, listed in own if listed < moment]
            known = portfolios.known(seller, moment)
            assert known.n == len(before)
            assert known.suspicion == pytest.approx(sum(map(suspicion, before)))


@given(LISTINGS, st.randoms())
def test_the_order_of_listings_does_not_matter(listings, random):
    """Taken in at once, one by one or shuffled, they leave the same behind, to the bit."""
    shuffled = random.sample(listings, len(listings))
    one_by_one = SellerPortfolios()
    for listing in shuffled:
        one_by_one.add(*columns([listing]))
    assert all_known(portfolios_of(listings)) == all_known(portfolios_of(shuffled)) == all_known(one_by_one)


@given(LISTINGS, LISTINGS)
def test_what_is_stored_elsewhere_adds_up(listings, others):
    """Portfolios with the stored ones of other listings are those of all listings, to the bit."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    some = others + listings
    scaled = [(seller, p, 1_000 * to_microseconds(moment + timedelta(days=day))) for seller, p, day in some]
    whole, part = portfolios_of(scaled), portfolios_of(scaled[len(others) :])
    part.add_stored(store(scaled[: len(others)]))
    days = [1_000 * to_microseconds(moment + timedelta(days=day)) for day in range(-4, 5)]
    assert all_known(part, days) == all_known(whole, days)


def store(listings):
    """Return what is stored of listings, the plain way."""
    for seller in "abc":
        own = [(round(1_000 * suspicion(p)), at) for name, p, at in listings if name == seller and not np.isnan(p)]
        if own:
            latest = max(at for _, at in own)
            before = [thousandths for thousandths, at in own if at < latest]
            sums = len(own), sum(thousandths for thousandths, _ in own)
            yield StoredPortfolio(seller, *sums, from_microseconds(latest // 1_000), len(before), sum(before))


@given(LISTINGS, LISTINGS)
def test_neither_what_is_known_nor_what_is_later_counts(listings, others):
    """Up to the latest moment known of their seller, listings count for nothing; nor do later ones or other sellers."""
    portfolios, (sellers, probabilities, moments) = portfolios_of(listings), columns(others)
    weights = portfolios.weigh_later(sellers, probabilities, moments)
    for weight, (seller, p, moment) in zip(weights, others, strict=True):
        known = [at for name, p_known, at in listings if name == seller and not np.isnan(p_known)]
        assert weight == (None if np.isnan(p) or moment <= max(known, default=-9) else suspicion(p))
    later = [(seller, p, moment + 10) for seller, p, moment in others]
    alone = SellerPortfolios().shares_in_time(*columns(listings))
    together = SellerPortfolios().shares_in_time(*columns(listings + later))
    np.testing.assert_array_equal(together[: len(listings)], alone)
    strange = [(f"other {seller}", p, moment) for seller, p, moment in others]
    assert all_known(portfolios_of(listings + strange)) == all_known(portfolios_of(listings))


@given(LISTINGS)
def test_shares_in_time_ask_before_they_add(listings):
    """From 0 to below 1; compared with earlier moments, never with itself or with those of its own moment."""
    sellers, probabilities, moments = columns(listings)
    shares = SellerPortfolios().shares_in_time(sellers, probabilities, moments)
    for row, (seller, _, moment) in enumerate(listings):
        before = portfolios_of([listing for listing in listings if listing[2] < moment])
        assert shares[row] == before.known(seller, moment).share
    in_time = SellerPortfolios().shares_in_time(sellers, probabilities, moments)
    others = shares_of_others(sellers, probabilities)
    for shares in (in_time, others):
        assert shares.shape == (len(listings),)
        assert ((shares >= 0) & (shares < 1)).all()
    assert SellerPortfolios().known("nobody", 0).share == 0


@given(LISTINGS, st.floats(0, 1), st.floats(0, 1))
def test_a_more_suspicious_listing_never_helps_its_seller(listings, one, other):
    """The share after it is no smaller."""
    low, high = sorted((one, other))
    shares = [portfolios_of([*listings, ("a", p, 9)]).known("a", 10).share for p in (low, high)]
    assert shares[0] <= shares[1]


def test_clean_listings_are_not_credited():
    """Below the silence all is alike; what came before an older one is not known; without a moment it is the first."""
    assert portfolios_of([("a", 0.0, 1)]).known("a", 2) == portfolios_of([("a", SILENT_BELOW, 1)]).known("a", 2)
    assert portfolios_of([("a", 1.0, 1)]).known("a", 2).share == 1 / (1 + PRIOR_LISTINGS)
    portfolios = portfolios_of([("a", 1.0, 1), ("a", 1.0, 5)])
    assert portfolios.known("a", 3) == EarlierListings(0, 0.0)
    assert portfolios.known("a", 5).n == 1
    listed = ["2026-01-02T00:00Z", None, None]
    observed = ["2026-01-05T00:00Z", "2026-01-01T00:00Z", None]
    moments = listing_moments(ListingColumns({"listed_at": listed, "observed_at": observed}))
    first, second, third = moments.tolist()
    assert third < second < first
    assert first - second == 24 * 3_600 * 10**9


@given(LISTINGS, LISTINGS)
def test_a_copy_is_independent_and_state_is_kept_as_arrays(listings, more):
    """What is added to a copy does not show in the original; of two arrays in a model file comes the same."""
    portfolios = portfolios_of(listings)
    before, twin, restored = all_known(portfolios), portfolios.copy(), SellerPortfolios()
    twin.add(*columns(more))
    assert all_known(portfolios) == before
    assert all_known(twin) == all_known(portfolios_of(listings + more))
    state = portfolios.__getstate__()
    assert all(isinstance(part, np.ndarray) for part in state.values())
    restored.__setstate__(state)
    assert len(restored) == len(portfolios)
    assert all_known(restored) == before


@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=20), unique=True))
def test_sellers_are_told_apart(sellers):
    """Any id has a key of its own, broken letters included, of eight bytes."""
    keys = [seller_key(seller) for seller in sellers]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**64 for key in keys)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1)), max_size=12))
def test_looking_back_leaves_the_listing_itself_out(listings):
    """The share of others is that of all but the one that asks, wherever they stand."""
    sellers, probabilities = [seller for seller, _ in listings], np.array([p for _, p in listings])
    expected = defaultdict(list)
    for seller, p in listings:
        expected[seller].append(suspicion(p))
    shares = shares_of_others(sellers, probabilities)
    for (seller, p), share in zip(listings, shares, strict=True):
        n, total = len(expected[seller]) - 1, sum(expected[seller]) - suspicion(p)
        assert share == pytest.approx(total / (n + PRIOR_LISTINGS), abs=1e-9)
