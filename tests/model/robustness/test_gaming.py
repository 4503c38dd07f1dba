"""Gaming changes numbers and accounts of the listings it is told to, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.model.robustness.scenarios import LOT, N_WASH_SALES, SCENARIOS, game_listings


@pytest.fixture(scope="module")
def listings():
    """Return listings of two counterfeiters (f, g) and of honest sellers, with the canonical columns."""
    frame = pd.DataFrame(
        {
            "listing_id": [str(number) for number in range(8)],
            "seller_id": list("ffgabcde"),
            "title": ["Nike shoe", "Nike shoe", "Hat", "Nike shoe", "Nike shoe", "Nike shoe", "Hat", "Cup"],
            "category": [None, None, "hats", None, None, None, "hats", "cups"],
            "price": [30.0, 3_000.0, 5.0, 100.0, 120.0, 140.0, 20.0, 7.0],
            "currency": ["USD", "JPY", "EUR", "USD", "USD", "USD", "USD", "USD"],
            "listed_at": pd.to_datetime([f"2026-01-0{day}T00:00Z" for day in (5, 3, 4, 1, 1, 1, 1, 1)]),
            "observed_at": pd.Timestamp("2026-02-01T00:00Z"),
            "seller_sales": [0.0, 0.0, 10.0, 5.0, 5.0, 5.0, 5.0, 5.0],
            "seller_rating": [None, None, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9],
            "seller_strikes": [1.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            "is_counterfeit": [True] * 3 + [False] * 5,
        }
    )
    return check_listings(frame)


@pytest.fixture(scope="module")
def game(listings):
    """Return a function that has the counterfeits gamed."""
    is_fake = listings["is_counterfeit"].to_numpy(dtype=bool)
    return lambda name: game_listings(listings, SCENARIOS[name], is_fake, ~is_fake, seed=2)


def worth(listings: pd.DataFrame) -> pd.Series:
    """Return the prices in the base currency."""
    return listings["price"] * listings["currency"].map(load_brands().rates)


def test_honest_listings_stay_and_gamed_ones_keep_the_schema(listings, game, subtests):
    """Place and value of each honest one, and the frame given; a column that is absent reads as missing."""
    before = listings.copy(deep=True)
    for name in SCENARIOS:
        with subtests.test(scenario=name):
            gamed = game(name)
            pd.testing.assert_frame_equal(listings, before)
            pd.testing.assert_frame_equal(gamed.listings.iloc[3:8], listings.iloc[3:8])
            assert gamed.rows.tolist() == [0, 1, 2]
            pd.testing.assert_frame_equal(check_listings(gamed.listings), gamed.listings)
    listings = pd.DataFrame({"seller_id": list("ab"), "title": ["Nike shoe", "Hat"]})
    for scenario in SCENARIOS.values():
        gamed = game_listings(listings, scenario, [True, False], [False, True])
        assert gamed.listings["title"].iloc[1] == "Hat", scenario.name


def test_prices_are_gamed_to_what_is_usual_another_currency_or_lots(game, listings):
    """The median of brand or category in each own currency; converted with the same worth; a third, which is said."""
    assert worth(game("genuine price").listings)[:3].tolist() == pytest.approx([120.0, 120.0, 20.0])
    gamed = game("other currency").listings
    assert gamed["currency"][:3].tolist() == ["JPY", "EUR", "JPY"]
    assert worth(gamed)[:3].tolist() == pytest.approx(worth(listings)[:3].tolist())
    strange = listings.assign(currency="XAU")
    gamed = game_listings(strange, SCENARIOS["other currency"], [True] * 8, [False] * 8).listings
    pd.testing.assert_frame_equal(gamed, strange)
    gamed = game("split into lots").listings
    assert (3 * gamed["price"][:3]).tolist() == pytest.approx(listings["price"][:3].tolist())
    assert gamed["title"][:3].str.endswith(LOT).all()


def test_washing_adds_thirty_harmless_listings_of_each_seller_before_its_first(listings, game):
    """Unlabelled, older than what they hide; sales are thirty more, the rating the mean over the old and these."""
    washed = game("washed history").listings
    added = washed.iloc[len(listings) :]
    assert added["seller_id"].value_counts().to_dict() == {"f": N_WASH_SALES, "g": N_WASH_SALES}
    assert added["is_counterfeit"].isna().all()
    assert added["listing_id"].is_unique
    first = listings.groupby("seller_id")["listed_at"].min()
    assert (added["listed_at"] < added["seller_id"].map(first)).all()
    assert washed["seller_sales"][:3].tolist() == [30.0, 30.0, 40.0]
    assert washed["seller_rating"][:3].tolist() == pytest.approx([1.0, 1.0, (0.5 * 10 + 30) / 40])


def test_a_new_account_has_neither_the_name_nor_the_strikes_of_the_old(listings, game):
    """Each listing stands alone; of a fresh account nothing is known."""
    for name, sales in {"fresh account": None, "aged account": 400.0}.items():
        gamed = game(name).listings[:3]
        assert not set(gamed["seller_id"]) & set(listings["seller_id"])
        assert gamed["seller_id"].is_unique
        assert not gamed["seller_strikes"].fillna(0.0).any()
        assert gamed["seller_sales"].replace(np.nan, None).tolist() == [sales] * 3
