"""The listings of a simulated year, week by week, and who gives notice of which."""

import numpy as np
import pandas as pd
import pytest

from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.simulation.year.population import FIRST_MORNING, N_WEEKS, Plan, recruit_population
from ipml.simulation.year.weeks import DrawnNotice, Holder, Week, draw_notices, name_holders, write_weeks

PLAN = Plan(0.00001, seed=4)


@pytest.fixture(scope="module")
def sellers() -> pd.DataFrame:
    """Return the sellers of a small marketplace."""
    return recruit_population(PLAN).sellers


@pytest.fixture(scope="module")
def weeks(sellers) -> list[Week]:
    """Return the weeks of their year."""
    return list(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=N_WEEKS))


def test_the_weeks_together_hold_what_was_planned_for_each_seller(sellers, weeks):
    """Every seller's listings and counterfeits come in some week, once each, their ids following one another."""
    seller = np.concatenate([week.seller for week in weeks])
    truth = np.concatenate([week.is_counterfeit for week in weeks])
    assert np.array_equal(np.bincount(seller, minlength=len(sellers)), sellers["n_listings"])
    assert np.array_equal(np.bincount(seller[truth], minlength=len(sellers)), sellers["n_fakes"])
    ids = pd.concat([week.listings["listing_id"] for week in weeks]).tolist()
    assert ids == [f"listing-{number:07d}" for number in range(PLAN.n_listings)]


def test_listings_are_observed_in_their_week_by_the_seller_named(sellers, weeks):
    """A marketplace could send each week's listings: observed in its days, with the id of their seller."""
    for week in weeks[::4]:
        since = FIRST_MORNING + pd.Timedelta(days=7 * week.number)
        observed = week.listings["observed_at"]
        assert ((observed >= since - pd.Timedelta(seconds=2)) & (observed < since + pd.Timedelta(days=7))).all()
        assert (week.listings["listed_at"] <= observed).all()
        assert week.listings["seller_id"].tolist() == sellers["seller_id"].iloc[week.seller].tolist()
        assert len(check_listings(week.listings, "year")) == len(week.listings)


def test_the_same_seed_gives_the_same_weeks(sellers, weeks):
    """However many are asked for."""
    again = next(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=1))
    pd.testing.assert_frame_equal(again.listings, weeks[0].listings)


def test_what_is_known_of_sellers_only_grows(weeks):
    """Sales, complaints and listings of a seller are never fewer in a later week."""
    history = pd.concat([week.listings for week in weeks])
    for name in ("seller_sales", "seller_complaints", "seller_listings"):
        assert (history.groupby("seller_id")[name].diff().dropna() >= 0).all()


@pytest.fixture(scope="module")
def drawn() -> tuple[Week, np.ndarray]:
    """Return a week of a small marketplace, and the kinds of its sellers."""
    sellers = recruit_population(Plan(0.0002, seed=2)).sellers
    week = next(write_weeks(sellers, 0.5, 2, n_weeks=1))
    return week, sellers["kind"].to_numpy()[week.seller]


def notices_of(drawn: tuple[Week, np.ndarray], holders: list[Holder]) -> list[DrawnNotice]:
    """Draw the notices of a week of which the model found nothing."""
    week, kinds = drawn
    return draw_notices(week, np.zeros(len(kinds), dtype=bool), kinds, holders, np.random.default_rng(1))


def test_notices_are_of_the_kind_of_those_who_give_them(drawn):
    """After the week, rights holders note listings of their own brand, those in bad faith genuine competitors."""
    week, _ = drawn
    brands = [brand.name for brand in load_brands()]
    notices = notices_of(drawn, name_holders(load_brands(), 2))
    assert {one.kind for one in notices} >= {"holder", "bad faith"}
    for one in notices:
        assert one.at >= FIRST_MORNING + np.timedelta64(7, "D")
        if one.kind == "holder":
            assert {brands[week.brand[row]] for row in one.rows} == {one.brand}
        if one.kind == "bad faith":
            assert not week.is_counterfeit[list(one.rows)].any()


def test_the_more_diligent_note_more_and_who_never_errs_notes_no_genuine_listing(drawn):
    """A rights holder who finds all and errs in nothing notes exactly the counterfeits that the model missed."""
    week, _ = drawn
    notices = notices_of(drawn, [Holder(brand.name, 1.0, 1.0) for brand in load_brands()])
    rows = sorted(row for one in notices if one.kind == "holder" for row in one.rows)
    assert rows == np.flatnonzero(week.is_counterfeit).tolist()
    idle = notices_of(drawn, [Holder(brand.name, 0.0, 1.0) for brand in load_brands()])
    assert not [one for one in idle if one.kind == "holder"]
