"""All that is looked at of one network: who is in it, what each may be, what joins them, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

Codes = npt.NDArray[np.int64]
_NEWCOMERS = "newcomers.parquet"


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
    newcomers : mapping of str to str
        Who came with the events added last, and why they are thought to belong.
    """

    number: int
    networks: Networks
    roles: Roles
    layout: Layout
    strands: Strands
    degree: Codes
    newcomers: Mapping[str, str]

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


def view_network(folder: Path, number: int) -> NetworkView:
    """Read one network of a folder to be looked at.

    Raises
    ------
    NoNetworks, NetworkNotFound
        The folder holds none, or there is no network of that number.
    """
    networks = load_network(folder, number)
    layout = lay_out(networks, number)
    strands = find_strands(networks, layout.members, layout.links)
    members, links = networks.members_of(number), networks.links_of(number)
    ends = np.searchsorted(members, np.concatenate([links.first, links.second]))
    degree = np.bincount(ends, minlength=len(members))
    roles = guess_roles(networks, number)
    return NetworkView(number, networks, roles, layout, strands, degree, read_newcomers(folder, number))


def read_newcomers(folder: Path, number: int) -> dict[str, str]:
    """Return who came into a network with the events added last, and why they are thought to belong."""
    path = folder / _NEWCOMERS
    if not path.exists():
        return {}
    columns = ["seller_id", "closest", "because"]
    rows = pq.read_table(path, columns=columns, filters=[("network", "==", number)]).to_pylist()
    return {row["seller_id"]: f"With {row['closest']}: {row['because']}." for row in rows}
