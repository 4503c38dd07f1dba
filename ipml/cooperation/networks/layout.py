"""Layout: places of a network's members in its picture; linked members are close, parts are apart.

A part is a community: members with more links among each other than with the rest. Places come from ForceAtlas2 (Jacomy
and others 2014): links pull, most within a part, and members push. The layout is reproducible and stays similar as a
network grows. The console and referral packages share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import networkx as nx
import numpy as np
import numpy.typing as npt

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.links import Links
from ipml.cooperation.networks.ties import strongest_links

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_STEPS = 60  # of ForceAtlas2; more make no visible difference
_GRAVITY = 0.05  # holds unlinked members together, and leaves space between parts
_ACROSS = 0.25  # how much a link between parts pulls, one within a part being 1
_PUSHES = 500  # at most, until no two members overlap
_TALL = 0.65  # height of the picture to be filled, its width being 1
_FLATTEST = 0.5
_INKED = 0.055  # share of the picture that members cover
_SMALLEST, _LARGEST = 0.004, 0.022  # bounds of the usual radius of a member
_HUB = 1.7  # factor of the radius of the best linked
_APART = 0.45  # least gap between two members, in radii
_MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Places:
    """Places of members in a picture of width 1 and the given height (at most 1), x to the right, y downwards.

    x and y are the middle of each member's room, and rooms do not overlap. The largest part is 0. `scale`, at most 1,
    is the factor by which all was shrunk to fit.
    """

    x: Array
    y: Array
    part: Codes
    height: float
    scale: float


def place_members(names: Sequence[str], links: Links, room: Array, since: Codes) -> Places:
    """Return the members' places, earlier ones (by `since`) rather to the left.

    The start of each member follows from its name alone, so a network that has grown looks similar. `room` is half the
    width and height that each needs, as shares of the picture's width.

    >>> pair = Links(np.array([0]), np.array([1]), np.array([2400]))
    >>> places = place_members(["ann", "ben"], pair, np.full((2, 2), 0.03), np.array([7, 5]))
    >>> places.x.round(2).tolist(), places.y.round(2).tolist(), places.height
    ([0.94, 0.06], [0.25, 0.25], 0.5)
    """
    graph = links.as_graph(range(len(names)))
    part = find_communities(graph)
    rank = np.argsort(np.argsort(since, kind="stable"))
    is_line = len(names) < 3
    place = rank[:, np.newaxis] * [1.0, 0.0] if is_line else _turn(_draw_together(graph, part, names), rank)
    place = _push_apart(_stretch(place), room)
    low, high = (place - room).min(axis=0, initial=0.0), (place + room).max(axis=0, initial=0.0)
    scale = min(1.0, *((1.0 - 2 * _MARGIN) / np.maximum(high - low, 1e-9)).tolist())
    height = float(np.clip((high[1] - low[1]) * scale + 2 * _MARGIN, _FLATTEST, 1.0))
    x, y = ((place - (low + high) / 2) * scale + np.array([0.5, height / 2])).T.round(5)
    return Places(x, y, part, height, scale)


def find_communities(graph: nx.Graph) -> Codes:
    """Return the part of each member, largest first (0), so that most of the links lie within parts (Louvain).

    >>> find_communities(nx.barbell_graph(3, 0)).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    part = np.zeros(len(graph), dtype=np.int64)
    parts = nx.community.louvain_communities(graph, seed=0)
    for number, members in enumerate(sorted(parts, key=lambda members: (-len(members), min(members)))):
        part[list(members)] = number
    return part


def _draw_together(graph: nx.Graph, part: Codes, names: Sequence[str]) -> Array:
    for one, other, link in graph.edges(data=True):
        link["pull"] = 1.0 if part[one] == part[other] else _ACROSS
    digests = (blake2b(name.encode(), digest_size=8).digest() for name in names)
    begin = {place: np.frombuffer(digest, dtype="<u4") / 2**31 - 1 for place, digest in enumerate(digests)}
    options = {"max_iter": _STEPS, "gravity": _GRAVITY, "strong_gravity": True, "weight": "pull"}
    layout = nx.forceatlas2_layout(graph, begin, **options)
    return np.array([layout[place] for place in graph])


