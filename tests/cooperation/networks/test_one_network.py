"""What is said of one network: ties, newcomers, roles, sales, and that it all comes back from its folder."""

import numpy as np
import pandas as pd
import pytest

from ipml.cooperation.networks.detection import add_events
from ipml.cooperation.networks.roles import NetworkRole, describe_network, guess_roles
from ipml.cooperation.networks.sales import estimate_total
from ipml.cooperation.networks.store import load_networks, restore_interrupted, store_networks
from ipml.cooperation.networks.ties import explain_tie, find_newcomers
from ipml.errors import NotFound


@pytest.fixture(scope="module")
def largest(networks):
    """The number of the largest network."""
    return int(np.bincount(networks.numbering.number)[1:].argmax()) + 1


def test_a_link_weighs_what_its_evidence_says(networks):
    """The bits of a tie are those by which it was linked."""
    links = networks.links
    for place in range(0, len(links.first), 20):
        tie = explain_tie(networks, int(links.first[place]), int(links.second[place]))
        assert tie.bits == pytest.approx(links.weight[place] / 100)


def test_a_new_account_is_flagged_on_the_day_it_lists(sellers, networks, largest):
    """It uses the payout and the picture of a member; nobody else is flagged, and the number stays."""
    members = networks.holdings.seller_ids[networks.members_of(largest)]
    rows = sellers.attributes
    paid = rows["seller_id"][rows["seller_id"].isin(members) & (rows["kind"] == "payout")]
    rows = rows[rows["seller_id"] == paid.min()]
    used = rows[rows["kind"].isin(["payout", "image"])].assign(
        seller_id="new", seen_at=sellers.attributes["seen_at"].max() + pd.Timedelta(days=1)
    )
    after = add_events(networks, used)
    (newcomer,) = find_newcomers(networks, after)
    assert (newcomer.seller_id, newcomer.network) == ("new", largest)
    assert newcomer.tie.shared


def test_networks_come_back_from_their_folder(networks, tmp_path):
    """Links, groups, numbers and rules are the same; a folder without networks is named."""
    store_networks(networks, tmp_path / "networks")
    again = load_networks(tmp_path / "networks")
    assert again.links.weight.tolist() == networks.links.weight.tolist()
    assert np.array_equal(again.links.first, networks.links.first)
    assert np.array_equal(again.group, networks.group)
    assert np.array_equal(again.numbering.number, networks.numbering.number)
    assert (again.numbering.given, again.rules) == (networks.numbering.given, networks.rules)
    with pytest.raises(NotFound, match="No networks"):
        load_networks(tmp_path)


def test_networks_survive_a_kill_while_they_are_replaced(networks, tmp_path):
    """Killed after the old ones were moved aside: they are put back, and then replaced as ever."""
    folder = tmp_path / "networks"
    store_networks(networks, folder)
    folder.rename(tmp_path / "networks.old")
    restore_interrupted(folder)
    assert load_networks(folder).numbering.given == networks.numbering.given
    folder.rename(tmp_path / "networks.old")
    store_networks(networks, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["networks"]


def test_one_source_at_most_and_beliefs_are_shares(networks, largest):
    """What all hypotheses leave to one is that it is somebody else."""
    roles = guess_roles(networks, largest)
    assert len(roles.role) == len(roles.members)
    assert sum(role is NetworkRole.SOURCE for role in roles.role) <= 1
    assert 0.5 < sum(hypothesis.belief for hypothesis in roles.hypotheses) < 1
    assert all(hypothesis.reasons for hypothesis in roles.hypotheses)


def test_a_description_names_a_hypothesis_as_one(networks, largest):
    """Members, links with what is shared, and a timeline are there; a number without network is refused."""
    text = "\n".join(describe_network(networks, largest, 5))
    assert all(word in text for word in ("hypothesis", "somebody else", "Members", "Links", "the same", "Timeline"))
    with pytest.raises(NotFound, match="No network"):
        next(iter(describe_network(networks, 10_000)))


def test_the_total_of_what_is_known_is_the_least():
    """No draw takes away what was seen; where all is known there is nothing to draw."""
    known = np.array([0.0, 3.0, 40.0])
    estimate = estimate_total(known, 30, [np.array([1.0, 2.0, 500.0])])
    assert 43 <= estimate.low <= estimate.total <= estimate.high
    assert estimate_total(known, 3, [known]).high == 43
