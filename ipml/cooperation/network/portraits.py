"""A network by itself: all it takes to look at one, kept so that the others need not be read.

What a pair shares is weighed by how many sellers of the whole marketplace have it, and the source of a network may
stand outside of it. Both are kept beside the members, so that a network by itself says what it says among the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.cooperation.network.holdings import Holdings, no_holdings
from ipml.cooperation.network.kinds import KINDS
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.numbers import Change, Numbering, tell_what_became
from ipml.cooperation.network.order import GOODS
from ipml.cooperation.network.rarity import weigh
from ipml.cooperation.network.roles import NEAR
from ipml.cooperation.network.rules import NetworkRules
from ipml.errors import NetworkNotFound, NoNetworks

Codes = npt.NDArray[np.int64]

_ROWS, _LINKS, _CHANGES, _RULES = "portraits.parquet", "portrait_links.parquet", "changes.parquet", "rules.json"
_PIECE = 10_000  # rows that are read together; a network has a few thousand at most
_SELLERS, _GIVEN = b"ipml sellers", b"ipml numbers given"
_MOMENT = pa.timestamp("us", tz="UTC")


def write_portraits(networks: Networks, folder: Path) -> None:
    """Write of each network what its members have, with the sellers near it, and its links, network by network."""
    holdings, number, links = networks.holdings, networks.numbering.number, networks.links
    near, near_network = find_all_near(networks)
    inside = np.flatnonzero(number > 0)
    seller, network = np.concatenate([inside, near]), np.concatenate([number[inside], near_network])
    who, rows = _rows_of(holdings, seller)
    order = np.lexsort((holdings.value[rows], seller[who], network[who]))
    who, rows = who[order], rows[order]
    value = holdings.value[rows]
    table = pa.table(
        {
            "network": network[who],
            "seller_id": pa.array(holdings.seller_ids[seller[who]], pa.string()),
            "is_member": number[seller[who]] > 0,
            "joined": pa.array(holdings.joined[seller[who]], _MOMENT),
            "kind": pa.array([kind.value for kind in KINDS]).take(pa.array(holdings.kinds[value])),
            "value": pa.array(holdings.values[value], pa.string()),
            "holders": holdings.holders[value],
            "first_seen": pa.array(holdings.first_seen[rows], _MOMENT),
            "last_seen": pa.array(holdings.last_seen[rows], _MOMENT),
        }
    )
    told = {_SELLERS: str(holdings.n_marketplace), _GIVEN: str(networks.numbering.given)}
    pq.write_table(table.replace_schema_metadata(told), folder / _ROWS, row_group_size=_PIECE)
    within = links.keep((number[links.first] == number[links.second]) & (number[links.first] > 0))
    order = np.lexsort((within.second, within.first, number[within.first]))
    ids = pa.array(holdings.seller_ids, pa.string())
    table = pa.table(
        {
            "network": number[within.first][order],
            "seller_a": ids.take(pa.array(within.first[order])),
            "seller_b": ids.take(pa.array(within.second[order])),
            "weight": within.weight[order],
        }
    )
    pq.write_table(table, folder / _LINKS, row_group_size=_PIECE)


def load_network(folder: Path, number: int) -> Networks:
    """Read one network: whatever is asked of it is answered as if all had been read.

    Raises
    ------
    NoNetworks
        The folder holds none, or those of an earlier release: adding events to it writes it anew.
    NetworkNotFound
        There is no network of that number, or no longer.
    """
    wanted = [("network", "==", number)]
    try:
        told = pq.read_schema(folder / _ROWS).metadata
        rows, links = (pq.read_table(folder / name, filters=wanted) for name in (_ROWS, _LINKS))
        changes = pq.read_table(folder / _CHANGES, filters=wanted).to_pylist()
        rules = NetworkRules.model_validate_json((folder / _RULES).read_text(encoding="utf-8"))
        among, given = int(told[_SELLERS]), int(told[_GIVEN])
    except FileNotFoundError as error:
        raise NoNetworks(folder, "none, or those of an earlier release") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoNetworks(folder, f"files that cannot be read ({error})") from error
    numbering = Numbering(np.zeros(0, dtype=np.int64), given, tuple(Change(**change) for change in changes))
    if not rows.num_rows:
        raise NetworkNotFound(number, tell_what_became(numbering, number))
    holdings, is_member = _hold(rows, among)
    members = np.where(is_member, number, 0)
    first, second = (np.searchsorted(holdings.seller_ids, links[name].to_numpy()) for name in ("seller_a", "seller_b"))
    group = np.where(is_member, is_member.argmax(), np.arange(len(members)))
    numbering = Numbering(members, given, numbering.changes)
    return Networks(holdings, Links(first, second, links["weight"].to_numpy()), group, numbering, rules)


def find_all_near(networks: Networks) -> tuple[Codes, Codes]:
    """Return what `find_near` would for every network: the sellers, and the network that each is near."""
    holdings, number, base = networks.holdings, networks.numbering.number, networks.numbering.given + 1
    weights = weigh(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
    rows = np.flatnonzero((GOODS[holdings.kinds] & (weights > 0))[holdings.value])
    value, network = holdings.value[rows], number[holdings.seller[rows]]
    used, count = np.unique(value[network > 0] * base + network[network > 0], return_counts=True)
    used = used[count > 1]
    alone = rows[network == 0]
    alone = alone[np.argsort(holdings.value[alone], kind="stable")]
    start, stop = (np.searchsorted(holdings.value[alone], used // base, side) for side in ("left", "right"))
    pair, place = _expand(start, stop)
    near, count = np.unique(holdings.seller[alone[place]] * base + (used % base)[pair], return_counts=True)
    near = near[count >= NEAR]
    return near // base, near % base


def _rows_of(holdings: Holdings, sellers: Codes) -> tuple[Codes, Codes]:
    """Return the rows of some sellers, and to which of these each belongs."""
    start, stop = (np.searchsorted(holdings.seller, sellers, side) for side in ("left", "right"))
    return _expand(start, stop)


def _expand(start: Codes, stop: Codes) -> tuple[Codes, Codes]:
    """Return all numbers from each start to before its stop, and from which of them each comes.

    >>> _expand(np.array([5, 0]), np.array([7, 1]))
    (array([0, 0, 1]), array([5, 6, 0]))
    """
    length = stop - start
    whose = np.repeat(np.arange(len(length)), length)
    numbers: Codes = np.arange(len(whose)) + np.repeat(start - np.cumsum(length) + length, length)
    return whose, numbers


def _hold(rows: pa.Table, among: int) -> tuple[Holdings, npt.NDArray[np.bool_]]:
    """Return the holdings of some sellers, and which of these are members."""
    kind = pa.compute.index_in(rows["kind"], pa.array([kind.value for kind in KINDS])).to_numpy().astype(np.int64)
    ids, first_row, seller = np.unique(
        rows["seller_id"].to_numpy().astype(object), return_index=True, return_inverse=True
    )
    names, name = np.unique(rows["value"].to_numpy().astype(object), return_inverse=True)
    codes, value_row, value = np.unique(kind * max(len(names), 1) + name, return_index=True, return_inverse=True)
    joined, first_seen, last_seen = (
        rows[column].cast(pa.int64()).to_numpy() for column in ("joined", "first_seen", "last_seen")
    )
    order = np.lexsort((value, seller))
    holdings = Holdings(
        held=no_holdings(),
        seller_ids=ids,
        joined=joined[first_row],
        kinds=kind[value_row],
        values=names[name[value_row]],
        holders=rows["holders"].to_numpy()[value_row],
        newcomers=np.zeros(len(codes), dtype=np.int64),
        seller=seller[order],
        value=value[order],
        first_seen=first_seen[order],
        last_seen=last_seen[order],
        among=among,
    )
    return holdings, rows["is_member"].to_numpy()[first_row]
