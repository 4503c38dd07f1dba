"""Network store: networks in a folder, so that the next day's events can be added to them.

Sellers are named as in the attributes: use pseudonyms if the folder leaves the marketplace. The folder is trusted like
the database: it is read without the limits for foreign files, which would refuse the links of a dense network (half a
byte each). A portrait holds all that is needed to show one network without reading the others, with holder counts of
the whole marketplace and possible sources outside the network. The catalogue has a few figures of each network.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipml.cooperation.networks.attributes import KINDS, AttributeKind, Holdings, hold, no_holdings
from ipml.cooperation.networks.detection import NetworkChange, Networks, Numbering, tell_what_became
from ipml.cooperation.networks.links import Links, NetworkRules, compute_weights, find_rows
from ipml.cooperation.networks.roles import find_near
from ipml.cooperation.networks.ties import Newcomer
from ipml.errors import NotFound

Codes = npt.NDArray[np.int64]

_HELD, _LINKS, _MEMBERS, _CHANGES = "attributes.parquet", "links.parquet", "members.parquet", "changes.parquet"
_PORTRAITS, _PORTRAIT_LINKS, _CATALOGUE = "portraits.parquet", "portrait_links.parquet", "catalogue.parquet"
_RULES, _NEWCOMERS = "rules.json", "newcomers.parquet"
_PIECE = 10_000  # rows that are read together; a network has a few thousand at most
_SELLERS, _GIVEN = b"ipml sellers", b"ipml numbers given"
_MOMENT = pa.timestamp("us", tz="UTC")


def _write_portraits(networks: Networks, folder: Path) -> None:
    """Write for each network the attributes of its members and of sellers near it, and its links."""
    holdings, number, links = networks.holdings, networks.numbering.number, networks.links
    near, near_network = find_near(networks)
    inside = np.flatnonzero(number > 0)
    seller, network = np.concatenate([inside, near]), np.concatenate([number[inside], near_network])
    who, rows = find_rows(holdings.seller, seller)
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
    facts = {_SELLERS: str(holdings.n_marketplace), _GIVEN: str(networks.numbering.given)}
    pq.write_table(table.replace_schema_metadata(facts), folder / _PORTRAITS, row_group_size=_PIECE)
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
    pq.write_table(table, folder / _PORTRAIT_LINKS, row_group_size=_PIECE)


def load_network(folder: Path, number: int) -> Networks:
    """Read one network; all its figures are as if the whole folder had been read.

    Raises NotFound if there is no network of that number (any more), or if the folder holds none or those of an earlier
    release; adding events rewrites it.
    """
    filters = [("network", "==", number)]
    try:
        metadata = pq.read_schema(folder / _PORTRAITS).metadata
        rows, links = (pq.read_table(folder / name, filters=filters) for name in (_PORTRAITS, _PORTRAIT_LINKS))
        changes = pq.read_table(folder / _CHANGES, filters=filters).to_pylist()
        rules = NetworkRules.model_validate_json((folder / _RULES).read_text(encoding="utf-8"))
        among, given = int(metadata[_SELLERS]), int(metadata[_GIVEN])
    except FileNotFoundError as error:
        raise _no_networks(folder, "none, or those of an earlier release") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_networks(folder, f"files that cannot be read ({error})") from error
    numbering = Numbering(np.zeros(0, dtype=np.int64), given, tuple(NetworkChange(**change) for change in changes))
    if not rows.num_rows:
        raise NotFound("network", number, tell_what_became(numbering, number))
    holdings, is_member = _hold(rows, among)
    members = np.where(is_member, number, 0)
    first, second = (np.searchsorted(holdings.seller_ids, links[name].to_numpy()) for name in ("seller_a", "seller_b"))
    group = np.where(is_member, is_member.argmax(), np.arange(len(members)))
    numbering = Numbering(members, given, numbering.changes)
    return Networks(holdings, Links(first, second, links["weight"].to_numpy()), group, numbering, rules)


def _hold(rows: pa.Table, among: int) -> tuple[Holdings, npt.NDArray[np.bool_]]:
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


RECENT_DAYS = 30
_RECENT = RECENT_DAYS * 86_400 * 1_000_000
ORDERS = {
    "network": "number",
    "members": "members",
    "links": "links",
    "growth": "recent",
    "first": "first_joined",
    "last": "last_joined",
}
"""Columns by which a list of networks can be sorted."""


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """Figures of a network; `recent` members joined within the last 30 days for which there are events.

    `shared` counts the things of each kind that several members have, without kinds that have none.
    """

    number: int
    members: int
    links: int
    recent: int
    first_joined: datetime
    last_joined: datetime
    shared: dict[AttributeKind, int]


def _write_catalogue(networks: Networks, folder: Path) -> None:
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


def list_networks(
    folder: Path, order: str = "members", most: int = 100, *, is_descending: bool = True, skip: int = 0
) -> tuple[list[NetworkFigures], int]:
    """Return a page of networks sorted by a key of `ORDERS`, and the number of all.

    Raises NotFound if the folder holds none or those of an earlier release; adding events rewrites it.
    """
    table = _read_catalogue(folder)
    direction = "descending" if is_descending else "ascending"
    ties = [("members", "descending"), ("number", "ascending")]
    keys = [(ORDERS[order], direction), *(tie for tie in ties if tie[0] != ORDERS[order])]
    return _make_figures(table.take(pc.sort_indices(table, sort_keys=keys)[skip : skip + most])), table.num_rows


def find_figures(folder: Path, number: int) -> list[NetworkFigures]:
    """Return the figures of one network, or nothing; raises NotFound if the folder has no catalogue."""
    table = _read_catalogue(folder)
    return _make_figures(table.filter(pc.equal(table["number"], number)))


def _read_catalogue(folder: Path) -> pa.Table:
    try:
        return pq.read_table(folder / _CATALOGUE)
    except FileNotFoundError as error:
        raise _no_networks(folder, "none, or those of an earlier release") from error
    except (OSError, ValueError) as error:
        raise _no_networks(folder, f"files that cannot be read ({error})") from error


def _make_figures(table: pa.Table) -> list[NetworkFigures]:
    tables = []
    for row in table.to_pylist():
        shared = {kind: row.pop(f"shared_{kind}") for kind in KINDS}
        tables.append(NetworkFigures(**row, shared={kind: count for kind, count in shared.items() if count}))
    return tables


def find_number(folder: Path, seller_id: str) -> int | None:
    """Return the number of a seller's network; None if the seller is in no network."""
    path = folder / _MEMBERS
    if not path.exists():
        return None
    row = pq.read_table(path, columns=["network"], filters=[("seller_id", "==", seller_id)])
    return int(row["network"][0].as_py()) if row.num_rows else None


