"""All that is looked at of one network: who is in it, what each may be, what joins them, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ipml.cooperation.network.drawing import Layout, lay_out
from ipml.cooperation.network.evidence import Tie, explain_tie
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.portraits import load_network
from ipml.cooperation.network.rarity import HUNDREDTHS, needed_to_link
from ipml.cooperation.network.roles import Roles, guess_roles
from ipml.cooperation.network.strands import Strands, find_strands
from ipml.enforcement.privacy.erasure import ErasedList

Codes = npt.NDArray[np.int64]
_NEWCOMERS = "newcomers.parquet"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Why a newcomer is thought to belong to a network: the member with whom they share most, and what."""

    closest: str
    because: str

    def __str__(self) -> str:
        return f"With {self.closest}: {self.because}."


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as it is looked at.

    Attributes
    ----------
    number : int
        Of the network.
    networks : Networks
        It alone.
    roles : Roles
        What each member may be; `roles.members` are all members.
    layout : Layout
        Where those that are drawn stand.
    strands : Strands
        What the links that are drawn are made of.
    degree : array of shape (n_members,)
        How many links each of all members has.
    newcomers : mapping of str to Arrival
        Who came with the events added last, and why they are thought to belong.
    """

    number: int
    networks: Networks
    roles: Roles
    layout: Layout
    strands: Strands
    degree: Codes
    newcomers: Mapping[str, Arrival]

    @property
    def seller_ids(self) -> list[str]:
        """The members, in order."""
        return [str(name) for name in self.networks.holdings.seller_ids[self.roles.members]]

    @property
    def needed(self) -> float:
        """From how many bits on two sellers are linked."""
        return needed_to_link(self.networks.holdings.n_marketplace, self.networks.rules) / HUNDREDTHS

    def neighbours_of(self, place: int) -> list[int]:
        """Return the members (places) to whom one is linked, most strongly first."""
        links, members = self.networks.links_of(self.number), self.roles.members
        own = members[place]
        is_own = (links.first == own) | (links.second == own)
        other = np.where(links.first == own, links.second, links.first)[is_own]
        order = np.lexsort((other, -links.weight[is_own]))
        return [int(one) for one in np.searchsorted(members, other[order])]

    def tie(self, one: int, other: int) -> Tie:
        """Return what two members (places) share."""
        return explain_tie(self.networks, int(self.roles.members[one]), int(self.roles.members[other]))


def view_network(folder: Path, number: int, erased: ErasedList | None = None) -> NetworkView:
    """Read one network of a folder to be looked at.

    Parameters
    ----------
    erased : ErasedList, optional
        Who was erased: they are named by a number alone, though the folder may still hold their name.

    Raises
    ------
    NoNetworks, NetworkNotFound
        The folder holds none, or there is no network of that number.
    """
    networks = load_network(folder, number)
    newcomers = read_newcomers(folder, number)
    if erased is not None:
        names = hide_erased([str(name) for name in networks.holdings.seller_ids], erased)
        is_shown = set(names)
        newcomers = {name: one for name, one in newcomers.items() if name in is_shown and one.closest in is_shown}
        holdings = replace(networks.holdings, seller_ids=np.array(names, dtype=object))
        networks = replace(networks, holdings=holdings)
    layout = lay_out(networks, number)
    strands = find_strands(networks, layout.members, layout.links)
    members, links = networks.members_of(number), networks.links_of(number)
    ends = np.searchsorted(members, np.concatenate([links.first, links.second]))
    degree = np.bincount(ends, minlength=len(members))
    roles = guess_roles(networks, number)
    return NetworkView(number, networks, roles, layout, strands, degree, newcomers)


def hide_erased(names: Sequence[str], erased: ErasedList) -> list[str]:
    """Return names of sellers with a number in the place of each who was erased, be they ids or pseudonyms."""
    return [f"(erased {place})" if erased.find(name, name) else name for place, name in enumerate(names, start=1)]


def read_newcomers(folder: Path, number: int) -> dict[str, Arrival]:
    """Return who came into a network with the events added last, and why they are thought to belong."""
    path = folder / _NEWCOMERS
    if not path.exists():
        return {}
    columns = ["seller_id", "closest", "because"]
    rows = pq.read_table(path, columns=columns, filters=[("network", "==", number)]).to_pylist()
    return {row["seller_id"]: Arrival(row["closest"], row["because"]) for row in rows}
