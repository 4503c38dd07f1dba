"""What a network sold, from a table of sales where there is one, else from what the listings said of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.sales import estimate_sales
from ipml.cooperation.network.worth import Estimate, estimate_total

if TYPE_CHECKING:
    from ipml.cooperation.clues.dossier import CaseListing

FROM_TABLE = "from a table of sales that the marketplace gave"
FROM_LISTINGS = "from the sales counted on the listings x the price shown, as decided on or as last seen"


@dataclass(frozen=True, slots=True)
class Worth:
    """Units sold and their value, each with an interval.

    Attributes
    ----------
    how : str
        What the estimate rests on, as a phrase.
    currency : str
        Of the value; "" where the table of sales does not say.
    confirmed_value : float or None
        What is known of the listings found counterfeit alone: a sum, not an estimate; None where nothing is.
    """

    n_listings: int
    units: Estimate
    value: Estimate
    how: str
    currency: str
    confirmed_value: float | None

    @property
    def is_known(self) -> bool:
        """Whether there is an interval at all."""
        return self.n_listings > 0 and bool(np.isfinite(self.value.high))


def estimate_worth(
    networks: Networks, number: int, listings: Sequence[CaseListing], sales: pd.DataFrame | None
) -> Worth:
    """Estimate what a network sold.

    Parameters
    ----------
    sales : DataFrame, optional
        As for `estimate_sales`; without it the listings themselves are asked.
    """
    own = add_up_listings(listings)
    if sales is None:
        return own
    n_listings, units, value = estimate_sales(networks, number, sales)
    return Worth(n_listings, units, value, FROM_TABLE, "", own.confirmed_value)


def add_up_listings(listings: Sequence[CaseListing]) -> Worth:
    """Estimate what listings sold from those of which it is known: sales counted x price.

    Prices in another currency than that of most listings count as not known.

    Examples
    --------
    >>> add_up_listings([]).is_known
    False
    """
    currencies = Counter(one.currency for one in listings if one.currency and one.price is not None)
    currency = min(currencies, key=lambda name: (-currencies[name], name), default="")
    units = np.array([one.sales for one in listings if one.sales is not None], dtype=np.float64)
    values = [_value(one, currency) for one in listings]
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    confirmed = [value for one, value in zip(listings, values, strict=True) if one.is_counterfeit and value is not None]
    return Worth(
        len(listings),
        estimate_total(units, len(listings), []),
        estimate_total(known, len(listings), []),
        FROM_LISTINGS,
        currency,
        float(sum(confirmed)) if confirmed else None,
    )


def _value(listing: CaseListing, currency: str) -> float | None:
    if listing.sales is None or listing.price is None or listing.currency != currency:
        return None
    return listing.sales * listing.price
