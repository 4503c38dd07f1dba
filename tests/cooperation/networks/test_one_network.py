"""What is said of one network, its picture, and that it all comes back from its folder."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.actions import ENFORCING
from support.databases import on_both

from ipml.cooperation.networks import store
from ipml.cooperation.networks.attributes import KINDS
from ipml.cooperation.networks.detection import Networks, add_events, find_networks
from ipml.cooperation.networks.layout import find_communities, lay_out
from ipml.cooperation.networks.roles import NetworkRole, describe_network, find_near, guess_roles
from ipml.cooperation.networks.sales import estimate_total
from ipml.cooperation.networks.ties import explain_tie, find_newcomers, find_strands, tell_timeline
from ipml.cooperation.networks.view import read_members
from ipml.errors import NotFound
from ipml.kit.moments import from_microseconds
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide, list_decisions
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of


@pytest.fixture(scope="module")
def largest(networks):
    """The number of the largest network."""
    return int(np.bincount(networks.numbering.number)[1:].argmax()) + 1


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


def test_networks_come_back_from_their_folder(networks, folder):
    """Links, groups, numbers and rules are the same."""
    again = store.load_networks(folder)
    assert again.links.weight.tolist() == networks.links.weight.tolist()
    assert np.array_equal(again.links.first, networks.links.first)
    assert np.array_equal(again.group, networks.group)
    assert np.array_equal(again.numbering.number, networks.numbering.number)
    assert (again.numbering.given, again.rules) == (networks.numbering.given, networks.rules)


def test_networks_survive_a_kill_while_they_are_replaced(networks, tmp_path):
    """Killed after the old ones were moved aside: they are put back, and then replaced as ever."""
    folder = tmp_path / "networks"
    store.store_networks(networks, folder)
    folder.rename(tmp_path / "networks.old")
    store.restore_interrupted(folder)
    assert store.load_networks(folder).numbering.given == networks.numbering.given
    folder.rename(tmp_path / "networks.old")
    store.store_networks(networks, folder)
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


# A network read by itself says what it says among the others, and the catalogue counts as they do
@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    """Return a folder in which the networks were kept."""
    folder = tmp_path_factory.mktemp("kept") / "networks"
    store.store_networks(networks, folder)
    return folder


@pytest.fixture(scope="module")
def numbers(networks):
    """Return the numbers of all networks."""
    return networks.numbers


def test_a_network_by_itself_says_what_it_says_among_the_others(networks, folder, numbers):
    """Roles, hypotheses, timeline, picture, and what any two members share."""
    for number in numbers:
        alone = store.load_network(folder, number)
        assert guess_roles(alone, number).role == guess_roles(networks, number).role
        assert guess_roles(alone, number).hypotheses == guess_roles(networks, number).hypotheses
        assert tell_timeline(alone, number) == tell_timeline(networks, number)
        assert np.array_equal(lay_out(alone, number).x, lay_out(networks, number).x)
        own, members = alone.members_of(number), networks.members_of(number)
        for place in range(1, len(members), 3):
            assert explain_tie(alone, own[0], own[place]) == explain_tie(networks, members[0], members[place])


def test_sellers_near_networks_are_found_for_all_at_once(networks, numbers):
    """They are those that are found for each."""
    near, whose = find_near(networks)
    for number in numbers:
        assert near[whose == number].tolist() == find_near(networks, number)[0].tolist()


def test_the_catalogue_counts_members_and_links(networks, folder, numbers):
    """As the networks do, in every order that can be asked for, and no further than asked."""
    for order in store.ORDERS:
        listed, count = store.list_networks(folder, order)
        assert count == len(numbers)
        assert sorted(one.number for one in listed) == numbers
    for one in listed:
        assert one.members == len(networks.members_of(one.number))
        assert one.links == len(networks.links_of(one.number).first)
        assert one.shared
    assert [one.members for one in store.list_networks(folder, most=2)[0]] == sorted(one.members for one in listed)[
        :-3:-1
    ]


def test_the_network_of_a_seller_is_found_by_their_name(networks, folder, numbers):
    """And of who is in none, none, who counts for none where what is counted by seller is added up."""
    for place in (0, *networks.members_of(1)[:3]):
        number = int(networks.numbering.number[place])
        assert store.find_number(folder, str(networks.holdings.seller_ids[place])) == (number or None)
    counted = {str(name): 2 for name in networks.holdings.seller_ids} | {"nobody": 7}
    assert store.add_up(folder, counted) == {number: 2 * len(networks.members_of(number)) for number in numbers}


def test_what_is_not_there_is_said(folder, tmp_path):
    """A number that was never given, and a folder without networks."""
    with pytest.raises(NotFound, match="numbers were given"):
        store.load_network(folder, 10_000)
    for ask in (store.load_networks, store.list_networks, lambda place: store.load_network(place, 1)):
        with pytest.raises(NotFound, match="No networks"):
            ask(tmp_path)


# What a link is made of is what its evidence names
def test_strands_are_those_of_the_evidence(networks):
    """The kinds that say anything, and the first day on which both had the same thing; of no links there are none."""
    everybody = np.arange(networks.holdings.n_sellers)
    strands = find_strands(networks, everybody, networks.links)
    for place in range(0, len(networks.links.first), 25):
        tie = explain_tie(networks, int(networks.links.first[place]), int(networks.links.second[place]))
        telling = [thing for thing in tie.shared if thing.bits]
        assert {KINDS[kind] for kind in np.flatnonzero(strands.kinds[place])} == {thing.kind for thing in telling}
        since = min(max(thing.first_since, thing.second_since) for thing in telling)
        assert from_microseconds(int(strands.since[place])) == since
        assert tie.bits == pytest.approx(networks.links.weight[place] / 100)  # by which they were linked
    nothing = networks.links.keep(np.zeros(len(networks.links.first), dtype=bool))
    for some in (np.arange(3), np.zeros(0, dtype=np.int64)):
        assert len(find_strands(networks, some, nothing).since) == 0


# What the review database knows of members, by whatever name the network gives them
@pytest.fixture
def worked(engine):
    """Return a queue in which ann has four cases, two of them found counterfeit, and ben an open one."""
    goods = {"Tote bag": "Vellmar", "Leather belt": "Vellmar", "Headphones, encrypted": "Aurivo", "Old chair": None}
    listings = [Listing(title, "ann", title, brand=brand) for title, brand in goods.items()]
    listings.append(Listing("B1", "ben", "Watch", brand="Nordhale"))
    enqueue(engine, [ScoredListing(one, 0.9, 2.2, (), (), None, "1") for one in listings])
    for case_id, verdict in ((1, Verdict.COUNTERFEIT), (2, Verdict.COUNTERFEIT), (3, Verdict.GENUINE)):
        ground = "known_goods" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(connection, DecisionRequest(claim(connection, "ana", case_id), verdict, ground), context=ENFORCING)
    return engine


@on_both
def test_cases_decisions_and_strikes_are_counted(worked):
    """Of each member; who has no case is left out, and names that no database holds."""
    with reading(worked) as connection:
        known = read_members(connection, ["ann", "ben", "cid", "d\0e"])
    assert known.keys() == {"ann", "ben"}
    ann = known["ann"]
    assert (ann.cases, ann.open, ann.confirmed, ann.strikes, ann.case_id) == (4, 1, 2, 2, 4)
    assert ann.brands == ("Vellmar", "Aurivo")


def test_what_is_taken_back_or_hidden_does_not_count(worked):
    """A decision that was undone, and a case that must not show."""
    with writing(worked) as connection:
        decision = list_decisions(connection, 1)[0]
        undo(connection, decision.decision_id, UndoRequest("ana"), context=ENFORCING)
        ann = read_members(connection, ["ann"])["ann"]
    assert (ann.open, ann.confirmed, ann.strikes) == (2, 1, 1)
    with reading(worked) as connection:
        ann = read_members(connection, ["ann"], hidden={2, 4})["ann"]
    assert (ann.cases, ann.confirmed, ann.strikes, ann.case_id) == (2, 0, 0, 3)


def test_members_are_found_by_their_pseudonyms(worked):
    """Under the name by which they were asked for."""
    with writing(worked) as connection:
        pseudonym = pseudonym_of(connection, "ann")
    with reading(worked) as connection:
        assert read_members(connection, [pseudonym])[pseudonym] == read_members(connection, ["ann"])["ann"]


@pytest.fixture(scope="module")
def layout(networks):
    """Return the picture of the largest planted network."""
    return lay_out(networks, _largest(networks))


def _largest(networks: Networks) -> int:
    return int(np.bincount(networks.numbering.number)[1:].argmax()) + 1


def test_the_same_network_gives_the_same_picture(sellers, networks, layout):
    """However the rows came in."""
    shuffled = sellers.attributes.sample(frac=1.0, random_state=5)
    again = lay_out(find_networks(shuffled), _largest(networks))
    assert np.array_equal(again.x, layout.x)
    assert np.array_equal(again.y, layout.y)


def test_all_are_in_the_frame_and_no_two_overlap(networks):
    """In every network that was found."""
    for number in networks.numbers:
        one = lay_out(networks, number)
        apart = np.hypot(one.x[:, np.newaxis] - one.x, one.y[:, np.newaxis] - one.y)
        apart -= one.radius[:, np.newaxis] + one.radius
        assert (apart[~np.eye(len(one.x), dtype=bool)] > 0).all()
        assert ((one.x >= one.radius) & (one.x <= 1 - one.radius)).all()
        assert ((one.y >= one.radius) & (one.y <= one.height - one.radius)).all()


def test_who_is_linked_stands_nearer(layout):
    """On the median at most two thirds as far from each other as two members who are not."""
    apart = np.hypot(layout.x[:, np.newaxis] - layout.x, layout.y[:, np.newaxis] - layout.y)
    is_linked = np.zeros_like(apart, dtype=bool)
    is_linked[layout.links.first, layout.links.second] = True
    is_other = np.triu(~is_linked, 1)
    assert np.median(apart[is_linked]) < 0.67 * np.median(apart[is_other])


def test_the_backbone_joins_all_who_are_linked(layout):
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
def test_cliques_that_are_hardly_linked_are_parts(sizes):
    """Each its own, the largest first."""
    cliques = np.repeat(np.arange(len(sizes)), sizes)
    weights = (cliques[:, np.newaxis] == cliques) * 100.0
    ends = np.cumsum(sizes)[:-1]
    weights[ends - 1, ends] = weights[ends, ends - 1] = 1.0
    np.fill_diagonal(weights, 0.0)
    part = find_communities(nx.from_numpy_array(weights))
    assert len({*zip(part.tolist(), cliques.tolist(), strict=True)}) == len(sizes) == part.max() + 1
    assert (np.diff(np.bincount(part)) <= 0).all()
