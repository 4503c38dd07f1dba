"""A network read by itself says what it says among the others, and the catalogue counts as they do."""

from pathlib import Path

import numpy as np
import pytest

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.layout import lay_out
from ipml.cooperation.networks.roles import find_near, guess_roles
from ipml.cooperation.networks.store import ORDERS, add_up, find_number, list_networks, load_network, store_networks
from ipml.cooperation.networks.ties import explain_tie, tell_timeline
from ipml.errors import NotFound


@pytest.fixture(scope="module")
def folder(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the networks were kept."""
    folder = tmp_path_factory.mktemp("kept") / "networks"
    store_networks(networks, folder)
    return folder


@pytest.fixture(scope="module")
def numbers(networks: Networks) -> list[int]:
    """Return the numbers of all networks."""
    return networks.numbers


def test_a_network_by_itself_says_what_it_says_among_the_others(networks: Networks, folder: Path, numbers: list[int]):
    """Roles, hypotheses, timeline, picture, and what any two members share."""
    for number in numbers:
        alone = load_network(folder, number)
        assert guess_roles(alone, number).role == guess_roles(networks, number).role
        assert guess_roles(alone, number).hypotheses == guess_roles(networks, number).hypotheses
        assert tell_timeline(alone, number) == tell_timeline(networks, number)
        assert np.array_equal(lay_out(alone, number).x, lay_out(networks, number).x)
        own, members = alone.members_of(number), networks.members_of(number)
        for place in range(1, len(members), 3):
            assert explain_tie(alone, own[0], own[place]) == explain_tie(networks, members[0], members[place])


def test_sellers_near_networks_are_found_for_all_at_once(networks: Networks, numbers: list[int]):
    """They are those that are found for each."""
    near, whose = find_near(networks)
    for number in numbers:
        assert near[whose == number].tolist() == find_near(networks, number)[0].tolist()


def test_the_catalogue_counts_members_and_links(networks: Networks, folder: Path, numbers: list[int]):
    """As the networks do, in every order that can be asked for, and no further than asked."""
    for order in ORDERS:
        listed, count = list_networks(folder, order)
        assert count == len(numbers)
        assert sorted(one.number for one in listed) == numbers
    for one in listed:
        assert one.members == len(networks.members_of(one.number))
        assert one.links == len(networks.links_of(one.number).first)
        assert one.shared
    assert [one.members for one in list_networks(folder, most=2)[0]] == sorted(one.members for one in listed)[:-3:-1]


def test_the_network_of_a_seller_is_found_by_their_name(networks: Networks, folder: Path):
    """And of who is in none, none."""
    for place in (0, *networks.members_of(1)[:3]):
        number = int(networks.numbering.number[place])
        assert find_number(folder, str(networks.holdings.seller_ids[place])) == (number or None)


def test_what_is_counted_by_seller_adds_up_by_network(networks: Networks, folder: Path, numbers: list[int]):
    """Sellers in no network, and names that nobody has, count for none."""
    counted = {str(name): 2 for name in networks.holdings.seller_ids} | {"nobody": 7}
    sums = add_up(folder, counted)
    assert sums == {number: 2 * len(networks.members_of(number)) for number in numbers}


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path):
    """A number that was never given, and a folder without networks."""
    with pytest.raises(NotFound, match="numbers were given"):
        load_network(folder, 10_000)
    with pytest.raises(NotFound, match="No networks"):
        load_network(tmp_path, 1)
    with pytest.raises(NotFound, match="No networks"):
        list_networks(tmp_path)