def _turn(place: Array, rank: Codes) -> Array:
    """Turn a picture so that it is widest from left to right, earlier members rather to the left and top."""
    place = place - place.mean(axis=0)
    _, axes = np.linalg.eigh(place.T @ place)
    turned: Array = place @ axes[:, ::-1]
    return turned * np.where((rank - rank.mean()) @ turned < 0, -1.0, 1.0)


def _stretch(place: Array) -> Array:
    """Fill the frame, stretching one axis by at most half as much again as the other."""
    scale = np.array([1.0, _TALL]) / np.maximum(place.max(axis=0, initial=0.0) - place.min(axis=0, initial=0.0), 1e-9)
    stretched: Array = place * np.minimum(scale, 1.5 * scale.min())
    return stretched


def _push_apart(place: Array, room: Array) -> Array:
    """Move overlapping members away from each other, and all slightly apart, until none overlap."""
    need = room[:, np.newaxis] + room
    for _ in range(_PUSHES):
        over = need - np.abs(place[:, np.newaxis] - place)
        one, other = np.nonzero(np.triu((over > 1e-6).all(axis=2), 1))
        if not len(one):
            break
        row, axis = np.arange(len(one)), over[one, other].argmin(axis=1)
        push = np.zeros((len(one), 2))
        sign = np.where(place[one, axis] < place[other, axis], -1.0, 1.0)
        push[row, axis] = sign * 0.51 * over[one, other, axis]
        place = place * 1.002
        np.add.at(place, one, push)
        np.add.at(place, other, -push)
    return place


@dataclass(frozen=True, slots=True)
class Layout(Places):
    """A picture of a network: the drawn members (positions in the holdings), their radius and their links.

    Links are in places of `members`; `is_backbone` marks those of the spanning tree, to be drawn if all are too many.
    """

    members: Codes
    radius: Array
    links: Links
    is_backbone: npt.NDArray[np.bool_]


def lay_out(networks: Networks, number: int, most: int = 500) -> Layout:
    """Return the layout of a network, earlier members rather to the left; of a large one, the `most` best linked."""
    links = networks.links_of(number)
    members = _best_linked(networks.members_of(number), links, most)
    links = links.keep(np.isin(links.first, members) & np.isin(links.second, members))
    links = Links(np.searchsorted(members, links.first), np.searchsorted(members, links.second), links.weight)
    n, degree = len(members), np.bincount(np.concatenate([links.first, links.second]), minlength=len(members))
    usual = float(np.clip(np.sqrt(_INKED / (np.pi * max(n, 1))), _SMALLEST, _LARGEST))
    radius = usual * (0.75 + (_HUB - 0.75) * np.sqrt(degree / max(int(degree.max(initial=0)), 1)))
    room = np.repeat(radius[:, np.newaxis] + usual * _APART / 2, 2, axis=1)
    names = [str(name) for name in networks.holdings.seller_ids[members]]
    places = place_members(names, links, room, networks.holdings.joined[members])
    tree = strongest_links(links)
    is_backbone = np.isin(links.first * n + links.second, tree.first * n + tree.second)
    where = places.x, places.y, places.part, places.height, places.scale
    return Layout(*where, members, (radius * places.scale).round(5), links, is_backbone)


def _best_linked(members: Codes, links: Links, most: int) -> Codes:
    if len(members) <= most:
        return members
    ends = np.searchsorted(members, np.concatenate([links.first, links.second]))
    degree = np.bincount(ends, minlength=len(members))
    best: Codes = np.sort(members[np.argsort(-degree, kind="stable")[:most]])
    return best
