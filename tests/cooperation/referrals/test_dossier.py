"""What the database knows of a network, joined to it, and what it sold, in one currency."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update
from support.actions import COOPERATING
from support.notice_desk import Desk
from support.transactions import act, ask

from experiments.cooperation.referral_market import NOON
from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.referrals.dossier import (
    CaseListing,
    add_up_listings,
    estimate_sold_value,
    join_network,
    keep_brand,
    latest_of_each,
)
from ipml.cooperation.referrals.ranking import (
    Ranked,
    estimate_effort,
    judge_candidates,
    read_signs,
    sort_by_expected_value,
)
from ipml.errors import NotFound
from ipml.money import Money, Rates
from ipml.records import Verdict
from ipml.review.ranking.policy import load_policy
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import cases, decisions, notice_items


def join(market, **options):
    """Return the dossier of the first network."""
    return ask(market.engine, join_network, market.networks, market.numbers[0], **options)


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
    request = UndoRequest("lea", "mistaken", may_undo_others=True)
    act(market.engine, undo, number, request, now=NOON, context=COOPERATING)
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
    other = ask(market.engine, join_network, networks, int(networks.numbering.number[place]))
    known = join(market)
    assert {one.seller_id for one in other.members} == {one.seller_id for one in known.members}
    assert len(other.confirmed) == len(known.confirmed)


def test_upheld_notices_count_by_who_gave_them(market, rules, make_scored):
    """And speak for the network; those rejected or overturned do not."""
    one, desk = join(market).confirmed[0], Desk(market.engine, make_scored, NOON)
    for state, overturned in (("upheld", None), ("upheld", NOON), ("rejected", None)):
        notice_id = desk.give_notice([one.case_id], state=state)
        with writing(market.engine) as connection:
            changed = update(notice_items).where(notice_items.c.notice_id == notice_id)
            connection.execute(changed.values(overturned_at=overturned))
    dossier = join(market)
    assert dossier.notices == {"rights holder": 1}
    assert read_signs(dossier, rules, NOON)["noticed"] == pytest.approx(0.5)
    assert next(each for each in dossier.listings if each.case_id == one.case_id).n_notices == 1


def test_a_table_of_sales_goes_before_what_listings_say(market):
    """Its sums are taken where all are known; one that knows less than was found counterfeit is left aside."""
    known = join(market)
    member = known.members[0].key
    sales = pd.DataFrame({"seller_id": member, "units": [1e6] * 60, "value": [1e6] * 60, "currency": "EUR"})
    sold, value = join(market, sales=sales).sold_value, Money(6e7, "EUR")
    assert (sold.n_listings, sold.value.low, sold.value.high, sold.units.total) == (60, value, value, 6e7)
    assert "table of sales" in sold.how
    sales = pd.DataFrame({"seller_id": [member], "units": [1.0], "value": [9.0], "currency": "EUR"})
    sold = join(market, sales=sales).sold_value
    assert sold.value == known.sold_value.value
    assert sold.confirmed_value <= sold.value.low
    assert "was left aside" in sold.how


def test_of_one_brand_nothing_else_is_left(market):
    """Listings, and what they sold; a number that is no network is said to be none."""
    dossier = keep_brand(join(market), "calder", load_policy().exchange_rates)
    assert {one.brand for one in dossier.listings} == {"Calder"}
    assert dossier.sold_value.n_listings == len(dossier.listings)
    with reading(market.engine) as connection, pytest.raises(NotFound, match="No network"):
        join_network(connection, market.networks, 10**6)


def test_signs_lie_between_nothing_and_all(market, rules):
    """A network that has been quiet for long is less recent; more members are more work."""
    dossier = join(market)
    soon, late = (read_signs(dossier, rules, dossier.last_seen + timedelta(days=days)) for days in (1, 900))
    assert all(0 <= value <= 1 for value in soon.values())
    assert soon["recent"] == 1.0
    assert late["recent"] < 0.1
    fewer = replace(dossier, members=dossier.members[:3])
    assert estimate_effort(fewer, rules.effort) < estimate_effort(dossier, rules.effort)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([None, *Verdict])), max_size=12))
def test_each_listing_counts_once_and_a_decision_goes_before_a_look(seen):
    """Whatever was seen of it how often."""
    listings = [
        CaseListing(case_id, "m", str(name), "", None, None, None, None, None, None, NOON, verdict)
        for case_id, (name, verdict) in enumerate(seen, 1)
    ]
    kept = latest_of_each(np.random.default_rng(0).permutation(np.array(listings, dtype=object)).tolist())
    assert sorted(one.listing_id for one in kept) == sorted({str(name) for name, _ in seen})
    for one in kept:
        same = [each for each in listings if each.listing_id == one.listing_id]
        decided = [each for each in same if each.verdict is not None]
        assert one.case_id == max(each.case_id for each in decided or same)


# What networks sold, in one currency: nothing is compared or added but at a rate, and no part is above its whole
RATES = Rates("EUR", {"RUB": 0.01, "USD": 0.926, "BRL": 0.172, "JPY": 0.00611})
CODES = ("EUR", *RATES.rates)
NETWORKS = find_networks(
    pd.DataFrame(
        {
            "seller_id": ["ann", "ben", "cid", "dan"],
            "kind": "payout",
            "value": ["x", "x", "y", "y"],
            "seen_at": pd.Timestamp("2026-03-01", tz="UTC"),
        }
    )
)

currencies = st.sampled_from([*CODES, "XAU", None])


@st.composite
def listings(draw: st.DrawFn, codes: st.SearchStrategy[str | None] = currencies) -> CaseListing:
    """Give a listing, decided on or not, of which price and sales may be unknown."""
    return CaseListing(
        case_id=draw(st.integers(1, 10**6)),
        member="ann",
        listing_id="L",
        title="Watch",
        brand=None,
        country=None,
        price=draw(st.none() | st.floats(0, 1e5)),
        currency=draw(codes),
        sales=draw(st.none() | st.integers(0, 1000).map(float)),
        listed_at=None,
        seen_at=NOON,
        verdict=draw(st.sampled_from([None, *Verdict])),
    )


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Give a table of sales of two networks, in any currencies."""
    row = st.tuples(
        st.sampled_from(["ann", "ben", "cid", "dan", "nobody"]),
        st.none() | st.integers(0, 100),
        st.none() | st.floats(0, 1e5),
        st.sampled_from([*CODES, "XAU"]),
    )
    rows = draw(st.lists(row, max_size=12))
    table = pd.DataFrame(rows, columns=["seller_id", "units", "value", "currency"])
    return table.astype({"units": "float64", "value": "float64"})


