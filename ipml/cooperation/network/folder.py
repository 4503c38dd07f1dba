"""Networks in a folder: what was found, so that the events of the next day need only be added.

Sellers stand in it as they stood in the attributes: hand in pseudonyms where the folder leaves the marketplace.
Like the database it is ipml's own, and read without the bounds that files of strangers have: the links of a dense
network pack to half a byte each, which these bounds would refuse.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.cooperation.network.catalogue import write_catalogue
from ipml.cooperation.network.holdings import COLUMNS, hold
from ipml.cooperation.network.links import Links
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.newcomers import Newcomer
from ipml.cooperation.network.numbers import Change, Numbering
from ipml.cooperation.network.portraits import write_portraits
from ipml.cooperation.network.rules import NetworkRules
from ipml.errors import NoNetworks

_HELD, _LINKS, _MEMBERS, _CHANGES = "attributes.parquet", "links.parquet", "members.parquet", "changes.parquet"
_RULES, _NEWCOMERS, _GIVEN = "rules.json", "newcomers.parquet", b"ipml numbers given"


def has_networks(folder: Path) -> bool:
    """Return whether networks were kept in a folder."""
    return (folder / _MEMBERS).exists()


def keep_networks(networks: Networks, folder: Path, newcomers: Iterable[Newcomer] = ()) -> None:
    """Write networks into a folder, all of it or nothing: what was kept there before is replaced at the end."""
    new, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
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
    _write(new / _CHANGES, **{name: [getattr(change, name) for change in changes] for name in Change.__slots__})
    found = list(newcomers)
    _write(
        new / _NEWCOMERS,
        seller_id=[newcomer.seller_id for newcomer in found],
        network=[newcomer.network for newcomer in found],
        seen_at=pd.to_datetime([newcomer.seen_at for newcomer in found], utc=True),
        closest=[newcomer.tie.second for newcomer in found],
        because=["; ".join(map(str, newcomer.tie.shared[:3])) for newcomer in found],
    )
    write_portraits(networks, new)
    write_catalogue(networks, new)
    (new / _RULES).write_text(networks.rules.model_dump_json(indent=1), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_networks(folder: Path) -> Networks:
    """Read networks that were kept.

    Raises
    ------
    NoNetworks
        The folder holds none, or not those this release writes.
    """
    if not has_networks(folder):
        raise NoNetworks(folder, "none")
    try:
        rules = NetworkRules.model_validate_json((folder / _RULES).read_text(encoding="utf-8"))
        members, links, changes = (pq.read_table(folder / name) for name in (_MEMBERS, _LINKS, _CHANGES))
        holdings = hold(_no_events(), known=pq.read_table(folder / _HELD))
        given = int(members.schema.metadata[_GIVEN])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoNetworks(folder, f"files that cannot be read ({error})") from error
    ids = holdings.seller_ids
    number = np.zeros(holdings.n_sellers, dtype=np.int64)
    number[np.searchsorted(ids, members["seller_id"].to_numpy())] = members["network"].to_numpy()
    first, second = (np.searchsorted(ids, links[name].to_numpy()) for name in ("seller_a", "seller_b"))
    numbering = Numbering(number, given, tuple(Change(**row) for row in changes.to_pylist()))
    return Networks(holdings, Links(first, second, links["weight"].to_numpy()), _group_of(number), numbering, rules)


def _group_of(number: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the group of each seller, named by its first member, from the number of their network."""
    _, first, part = np.unique(number, return_index=True, return_inverse=True)
    return np.where(number > 0, first[part], np.arange(len(number)))


def _no_events() -> pa.Table:
    types = dict.fromkeys(COLUMNS, pa.string()) | {"seen_at": pa.timestamp("us", tz="UTC")}
    return pa.schema(types).empty_table()


def _write(path: Path, **columns: object) -> None:
    pd.DataFrame(columns).to_parquet(path, index=False)
