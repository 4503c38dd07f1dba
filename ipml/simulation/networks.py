"""Sellers with known networks behind them: what they share, with whom, since when, and what they sold.

Honest sellers share much: a courier's depot, a business centre, a common phrase, the manufacturer's photo, the phone
of an agent, a number that once was somebody else's; some are one firm with several shops. The accounts of a network
share what its people reuse: a payout for a few accounts, a device for a batch of them, one distributor's pictures;
their phones are thrown away. A part of all this was never seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.network_crossings import add_crossings
from ipml.simulation.network_members import ROLES, plant_network
from ipml.simulation.network_rows import Rows, to_frame
from ipml.simulation.network_strangers import add_firms, add_strangers

FIRST_DAY = pd.Timestamp("2025-01-01", tz="UTC")
YEAR_DAYS = 365.0
_SMALLEST, _LARGEST = 5, 300
_TAIL = 1.1  # of network sizes: a few are twenty times as large as most


@dataclass(frozen=True, slots=True)
class NetworkedSellers:
    """Sellers with known networks.

    Attributes
    ----------
    attributes : DataFrame of shape (n_rows, 4)
        seller_id, kind, value (an abstract hash), seen_at: what a marketplace sees, in no order.
    truth : DataFrame of shape (n_sellers, 4)
        seller_id, network (0: none), firm (an honest firm with several shops; 0: none), role ("" outside networks).
    listings : DataFrame of shape (n_listings, 5)
        seller_id, listing_id, listed_at, units, value: the listings of network members. Units and their value are
        the truth; `is_known` says of which a marketplace would know them.
    """

    attributes: pd.DataFrame
    truth: pd.DataFrame
    listings: pd.DataFrame


def simulate_networks(
    seed: int,
    *,
    n_sellers: int = 50_000,
    n_networks: int = 43,
    missing: float = 0.2,
    known_sales: float = 0.15,
    most_members: int | None = None,
) -> NetworkedSellers:
    """Make sellers, some of them in networks.

    Parameters
    ----------
    seed : int
        The same seed gives the same sellers.
    n_sellers, n_networks : int
        How many sellers in all, and how many networks among them; sizes are heavy-tailed, from 5 to 300 members.
    missing : float
        The part of what network members have that nobody saw.
    known_sales : float
        The part of their listings of which the sales are known.
    most_members : int, optional
        Of all networks together; they become smaller to fit, but have five members each.

    Examples
    --------
    >>> sellers = simulate_networks(1, n_sellers=2_000, n_networks=3)
    >>> sellers.truth["network"].nunique() - 1, sellers.attributes.columns.tolist()
    (3, ['seller_id', 'kind', 'value', 'seen_at'])
    """
    rng = np.random.default_rng(seed)
    sizes = _draw_sizes(n_networks, n_sellers, rng)
    if most_members is not None and sizes.sum() > most_members:
        sizes = np.maximum(sizes * most_members // sizes.sum(), _SMALLEST)
    place = rng.permutation(n_sellers)  # nobody's number tells of their network
    joined = np.sort(rng.uniform(-700.0, YEAR_DAYS, n_sellers))[rng.permutation(n_sellers)]
    network, firm = np.zeros(n_sellers, dtype=np.int64), np.zeros(n_sellers, dtype=np.int64)
    role = np.full(n_sellers, "", dtype=object)
    planted, listings, start = Rows(), [], 0
    for number, size in enumerate(sizes, start=1):
        members = place[start : start + size]
        start += size
        network[members] = number
        roles, sold = plant_network(planted, members, joined, rng)
        role[members] = np.array(ROLES, dtype=object)[roles]
        listings.append(sold)
    add_crossings(planted, network, place[start:], joined, rng)
    planted = planted.without(missing, rng)
    strangers = Rows()
    add_strangers(strangers, planted, place[start:], network, joined, rng)
    firm[place[start:]] = add_firms(strangers, place[start:], joined, rng)
    names = _name_sellers(n_sellers, rng)
    truth = pd.DataFrame({"seller_id": names, "network": network, "firm": firm, "role": role.astype(str)})
    attributes = to_frame([planted, strangers], names, FIRST_DAY, rng)
    return NetworkedSellers(attributes, truth, _finish_listings(listings, names, known_sales, rng))


def _draw_sizes(n_networks: int, n_sellers: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    largest = min(_LARGEST, max(n_sellers // (4 * max(n_networks, 1)), _SMALLEST + 1))
    sizes = _SMALLEST * (1 + rng.pareto(_TAIL, n_networks))
    return np.minimum(sizes, largest if n_sellers < 20_000 else _LARGEST).astype(np.int64)


def _name_sellers(n_sellers: int, rng: np.random.Generator) -> npt.NDArray[np.object_]:
    return np.array([f"s{number:08d}" for number in rng.permutation(n_sellers)], dtype=object)


def _finish_listings(
    parts: list[pd.DataFrame], names: npt.NDArray[np.object_], known_sales: float, rng: np.random.Generator
) -> pd.DataFrame:
    listings = pd.concat(parts, ignore_index=True)
    listings.insert(0, "seller_id", names[listings.pop("seller")])
    listings.insert(1, "listing_id", [f"l{number:07d}" for number in range(len(listings))])
    listings["listed_at"] = FIRST_DAY + pd.to_timedelta((listings.pop("day") * 86_400).round(), unit="s")
    listings["is_known"] = rng.random(len(listings)) < known_sales
    return listings[["seller_id", "listing_id", "listed_at", "units", "value", "currency", "is_known"]]