def express(listing: CaseListing, code: str) -> CaseListing:
    """Return a listing with its price in another currency."""
    rate = RATES.rate_of(listing.currency)
    if listing.price is None or rate is None:
        return listing
    return replace(listing, price=listing.price * rate / RATES.rate_of(code), currency=code)


def is_close(one: Money | None, other: Money | None) -> bool:
    """Tell whether two amounts are the same but for rounding."""
    if one is None or other is None:
        return one is other
    return one.currency == other.currency and bool(np.isclose(one.amount, other.amount))


@given(st.lists(listings(), max_size=8), st.none() | tables())
def test_a_part_is_never_above_its_whole(found, sales):
    """What is known of the listings found counterfeit, of any currency, from listings or from a table."""
    sold_value = estimate_sold_value(NETWORKS, 1, found, sales, RATES)
    assert sold_value.value.low <= sold_value.value.total <= sold_value.value.high
    assert {sold_value.value.total.currency, sold_value.value.low.currency} == {"EUR"}
    assert (sold_value.least is None) == (not sold_value.is_known and sold_value.confirmed_value is None)
    if sold_value.confirmed_value is not None:
        assert sold_value.confirmed_value <= sold_value.value.low
        assert sold_value.confirmed_value <= sold_value.least
    assert sum(one.is_counterfeit for one in found) <= sold_value.n_listings
    units = sum(one.sales for one in found if one.is_counterfeit and one.sales is not None)
    assert units <= sold_value.units.low <= sold_value.units.total <= sold_value.units.high


