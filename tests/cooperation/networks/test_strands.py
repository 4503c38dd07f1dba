"""What a link is made of is what its evidence names."""

import numpy as np

from ipml.cooperation.networks.attributes import KINDS
from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.ties import explain_tie, find_strands
from ipml.kit.moments import from_microseconds


def test_strands_are_those_of_the_evidence(networks: Networks):
    """The kinds that say anything, and the first day on which both had the same thing."""
    everybody = np.arange(networks.holdings.n_sellers)
    strands = find_strands(networks, everybody, networks.links)
    for place in range(0, len(networks.links.first), 25):
        tie = explain_tie(networks, int(networks.links.first[place]), int(networks.links.second[place]))
        telling = [thing for thing in tie.shared if thing.bits]
        assert {KINDS[kind] for kind in np.flatnonzero(strands.kinds[place])} == {thing.kind for thing in telling}
        since = min(max(thing.first_since, thing.second_since) for thing in telling)
        assert from_microseconds(int(strands.since[place])) == since


def test_of_no_links_there_are_no_strands(networks: Networks):
    """Nor of nobody."""
    nothing = networks.links.keep(np.zeros(len(networks.links.first), dtype=bool))
    assert len(find_strands(networks, np.arange(3), nothing).since) == 0
    assert len(find_strands(networks, np.zeros(0, dtype=np.int64), nothing).since) == 0