def add_up(folder: Path, counted: Mapping[str, int]) -> dict[int, int]:
    """Return the sum of a count by seller for each network; raises NotFound if the folder holds none."""
    try:
        names = pa.array(list(counted), pa.string())
        members = pq.read_table(folder / _MEMBERS, columns=["seller_id", "network"])
    except (OSError, ValueError) as error:
        raise _no_networks(folder, f"files that cannot be read ({error})") from error
    sums: dict[int, int] = {}
    for row in members.filter(pc.is_in(members["seller_id"], value_set=names)).to_pylist():
        sums[row["network"]] = sums.get(row["network"], 0) + counted[row["seller_id"]]
    return sums


def _count_shared(networks: Networks) -> npt.NDArray[np.int64]:
    """Return the things of each kind that several members of a network have: shape (n_numbers, n_kinds)."""
    holdings, number = networks.holdings, networks.numbering.number
    size = networks.numbering.given + 1
    weights = compute_weights(holdings.holders, holdings.kinds, holdings.n_marketplace, networks.rules)
    rows = np.flatnonzero((number[holdings.seller] > 0) & (weights[holdings.value] > 0))
    pairs, count = np.unique(holdings.value[rows] * size + number[holdings.seller[rows]], return_counts=True)
    pairs = pairs[count > 1]
    shared = np.zeros((size, len(KINDS)), dtype=np.int64)
    np.add.at(shared, (pairs % size, holdings.kinds[pairs // size]), 1)
    return shared


def has_networks(folder: Path) -> bool:
    """Return whether a folder holds networks."""
    return (folder / _MEMBERS).exists()


def restore_interrupted(folder: Path) -> None:
    """Rename networks back that a process moved aside before it was killed."""
    if not folder.exists() and _aside(folder).exists():
        _aside(folder).rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def store_networks(networks: Networks, folder: Path, newcomers: Iterable[Newcomer] = ()) -> None:
    """Write networks into a folder, all or nothing: the previous ones are replaced at the end."""
    restore_interrupted(folder)
    new, old = folder.with_name(f"{folder.name}.new"), _aside(folder)
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    ids, number = networks.holdings.seller_ids, networks.numbering.number
    places = np.flatnonzero(number > 0)
    pq.write_table(networks.holdings.held, new / _HELD)
    _write(
        new / _LINKS,
        seller_a=ids[networks.links.first],
        seller_b=ids[networks.links.second],
        weight=networks.links.weight,
    )
    members = pa.table({"seller_id": pa.array(ids[places], pa.string()), "network": number[places]})
    pq.write_table(members.replace_schema_metadata({_GIVEN: str(networks.numbering.given)}), new / _MEMBERS)
    changes = networks.numbering.changes
    _write(new / _CHANGES, **{name: [getattr(change, name) for change in changes] for name in NetworkChange.__slots__})
    rows = list(newcomers)
    _write(
        new / _NEWCOMERS,
        seller_id=[newcomer.seller_id for newcomer in rows],
        network=[newcomer.network for newcomer in rows],
        seen_at=pd.to_datetime([newcomer.seen_at for newcomer in rows], utc=True),
        closest=[newcomer.tie.second for newcomer in rows],
        because=["; ".join(map(str, newcomer.tie.shared[:3])) for newcomer in rows],
    )
    _write_portraits(networks, new)
    _write_catalogue(networks, new)
    (new / _RULES).write_text(networks.rules.model_dump_json(indent=1), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class NewMember:
    """Why a newcomer may belong to a network: the member with whom they share most, and the things shared."""

    closest: str
    because: str

    def __str__(self) -> str:
        return f"With {self.closest}: {self.because}."


def read_newcomers(folder: Path, number: int) -> dict[str, NewMember]:
    """Return the sellers who joined a network with the last events, and why they may belong."""
    path = folder / _NEWCOMERS
    if not path.exists():
        return {}
    columns = ["seller_id", "closest", "because"]
    rows = pq.read_table(path, columns=columns, filters=[("network", "==", number)]).to_pylist()
    return {row["seller_id"]: NewMember(row["closest"], row["because"]) for row in rows}


def _no_networks(folder: Path, found: str) -> NotFound:
    return NotFound("networks in", folder, f"Found {found}; make them with `ipml cooperate network find`.")


def load_networks(folder: Path) -> Networks:
    """Read all networks of a folder; raises NotFound if it holds none, or those of another release."""
    if not has_networks(folder):
        raise _no_networks(folder, "none")
    try:
        rules = NetworkRules.model_validate_json((folder / _RULES).read_text(encoding="utf-8"))
        members, links, changes = (pq.read_table(folder / name) for name in (_MEMBERS, _LINKS, _CHANGES))
        holdings = hold(no_holdings().rename_columns({"first_seen": "seen_at"}), known=pq.read_table(folder / _HELD))
        given = int(members.schema.metadata[_GIVEN])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_networks(folder, f"files that cannot be read ({error})") from error
    ids = holdings.seller_ids
    number = np.zeros(holdings.n_sellers, dtype=np.int64)
    number[np.searchsorted(ids, members["seller_id"].to_numpy())] = members["network"].to_numpy()
    first, second = (np.searchsorted(ids, links[name].to_numpy()) for name in ("seller_a", "seller_b"))
    numbering = Numbering(number, given, tuple(NetworkChange(**row) for row in changes.to_pylist()))
    _, leader, part = np.unique(number, return_index=True, return_inverse=True)
    group = np.where(number > 0, leader[part], np.arange(len(number)))  # a group is named by its first member
    return Networks(holdings, Links(first, second, links["weight"].to_numpy()), group, numbering, rules)


def _write(path: Path, **columns: object) -> None:
    pd.DataFrame(columns).to_parquet(path, index=False)