@given(st.lists(listings(), max_size=8), st.sampled_from(CODES))
def test_worth_does_not_depend_on_the_currency_of_prices(found, code):
    """All of them in another currency, at the rate, are worth the same."""
    here, there = (add_up_listings(each, RATES) for each in (found, [express(one, code) for one in found]))
    assert here.is_known == there.is_known
    assert is_close(here.value.low, there.value.low)
    assert is_close(here.confirmed_value, there.confirmed_value)


@given(tables(), st.sampled_from(CODES))
def test_nor_on_that_of_a_table_of_sales(sales, code):
    """Those of other networks among them, from which unknown listings are drawn."""
    rate = sales["currency"].map(RATES.rate_of).astype("float64")
    other = sales.assign(
        value=np.where(rate.isna(), sales["value"], sales["value"] * rate / RATES.rate_of(code)),
        currency=np.where(rate.isna(), sales["currency"], code),
    )
    here, there = (estimate_sold_value(NETWORKS, 1, [], each, RATES).value for each in (sales, other))
    assert (here.n_known, here.n_listings, here.is_bounded) == (there.n_known, there.n_listings, there.is_bounded)
    assert is_close(here.total, there.total)


@given(st.lists(listings(), max_size=8))
def test_what_has_no_rate_is_counted_and_never_added(found):
    """The worth is that of the listings without it, but for how many there are."""
    sold_value = add_up_listings(found, RATES)
    gold = [one for one in found if one.asked is not None and one.currency == "XAU"]
    assert sum(one.n_listings for one in sold_value.foreign if one.rate is None) == len(gold)
    known = [one for one in found if one.currency in CODES and one.price is not None and one.sales is not None]
    assert sold_value.value.n_known == len(known)


prices = st.lists(st.floats(1, 1e6), min_size=2, max_size=8)


@given(prices, st.data())
def test_the_order_of_networks_does_not_depend_on_currencies(values, data):
    """Values in several currencies sort as in one, and networks of unknown value come last, never as 0."""
    codes = [data.draw(st.sampled_from(CODES)) for _ in values]
    amounts = [Money(value / RATES.rate_of(code), code) for value, code in zip(values, codes, strict=True)]
    ranked = [Ranked(number, 3, 3, RATES.exchange(amount), 0.5, 10.0, {}) for number, amount in enumerate(amounts, 1)]
    unknown = replace(ranked[0], number=0, value=None)
    *known, last = sort_by_expected_value([unknown, *ranked])
    assert (last, last.expected_value) == (unknown, None)
    order = [values[one.number - 1] for one in known]
    assert all(one >= other * (1 - 1e-12) for one, other in pairwise(order))


def express_cases(connection: Connection, sellers: set[str], code: str, rate: float) -> int:
    """Write the prices of the cases of some sellers in another currency."""
    rows = connection.execute(select(cases).where(cases.c.seller_id.in_(sellers))).all()
    for row in rows:
        content = json.loads(row.snapshot)
        content["listing"] |= {"price": content["listing"]["price"] / rate, "currency": code}
        changed = update(cases).where(cases.c.case_id == row.case_id).values(snapshot=json.dumps(content))
        connection.execute(changed)
    return len(rows)


def test_networks_rank_the_same_in_rubles(market, rules):
    """A network's prices are a hundred times the number, at the rate of the bundled policy, and no more."""
    pairs = [(market.networks, number) for number in market.networks.numbers]
    with writing(market.engine) as connection:
        before = [one.ranked for one in judge_candidates(connection, pairs, rules, NOON)[0]]
        ids = market.networks.holdings.seller_ids
        sellers = {str(ids[place]) for place in market.networks.members_of(before[-1].number)}
        assert express_cases(connection, sellers, "RUB", 0.01) > 0
        after = [one.ranked for one in judge_candidates(connection, pairs, rules, NOON)[0]]
    assert [one.number for one in after] == [one.number for one in before]
    assert all(is_close(one.expected_value, other.expected_value) for one, other in zip(before, after, strict=True))
