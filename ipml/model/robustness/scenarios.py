"""Gaming scenarios: counterfeits with the price, history or account of honest goods.

Most scenarios cost the seller money or time; rewriting a text does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.features.columns import ListingColumns
from ipml.features.goods import brand_table, listing_brands
from ipml.listings.fields import FIELDS
from ipml.model.robustness.evasions import MAX_TITLE_LETTERS, harmless_title

N_WASH_SALES = 30
WASH_DAYS = 60
LOT = " lot 1/3"

_SAID = ("seller_id", "seller_language")
_HISTORY = tuple(field.name for field in FIELDS if field.name.startswith("seller_") and field.name not in _SAID)
_AGED_HISTORY = dict.fromkeys(_HISTORY, 0.0) | {
    "seller_age_days": 1_500.0,
    "seller_sales": 400.0,
    "seller_listings": 400.0,
    "seller_rating": 0.98,
}
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GamedListings:
    """Listings after their sellers gamed them.

    Attributes
    ----------
    listings : DataFrame
        The given listings in their order, then those that sellers added.
    rows : array of int, shape (n_gamed,)
        Positions of the gamed listings, the same as in the given listings.
    """

    listings: pd.DataFrame
    rows: NDArray[np.intp]


Change = Callable[[pd.DataFrame, Mask, Mask, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of gaming.

    Attributes
    ----------
    change : function
        Maps listings, marks of the gamed and of the genuine ones, and a random generator to the gamed listings.
    is_lossless : bool, default=False
        As for `ipml.model.robustness.attacks.Family`.
    """

    name: str
    change: Change
    kind: str = "gaming"
    is_lossless: bool = False


def game_listings(
    listings: pd.DataFrame, scenario: Scenario, is_gamed: ArrayLike, is_genuine: ArrayLike, *, seed: int = 0
) -> GamedListings:
    """Return the listings with price and history of some of them gamed.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        Canonical listing columns; not changed. Columns that a scenario changes are added where absent.
    scenario : Scenario
        One of `SCENARIOS`.
    is_gamed : array of bool, shape (n_listings,)
        Listings to game.
    is_genuine : array of bool, shape (n_listings,)
        Listings that give the prices of honest goods.
    seed : int, default=0
        For the goods that history washing adds.

    Examples
    --------
    >>> listings = pd.DataFrame({"title": ["Nike shoe"] * 3, "price": [120.0, 110.0, 30.0], "currency": "USD"})
    >>> gamed = game_listings(listings, SCENARIOS["genuine price"], [False, False, True], [True, True, False])
    >>> gamed.listings["price"].tolist()
    [120.0, 110.0, 115.0]
    """
    gamed, genuine = np.asarray(is_gamed, dtype=bool), np.asarray(is_genuine, dtype=bool)
    changed = scenario.change(listings, gamed, genuine, np.random.default_rng(seed))
    return GamedListings(changed, np.flatnonzero(gamed))


