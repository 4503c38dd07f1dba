"""What another policy would have made of the decisions there are."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete
from support.transactions import read_with

from ipml.enforcement.penalties.simulation import read_history, simulate_penalties
from ipml.enforcement.penalties.standing import reweigh
from ipml.storage.database import reading, writing
from ipml.storage.tables import penalties, strikes, strikes_taken_back

from .conftest import START, Market


def _fill(market: Market) -> None:
    """Let some sellers be struck, some of them by mistake."""
    for day in (0, 15, 30):
        market.strike(day=day, seller="ann", category="Toys", seller_listings=50.0, seller_age_days=20.0)
    market.strike(day=1, seller="ben", listing_id="B", seller_listings=5_000.0)
    market.strike(day=2, seller="ben", listing_id="B", seller_listings=5_000.0)
    market.undo(market.strike(day=3, seller="cid", seller_listings=3.0), day=13)


def test_under_the_policy_in_force_a_simulation_gives_what_happened(market: Market):
    """Kind by kind, and nobody would have met anything else; honest sellers who were hit are counted, with the days."""
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


def _simulate(market: Market, rules, **options):
    return read_with(market.engine, simulate_penalties, market.policy.penalties, rules, **options)


def test_a_milder_ladder_is_milder(market: Market):
    """Without a warning of the first offence, two sellers are left alone."""
    _fill(market)
    rules = market.policy.penalties
    warning = rules.ladder[0].model_copy(update={"weight": 2.5})
    milder = rules.model_copy(update={"ladder": (warning, *rules.ladder[2:])})
    found = _simulate(market, milder)
    assert (found.harder, found.milder) == (0, 2)
    assert found.honest_then == 0
    assert found.then.hardest["listings up to 10", "nothing"] == 1


def test_only_penalties_since_a_moment_are_counted(market: Market):
    """What was struck before still leads up to them."""
    _fill(market)
    found = _simulate(market, market.policy.penalties, since=START + timedelta(days=10))
    assert dict(found.then.imposed) == {"limit": 1, "hold payout": 1}


def test_decisions_made_before_there_were_strikes_are_replayed_from_their_cases(market: Market):
    """To the same strikes."""
    _fill(market)
    kept = [_content(strike) for strike in market.strikes()]
    with writing(market.engine) as connection:
        for table in (penalties, strikes_taken_back, strikes):
            connection.execute(delete(table))
    with reading(market.engine) as connection:
        (history, *_) = read_history(connection)
        assert [_content(reweigh(strike, market.policy.penalties)) for strike in history] == kept


def _content(strike):
    return replace(strike, strike_id=0, pseudonym="", policy_digest="")
