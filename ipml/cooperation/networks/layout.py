"""Where the members of a network stand in a picture of it: who is linked stands together, parts stand apart.

The picture is one of stress majorisation (Gansner, Koren and North 2004): distances on the page come as near as they
can to distances along links. Members of one part are near each other whatever links them, parts are as far from each
other as their sizes need. The same network gives the same picture, and one that has grown a similar one.

A part is a community: members linked more among each other than with the rest, such as a distributor's accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, shortest_path

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.links import Links
from ipml.cooperation.networks.ties import strongest_links

Codes = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_LEAST_GAIN = 1e-12  # less is rounding


def find_communities(weights: Array) -> Codes:
    """Return the part of each member, largest part first (0), from how much each two have in common.

    Parts are joined, two at a time, for as long as that makes more of the links lie within parts than chance would
    (modularity: Clauset, Newman and Moore 2004). Of equals the earlier are joined first, so that the same links give
    the same parts.

    Parameters
    ----------
    weights : array of shape (n_members, n_members)
        Symmetric, 0 where two are not linked.

    Examples
    --------
    >>> weights = np.kron(np.eye(2), np.ones((3, 3)))
    >>> weights[0, 5] = weights[5, 0] = 1
    >>> find_communities(weights).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    part = np.arange(len(weights))
    total = float(weights.sum())
    if total:
        within = weights / total
        np.fill_diagonal(within, 0.0)
        part = _join_parts(within, within.sum(axis=1))
    return _largest_first(part)


def _join_parts(within: Array, strength: Array) -> Codes:
    """Join parts until no two are better joined; return for each member the first of its part."""
    n = len(strength)
    part = np.arange(n)
    gain = np.where(within > 0, within - np.outer(strength, strength), -np.inf)
    np.fill_diagonal(gain, -np.inf)
    best = gain.max(axis=1)
    while best.max(initial=-np.inf) > _LEAST_GAIN:
        pair = int(best.argmax())
        one, other = sorted((pair, int(gain[pair].argmax())))
        within[one] += within[other]
        within[:, one] = within[one]
        within[one, one] = 0.0
        strength[one] += strength[other]
        within[other] = within[:, other] = 0.0
        strength[other] = 0.0
        gain[other] = gain[:, other] = -np.inf
        fresh = np.where(within[one] > 0, within[one] - strength[one] * strength, -np.inf)
        gain[one] = gain[:, one] = fresh
        best = gain.max(axis=1)
        part[part == other] = one
    return part


