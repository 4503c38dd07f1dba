"""When a precision guarantee is given, held and withdrawn."""

from bisect import bisect_left
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import beta
from sqlalchemy import select
from support.acting_market import START
from support.databases import on_both
from support.transactions import act, ask, read_scalars

from ipml.enforcement.automation import guarantees
from ipml.enforcement.automation.guarantees import GuaranteeOrder
from ipml.enforcement.automation.sample import Count, SampledCase, count, lasting_bound, suspicion
from ipml.enforcement.policy import AutomaticRules
from ipml.errors import Conflict, Refused
from ipml.records import Verdict
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading
from ipml.storage.tables import audit, automatic_draws


def events(market):
    """Return what became of the guarantees, in order."""
    return [(event.event, event.cause) for event in ask(market.engine, guarantees.list_guarantee_events)]


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.sampled_from([0.91, 0.96, 0.995]), st.sampled_from([True, True, True, False, None]))),
    st.sampled_from([0.5, 0.7, 0.9]),
)
def test_never_in_force_below_the_guarantee(said, promise):
    """Whatever people said of what was drawn: in force means that enough was reviewed and the bound reaches it."""
    rules = AutomaticRules(promise=promise, thresholds=(0.9, 0.95, 0.99), least_reviews=3, grace_days=0.5)
    drawn = [SampledCase(number, score, START, is_right) for number, (score, is_right) in enumerate(said)]
    data = guarantees.GuaranteeData("m1", drawn)
    standing = guarantees.assess_guarantee(rules, guarantees.GuaranteeRecord("Acme"), data, START + timedelta(days=1))
    above = [is_right for score, is_right in said if score >= standing.threshold]
    wrong = sum(is_right is not True for is_right in above)  # nobody looked in time: an error
    bound = lasting_bound(len(above), wrong, promise, rules.confidence_each)
    assert (standing.count.n, standing.count.errors, standing.bound) == (len(above), wrong, bound)
    assert standing.is_in_force == (bound >= promise and len(above) >= 3)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([True, False, None]), max_size=40))
def test_what_waits_is_not_counted_in_favour(said):
    """Right cases behind one that waits do not count yet, wrong ones do."""
    drawn = [SampledCase(number, 0.99, START, is_right) for number, is_right in enumerate(said)]
    found = count(drawn, 0.9, overdue_before=START)
    known = said[: said.index(None)] if None in said else said
    assert found.n - found.errors == known.count(True)
    assert found.errors == said.count(False)
    assert found.n + found.waiting == len(said)


def test_the_lowest_threshold_at_which_it_holds_is_chosen(make_market):
    """Where low scores are often wrong, listings are acted on from the next threshold on; several cost confidence."""
    assert AutomaticRules(thresholds=(0.9, 0.95, 0.99)).confidence_each == pytest.approx(1 - 0.05 / 3)
    market = make_market(thresholds=[0.9, 0.95])
    market.bring(25, score=0.97)
    market.bring(12, score=0.92)
    market.act()
    market.decide(range(1, 26), Verdict.COUNTERFEIT)
    market.decide(range(26, 38), Verdict.GENUINE)
    market.bring(8, score=0.97)
    market.bring(8, score=0.92)
    acted = market.act()
    assert market.standing().threshold == 0.95
    assert 0 < acted.decided <= 8


@on_both
def test_drawn_cases_that_speak_against_it_withdraw_it(market):
    """Four wrong ones in a row and nothing more is done; it is on record with its figures, and all begins anew."""
    market.qualify(60)
    market.bring(20)
    market.act()
    assert market.review(Verdict.GENUINE) >= 4
    market.bring(5)
    assert market.act().decided == 0
    assert events(market) == [("given", "data"), ("withdrawn", "alarm")]
    assert market.standing().count == Count(waiting=5)
    with reading(market.engine) as connection:
        noted = connection.execute(select(audit).where(audit.c.action == "promise withdrawn")).one()
    assert noted.actor.startswith("policy:")
    assert '"cause":"alarm"' in noted.payload


def test_a_bound_that_falls_below_the_guarantee_withdraws_it(make_market):
    """Errors that are no alarm lower the bound, and the guarantee with it."""
    market = make_market(alarm=1e9)
    market.qualify()
    market.act()
    market.bring(20)
    market.act()
    market.review(Verdict.CANNOT_TELL)
    assert market.act().decided == 0
    assert events(market)[-1] == ("withdrawn", "data")


def test_decisions_given_back_withdraw_it(market):
    """Two of ten decisions taken back are more than one in ten; it says so since, and what stands of the others."""
    market.qualify()
    market.bring(10)
    market.act()
    for decision in market.read_decisions()[:2]:
        act(market.engine, undo, decision.decision_id, UndoRequest("lead", may_undo_others=True), now=market.now)
    market.bring(10)
    assert market.act().decided == 0
    assert events(market)[-1] == ("withdrawn", "reversals")
    standing, day = market.standing(), f"{market.now:%Y-%m-%d}"  # as it stands since, until it is given again
    assert standing.why.startswith(f"Withdrawn on {day}")
    assert "2 were given back." in standing.why
    left = [one.case_id for one in market.read_decisions()[2:]]
    assert (standing.acted_on.n, sorted(standing.acted_on.latest)) == (len(left), sorted(left))


