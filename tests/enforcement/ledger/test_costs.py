"""What errors cost honest sellers beside the value caught."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from ipml.enforcement.ledger.costs import Entry, ledger_rows, read_ledger
from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, measure_stakes, seller_keys

from .conftest import START, Market

A_DAY = 10.0  # 3.5 units in 20 days, drawn to the usual, are one in ten days, for 100 euros


def _all(market: Market, day: float = 30) -> Entry:
    (line,) = [
        one for one in read_ledger(market.engine, market.policy, now=START + timedelta(days=day)) if one.by == "all"
    ]
    return line


def test_an_error_costs_days_offline_times_usual_sales_times_price(market: Market):
    """Six days at a unit in ten days, for 100 euros."""
    market.undo(market.take_down(), day=6)
    line = _all(market)
    assert (line.wrong, line.days, line.cost, line.currency) == (1, 6.0, 6 * A_DAY, "EUR")
    assert (line.right, line.slips) == (0, 0)


def test_what_stands_is_the_value_caught(market: Market):
    """Price times units until the next look."""
    market.take_down()
    line = _all(market)
    assert (line.right, line.caught, line.wrong) == (1, 30 * A_DAY, 0)


def test_the_platforms_word_counts_where_there_is_one(market: Market):
    """From when it was done until the listing was back."""
    decision = market.take_down()
    market.undo(decision, day=6)
    market.change(decision, done_at=START + timedelta(days=1), undone_at=START + timedelta(days=8))
    assert _all(market).days == 7


def test_what_is_still_offline_costs_on(market: Market):
    """Taken back, but not lifted yet."""
    decision = market.take_down()
    market.undo(decision, day=6)
    market.change(decision, lifted_at=None)
    assert (_all(market, 10).days, _all(market, 12).days) == (10, 12)


def test_slips_taken_back_within_minutes_count_apart(market: Market):
    """Nobody had to object."""
    market.undo(market.take_down(), day=0.03)
    line = _all(market)
    assert (line.wrong, line.slips, line.cost) == (0, 1, 0.0)
    assert line.slip_cost == pytest.approx(0.03 * A_DAY)


def test_what_was_found_counterfeit_again_was_no_error(market: Market):
    """Taken back for its ground, say."""
    decision = market.take_down()
    market.undo(decision, day=6)
    at = START + timedelta(days=7)
    taken = claim(market.engine, "ben", decision.case_id, now=at)
    assert taken is not None
    decide(market.engine, taken, Verdict.COUNTERFEIT, ground="test_purchase", now=at)
    line = _all(market)
    assert (line.right, line.wrong, line.slips) == (1, 0, 0)


def test_a_milder_measure_costs_its_share_of_the_sales(market: Market):
    """As the policy estimates it."""
    decision = market.take_down()
    market.change(decision, kind="demote")
    market.undo(decision, day=6)
    assert _all(market).cost == 6 * A_DAY * 0.5


def test_there_is_a_line_for_each_band_of_size_and_age(market: Market):
    """In their order; all of them add up to the first."""
    market.take_down(seller_listings=3.0, seller_age_days=10.0)
    market.take_down(seller_listings=None, seller_age_days=None)
    market.take_down()
    lines = read_ledger(market.engine, market.policy)
    assert [(line.by, line.band) for line in lines] == [
        ("all", "all"),
        ("size", "up to 10"),
        ("size", "over 1,000"),
        ("size", "not known"),
        ("age", "up to 90"),
        ("age", "over 730"),
        ("age", "not known"),
    ]
    assert lines[0].right == sum(line.right for line in lines if line.by == "size") == 3
    assert [row["band"] for row in ledger_rows(lines)] == [line.band for line in lines]


def test_the_ledger_survives_erasure(market: Market):
    """Bands and amounts are kept with the measure, and nothing that names anybody."""
    market.undo(market.take_down(), day=6)
    before = read_ledger(market.engine, market.policy)
    with writing(market.engine) as connection:
        connection.execute(delete(seller_keys))
        connection.execute(update(cases).values(snapshot="{}", seller_id="erased", worth=None))
    assert read_ledger(market.engine, market.policy) == before
    with reading(market.engine) as connection:
        row = connection.execute(select(measure_stakes)).one()
    assert "ann" not in str(row)
    assert (row.size_band, row.age_band, row.loss_a_day, row.is_assumed) == ("over 1,000", "over 730", A_DAY, False)


def test_what_is_assumed_is_said(market: Market):
    """A price that is not known is the usual one."""
    market.take_down(price=None, currency=None)
    with reading(market.engine) as connection:
        assert connection.execute(select(measure_stakes.c.is_assumed)).scalar_one() is True
