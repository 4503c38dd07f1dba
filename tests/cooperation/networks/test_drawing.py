"""Laws of the picture of a network: the same for the same network, nobody hidden, who is linked stands together."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.cooperation.networks.detection import Networks, find_networks
from ipml.cooperation.networks.layout import Layout, find_communities, lay_out


@pytest.fixture(scope="module")
def layout(networks: Networks) -> Layout:
    """Return the picture of the largest planted network."""
    return lay_out(networks, _largest(networks))


def _largest(networks: Networks) -> int:
    return int(np.bincount(networks.numbering.number)[1:].argmax()) + 1


def test_the_same_network_gives_the_same_picture(sellers, networks: Networks, layout: Layout):
    """However the rows came in."""
    shuffled = sellers.attributes.sample(frac=1.0, random_state=5)
    again = lay_out(find_networks(shuffled), _largest(networks))
    assert np.array_equal(again.x, layout.x)
    assert np.array_equal(again.y, layout.y)


def test_all_are_in_the_frame_and_no_two_overlap(networks: Networks):
    """In every network that was found."""
    for number in networks.numbers:
        one = lay_out(networks, number)
        apart = np.hypot(one.x[:, np.newaxis] - one.x, one.y[:, np.newaxis] - one.y)
        apart -= one.radius[:, np.newaxis] + one.radius
        assert (apart[~np.eye(len(one.x), dtype=bool)] > 0).all()
        assert ((one.x >= one.radius) & (one.x <= 1 - one.radius)).all()
        assert ((one.y >= one.radius) & (one.y <= one.height - one.radius)).all()


def test_who_is_linked_stands_nearer(layout: Layout):
    """On the median at most two thirds as far from each other as two members who are not."""
    apart = np.hypot(layout.x[:, np.newaxis] - layout.x, layout.y[:, np.newaxis] - layout.y)
    is_linked = np.zeros_like(apart, dtype=bool)
    is_linked[layout.links.first, layout.links.second] = True
    is_other = np.triu(~is_linked, 1)
    assert np.median(apart[is_linked]) < 0.67 * np.median(apart[is_other])


def test_the_backbone_joins_all_who_are_linked(layout: Layout):
    """And has no link too many."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    def count_pieces(first: np.ndarray, second: np.ndarray) -> int:
        n = len(layout.members)
        return connected_components(coo_array((np.ones(len(first)), (first, second)), shape=(n, n)))[0]

    kept = layout.links.keep(layout.is_backbone)
    pieces = count_pieces(layout.links.first, layout.links.second)
    assert count_pieces(kept.first, kept.second) == pieces
    assert len(kept.first) == len(layout.members) - pieces


@given(st.lists(st.integers(3, 8), min_size=1, max_size=6))
def test_cliques_that_are_hardly_linked_are_parts(sizes: list[int]):
    """Each its own, the largest first."""
    cliques = np.repeat(np.arange(len(sizes)), sizes)
    weights = (cliques[:, np.newaxis] == cliques) * 100.0
    ends = np.cumsum(sizes)[:-1]
    weights[ends - 1, ends] = weights[ends, ends - 1] = 1.0
    np.fill_diagonal(weights, 0.0)
    part = find_communities(nx.from_numpy_array(weights))
    assert len({*zip(part.tolist(), cliques.tolist(), strict=True)}) == len(sizes) == part.max() + 1
    assert (np.diff(np.bincount(part)) <= 0).all()
