"""The listings of a simulated year, week by week."""

import numpy as np
import pandas as pd
import pytest

from ipml.listings.schema import check_listings
from ipml.simulation.year.population import FIRST_MORNING, N_WEEKS, Plan, recruit_population
from ipml.simulation.year.weeks import Week, write_weeks

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
    """Every seller's listings and counterfeits come in some week, none of them twice and none too many."""
    seller = np.concatenate([week.seller for week in weeks])
    truth = np.concatenate([week.is_counterfeit for week in weeks])
    assert np.array_equal(np.bincount(seller, minlength=len(sellers)), sellers["n_listings"])
    assert np.array_equal(np.bincount(seller[truth], minlength=len(sellers)), sellers["n_fakes"])


def test_listings_are_numbered_on_from_week_to_week(weeks):
    """Ids follow one another over the year, so that the truth can be kept by number."""
    ids = pd.concat([week.listings["listing_id"] for week in weeks]).tolist()
    assert ids == [f"listing-{number:07d}" for number in range(PLAN.n_listings)]


def test_listings_are_observed_in_their_week_by_the_seller_named(sellers, weeks):
    """Whatever a week holds was observed in its days, and bears the id of its seller."""
    for week in weeks:
        since = FIRST_MORNING + pd.Timedelta(days=7 * week.number)
        observed = week.listings["observed_at"]
        assert ((observed >= since - pd.Timedelta(seconds=2)) & (observed < since + pd.Timedelta(days=7))).all()
        assert (week.listings["listed_at"] <= observed).all()
        assert week.listings["seller_id"].tolist() == sellers["seller_id"].iloc[week.seller].tolist()


def test_every_listing_is_one_that_a_marketplace_could_send(weeks):
    """Each week passes the checks of the schema as it is."""
    for week in weeks:
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
