"""Deciding an appeal: by a person who has not decided in the matter before; the outcome corrects all that followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, select

from ipml.enforcement.appeals.appeal import Appeal, change_appeal, find_appeal, move
from ipml.enforcement.appeals.deciders import may_decide
from ipml.enforcement.appeals.filing import stop_all
from ipml.enforcement.appeals.letters import write_seller
from ipml.enforcement.appeals.outcomes import keep_outcome
from ipml.enforcement.appeals.remedies import lift_penalty, soften, take_strike_back
from ipml.enforcement.appeals.restricted import parse_subject
from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.appeals.states import OUTCOMES, AppealEvent, next_state
from ipml.enforcement.clocks.clocks import find_clocks
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.errors import AppealInHand, IllegalStep, NotTheirsToDecide, UnusableOutcome
from ipml.records import Decision, Verdict
from ipml.review.cases import find_case
from ipml.review.corrections import correct
from ipml.review.reversals import find_decisions, stands
from ipml.review.snapshot import decode_listing
from ipml.review.texts import check_text
from ipml.storage import audit
from ipml.storage.database import writing
from ipml.storage.tables import decisions, measures

LONGEST_WHY = 5_000


def claim_appeal(
    engine: Engine, appeal_id: int, by: str, *, rules: AppealRules | None = None, now: datetime | None = None
) -> Appeal:
    """Take an appeal in hand, so that nobody else works at it meanwhile; again only makes it last longer.

    Raises
    ------
    NotTheirsToDecide, AppealInHand, AppealNotFound
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    with writing(engine) as connection:
        appeal = find_appeal(connection, appeal_id, lock=True)
        if not appeal.is_pending:
            raise IllegalStep(appeal.name, appeal.state, "taken in hand")
        _refuse(connection, appeal, by, now)
        lease = {"holder": by, "lease_expires_at": now + timedelta(minutes=rules.claim_minutes)}
        change_appeal(connection, appeal_id, **lease)
        audit.append(connection, by, "appeal taken in hand", appeal.name, {"case": appeal.case_id}, at=now)
        return find_appeal(connection, appeal_id)


