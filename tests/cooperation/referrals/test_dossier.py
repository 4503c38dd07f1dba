"""What the database knows of a network, joined to it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from support.consequences import COOPERATION

from experiments.cooperation.referral_market import NOON
from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.referrals.dossier import CaseListing, join_network, keep_brand, latest_of_each
from ipml.cooperation.referrals.ranking import estimate_effort, read_signs
from ipml.errors import NotFound
from ipml.money import Money
from ipml.records import Verdict
from ipml.review.ranking.policy import load_policy
from ipml.review.reversals import undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import decisions, notice_items, notices, notifiers


def join(market, **options):
    """Return the dossier of the first network."""
    with reading(market.engine) as connection:
        return join_network(connection, market.networks, market.numbers[0], **options)


def test_members_have_what_was_decided_on_them(market):
    """Confirmed listings with their evidence, strikes, measures in force, brands, grounds and countries."""
    dossier = join(market)
    assert len(dossier.members) == len(market.networks.members_of(market.numbers[0]))
    assert all(one.evidence_digest and one.is_restricted for one in dossier.confirmed)
    struck = {one.key: one.n_strikes for one in dossier.members}
    found = pd.Series([one.member for one in dossier.confirmed]).value_counts()
    assert {key: count for key, count in struck.items() if count} == found.to_dict()
    assert dossier.grounds.keys() == {"declared_replica"}
    assert {"Calder", "Nordvik", "Ossian"} <= dossier.brands.keys()


def test_what_is_taken_back_counts_no_more(market):
    """Neither as counterfeit, nor as a strike, nor as a restriction."""
    before = join(market)
    one = before.confirmed[0]
    with reading(market.engine) as connection:
        number = connection.scalar(select(decisions.c.decision_id).where(decisions.c.case_id == one.case_id))
    with writing(market.engine) as connection:
        undo(connection, number, "lea", may_undo_others=True, why="mistaken", now=NOON, consequences=COOPERATION)
    after = join(market)
    (now,) = [each for each in after.listings if each.case_id == one.case_id]
    assert (now.verdict, now.is_restricted, now.evidence_digest) == (None, False, "")
    assert sum(member.n_strikes for member in after.members) == sum(member.n_strikes for member in before.members) - 1


def test_a_folder_of_pseudonyms_joins_as_well(market):
    """Whoever keeps only pseudonyms in the folder gets the same dossier, but for the names."""
    held = market.networks.holdings.held.to_pandas()
    with writing(market.engine) as connection:
        members = [
            str(market.networks.holdings.seller_ids[place]) for place in market.networks.members_of(market.numbers[0])
        ]
        names = {seller: pseudonym_of(connection, seller, now=NOON) for seller in members}
    events = held.assign(seller_id=held["seller_id"].replace(names)).rename(columns={"first_seen": "seen_at"})
    networks = find_networks(events[["seller_id", "kind", "value", "seen_at"]])
    place = networks.holdings.find_seller(names[members[0]])
    with reading(market.engine) as connection:
        other = join_network(connection, networks, int(networks.numbering.number[place]))
    known = join(market)
    assert {one.seller_id for one in other.members} == {one.seller_id for one in known.members}
    assert len(other.confirmed) == len(known.confirmed)


def test_upheld_notices_count_by_who_gave_them(market, rules):
    """And speak for the network; those rejected or overturned do not."""
    one = join(market).confirmed[0]
    with writing(market.engine) as connection:
        holder = {"pseudonym": "p", "kind": "rights holder", "created_at": NOON}
        who = connection.scalars(insert(notifiers).values(holder).returning(notifiers.c.notifier_id)).one()
        for number, (state, overturned) in enumerate((("upheld", None), ("upheld", NOON), ("rejected", None))):
            notice = {
                "reference": f"n{number}",
                "notifier_id": who,
                "kind": "counterfeit",
                "encrypted": "",
                "tier": "t",
            }
            notice |= {"content_digest": "d", "explanation": "", "received_at": NOON}
            given = connection.scalars(insert(notices).values(notice).returning(notices.c.notice_id)).one()
            item = {"notice_id": given, "position": 1, "listing_digest": "", "location": "", "case_id": one.case_id}
            item |= {"state": state, "noted_at": NOON, "overturned_at": overturned}
            connection.execute(insert(notice_items).values(item))
    dossier = join(market)
    assert dossier.notices == {"rights holder": 1}
    assert read_signs(dossier, rules, NOON)["noticed"] == pytest.approx(0.5)
    assert next(each for each in dossier.listings if each.case_id == one.case_id).n_notices == 1


def test_a_table_of_sales_goes_before_what_listings_say(market):
    """Its sums are taken as they are where they are all known."""
    member = join(market).members[0].key
    sales = pd.DataFrame({"seller_id": member, "units": [1e6] * 60, "value": [1e6] * 60, "currency": "EUR"})
    sold_value = join(market, sales=sales).sold_value
    value = Money(6e7, "EUR")
    assert (sold_value.n_listings, sold_value.value.low, sold_value.value.high, sold_value.units.total) == (
        60,
        value,
        value,
        6e7,
    )
    assert "table of sales" in sold_value.how


def test_a_table_that_knows_less_than_was_found_counterfeit_is_left_aside(market):
    """Else the part would be above the whole; it is said."""
    member = join(market).members[0].key
    sales = pd.DataFrame({"seller_id": [member], "units": [1.0], "value": [9.0], "currency": "EUR"})
    sold_value = join(market, sales=sales).sold_value
    assert sold_value.value == join(market).sold_value.value
    assert sold_value.confirmed_value <= sold_value.value.low
    assert "was left aside" in sold_value.how


def test_of_one_brand_nothing_else_is_left(market):
    """Listings, and what they sold."""
    dossier = keep_brand(join(market), "calder", load_policy().exchange_rates)
    assert {one.brand for one in dossier.listings} == {"Calder"}
    assert dossier.sold_value.n_listings == len(dossier.listings)


def test_signs_lie_between_nothing_and_all(market, rules):
    """A network that has been quiet for long is less recent; more members are more work."""
    dossier = join(market)
    soon, late = (read_signs(dossier, rules, dossier.last_seen + timedelta(days=days)) for days in (1, 900))
    assert all(0 <= value <= 1 for value in soon.values())
    assert soon["recent"] == 1.0
    assert late["recent"] < 0.1
    fewer = replace(dossier, members=dossier.members[:3])
    assert estimate_effort(fewer, rules.effort) < estimate_effort(dossier, rules.effort)


def test_a_number_that_is_no_network_is_said_to_be_none(market):
    """As `ipml cooperate network show` says it."""
    with reading(market.engine) as connection, pytest.raises(NotFound, match="No network"):
        join_network(connection, market.networks, 10**6)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([None, *Verdict])), max_size=12))
def test_each_listing_counts_once_and_a_decision_goes_before_a_look(seen):
    """Whatever was seen of it how often."""
    listings = [_listing(case_id, str(name), verdict) for case_id, (name, verdict) in enumerate(seen, 1)]
    kept = latest_of_each(np.random.default_rng(0).permutation(np.array(listings, dtype=object)).tolist())
    assert sorted(one.listing_id for one in kept) == sorted({str(name) for name, _ in seen})
    for one in kept:
        same = [each for each in listings if each.listing_id == one.listing_id]
        decided = [each for each in same if each.verdict is not None]
        assert one.case_id == max(each.case_id for each in decided or same)


def _listing(case_id: int, name: str, verdict: Verdict | None) -> CaseListing:
    return CaseListing(case_id, "m", name, "", None, None, None, None, None, None, NOON, verdict)
