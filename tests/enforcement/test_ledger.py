"""What the tests of the ledger share: decisions with measures, as a marketplace would have them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from support.actions import TakingDown
from support.databases import on_both
from support.transactions import ask, execute, read_scalars

from ipml.enforcement import fairness, ledger
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.takedown.measures import get_measure
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import find_case
from ipml.review.ranking.policy import load_policy
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, measure_stakes, measures, second_reviews, second_verdicts, seller_keys

from .penalties.conftest import START, Market


@pytest.fixture
def market(engine):
    """Return a marketplace under the policy that comes with ipml, in which listings are taken down."""
    return Market(engine, load_enforcement_policy(), follow=TakingDown)


def take_down(market, *, day=0, **fields):
    """Find a listing counterfeit that sells one unit in ten days for 100 euros."""
    at = START + timedelta(days=day)
    history = {"listed_at": at - timedelta(days=20), "listing_sales": 2.0, "seller_listings": 5_000.0}
    return market.strike(day=day, **({"seller_age_days": 1000.0} | history | fields))


def change(market, decision, **columns):
    """Give columns of the measure of a decision new values."""
    execute(market.engine, update(measures).where(measures.c.decision_id == decision.decision_id).values(columns))


A_DAY = 10.0  # two units in 20 days, for 100 euros
SHARES, KINDS = st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.sampled_from(["wrong", "wrong", "slip", "right"])


def _spell(start, days, share, kind):
    return ledger.Spell(START + timedelta(days=start), START + timedelta(days=start + days), share, 53.0, "EUR", kind)


SPELLS = st.lists(st.builds(_spell, st.integers(0, 20), st.integers(0, 20), SHARES, KINDS), max_size=6)


def _all(market, day=30):
    return ask(market.engine, ledger.read_ledger, market.policy, now=START + timedelta(days=day))[0]


@on_both
def test_an_error_costs_days_offline_times_usual_sales_times_price(market):
    """Or its share of them for a milder one; from the platform's word to its word, and on until it is lifted."""
    decision = take_down(market)
    line = _all(market)
    assert (line.right, line.caught, line.wrong) == (1, 30 * A_DAY, 0)
    market.undo(decision, day=6)
    line = _all(market)
    assert (line.wrong, line.days, line.cost, line.currency) == (1, 6.0, 6 * A_DAY, "EUR")
    assert (line.right, line.slips) == (0, 0)
    change(market, decision, kind="demote")
    assert _all(market).cost == 6 * A_DAY * 0.5
    change(market, decision, done_at=START + timedelta(days=1), undone_at=START + timedelta(days=8))
    assert _all(market).days == 7
    change(market, decision, done_at=None, undone_at=None, lifted_at=None)
    assert (_all(market, 10).days, _all(market, 12).days) == (10, 12)


def test_slips_taken_back_within_minutes_count_apart(market):
    """Nobody had to object; and what was found counterfeit again, after it was taken back for its ground, is right."""
    decision = take_down(market)
    market.undo(decision, day=0.03)
    line = _all(market)
    assert (line.wrong, line.slips, line.cost) == (0, 1, 0.0)
    assert line.slip_cost == pytest.approx(0.03 * A_DAY)
    market.decide(decision.case_id, day=7, by="ben", ground="test_purchase")
    line = _all(market)
    assert (line.right, line.wrong, line.slips) == (1, 0, 0)


def test_there_is_a_line_for_each_band_of_size_and_age(market):
    """In their order; all of them add up to the first."""
    take_down(market, seller_listings=3.0, seller_age_days=10.0)
    take_down(market, seller_listings=None, seller_age_days=None)
    take_down(market)
    lines = ask(market.engine, ledger.read_ledger, market.policy)
    expected = [("all", "all"), ("size", "up to 10"), ("size", "over 1,000"), ("size", "not known")]
    expected += [("age", "up to 90"), ("age", "over 730"), ("age", "not known")]
    assert [(line.by, line.band) for line in lines] == expected
    assert lines[0].right == sum(line.right for line in lines if line.by == "size") == 3
    assert [row["band"] for row in ledger.ledger_rows(lines)] == [line.band for line in lines]


def test_the_ledger_survives_erasure(market):
    """Bands and amounts are kept with the measure, and nothing that names anybody."""
    market.undo(take_down(market), day=6)
    before = ask(market.engine, ledger.read_ledger, market.policy)
    erased = update(cases).values(snapshot="{}", seller_id="erased", expected_value=None)
    execute(market.engine, delete(seller_keys), erased)
    with reading(market.engine) as connection:
        assert ledger.read_ledger(connection, market.policy) == before
        row = connection.execute(select(measure_stakes)).one()
    assert "ann" not in str(row)
    assert (row.size_band, row.age_band, row.loss_a_day, row.is_assumed) == ("over 1,000", "over 730", A_DAY, False)