def _ask_genuine_price(listings: pd.DataFrame, gamed: Mask, genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Ask the median price of honest goods of the brand; without a brand of the category, else of all."""
    price, rates = _numbers(listings, "price"), _rates(listings)
    columns = ListingColumns.of(listings)
    usual = pd.Series(np.nan, index=listings.index)
    brands, categories = listing_brands(columns, brand_table()), columns.names("category")
    for names in (brands.strings(), categories.strings(), ["all"] * len(listings)):
        groups = pd.Series(names, index=listings.index, dtype=object).replace("", None)
        usual = usual.fillna(groups.map((price * rates)[genuine].groupby(groups[genuine]).median()).astype(float))
    return listings.assign(price=price.mask(gamed & usual.notna().to_numpy(), usual / rates))


def _hide_price(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Give no price."""
    return listings.assign(price=_numbers(listings, "price").mask(gamed))


def _ask_a_cent(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Ask 0.01, and agree on the price by messenger."""
    return listings.assign(price=_numbers(listings, "price").mask(gamed, 0.01))


def _change_currency(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Ask the same in Japanese yen, or in euros where it was yen; a currency without a rate stays."""
    price, rates = _numbers(listings, "price"), _rates(listings)
    is_changed = gamed & rates.notna().to_numpy()
    currencies = _texts(listings, "currency")
    other = currencies.map(lambda currency: "EUR" if currency == "JPY" else "JPY")
    return listings.assign(
        price=price.mask(is_changed, price * rates / other.map(brand_table()["rates"]).astype(float)),
        currency=currencies.mask(is_changed, other).replace("", None),
    )


def _split_into_lots(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Offer a third of the goods for a third of the price."""
    price, titles = _numbers(listings, "price"), _texts(listings, "title")
    return listings.assign(
        price=price.mask(gamed, price / 3.0),
        title=titles.mask(gamed, titles.str[: MAX_TITLE_LETTERS - len(LOT)] + LOT),
    )


def _wash_history(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, rng: np.random.Generator) -> pd.DataFrame:
    """Sell thirty cheap harmless things first, over two months, all rated with the best."""
    sales, rating = _numbers(listings, "seller_sales").fillna(0.0), _numbers(listings, "seller_rating").fillna(1.0)
    washed = _set_numbers(
        listings,
        gamed,
        seller_sales=sales + N_WASH_SALES,
        seller_listings=_numbers(listings, "seller_listings").fillna(0.0) + N_WASH_SALES,
        seller_age_days=_numbers(listings, "seller_age_days") + WASH_DAYS,
        seller_rating=(rating * sales + N_WASH_SALES) / (sales + N_WASH_SALES),
    )
    gamed_ones = washed[gamed].sort_values("listed_at", kind="stable") if "listed_at" in washed else washed[gamed]
    firsts = gamed_ones.drop_duplicates("seller_id")
    added = [_harmless_listings(firsts.iloc[number : number + 1], rng) for number in range(len(firsts))]
    return pd.concat([washed, *added], ignore_index=True).astype(washed.dtypes.to_dict())


def _open_account(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Offer each listing from a new account without history."""
    unknown = dict.fromkeys((name for name in _HISTORY if name in listings), np.nan)
    return _set_numbers(_move_to_new_sellers(listings, gamed), gamed, **unknown)


def _buy_account(listings: pd.DataFrame, gamed: Mask, _genuine: Mask, _rng: np.random.Generator) -> pd.DataFrame:
    """Offer each listing from a bought account: four years old, well rated, without strikes."""
    return _set_numbers(_move_to_new_sellers(listings, gamed), gamed, **_AGED_HISTORY)


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("genuine price", _ask_genuine_price),
        Scenario("no price", _hide_price),
        Scenario("price of a cent", _ask_a_cent),
        Scenario("other currency", _change_currency),
        Scenario("split into lots", _split_into_lots),
        Scenario("washed history", _wash_history),
        Scenario("fresh account", _open_account),
        Scenario("aged account", _buy_account),
    )
}
"""All scenarios by name."""


def _numbers(listings: pd.DataFrame, name: str) -> pd.Series[float]:
    return pd.Series(ListingColumns.of(listings).numbers(name), index=listings.index)


def _texts(listings: pd.DataFrame, name: str) -> pd.Series[str]:
    return pd.Series(ListingColumns.of(listings).texts(name), index=listings.index, dtype="str")


def _set_numbers(listings: pd.DataFrame, gamed: Mask, **values: Any) -> pd.DataFrame:
    return listings.assign(**{name: _numbers(listings, name).mask(gamed, value) for name, value in values.items()})


def _rates(listings: pd.DataFrame) -> pd.Series[float]:
    """Return the value of one unit of each listing's currency; NaN where the brand file has no rate."""
    return _texts(listings, "currency").map(brand_table()["rates"]).astype(float)


def _move_to_new_sellers(listings: pd.DataFrame, gamed: Mask) -> pd.DataFrame:
    accounts = pd.Series([f"account-{row}" for row in range(len(listings))], index=listings.index, dtype="str")
    return listings.assign(seller_id=listings["seller_id"].mask(gamed, accounts))


def _harmless_listings(first: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return thirty harmless listings of a seller, listed in the two months before the given one."""
    goods = first.loc[first.index.repeat(N_WASH_SALES)]
    numbers = pd.Series(range(N_WASH_SALES), index=goods.index)
    earlier = pd.to_timedelta(WASH_DAYS * (1.0 - numbers / N_WASH_SALES), unit="D")
    harmless: dict[str, Any] = {
        "listing_id": "wash-" + numbers.astype("str") + "-" + _texts(goods, "listing_id"),
        "title": [harmless_title(rng) for _ in numbers],
        **dict.fromkeys(("description", "brand", "gtin", "image_hash", "is_counterfeit", "labelled_at")),
        "price": rng.uniform(3.0, 15.0, N_WASH_SALES).round(2),
        "listed_at": lambda frame: frame["listed_at"] - earlier,
        "observed_at": lambda frame: frame["observed_at"] - earlier,
    }
    return goods.assign(**{name: value for name, value in harmless.items() if name in goods})