def _largest_first(part: Codes) -> Codes:
    _, first, code, sizes = np.unique(part, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    named: Codes = rank[code]
    return named


_TURNS = 30  # of the power method, for where to begin
_STEPS = 60  # of stress majorisation; more change little that one sees
_PUSHES = 120  # at most, until no two members overlap
_SPACING = 0.5  # room for a member of a part, as a part of a link's length
_GAP = 1.2  # between two parts that are linked
_LOOSE_GAP = 2.0  # to what no chain of links leads to
_FLATTEST, _TALLEST = 0.5, 0.68  # height of the picture, its width being 1
_INKED = 0.085  # the part of the picture that members cover
_SMALLEST, _LARGEST = 0.004, 0.022  # radius of a member with links as most have
_HUB = 1.7  # how much larger the best linked are
_APART = 0.45  # least gap between two members, in radii
_MARGIN = 0.03


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture of a network: the width is 1, the height given; x to the right, y downwards.

    Attributes
    ----------
    members : array of shape (n_members,)
        Positions in the holdings of those that are drawn, in order.
    x, y, radius : arrays of shape (n_members,)
        Where each stands, and how large: the more links, the larger. No two overlap.
    part : array of shape (n_members,)
        Which members stand together, the largest part first (0).
    links : Links
        All links within the network, in places of `members`.
    is_backbone : array of shape (n_links,)
        The strongest links that join all who are linked: what to draw where all would be too many.
    height : float
        Of the picture, at most 1.
    """

    members: Codes
    x: Array
    y: Array
    radius: Array
    part: Codes
    links: Links
    is_backbone: npt.NDArray[np.bool_]
    height: float


def lay_out(networks: Networks, number: int, most: int = 500) -> Layout:
    """Return where the members of a network stand; the earlier of them rather to the left.

    Parameters
    ----------
    most : int, default=500
        How many are drawn; of a larger network those with the most links.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.cooperation.networks.detection import find_networks
    >>> days = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta([0, 5], unit="D")
    >>> rows = {"seller_id": ["ann", "ben"], "kind": "payout", "value": "x", "seen_at": days}
    >>> layout = lay_out(find_networks(pd.DataFrame(rows)), 1)
    >>> layout.x.round(2).tolist(), layout.y.round(2).tolist(), layout.height
    ([0.06, 0.94], [0.25, 0.25], 0.5)
    """
    links = networks.links_of(number)
    members = _best_linked(networks.members_of(number), links, most)
    links = links.keep(np.isin(links.first, members) & np.isin(links.second, members))
    links = Links(np.searchsorted(members, links.first), np.searchsorted(members, links.second), links.weight)
    weights = _as_matrix(links, len(members))
    part = find_communities(weights)
    place = _majorise(_wanted_distances(weights > 0, part))
    place = _turn(place, networks.holdings.joined[members])
    x, y, radius, height = _fit(place, (weights > 0).sum(axis=1))
    tree = strongest_links(links)
    n = max(len(members), 1)
    is_backbone = np.isin(links.first * n + links.second, tree.first * n + tree.second)
    return Layout(members, x, y, radius, part, links, is_backbone, height)


def _best_linked(members: Codes, links: Links, most: int) -> Codes:
    if len(members) <= most:
        return members
    ends = np.searchsorted(members, np.concatenate([links.first, links.second]))
    degree = np.bincount(ends, minlength=len(members))
    best: Codes = np.sort(members[np.argsort(-degree, kind="stable")[:most]])
    return best


def _as_matrix(links: Links, n: int) -> Array:
    weights = np.zeros((n, n))
    weights[links.first, links.second] = weights[links.second, links.first] = links.weight
    return weights


def _wanted_distances(is_linked: npt.NDArray[np.bool_], part: Codes) -> Array:
    """Return how far from each other each two should stand: along links, parts being as wide as they need."""
    wide = _SPACING * np.sqrt(np.bincount(part, minlength=1))
    within = np.maximum(wide, 1.0)[part]
    between = wide[part][:, np.newaxis] + wide[part] + _GAP
    lengths = np.where(part[:, np.newaxis] == part, within, between)
    edges = np.where(is_linked, lengths, 0.0)
    _join_loose(edges, is_linked, wide[part])
    distances: Array = shortest_path(csr_array(edges), directed=False)
    return distances


def _join_loose(edges: Array, is_linked: npt.NDArray[np.bool_], wide: Array) -> None:
    """Tie what no chain of links leads to to the best linked member."""
    degree = is_linked.sum(axis=1)
    n_pieces, piece = connected_components(csr_array(is_linked), directed=False)
    if n_pieces == 1:
        return
    hub = int(degree.argmax())
    for one in range(n_pieces):
        own = np.flatnonzero(piece == one)
        head = int(own[degree[own].argmax()])
        if piece[hub] != one:
            edges[head, hub] = edges[hub, head] = wide[head] + wide[hub] + _LOOSE_GAP


def _majorise(distances: Array) -> Array:
    """Return places, shape (n, 2), whose distances come near to those wanted, near ones above all."""
    n = len(distances)
    if n < 3:
        return np.array([[0.0, 0.0], [1.0, 0.0]])[:n]
    place = _scale_classically(distances)
    weight = np.zeros_like(distances)
    np.divide(1.0, distances**2, out=weight, where=distances > 0)
    pull = weight * distances
    total = weight.sum(axis=1)[:, np.newaxis]
    for _ in range(_STEPS):
        # Each goes to where all others would have it, on the mean.
        ratio = pull / np.maximum(_distances(place), 1e-9)
        place = (_multiply(weight - ratio, place) + place * ratio.sum(axis=1)[:, np.newaxis]) / total
    return place


def _scale_classically(distances: Array) -> Array:
    """Return places by classical scaling; the sign of an axis is that of its farthest member."""
    squared = distances**2
    middle = squared.mean(axis=0)
    product = -0.5 * (squared - middle - middle[:, np.newaxis] + middle.mean())
    axes = _main_axes(product)
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    # Members with the same links would stand on one point for good.
    angle = np.arange(len(axes)) * 2.399963
    spread = 0.05 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    placed: Array = axes + spread
    return placed


def _main_axes(product: Array) -> Array:
    """Return the two main axes of a symmetric matrix, nearly: what follows only begins from them."""
    rows = np.arange(len(product))
    axes = np.stack([np.cos(2.399963 * rows), np.sin(2.399963 * rows)], axis=1)
    length = np.ones(2)
    for _ in range(_TURNS):
        axes = _multiply(product, axes)
        axes[:, 1] -= axes[:, 0] * (axes[:, 0] * axes[:, 1]).sum() / max((axes[:, 0] ** 2).sum(), 1e-12)
        length = np.maximum(np.sqrt((axes**2).sum(axis=0)), 1e-12)
        axes = axes / length
    scaled: Array = axes * np.sqrt(length)
    return scaled


def _distances(place: Array) -> Array:
    x, y = place.T
    distances: Array = np.sqrt((x[:, np.newaxis] - x) ** 2 + (y[:, np.newaxis] - y) ** 2)
    return distances


def _multiply(matrix: Array, place: Array) -> Array:
    # As `matrix @ place`, whose threads would wait for each other longer than they work.
    return np.stack([(matrix * column).sum(axis=1) for column in place.T], axis=1)


def _turn(place: Array, joined: Codes) -> Array:
    """Turn a picture so that it is widest from left to right, those who came first rather to the left and above."""
    if len(place) < 3:
        return place[np.argsort(np.argsort(joined, kind="stable"))]
    place = place - place.mean(axis=0)
    _, axes = np.linalg.eigh(place.T @ place)
    turned: Array = place @ axes[:, ::-1]
    since = np.argsort(np.argsort(joined, kind="stable"), kind="stable") - (len(joined) - 1) / 2
    return turned * np.where(since @ turned < 0, -1.0, 1.0)


def _fit(place: Array, degree: Codes) -> tuple[Array, Array, Array, float]:
    """Return x, y, radius and height of a picture of width 1 in which no two members overlap."""
    n = len(place)
    if not n:
        return np.zeros(0), np.zeros(0), np.zeros(0), _FLATTEST
    low, high = place.min(axis=0), place.max(axis=0)
    spans = np.maximum(high - low, 1e-9)
    tall = float(np.clip(spans[1] / spans[0], _FLATTEST, _TALLEST)) if n > 2 else _FLATTEST
    target = np.array([1.0, tall])
    # Stretched by no more than half as much again, or a line of members would become a cloud.
    scale = target / spans
    scale = np.minimum(scale, 1.5 * scale.min()) if n > 2 else np.array([scale[0], 0.0])
    place = (place - (low + high) / 2) * scale + target / 2
    usual = float(np.clip(np.sqrt(_INKED * tall / (np.pi * n)), _SMALLEST, _LARGEST))
    share = np.sqrt(degree / max(int(degree.max()), 1))
    radius = usual * (0.75 + (_HUB - 0.75) * share)
    place = _push_apart(place, radius, usual * _APART)
    return _into_frame(place, radius)


def _push_apart(place: Array, radius: Array, gap: float) -> Array:
    """Move members who overlap away from each other, as little as it takes."""
    need = radius[:, np.newaxis] + radius + gap
    np.fill_diagonal(need, 0.0)
    for _ in range(_PUSHES):
        one, other = np.nonzero(np.triu(need - _distances(place) > 1e-6, 1))
        if not len(one):
            break
        away = place[one] - place[other]
        length = np.maximum(np.sqrt((away**2).sum(axis=1)), 1e-6)
        push = away * (0.5 * (need[one, other] * 1.02 - length) / length)[:, np.newaxis]
        move = np.zeros_like(place)
        np.add.at(move, one, push)
        np.add.at(move, other, -push)
        place = place + move
    return place


def _into_frame(place: Array, radius: Array) -> tuple[Array, Array, Array, float]:
    """Scale a picture to a width of 1, members and all, with a margin around it."""
    low, high = (place - radius[:, np.newaxis]).min(axis=0), (place + radius[:, np.newaxis]).max(axis=0)
    room = 1.0 - 2 * _MARGIN
    scale = min(room / (high[0] - low[0]), room / (high[1] - low[1]))
    height = float(np.clip((high[1] - low[1]) * scale + 2 * _MARGIN, _FLATTEST, 1.0))
    place = (place - (low + high) / 2) * scale + np.array([0.5, height / 2])
    return place[:, 0].round(5), place[:, 1].round(5), (radius * scale).round(5), height
