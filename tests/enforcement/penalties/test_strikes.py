"""Counting strikes and taking them back."""

from dataclasses import replace
from datetime import timedelta
from operator import attrgetter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text
from support.actions import Striking
from support.transactions import act, ask

from ipml.enforcement.penalties.ladder import TakenBack, hardest, lift
from ipml.enforcement.penalties.simulation import read_history, replay, simulate_penalties
from ipml.enforcement.penalties.standing import apply_rules
from ipml.enforcement.penalties.strikes import list_strikes, read_seller_standing, take_back
from ipml.records import Verdict
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest
from ipml.review.group_decisions import BulkRequest, decide_and_spread, decide_bulk, preview_bulk, preview_spread
from ipml.review.reversals import ReviewContext
from ipml.review.sellers.seller_record import list_record
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import metadata, penalties, seller_keys, strikes, strikes_taken_back

from .conftest import START

NEW_TABLES = ("strikes", "strikes_taken_back", "penalties", "linked_accounts", "measure_stakes")


def test_a_strike_says_what_was_known(market):
    """Numbers to two digits; what the listing does not say stays unknown."""
    market.strike(ground="declared_replica", category="Toys", seller_listings=1_234.0, seller_age_days=99.4)
    (strike,) = market.strikes()
    assert (strike.ground, strike.category, strike.weight) == ("declared_replica", "toys", 1.5 * 1.5)
    assert (strike.listings, strike.age_days, strike.probability) == (1200.0, 99.0, 0.9)
    assert (strike.seen_at, strike.struck_at, strike.taken_back_at) == (START, START, None)


def test_copies_that_one_decision_was_spread_to_weigh_as_one(market):
    """Two hundred copies are one offence; each has a strike of its own, to be taken back with its decision."""
    for number in range(8):
        market.enqueue(listing_id=f"C{number}", title=f"Leather bag, brown, no. {number}")
    at = START + timedelta(hours=1)
    with writing(market.engine) as connection:
        taken = claim(connection, "ana", now=at)
        alike = [case.case_id for case in preview_spread(connection, taken.case_id).cases]
        request = DecisionRequest(taken, Verdict.COUNTERFEIT, "wrong_features")
        context = ReviewContext(actions=Striking(market.policy))
        decide_and_spread(connection, request, alike, now=at, context=context)
        assert len(list_strikes(connection, "ann")) > 2
    assert _weight(market) == 1.0


def test_what_is_decided_in_bulk_weighs_as_one(market):
    """The heaviest of them."""
    numbers = [market.enqueue(category=category) for category in (None, "toys", None)]
    request = BulkRequest(numbers, "ana", Verdict.COUNTERFEIT, "wrong_features")
    preview = ask(market.engine, preview_bulk, request, now=START)
    context = ReviewContext(actions=Striking(market.policy))
    with writing(market.engine) as connection:
        decide_bulk(connection, request, token=preview.digest, now=START, context=context)
        assert len(list_strikes(connection, "ann")) == 3
    assert _weight(market) == 1.5


def test_a_listing_seen_twice_weighs_once_unless_it_was_back_after_the_warning(market):
    """The repetition weighs more."""
    market.strike(listing_id="A")
    market.strike(listing_id="A", day=1)
    assert _weight(market, day=1) == 1.0
    market.strike(listing_id="A", day=10)
    assert _weight(market, day=10) == 1.0 + 1.5


def test_what_the_other_strikes_carry_takes_the_place_of_what_a_strike_took_along(market):
    """Three offences in three days led to one warning, by the first; two of them are worth a warning still."""
    first, *_ = [market.strike(day=day) for day in (1, 2, 3)]
    assert market.kinds(state="in force", day=3) == ["warn"]
    market.undo(first, day=10)
    old, new = market.penalties()
    assert (old.ended_as, new.kind, new.ended_as) == ("taken back", old.kind, None)
    assert (new.imposed_at, new.until) == (START + timedelta(days=10), old.until)  # it lasts no longer
    assert new.strike_id != old.strike_id


def test_what_a_lead_lifted_does_not_come_back_with_a_strike_taken_back(market):
    """Mercy was meant; only what the strike took along has to be made good."""
    first, *_ = [market.strike(day=day) for day in (1, 2, 3)]
    (warning,) = market.penalties(state="in force", day=3)
    act(market.engine, lift, warning.penalty_id, "cleo", "mercy", now=START + timedelta(days=4))
    market.undo(first, day=10)
    assert market.kinds(state="in force", day=10) == []


def test_a_penalty_whose_strikes_were_taken_back_is_no_notice(market):
    """Also where it was over by then: the next offence is a first one."""
    first = market.strike()
    market.undo(first, day=400)
    market.strike(day=401)
    assert market.kinds(state="in force", day=401) == ["warn"]


def test_a_strike_counts_from_its_decision_until_it_is_taken_back(market):
    """Asked for any moment, later or earlier ones notwithstanding; taken back again, nothing happens."""
    decision = market.strike()
    market.undo(decision, day=5)
    with writing(market.engine) as connection:
        assert take_back(connection, decision.decision_id, "cleo", "again", START) == TakenBack()
        assert take_back(connection, 99, "cleo", "none", START) == TakenBack()
    (strike,) = market.strikes()
    days = {day: strike.counts_at(START + timedelta(days=day)) for day in (-1, 0, 4, 5)}
    assert days == {-1: False, 0: True, 4: True, 5: False}
    assert market.strikes("nobody") == []


