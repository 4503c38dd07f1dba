"""What a network sold, from a table of sales where there is one, else from what the listings said of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.sales import estimate_sales
from ipml.cooperation.network.worth import Estimate, Foreign, estimate_total, in_currency, list_foreign
from ipml.money import Money, Rates

if TYPE_CHECKING:
    from ipml.cooperation.clues.dossier import CaseListing

FROM_TABLE = "from a table of sales that the marketplace gave"
FROM_LISTINGS = "from the sales counted on the listings x the price shown, as decided on or as last seen"
TABLE_TOO_SMALL = "the table of sales was left aside, as it knows less than was found counterfeit"


@dataclass(frozen=True, slots=True)
class Worth:
    """Units sold and their value, each with an interval; no estimate is below what is known of a part.

    Attributes
    ----------
    how : str
        What the estimate rests on, as a phrase.
    foreign : tuple of Foreign
        Listings priced in other currencies than that of the value, exchanged or, without a rate, not counted.
    confirmed_value : Money or None
        What is known of the listings found counterfeit alone: a sum, not an estimate; None where nothing is.
    """

    n_listings: int
    units: Estimate[float]
    value: Estimate[Money]
    how: str
    foreign: tuple[Foreign, ...]
    confirmed_value: Money | None

    @property
    def is_known(self) -> bool:
        """Whether there is an interval at all."""
        return self.n_listings > 0 and self.value.is_bounded

    @property
    def least(self) -> Money:
        """What was surely sold: the lower bound, or what is known of the listings found counterfeit; else nothing."""
        nothing = self.value.total * 0.0
        return self.value.low if self.is_known else self.confirmed_value or nothing


def estimate_worth(
    networks: Networks, number: int, listings: Sequence[CaseListing], sales: pd.DataFrame | None, rates: Rates
) -> Worth:
    """Estimate what a network sold.

    Parameters
    ----------
    sales : DataFrame, optional
        As for `estimate_sales`; without it, or where it knows less than was found counterfeit, the listings are asked.
    """
    own = add_up_listings(listings, rates)
    if sales is None:
        return own
    sold = estimate_sales(networks, number, sales, rates)
    confirmed = [one for one in listings if one.is_counterfeit]
    units = sum(one.sales for one in confirmed if one.sales is not None)
    value = own.confirmed_value or Money(0.0, rates.currency)
    if sold.n_listings < len(confirmed) or sold.units.high < units or sold.value.high < value:
        return replace(own, how=f"{FROM_LISTINGS}; {TABLE_TOO_SMALL}")
    foreign = sold.foreign + tuple(one for one in own.foreign if one.rate is None)
    estimates = sold.units.raise_to(units), sold.value.raise_to(value)
    return Worth(sold.n_listings, *estimates, FROM_TABLE, foreign, own.confirmed_value)


def add_up_listings(listings: Sequence[CaseListing], rates: Rates) -> Worth:
    """Estimate what listings sold from those of which it is known: sales counted x price, in the currency of the rates.

    Prices without a currency, or in one that has no rate, count as not known.

    Examples
    --------
    >>> add_up_listings([], Rates("EUR", {})).is_known
    False
    """
    units = np.array([one.sales for one in listings if one.sales is not None], dtype=np.float64)
    values = [_value(one, rates) for one in listings]
    known = np.array([value.amount for value in values if value is not None], dtype=np.float64)
    confirmed = [value for one, value in zip(listings, values, strict=True) if one.is_counterfeit and value is not None]
    return Worth(
        len(listings),
        estimate_total(units, len(listings), []),
        in_currency(estimate_total(known, len(listings), []), rates.currency),
        FROM_LISTINGS,
        list_foreign([one.asked.currency for one in listings if one.asked is not None], rates),
        sum(confirmed, Money(0.0, rates.currency)) if confirmed else None,
    )


def _value(listing: CaseListing, rates: Rates) -> Money | None:
    price = None if listing.asked is None else rates.exchange(listing.asked)
    return None if listing.sales is None or price is None else price * listing.sales
