"""What a network sold, from a table of listings of which the sales are known of some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.worth import Estimate, estimate_total
from ipml.errors import MissingColumns, UnreadableFile

_ENOUGH = 5  # known listings of a network, for others to draw from them
_COLUMNS = ("seller_id", "units", "value")


def read_sales(path: Path) -> pd.DataFrame:
    """Read a table of listings: seller_id, units, value, the last two empty where they are not known.

    Raises
    ------
    UnreadableFile, MissingColumns
        It is no Parquet file, or lacks a column.
    """
    try:
        listings = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, str(error).splitlines()[0], "a Parquet file of listings") from error
    if missing := [name for name in _COLUMNS if name not in listings]:
        raise MissingColumns(str(path), missing, list(listings.columns), "Rename them.")
    return listings


def estimate_sales(networks: Networks, number: int, listings: pd.DataFrame) -> tuple[int, Estimate, Estimate]:
    """Return how many listings a network has, and its units and value, from the listings of which they are known.

    Parameters
    ----------
    listings : DataFrame
        seller_id, units, value: a row for each listing; units and value missing where they are not known.
    """
    ids = networks.holdings.seller_ids
    place = np.minimum(np.searchsorted(ids, listings["seller_id"].to_numpy(dtype=object)), max(len(ids) - 1, 0))
    network = np.where(ids[place] == listings["seller_id"].to_numpy(dtype=object), networks.numbering.number[place], 0)
    is_own = network == number
    n_listings = int(is_own.sum())
    estimates = []
    for name in ("units", "value"):
        amount = listings[name].to_numpy(dtype=np.float64)
        is_known = ~np.isnan(amount)
        others = _by_network(amount, np.where(is_known & ~is_own, network, 0))
        estimates.append(estimate_total(amount[is_known & is_own], n_listings, others))
    return n_listings, estimates[0], estimates[1]


def _by_network(amount: npt.NDArray[np.float64], network: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
    """Return the amounts of each network (0: none) of which enough are known to draw from."""
    order = np.argsort(network, kind="stable")
    order = order[network[order] > 0]
    pieces = np.split(amount[order], np.flatnonzero(np.diff(network[order])) + 1)
    return [piece for piece in pieces if len(piece) >= _ENOUGH]