def _sum(spells):
    return sum(loss.cost for loss in ledger.find_losses(spells))


@given(spells=SPELLS)
def test_errors_cost_at_most_what_the_listing_sells_while_they_last(spells):
    """Moment by moment the gravest error counts, less what a measure that was right would have cost; one by one."""
    moments = [START + timedelta(hours=12 + 24 * day) for day in range(41)]
    expected = 0.0
    for moment in moments:
        there = [spell for spell in spells if spell.start <= moment < spell.end]
        errors = max((one.share for one in there if one.kind != "right"), default=0.0)
        expected += 53.0 * max(errors - max((one.share for one in there if one.kind == "right"), default=0.0), 0.0)
    assert _sum(spells) == pytest.approx(expected)


@given(spells=SPELLS, added=SPELLS)
def test_what_overlaps_costs_nothing_more(spells, added):
    """No measure added makes errors cost more than the sales of the days that all of them cover together."""
    every = [spell for spell in (*spells, *added) if spell.kind != "right"]
    days = {spell.start + timedelta(days=n) for spell in every for n in range((spell.end - spell.start).days)}
    assert _sum([*spells, *added]) <= 53.0 * len(days) + 1e-9
    assert _sum([*spells, *spells]) == pytest.approx(_sum(spells))
    right = [spell for spell in added if spell.kind == "right"]
    assert _sum([*spells, *right]) <= _sum(spells) + 1e-9


def _add(market, decision, kind, day=0):
    """Impose a measure by hand beside the one there is."""
    with writing(market.engine) as connection:
        of_decision = measures.c.decision_id == decision.decision_id
        first = connection.execute(select(measures).where(of_decision)).mappings().first()
        at = START + timedelta(days=day)
        row = {name: value for name, value in first.items() if name != "measure_id"} | {"kind": kind, "imposed_at": at}
        number = connection.scalars(insert(measures).values(row).returning(measures.c.measure_id)).one()
        case = find_case(connection, decision.case_id)
        taken = get_measure(connection, number), case, decode_listing(case.snapshot)
        ledger.store_stakes(connection, [taken], market.policy)


@pytest.mark.parametrize("kind", ["remove", "label"])
def test_one_decision_with_two_measures_is_one_error(market, kind):
    """It costs what the harder of the two costs; while it stands its value is caught once."""
    decision = take_down(market)
    _add(market, decision, kind, day=3)
    line = _all(market)
    assert (line.right, line.caught) == (1, 30 * A_DAY)
    market.undo(decision, day=10)
    line = _all(market)
    assert (line.wrong, line.days, line.cost) == (1, 10, 10 * A_DAY)


def test_two_wrong_decisions_on_one_listing_cost_its_sales_once(market):
    """Seen twice and wrong twice, it was down for ten days; nothing, while the other decision stands."""
    first, second = [take_down(market, listing_id="L", day=day) for day in (0, 1)]
    market.undo(second, day=10)
    line = _all(market)
    assert (line.wrong, line.days, line.cost, line.right) == (1, 0, 0, 1)
    market.undo(first, day=10)
    line = _all(market)
    assert (line.wrong, line.days, line.cost) == (2, 10, 10 * A_DAY)


def test_sales_that_are_known_are_used_as_they_are(market):
    """However few they are; where none are known, or no price, they are what is usual, and that is said."""
    usual, cost = load_policy().usual_sales_a_day, 0.0
    sales = [(60, 60, 1.0), (3, 30, 0.1), (0, 5, 0.0), (2, 0.25, 2.0), (None, 60, usual)]
    for sold, days, a_day in sales:
        listed = {"listing_sales": sold, "listed_at": START - timedelta(days=days), "observed_at": START}
        market.undo(take_down(market, price=50.0, seller_age_days=None, **listed), day=60)
        cost += 60 * 50 * a_day
        assert _all(market, 90).cost == pytest.approx(cost), sold
    take_down(market, price=None, currency=None)
    is_assumed = read_scalars(market.engine, select(measure_stakes.c.is_assumed).order_by(measure_stakes.c.measure_id))
    assert is_assumed == [False, False, False, False, True, True]


RULES = LedgerRules()
FEW = LedgerRules(least_judged=2, least_wrong=1)


