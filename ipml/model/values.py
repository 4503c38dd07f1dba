"""What counterfeits are offered for, in one currency, and how much of it is caught by reading the first listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.model.ranking import Floats, measure_named
from ipml.model.resampling import resample_rankings

VALUE, VALUE_CURRENCY = "value", "value_currency"


def base_prices(listings: pd.DataFrame, rates: Mapping[str, float]) -> Floats:
    """Return prices at given rates; NaN where a price or the rate of its currency is unknown.

    Examples
    --------
    >>> listings = pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "XXX"]})
    >>> base_prices(listings, {"EUR": 1.5})
    array([15., nan])
    """
    if "price" not in listings or "currency" not in listings:
        return np.full(len(listings), np.nan)
    exchanged = listings["price"] * listings["currency"].map(dict(rates)).astype("float64")
    return exchanged.to_numpy(dtype=float, na_value=np.nan)


def add_values(listings: pd.DataFrame, rates: Mapping[str, float], base_currency: str) -> pd.DataFrame:
    """Return the listings with the columns `value`, the asking price, and `value_currency`, which is one for all.

    Listings all priced in one currency stay in it; those in several are exchanged at the rates, into the base currency.
    Where there are several and no rate for any, amounts cannot be added, and there are no such columns.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
    rates : mapping of str to float
        What one unit of each currency is worth in the base currency.
    base_currency : str

    Examples
    --------
    >>> listings = pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "CHF"]})
    >>> add_values(listings, {"EUR": 1.5}, "USD")["value"].tolist()
    [15.0, nan]
    >>> add_values(listings.head(1), {}, "USD")["value_currency"].tolist()
    ['EUR']
    >>> "value" in add_values(listings, {}, "USD")
    False
    """
    currencies = _currencies_of(listings)
    if len(currencies) == 1:
        base_currency, rates = currencies[0], {currencies[0]: 1.0}
    amounts = base_prices(listings, rates)
    if np.isnan(amounts).all():
        return listings
    return listings.assign(value=amounts, value_currency=base_currency)


def say_what_has_no_value(y: ArrayLike, listings: pd.DataFrame) -> str:
    """Say in a line which counterfeits have no value, or why nothing has; nothing where all have one.

    Examples
    --------
    >>> say_what_has_no_value([1, 1], pd.DataFrame({"price": [10.0, 10.0], "currency": ["EUR", "CHF"]}))
    'no value at k: prices are in CHF, EUR, and no rate is known at which they could be added'
    """
    is_counterfeit = np.asarray(y, dtype=bool)
    if VALUE in listings:
        unknown = int((listings[VALUE].isna() & is_counterfeit).sum())
        without = f"{unknown:,} of {is_counterfeit.sum():,} counterfeits have no price that could be added"
        return f"{without}; they count as nothing in value at k" if unknown else ""
    currencies = _currencies_of(listings)
    if len(currencies) < 2:
        return ""
    named = ", ".join(currencies[:5]) + (", …" if len(currencies) > 5 else "")
    return f"no value at k: prices are in {named}, and no rate is known at which they could be added"


def draw_values(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    *,
    weight: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> Floats | None:
    """Return the value of the counterfeits among the first k, and its share of the value of all counterfeits.

    Averaged over the repeats of the scores, on the listings as they are and then on each resample of their sellers.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`, and what `add_values` adds.
    weight : array of shape (n_listings,), optional
        For how many listings each one stands.

    Returns
    -------
    array of shape (2, n_k, 1 + n_resamples) or None
        NaN where a resample held no counterfeit with a value; None where the listings hold none.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "value": [30.0, 9.0, 10.0, 9.0], "value_currency": "EUR"})
    >>> draw_values([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], listings, [2], n_resamples=0)
    array([[[30.  ]],
    <BLANKLINE>
           [[ 0.75]]])
    """
    if VALUE not in listings:
        return None
    worth = listings[VALUE].fillna(0.0).clip(lower=0.0).to_numpy(dtype=float)
    if not (worth * np.asarray(y, dtype=float)).any():
        return None
    repeats = np.full((len(scores), 2, len(k), 1 + n_resamples), np.nan)
    for draws, score in zip(repeats, scores, strict=True):
        for numbers, ranking in resample_rankings(
            y, score, listings["seller_id"], worth=worth, weight=weight, n_resamples=n_resamples, seed=seed
        ):
            for place, n in enumerate(k):
                share = measure_named(f"recall_at_{n}")(ranking)
                draws[:, place, numbers] = share * ranking.positives[:, -1], share
    return np.asarray(repeats.mean(axis=0))


def draw_named_values(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    *,
    weight: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> dict[str, Floats]:
    """Return the amounts that `draw_values` does by the name of the measure, such as "value_EUR_at_100".

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "value": [30.0, 9.0, 10.0, 9.0], "value_currency": "EUR"})
    >>> draw_named_values([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], listings, [2], n_resamples=0)
    {'value_EUR_at_2': array([30.])}
    """
    draws = draw_values(y, scores, listings, k, weight=weight, n_resamples=n_resamples, seed=seed)
    if draws is None:
        return {}
    currency = listings[VALUE_CURRENCY].iloc[0]
    return {f"value_{currency}_at_{n}": amounts for n, amounts in zip(k, draws[0], strict=True)}


def _currencies_of(listings: pd.DataFrame) -> list[str]:
    """Return the currencies in which listings are priced, in the order of their names."""
    if "price" not in listings or "currency" not in listings:
        return []
    return sorted(listings["currency"][listings["price"].notna()].dropna().unique().tolist())