def decide_appeal(
    engine: Engine,
    appeal_id: int,
    by: str,
    outcome: str,
    why: str,
    *,
    measure: MeasureKind | None = None,
    rules: AppealRules | None = None,
    now: datetime | None = None,
) -> Appeal:
    """Decide an appeal, and put right what follows, in one transaction.

    Granted, the decision is taken back with its measure and strike, and the listing is decided genuine, with the
    near-duplicates that were decided with it; of a penalty only the penalty is lifted. Granted in part, a milder
    measure takes the place of the one there is. The seller is told why in each case.

    Parameters
    ----------
    by : str
        A person who has decided nothing in the matter before.
    outcome : str
        "granted", "partly granted" or "rejected".
    why : str
        For the seller to read, at most 5,000 characters.
    measure : MeasureKind, optional
        The milder measure, where it is granted in part.

    Raises
    ------
    NotTheirsToDecide
        This is no person, or one who decided in the matter before, or sells as this seller.
    AppealInHand, AppealNotFound, IllegalStep
        Another is at it, there is none, or it was decided already.
    UnusableOutcome, UnstorableValue
        Outcome, measure or reasons do not fit.
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    check_text("why", why, LONGEST_WHY)
    with writing(engine) as connection:
        running = find_clocks(connection, f"appeal:{appeal_id}", lock=True)
        appeal = find_appeal(connection, appeal_id, lock=True)
        event = _check_outcome(appeal, outcome, why, measure)
        _refuse(connection, appeal, by, now)
        listing = decode_listing(find_case(connection, appeal.case_id).snapshot)
        appeal = move(connection, appeal, event)
        made = _put_right(connection, appeal, event, by, measure, rules, now)
        stop_all(connection, running, by, now)
        corrected = {"corrected": len(made), "new_decision": made[0].decision_id if made else None}
        keep_outcome(connection, appeal, by, why, now, measure, **corrected)
        write_seller(connection, appeal, event.value.replace(" ", "_"), listing, rules, now, why)
        return appeal


def why_lifted(why: str) -> str:
    """Return for the reason of a reversal what a seller is told: "appeal", "counter-notice", or else "review".

    Examples
    --------
    >>> why_lifted("appeal 3 granted"), why_lifted("holder silent, appeal 3"), why_lifted("wrong brand")
    ('appeal', 'counter-notice', 'review')
    """
    if re.fullmatch(r"appeal \d+ granted", why):
        return "appeal"
    return "counter-notice" if re.fullmatch(r"holder \w+, appeal \d+", why) else "review"


def restore(connection: Connection, appeal: Appeal, event: AppealEvent, by: str, at: datetime) -> Appeal:
    """End a restriction because the rights holder did not act or gave up; nobody judges the listing by that.

    The case is closed with "cannot tell", which teaches a model nothing.
    """
    appeal = move(connection, appeal, event)
    made = _end_restriction(connection, appeal, Verdict.CANNOT_TELL, by, f"{event}, appeal {appeal.appeal_id}", at)
    corrected = {"corrected": len(made), "new_decision": made[0].decision_id if made else None}
    keep_outcome(connection, appeal, by, event.value, at, None, **corrected)
    return appeal


def _refuse(connection: Connection, appeal: Appeal, by: str, now: datetime) -> None:
    if obstacle := may_decide(connection, appeal, by):
        raise NotTheirsToDecide(appeal.appeal_id, by, obstacle)
    holder = appeal.holder_at(now)
    if holder not in (None, by):
        raise AppealInHand(appeal.appeal_id, str(holder))


def _check_outcome(appeal: Appeal, outcome: str, why: str, measure: MeasureKind | None) -> AppealEvent:
    number = appeal.appeal_id
    if outcome not in OUTCOMES:
        raise UnusableOutcome(number, repr(outcome[:80]), f"one of {', '.join(OUTCOMES)}")
    if not why.strip():
        raise UnusableOutcome(number, f"{outcome!r} without reasons", "reasons that the seller can read")
    is_partly = outcome == AppealEvent.PARTLY_GRANTED
    if is_partly != (measure is not None):
        raise UnusableOutcome(number, f"{outcome!r} with measure {measure}", "a milder measure if granted in part only")
    if is_partly and not appeal.subject.startswith("measure:"):
        raise UnusableOutcome(number, f"{outcome!r} of {appeal.subject}", "granted or rejected, as it is no measure")
    next_state(number, appeal.state, AppealEvent(outcome))  # who comes too late hears that, whoever they are
    return AppealEvent(outcome)


def _put_right(
    connection: Connection,
    appeal: Appeal,
    event: AppealEvent,
    by: str,
    measure: MeasureKind | None,
    rules: AppealRules,
    at: datetime,
) -> Sequence[Decision]:
    why = f"appeal {appeal.appeal_id} {event}"
    if event is AppealEvent.GRANTED:
        return _end_restriction(connection, appeal, Verdict.GENUINE, by, why, at)
    if measure is not None:
        soften(connection, _find_harder(connection, appeal, measure), measure, by, why, at)
        if rules.strike_in_part == "taken back":
            take_strike_back(connection, appeal.decision_id, by, why, at)
    return ()


def _find_harder(connection: Connection, appeal: Appeal, milder: MeasureKind) -> int:
    """Return the number of the measure that an appeal is against, if it stands and is harder than another."""
    number, kinds = parse_subject(appeal.subject)[1], list(MeasureKind)
    query = select(measures.c.kind).where(measures.c.measure_id == number, measures.c.lifted_at.is_(None))
    kind = connection.scalar(query)
    if kind is None or kinds.index(milder) >= kinds.index(MeasureKind(kind)) or milder is MeasureKind.REMOVE_IN:
        found = f"{milder!s} in the place of {kind or 'a measure that has ended'}"
        raise UnusableOutcome(appeal.appeal_id, found, "a milder measure that holds everywhere, or granted or rejected")
    return number


def _end_restriction(
    connection: Connection, appeal: Appeal, verdict: Verdict, by: str, why: str, at: datetime
) -> Sequence[Decision]:
    """Lift what an appeal is against, by putting the decision right where that is what is wrong."""
    kind, number = parse_subject(appeal.subject)
    if kind == "penalty":
        lift_penalty(connection, number, by, why, at)
        return ()
    decision_id = _find_standing(connection, appeal)
    if decision_id is None:
        return ()  # others have taken it back meanwhile
    origin = "appeal" if verdict is Verdict.GENUINE else "clock"
    return correct(connection, decision_id, verdict, by, why, at, origin=origin).decisions


def _find_standing(connection: Connection, appeal: Appeal) -> int | None:
    """Return the decision that keeps the listing down now: perhaps not the one that was appealed against."""
    is_there = (decisions.c.case_id == appeal.case_id) & stands()
    rows = find_decisions(connection, is_there)
    return rows[-1].decision_id if rows and rows[-1].verdict == Verdict.COUNTERFEIT else None
