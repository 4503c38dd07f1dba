"""All networks in a few figures each, so that a list of them need not read what their members have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipml.cooperation.network.kinds import KINDS, AttributeKind
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.rarity import weigh
from ipml.errors import NoNetworks

Codes = npt.NDArray[np.int64]

_CATALOGUE, _MEMBERS = "catalogue.parquet", "members.parquet"
_MOMENT = pa.timestamp("us", tz="UTC")
RECENT_DAYS = 30
_RECENT = RECENT_DAYS * 86_400 * 1_000_000
ORDERS = {"members": "members", "links": "links", "growth": "recent", "last member": "last_joined"}
"""By which figure, largest first, a list of networks can be sorted."""


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """A network in figures.

    Attributes
    ----------
    number : int
        Of the network.
    members, links : int
        How many it has.
    recent : int
        How many of the members came within the last 30 days that anything was seen.
    first_joined, last_joined : datetime
        When the first and the last member was first seen.
    shared : dict of AttributeKind to int
        How many things of each kind several members have; kinds without any are left out.
    """

    number: int
    members: int
    links: int
    recent: int
    first_joined: datetime
    last_joined: datetime
    shared: dict[AttributeKind, int]


def write_catalogue(networks: Networks, folder: Path) -> None:
    """Write the figures of every network."""
    number, links, joined = networks.numbering.number, networks.links, networks.holdings.joined
    size = networks.numbering.given + 1
    inside = np.flatnonzero(number > 0)
    is_within = number[links.first] == number[links.second]
    first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(first, number[inside], joined[inside])
    np.maximum.at(last, number[inside], joined[inside])
    recent = inside[joined[inside] > networks.holdings.last_day - _RECENT]
    numbers = np.unique(number[inside])
    columns = {
        "number": numbers,
        "members": np.bincount(number, minlength=size)[numbers],
        "links": np.bincount(number[links.first[is_within]], minlength=size)[numbers],
        "recent": np.bincount(number[recent], minlength=size)[numbers],
        "first_joined": pa.array(first[numbers], _MOMENT),
        "last_joined": pa.array(last[numbers], _MOMENT),
    }
    shared = _count_shared(networks)
    columns |= {f"shared_{kind}": shared[numbers, place] for place, kind in enumerate(KINDS)}
    pq.write_table(pa.table(columns), folder / _CATALOGUE)


def list_networks(folder: Path, order: str = "members", most: int = 100) -> tuple[list[NetworkFigures], int]:
    """Return the first networks of a folder in some order (a key of `ORDERS`), and how many there are.

    Raises
    ------
    NoNetworks
        The folder holds none, or those of an earlier release: adding events to it writes it anew.
    """
    try:
        table = pq.read_table(folder / _CATALOGUE)
    except FileNotFoundError as error:
        raise NoNetworks(folder, "none, or those of an earlier release") from error
    except (OSError, ValueError) as error:
        raise NoNetworks(folder, f"files that cannot be read ({error})") from error
    keys = [(ORDERS[order], "descending"), ("members", "descending"), ("number", "ascending")]
    first = pc.sort_indices(table, sort_keys=keys)[:most]
    return [_figures_of(row) for row in table.take(first).to_pylist()], table.num_rows


def find_number(folder: Path, seller_id: str) -> int | None:
    """Return the number of the network that a seller, named as in the folder, is in; None where in none."""
    path = folder / _MEMBERS
    if not path.exists():
        return None
    found = pq.read_table(path, columns=["network"], filters=[("seller_id", "==", seller_id)])
    return int(found["network"][0].as_py()) if found.num_rows else None


def add_up(folder: Path, counted: Mapping[str, int]) -> dict[int, int]:
    """Return the sum of something counted by seller, named as in the folder, for each network of which any is a member.

    Raises
    ------
    NoNetworks
        The folder holds none.
    """
    try:
        names = pa.array(list(counted), pa.string())
        members = pq.read_table(folder / _MEMBERS, columns=["seller_id", "network"])
    except (OSError, ValueError) as error:
        raise NoNetworks(folder, f"files that cannot be read ({error})") from error
    sums: dict[int, int] = {}
    for row in members.filter(pc.is_in(members["seller_id"], value_set=names)).to_pylist():
        sums[row["network"]] = sums.get(row["network"], 0) + counted[row["seller_id"]]
    return sums


def _figures_of(row: dict[str, Any]) -> NetworkFigures:
    shared = {kind: row.pop(f"shared_{kind}") for kind in KINDS}
    return NetworkFigures(**row, shared={kind: count for kind, count in shared.items() if count})


def _count_shared(networks: Networks) -> npt.NDArray[np.int64]:
    """Return how many things of each kind several members of each network have: shape (n_numbers, n_kinds)."""
    holdings, number = networks.holdings, networks.numbering.number
    size = networks.numbering.given + 1
    weights = weigh(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
    rows = np.flatnonzero((number[holdings.seller] > 0) & (weights[holdings.value] > 0))
    pairs, count = np.unique(holdings.value[rows] * size + number[holdings.seller[rows]], return_counts=True)
    pairs = pairs[count > 1]
    shared = np.zeros((size, len(KINDS)), dtype=np.int64)
    np.add.at(shared, (pairs % size, holdings.kinds[pairs // size]), 1)
    return shared