def test_a_person_withdraws_it_at_any_time_and_only_a_person_allows_it(market):
    """However much speaks for it, nothing is done until a person allows it, and new cases show it."""
    market.qualify()
    market.bring(5)
    assert market.act().decided > 0
    act(
        market.engine, guarantees.withdraw, market.policy, GuaranteeOrder("Acme", "lea", "parallel imports"), market.now
    )
    market.qualify()
    market.bring(20)
    assert market.act().decided == 0
    assert "lea" in market.standing().why
    act(market.engine, guarantees.allow, market.policy, GuaranteeOrder("Acme", "lea"), market.now)
    market.qualify()
    market.bring(20)
    assert market.act().decided > 0


def test_only_what_there_is_can_be_withdrawn_and_that_stops_a_run_that_is_going_on(market):
    """What nobody gave or the policy does not name is refused; each decision looks at the guarantee again."""
    with pytest.raises(Refused, match="found brand 'Umbra'; expected one that the policy covers: Acme"):
        act(market.engine, guarantees.withdraw, market.policy, GuaranteeOrder("Umbra", "lea"), market.now)
    with pytest.raises(Conflict, match="no person has withdrawn it"):
        act(market.engine, guarantees.allow, market.policy, GuaranteeOrder("Acme", "lea"), market.now)
    market.qualify()
    market.bring(5)
    market.act()
    number = market.standing().promise_id
    assert ask(market.engine, guarantees.is_in_force, "Acme", number)
    act(market.engine, guarantees.withdraw, market.policy, GuaranteeOrder(None, "lea"), market.now)
    assert not ask(market.engine, guarantees.is_in_force, "Acme", number)


def test_the_odds_are_kept_with_each_draw(market):
    """Before the guarantee all are drawn, then three in ten; a decision taken back counts no more."""
    market.qualify()
    market.bring(20)
    market.act()
    query = select(automatic_draws.c.sampling_probability).order_by(automatic_draws.c.case_id)
    odds = read_scalars(market.engine, query)
    assert (odds[:20], set(odds[20:])) == ([1.0] * 20, {0.3})
    n = market.standing().count.n
    act(market.engine, undo, 1, UndoRequest("lead", may_undo_others=True), now=market.now)
    assert market.standing().count.n < n


def test_rules_that_make_no_sense_are_refused():
    """No certainty, no score, no known ground, nothing drawn, a brand that is not covered, rules of a brand unlike."""
    uncovered = {"by_brand": {"Acme": {"promise": 0.5}}}
    unlike = {"brands": ["Acme"], "by_brand": {"Acme": {"promise": 2}}}
    for rules in ({"promise": 1.0}, {"thresholds": []}, {"ground": "whim"}, {"audit_share": 0}, uncovered, unlike):
        with pytest.raises(ValidationError):
            AutomaticRules(**rules)


COUNTS = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=20)
@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_bound_for_all_looks_is_never_above_that_for_one(counts, promise, confidence):
    """Who may look whenever they like pays for it: one look allows the bound of Clopper and Pearson."""
    n, errors = counts
    exact = beta.ppf(1 - confidence, n - errors, errors + 1) if errors < n else 0.0
    assert 0 <= lasting_bound(n, errors, promise, confidence) <= exact + 1e-9


@settings(max_examples=20)
@given(COUNTS, st.sampled_from([0.9, 0.99]))
def test_the_bound_falls_with_errors_and_rises_with_right_cases(counts, promise):
    """Another error never helps, another counterfeit never harms."""
    n, errors = counts
    bound = lasting_bound(n, errors, promise, 0.95)
    assert lasting_bound(n + 1, errors + 1, promise, 0.95) <= bound + 1e-9
    assert lasting_bound(n + 1, errors, promise, 0.95) >= bound - 1e-9


def test_looking_every_time_the_guarantee_is_given_wrongly_in_one_of_twenty_at_most():
    """Brands just as good as guaranteed are found good enough at any of 2,000 looks in at most 5 %."""
    rng = np.random.default_rng(11)
    # For each n the most errors with which the guarantee holds: what is looked up 400,000 times is reckoned once.
    looks = np.arange(300, 2_001, 10)
    most = np.array([_most_errors(int(n)) for n in looks])
    errors = np.cumsum(rng.random((2_000, 2_000)) > 0.99, axis=1)[:, looks - 1]
    assert (errors <= most).any(axis=1).mean() <= 0.05


def _most_errors(n):
    errors = -1
    while lasting_bound(n, errors + 1, 0.99, 0.95) >= 0.99:
        errors += 1
    return errors


def test_false_alarms_are_rare_and_a_collapse_is_noticed_within_a_few_cases():
    """With precision as guaranteed an alarm at 100 takes over 100 cases, with one in five wrong fewer than 20."""
    rng = np.random.default_rng(5)
    waits = []
    for _ in range(30):
        is_right = rng.random(1_000) < 0.99
        waits.append(bisect_left(range(1_000), 100, key=lambda n: suspicion(is_right[:n], 0.99)))
    assert np.mean(waits) > 100
    rng = np.random.default_rng(5)
    waits = []
    for _ in range(30):
        is_right = [True] * 500 + list(rng.random(100) < 0.8)
        waits.append(bisect_left(range(100), 100, key=lambda n: suspicion(is_right[: 500 + n], 0.99)))
    assert np.mean(waits) < 20


@settings(max_examples=20)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.9, 0.99]))
def test_suspicion_is_never_lost_again(is_right, promise):
    """What once spoke against a guarantee is not outweighed by what comes later."""
    assert suspicion([*is_right, True], promise) >= suspicion(is_right, promise) >= 1
