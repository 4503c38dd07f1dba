"""What a network sold, from a table of listings of which the sales are known of some.

Each value stands beside its currency; values are added up in the currency of the rates, and those in a currency without
a rate count as not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.worth import Estimate, Foreign, estimate_total, in_currency, list_foreign
from ipml.errors import MissingColumns, UnreadableFile
from ipml.money import Money, Rates, is_currency
from ipml.parquet import read_whole

_ENOUGH = 5  # known listings of a network, for others to draw from them
_COLUMNS = ("seller_id", "units", "value", "currency")
_REMEDY = "Rename them; currency is that of the value, such as EUR, and is stated in every row that has a value."


@dataclass(frozen=True, slots=True)
class Sold:
    """What the listings of a network sold."""

    n_listings: int
    units: Estimate[float]
    value: Estimate[Money]
    foreign: tuple[Foreign, ...]


def read_sales(path: Path) -> pd.DataFrame:
    """Read a table of listings: seller_id, units, value, currency; empty where they are not known.

    Raises
    ------
    UnreadableFile, MissingColumns
        It is no Parquet file, lacks a column, or has a value without a currency.
    """
    listings: pd.DataFrame = read_whole(path, "a Parquet file of listings").to_pandas()
    if missing := [name for name in _COLUMNS if name not in listings]:
        raise MissingColumns(str(path), missing, list(listings.columns), _REMEDY)
    is_bare = listings["value"].notna() & ~listings["currency"].map(_is_code)
    if n_bare := int(is_bare.sum()):
        first = listings["currency"][is_bare].iloc[0]
        said = f"whose currency is {first[:40]!r}" if isinstance(first, str) and first else "without a currency"
        found = f"{n_bare:,} values, the first of them {said}"
        raise UnreadableFile(path, found, "three capital letters such as EUR beside every value")
    return listings


def _is_code(cell: object) -> bool:
    return isinstance(cell, str) and is_currency(cell)


def estimate_sales(networks: Networks, number: int, listings: pd.DataFrame, rates: Rates) -> Sold:
    """Estimate the units and the value that a network sold from the listings of which they are known.

    Parameters
    ----------
    listings : DataFrame
        seller_id, units, value, currency: a row for each listing; the last three missing where they are not known.
    rates : Rates
        In whose currency the value is given.
    """
    ids = networks.holdings.seller_ids
    place = np.minimum(np.searchsorted(ids, listings["seller_id"].to_numpy(dtype=object)), max(len(ids) - 1, 0))
    network = np.where(ids[place] == listings["seller_id"].to_numpy(dtype=object), networks.numbering.number[place], 0)
    is_own = network == number
    n_listings = int(is_own.sum())
    units, values = (listings[name].to_numpy(dtype=np.float64) for name in ("units", "value"))
    currencies = listings["currency"].to_numpy(dtype=object)
    rate_of = {code: rates.rate_of(code) for code in set(currencies[~np.isnan(values)])}
    rate = np.array([rate_of.get(code) for code in currencies], dtype=np.float64)  # None: not a number
    estimates = []
    for amount in (units, values * rate):
        is_known = ~np.isnan(amount)
        others = _by_network(amount, np.where(is_known & ~is_own, network, 0))
        estimates.append(estimate_total(amount[is_known & is_own], n_listings, others))
    foreign = list_foreign(currencies[is_own & ~np.isnan(values)].tolist(), rates)
    return Sold(n_listings, estimates[0], in_currency(estimates[1], rates.currency), foreign)


def _by_network(amount: npt.NDArray[np.float64], network: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
    """Return the amounts of each network (0: none) of which enough are known to draw from."""
    order = np.argsort(network, kind="stable")
    order = order[network[order] > 0]
    pieces = np.split(amount[order], np.flatnonzero(np.diff(network[order])) + 1)
    return [piece for piece in pieces if len(piece) >= _ENOUGH]