def test_no_new_table_names_a_seller_or_a_listing(market):
    """Nor repeats what the listing says, or why somebody took something back."""
    names = {"seller": "Annabel-Lee", "listing_id": "Listing-77", "title": "Call 0170 1234567"}
    market.undo(market.strike(**names), day=1, why="Annabel-Lee rang me up")
    market.strike(day=2, **names | {"listing_id": "Listing-78"})
    with reading(market.engine) as connection:
        kept = " ".join(str(row) for name in NEW_TABLES for row in connection.execute(select(metadata.tables[name])))
        kept += " ".join(map(str, connection.execute(text("SELECT payload FROM audit WHERE subject LIKE 'strike%'"))))
    for name in ("Annabel", "Listing-77", "0170", "rang"):
        assert name not in kept


def test_after_erasure_the_history_still_counts_and_can_be_taken_back(market):
    """Nothing that is encrypted can be read, and nothing fails."""
    decision = market.strike()
    with writing(market.engine) as connection:
        pseudonym = find_pseudonym(connection, "ann") or ""
        connection.execute(delete(seller_keys))
    assert market.strikes() == [] == ask(market.engine, list_record, "struck", START)
    market.undo(decision, day=1)
    assert ask(market.engine, read_seller_standing, pseudonym, START + timedelta(days=1), market.policy).weight == 0


DAYS = st.lists(st.integers(0, 90), min_size=1, max_size=5)


@given(days=DAYS, undone=st.sets(st.integers(0, 5)), order=st.randoms(use_true_random=False))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_replay_gives_exactly_what_happened(market, policy, days, undone, order):
    """Whatever was struck and taken back, in order of time."""
    seller = f"s{next(market.numbers)}"
    made = [market.strike(day=day, seller=seller) for day in sorted(days)]
    for place in sorted(undone):
        if place < len(made):
            market.undo(made[place], day=100)
    happened = market.penalties(seller=seller)
    replayed = replay(ask(market.engine, list_strikes, seller), policy.penalties)
    read = attrgetter("kind", "proposed_at", "imposed_at", "until", "ended_as", "ended_at")
    assert [*map(read, happened)] == [*map(read, replayed)]
    if len(undone & set(range(len(made)))) == len(made):
        assert hardest(happened, START + timedelta(days=100)) is None


def _weight(market, day=0):
    with reading(market.engine) as connection:
        pseudonym = find_pseudonym(connection, "ann") or ""
        at = START + timedelta(days=day, hours=2)
        return read_seller_standing(connection, pseudonym, at, market.policy).weight


def _fill(market):
    """Let some sellers be struck, some of them by mistake."""
    for day in (0, 15, 30):
        market.strike(day=day, seller="ann", category="Toys", seller_listings=50.0, seller_age_days=20.0)
    market.strike(day=1, seller="ben", listing_id="B", seller_listings=5_000.0)
    market.strike(day=2, seller="ben", listing_id="B", seller_listings=5_000.0)
    market.undo(market.strike(day=3, seller="cid", seller_listings=3.0), day=13)


def test_a_simulation_gives_what_happened_and_less_under_a_milder_ladder(market):
    """Kind by kind, since a moment as well; honest sellers who were hit are counted, with the days."""
    _fill(market)
    happened = [one for seller in ("ann", "ben", "cid") for one in market.penalties(seller=seller)]
    found = _simulate(market, market.policy.penalties)
    assert [one for seller in ("ann", "ben", "cid") for one in market.penalties(seller=seller)] == happened
    assert dict(found.then.imposed) == {"warn": 3, "limit": 1, "hold payout": 1}
    assert found.now == found.then
    assert sum(found.then.imposed.values()) == sum(one.imposed_at is not None for one in happened)
    assert sum(found.then.proposed.values()) == sum(one.is_open for one in happened)
    assert (found.harder, found.milder, found.decisions, found.sellers) == (0, 0, 6, 3)
    assert (found.honest, found.honest_then) == (1, 1)
    assert (found.then.wrong["warn"], found.then.wrong_days["warn"]) == (1, 10)
    found = _simulate(market, market.policy.penalties, since=START + timedelta(days=10))
    assert dict(found.then.imposed) == {"limit": 1, "hold payout": 1}
    rules = market.policy.penalties
    warning = rules.ladder[0].model_copy(update={"weight": 2.5})
    milder = rules.model_copy(update={"ladder": (warning, *rules.ladder[2:])})
    found = _simulate(market, milder)
    assert (found.harder, found.milder, found.honest_then) == (0, 2, 0)
    assert found.then.hardest["listings up to 10", "nothing"] == 1


def _simulate(market, rules, **options):
    return ask(market.engine, simulate_penalties, market.policy.penalties, rules, **options)


def test_decisions_made_before_there_were_strikes_are_replayed_from_their_cases(market):
    """To the same strikes."""
    _fill(market)
    kept = [_content(strike) for strike in market.strikes()]
    with writing(market.engine) as connection:
        for table in (penalties, strikes_taken_back, strikes):
            connection.execute(delete(table))
    with reading(market.engine) as connection:
        (history, *_) = read_history(connection)
        assert [_content(apply_rules(strike, market.policy.penalties)) for strike in history] == kept


def _content(strike):
    return replace(strike, strike_id=0, pseudonym="", policy_digest="")
