"""What leads change by hand, and what the page is told: on both databases."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from support.actions import APPEAL_RULES, ENFORCED_APPEALS
from support.transactions import act, ask, execute, read_scalars

from ipml.enforcement import actions
from ipml.enforcement.appeals.appeal import find_deciders, find_deciders_of, list_appeals, may_decide
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.views.appeal_file import list_desk, read_desk
from ipml.enforcement.views.case_file import preview_actions, read_case_actions
from ipml.enforcement.views.overview import find_gaps
from ipml.enforcement.views.seller_file import read_seller_file
from ipml.errors import Conflict, OwnListing
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import outbox, user_sellers

POLICY = load_enforcement_policy()
ENFORCEMENT = actions.Enforcement(POLICY)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEAD = actions.ActingLead("lea", POLICY, NOON)


def take_down(engine, number=1, seller="s1", by="ana", at=NOON, score=0.9, actions=ENFORCEMENT):
    """Put a listing into the queue and decide it counterfeit; return the case."""
    listing = Listing(f"L{number}", seller, f"Bag {number}, mirror", price=900.0, currency="EUR", listed_at=NOON)
    enqueue(engine, [ScoredListing(listing, score, 2.2, (), (), None, "m1")], now=at)
    with writing(engine) as connection:
        taken = claim(connection, by, now=at)
        decide(
            connection,
            DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica"),
            now=at,
            context=ReviewContext(actions=actions),
        )
    return taken.case_id


def letters(engine):
    """Return the kinds of letters to sellers, in order."""
    query = select(outbox.c.kind).where(outbox.c.channel == "seller").order_by(outbox.c.message_id)
    return read_scalars(engine, query)


def is_sound(engine):
    """Say whether trail, decisions and what followed agree."""
    with reading(engine) as connection:
        found = [*find_disagreements(connection), *find_gaps(connection), *check_rows(connection).problems]
        return verify(connection).is_intact and not found


def test_nothing_is_changed_without_a_reason_or_on_ones_own_listing(engine):
    """Nor a measure replaced by the same."""
    case_id = take_down(engine)
    with pytest.raises(Conflict, match="measure: found"), writing(engine) as connection:
        actions.lift_measure(connection, 1, "  ", LEAD)
    with pytest.raises(Conflict, match="measure: found"), writing(engine) as connection:
        actions.change_measure(connection, 1, MeasureOrder(MeasureKind.REMOVE, "again"), LEAD)
    execute(engine, user_sellers.insert().values(user_name="lea", seller_id="s1", since=NOON))
    with pytest.raises(OwnListing), writing(engine) as connection:
        actions.lift_measure(connection, 1, "mine", LEAD)
    assert ask(engine, read_case_actions, case_id).measures[0].measure.stands


def test_penalties_are_confirmed_and_lifted_once(engine):
    """Sent again nothing more is told; a proposal that is dismissed is told to nobody."""
    for number in range(1, 9):
        take_down(engine, number, score=0.99)
    proposed = ask(engine, find_penalties, state="proposed", at=NOON)[-1]
    before = letters(engine)
    for _ in range(2):
        confirmed = act(engine, actions.confirm_penalty, proposed.penalty_id, "a sweep", LEAD)
        assert confirmed.imposed_by == "lea"
    for _ in range(2):
        lifted = act(engine, actions.lift_penalty, proposed.penalty_id, "too hard", LEAD)
        assert lifted.ended_as == "lifted"
    assert letters(engine)[len(before) :] == ["statement", "lifted"]
    assert is_sound(engine)


def preview(connection, case_id, at):
    """Return what the decision "counterfeit" on a case would lead to."""
    case = find_case(connection, case_id)
    return preview_actions(connection, case, list_strikes(connection, case.seller_id), POLICY, now=at)


def test_the_outlook_says_what_then_happens(engine):
    """Measure and penalty are those that it foretold, be it the first decision on a seller or the fifth."""
    for number in range(1, 6):
        at = NOON + timedelta(days=20 * number)
        listing = Listing(f"L{number}", "s1", f"Bag {number}, mirror", observed_at=at, price=900.0, currency="EUR")
        enqueue(engine, [ScoredListing(listing, 0.99, 2.2, (), (), None, "m1")], now=at)
        with writing(engine) as connection:
            taken = claim(connection, "ana", now=at)
            seen = preview(connection, taken.case_id, at)
            decide(
                connection,
                DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica"),
                now=at,
                context=ReviewContext(actions=ENFORCEMENT),
            )
            found = read_case_actions(connection, taken.case_id)
        made = [one.penalty for one in found.penalties]
        assert seen.measures[0][0] == found.measures[0].why
        assert [one.kind for one in made if one.imposed_at] == ([seen.imposed] if seen.imposed else [])
        assert [one.kind for one in made if one.is_open] == ([seen.proposed] if seen.proposed else [])
        assert found.strikes[0].weight == pytest.approx(1.5)
        assert ask(engine, preview, taken.case_id, at).now == seen.now  # the case itself is left out


def test_the_desk_says_of_all_what_may_decide_says_of_each(engine):
    """Whoever had whatever part: the list and the function that refuses agree."""
    people, draw = ("ana", "Bea", "cai", "dan"), random.Random(3)
    for number in range(1, 9):
        at = NOON + timedelta(hours=number)
        case_id = take_down(engine, number, f"s{number % 4}", draw.choice(people), at)
        if draw.random() < 0.5:
            with writing(engine) as connection:
                number_of_it = read_case_actions(connection, case_id).measures[0].measure.measure_id
                pause = MeasureOrder(MeasureKind.PAUSE, "wait")
                lead = actions.ActingLead(draw.choice(people), POLICY, at)
                actions.change_measure(connection, number_of_it, pause, lead)
        appeal = act(engine, file_appeal, AppealRequest(case_id, f"s{number % 4}", "no"), APPEAL_RULES, now=at)
        for name in people:
            is_free = ask(engine, may_decide, appeal, name) is None
            if is_free and draw.random() < 0.3:
                with writing(engine) as connection:
                    decision = AppealDecision("partly granted", name, "a", MeasureKind.LABEL)
                    decide_appeal(connection, appeal.appeal_id, decision, ENFORCED_APPEALS, now=at)
                    file_appeal(connection, AppealRequest(case_id, f"s{number % 4}", "still no"), APPEAL_RULES, now=at)
                break
    pending = [due.appeal for due in ask(engine, list_appeals)]
    assert len(pending) == 8
    for name in (*people, "bea", "eva"):
        with reading(engine) as connection:
            said = {one.due.appeal.appeal_id: one.obstacle for one in list_desk(connection, name)}
            assert said == {appeal.appeal_id: may_decide(connection, appeal, name) for appeal in pending}
            together = find_deciders_of(connection, pending)
            assert together == {appeal.appeal_id: find_deciders(connection, appeal) for appeal in pending}
    assert len({said for name in people for said in (one.obstacle for one in ask(engine, list_desk, name))}) == 2


def test_a_sellers_file_leaves_out_what_is_hidden(engine):
    """Strikes, measures, penalties and appeals of a case that is kept from whoever asks are not counted either."""
    first, second = take_down(engine, 1), take_down(engine, 2)
    with writing(engine) as connection:
        file_appeal(connection, AppealRequest(first, "s1", "no"), APPEAL_RULES)
        whole = read_seller_file(connection, first, POLICY, "lea", now=NOON)
    assert (len(whole.strikes), len(whole.measures), len(whole.penalties), len(whole.appeals)) == (2, 2, 1, 1)
    part = ask(engine, read_seller_file, first, POLICY, "lea", hidden={first}, now=NOON)
    assert [strike.case_id for strike in part.strikes] == [second]
    assert ([one.case_id for one in part.measures], part.appeals) == ([second], ())
    assert part.standing.weight < whole.standing.weight


def test_an_appeal_against_a_penalty_names_it(engine):
    """The desk shows the penalty, and offers no milder measure."""
    case_id = take_down(engine)
    with writing(engine) as connection:
        (given,) = read_case_actions(connection, case_id).penalties
        appeal = file_appeal(
            connection, AppealRequest(given.penalty.subject, "s1", "no warning is due"), APPEAL_RULES, now=NOON
        )
        shown = read_desk(connection, appeal.appeal_id, "lea", now=NOON)
    assert (shown.restriction, shown.milder) == (given.penalty, ())
    assert shown.evidence is not None
    assert shown.told is not None


def test_what_nobody_acted_on_shows_nothing(engine):
    """A case that was decided where nothing follows has nothing to show."""
    case_id = take_down(engine, actions=None)
    assert ask(engine, read_case_actions, case_id).is_nothing


WEEK, YEAR = timedelta(days=7), timedelta(days=366)


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_penalty_that_is_over_and_then_taken_back_ends_once_for_all(engine, has_ended):
    """Seller and platform are told of its end once, whether or not the job that ends penalties came between."""
    take_down(engine)
    late = {"now": NOON + YEAR}
    if has_ended:
        actions.end_due(engine, POLICY, **late)
    act(engine, undo, 1, UndoRequest("lea", may_undo_others=True), context=ReviewContext(actions=ENFORCEMENT), **late)
    actions.end_due(engine, POLICY, **late)
    about = select(outbox.c.kind).where(outbox.c.subject == "penalty:1").order_by(outbox.c.channel)
    assert read_scalars(engine, about.where(outbox.c.kind.like("%lifted"))) == ["penalty_lifted", "lifted"]
    assert is_sound(engine)