def _look_again(market, decision, verdict):
    """Let another person judge a decision's case in an audit."""
    at = START + timedelta(days=2)
    content = {"case_id": decision.case_id, "kind": "audit"}
    wanted = {"decision_id": decision.decision_id, "wanted_at": at, "ended_at": at, "sampling_probability": 0.1}
    said = {"listing_id": decision.listing_id, "verdict": verdict, "ground": "", "note": "", "reviewer": "ben"}
    with writing(market.engine) as connection:
        new = insert(second_reviews).values(content | wanted).returning(second_reviews.c.review_id)
        said |= {"review_id": connection.scalars(new).one(), "decided_at": at, "token": 1}
        connection.execute(insert(second_verdicts).values(content | said))


def test_overturned_decisions_are_counted_by_band(market):
    """Those taken back late, without slips and without those found counterfeit again."""
    for wrong in (True, True, True, False):
        decision = take_down(market, seller_listings=3.0)
        if wrong:
            market.undo(decision, day=5)
    market.undo(take_down(market), day=0.001)
    take_down(market)
    take_down(market, seller_listings=None)
    small, new = ask(market.engine, fairness.find_alarms, market.policy)
    expected = ("overturned", fairness.ErrorCounts(4, 3), fairness.ErrorCounts(2, 0))
    assert (small.source, small.of_group, small.of_rest) == expected
    assert small.state == "too few"
    assert (new.of_group, new.state) == (fairness.ErrorCounts(0, 0), "too few")


def test_what_was_looked_at_again_goes_before_what_was_overturned(market):
    """It is drawn at random: sellers who know how to appeal are not seen more often."""
    rules = market.policy.penalties.model_copy(update={"ledger": FEW})
    policy = market.policy.model_copy(update={"penalties": rules})
    for listings, verdict in ((3.0, "genuine"), (3.0, "genuine"), (4_000.0, "counterfeit"), (4_000.0, "counterfeit")):
        _look_again(market, take_down(market, seller_listings=listings), verdict)
    market.undo(take_down(market), day=9)
    small, _ = ask(market.engine, fairness.find_alarms, policy)
    expected = ("reviewed again", fairness.ErrorCounts(2, 2), fairness.ErrorCounts(2, 0))
    assert (small.source, small.of_group, small.of_rest) == expected
    assert small.state in ("alarm", "watch")


def test_an_alarm_is_above_the_bound_and_not_by_chance():
    """A quarter more often, of enough decisions, and the interval above 1."""
    of_many = {(400, 40): "alarm", (400, 10): "ok", (400, 13): "watch", (29, 20): "too few", (30, 0): "too few"}
    states = {((400, 2), (4000, 100)): "ok", ((100, 4), (4000, 10)): "watch", ((100, 1), (4000, 20)): "too few"}
    states |= {((0, 0), (10, 1)): "too few"} | {(one, (4000, 100)): state for one, state in of_many.items()}
    assert {
        (one, rest): fairness.compare(
            "small sellers", "overturned", fairness.ErrorCounts(*one), fairness.ErrorCounts(*rest), RULES
        ).state
        for one, rest in states
    } == states


@given(judged=st.integers(1, 500), wrong=st.integers(0, 500), rest=st.integers(1, 5000), rest_wrong=st.integers(0, 500))
def test_all_is_well_only_where_enough_speaks_for_it(judged, wrong, rest, rest_wrong):
    """The ratio is within the bound, and were it at the bound there would be errors enough for an alarm."""
    of_group, of_rest = (
        fairness.ErrorCounts(judged, min(wrong, judged)),
        fairness.ErrorCounts(rest, min(rest_wrong, rest)),
    )
    found = fairness.compare("small sellers", "overturned", of_group, of_rest, RULES)
    assert None in (found.low, found.ratio, found.high) or found.low <= found.ratio <= found.high
    if found.state == "ok":
        assert found.ratio <= RULES.alarm_ratio
        assert of_rest.wrong / rest * RULES.alarm_ratio * judged >= RULES.least_wrong


@settings(max_examples=20)
@given(judged=st.integers(1, 500), wrong=st.integers(0, 500), more=st.integers(0, 500), rest=st.integers(1, 5000))
def test_more_errors_never_end_an_alarm(judged, wrong, more, rest):
    """Of as many decisions."""
    wrong, of_rest = min(wrong, judged), fairness.ErrorCounts(rest, rest // 10)
    ranks = ["too few", "ok", "watch", "alarm"]
    states = [
        fairness.compare(
            "new sellers", "overturned", fairness.ErrorCounts(judged, min(judged, wrong + extra)), of_rest, RULES
        ).state
        for extra in (0, more)
    ]
    assert ranks.index(states[0]) <= ranks.index(states[1])
