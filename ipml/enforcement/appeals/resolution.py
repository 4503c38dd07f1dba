"""Resolution: ends appeals by a person's decision, by the rights holder, or by a deadline.

The outcome names the error and changes only that: the verdict with all its consequences, one measure, its severity, or
nothing. A counter-notice goes to the rights holder, who sues within the deadline, gives up, or stays silent. Each step
of `run_appeal_deadlines` is a transaction of its own, so an interrupted run is completed by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, or_, select

from ipml.enforcement.appeals.appeal import (
    OUTCOMES,
    Appeal,
    AppealEvent,
    AppealOutcome,
    change_appeal,
    find_appeal,
    may_decide,
    move,
    next_state,
    store_outcome,
)
from ipml.enforcement.appeals.filings import COMPLAINT, COUNTER_NOTICE, find_newly_notified, stop_all
from ipml.enforcement.appeals.letters import AppealLetter, passed_on_subject, write_seller
from ipml.enforcement.appeals.remedies import (
    PENALISED,
    AppealContext,
    Remedy,
    lift_measure,
    lift_penalty,
    parse_subject,
    soften,
    take_strike_back,
)
from ipml.enforcement.deadlines.deadlines import (
    DEADLINES,
    Deadline,
    DeadlineResult,
    DeadlineStart,
    DeadlineState,
    begin,
    extend,
    find_deadlines,
    run_deadlines,
    start_deadlines,
)
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.handed_over import read_listing
from ipml.errors import Conflict, Forbidden, IllegalStep, SellerErased, UnstorableValue, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import check_text, decode_listing
from ipml.review.cases import find_cases
from ipml.review.corrections import Correction, CorrectionRequest, NearDuplicates, correct
from ipml.review.reversals import find_decisions, stands
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, writing
from ipml.storage.pseudonyms import encrypt
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import deadlines, decisions, measures, outbox, penalties

LONGEST_WHY = 5_000


def claim_appeal(
    connection: Connection, appeal_id: int, by: str, rules: AppealRules, *, now: datetime | None = None
) -> Appeal:
    """Claim an appeal for a person, or prolong their claim. Raises Forbidden, Conflict or NotFound."""
    now = now or datetime.now(UTC)
    appeal = find_appeal(connection, appeal_id, lock=True)
    if not appeal.is_pending:
        raise IllegalStep(appeal.name, appeal.state, "assigned")
    _refuse(connection, appeal, by, now)
    lease = {"holder": by, "lease_expires_at": now + timedelta(minutes=rules.claim_minutes)}
    change_appeal(connection, appeal_id, **lease)
    audit.append(connection, by, "appeal assigned", appeal.name, {"case": appeal.case_id}, at=now)
    return find_appeal(connection, appeal_id)


@dataclass(frozen=True, slots=True)
class AppealDecision:
    """A person's decision on an appeal, which names the error.

    - `outcome`: "granted": the verdict was wrong. The decision is reversed with all its measures and its strike, and
      the listing is decided genuine; in an appeal against a penalty, the penalty is lifted and the strikes stay.
      "measure lifted": the verdict was right, this measure was not; it ends, everything else stays. "partly granted":
      the milder `measure` replaces it until the same end. "rejected": everything stays. The second and third apply to
      measures only.
    - `why`: sent to the seller, at most 5,000 characters.
    - `near_duplicates`: treatment of near-duplicates decided with the listing, if the verdict was wrong.
    """

    outcome: str
    by: str
    why: str
    measure: MeasureKind | None = None
    near_duplicates: NearDuplicates = NearDuplicates.QUEUE


def decide_appeal(
    connection: Connection,
    appeal_id: int,
    decision: AppealDecision,
    context: AppealContext,
    *,
    now: datetime | None = None,
) -> Appeal:
    """Decide an appeal and correct the error in one transaction; the seller receives the reasons.

    Raises Forbidden if the person decided in the matter before or sells as this seller; Conflict if another person has
    claimed it, or outcome, measure or reasons do not fit; IllegalStep if it was decided already; NotFound;
    UnstorableValue.
    """
    now, by, measure = now or datetime.now(UTC), decision.by, decision.measure
    check_text("why", decision.why, LONGEST_WHY)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = find_appeal(connection, appeal_id, lock=True)
    event = _check_outcome(appeal, decision)
    _refuse(connection, appeal, by, now)
    listing = read_listing(connection, appeal.case_id, appeal.decision_id)
    appeal = move(connection, appeal, event)
    remedy, made = Remedy(by, f"appeal {appeal_id} {event}", now, context), Correction()
    if event is AppealEvent.GRANTED:
        made = _end_restriction(connection, appeal, remedy, Verdict.GENUINE, decision.near_duplicates)
    elif event is AppealEvent.MEASURE_LIFTED:
        lift_measure(connection, _find_running(connection, appeal, now)[0], remedy)
    elif measure is not None:
        soften(connection, _find_harder(connection, appeal, measure, now), measure, remedy)
        if context.rules.strike_in_part == "taken back":
            take_strike_back(connection, appeal.decision_id, remedy)
    stop_all(connection, running, by, now)
    outcome = AppealOutcome(appeal.state, by, now, decision.why, measure)
    store_outcome(connection, appeal, outcome, **_describe(made), queued=made.n_queued)
    letter = AppealLetter(event.value.replace(" ", "_"), listing, now, decision.why)
    write_seller(connection, appeal, letter, context.rules)
    return appeal


def why_lifted(why: str) -> str:
    """Return the cause of a reversal that a seller's letter states: "appeal", "counter-notice" or "review".

    >>> why_lifted("appeal 3 granted"), why_lifted("holder silent, appeal 3"), why_lifted("wrong brand")
    ('appeal', 'counter-notice', 'review')
    """
    if re.fullmatch(r"appeal \d+ granted", why):
        return "appeal"
    return "counter-notice" if re.fullmatch(r"holder \w+, appeal \d+", why) else "review"


def _restore(
    connection: Connection, appeal: Appeal, event: AppealEvent, by: str, context: AppealContext, at: datetime
) -> Appeal:
    """End a restriction that the rights holder gave up; "cannot tell" closes the case, so no model learns from it."""
    appeal = move(connection, appeal, event)
    listing = read_listing(connection, appeal.case_id, appeal.decision_id)
    remedy = Remedy(by, f"{event}, appeal {appeal.appeal_id}", at, context)
    made = _end_restriction(connection, appeal, remedy, Verdict.CANNOT_TELL, NearDuplicates.STAND)
    store_outcome(connection, appeal, AppealOutcome(appeal.state, by, at, event.value), **_describe(made))
    write_seller(connection, appeal, AppealLetter("restored", listing, at), context.rules)
    return appeal


def _describe(made: Correction) -> dict[str, int | None]:
    return {"corrected": len(made.decisions), "new_decision": made.decisions[0].decision_id if made.decisions else None}


def _refuse(connection: Connection, appeal: Appeal, by: str, now: datetime) -> None:
    if obstacle := may_decide(connection, appeal, by):
        raise Forbidden(f"appeal {appeal.appeal_id}", f"it is not for {by!r} to decide: {obstacle}")
    holder = appeal.holder_at(now)
    if holder not in (None, by):
        raise Conflict(f"appeal {appeal.appeal_id}", f"it is in the hands of {holder}", "Take another, or ask them.")


def _check_outcome(appeal: Appeal, decision: AppealDecision) -> AppealEvent:
    outcome, measure = decision.outcome, decision.measure
    is_partly = outcome == AppealEvent.PARTLY_GRANTED
    problem = ""
    if outcome not in OUTCOMES:
        problem = f"found outcome {outcome[:80]!r}; expected one of {', '.join(OUTCOMES)}"
    elif not decision.why.strip():
        problem = f"found outcome {outcome!r} without reasons; expected reasons that the seller can read"
    elif is_partly != (measure is not None):
        problem = f"found outcome {outcome!r} with measure {measure}; expected a milder measure if granted in part only"
    elif (is_partly or outcome == AppealEvent.MEASURE_LIFTED) and not appeal.subject.startswith("measure:"):
        problem = f"found outcome {outcome!r} of {appeal.subject}; expected granted or rejected, as it is no measure"
    if problem:
        raise Conflict(f"appeal {appeal.appeal_id}", problem)
    # First: a late decision is refused as late for any person.
    next_state(appeal.appeal_id, appeal.state, AppealEvent(outcome))
    return AppealEvent(outcome)


def _find_running(connection: Connection, appeal: Appeal, at: datetime) -> tuple[int, MeasureKind]:
    """Return number and kind of the contested measure; raise Conflict if it has ended or should have."""
    number = parse_subject(appeal.subject)[1]
    runs = measures.c.lifted_at.is_(None), or_(measures.c.until.is_(None), measures.c.until > at)
    kind = connection.scalar(select(measures.c.kind).where(measures.c.measure_id == number, *runs))
    if kind is None:
        raise Conflict(appeal.name, f"found that {appeal.subject} has ended; expected outcome granted or rejected")
    return number, MeasureKind(kind)


def _find_harder(connection: Connection, appeal: Appeal, milder: MeasureKind, at: datetime) -> int:
    """Return the number of the contested measure; raise Conflict if it has ended or is not harder than `milder`."""
    (number, kind), kinds = _find_running(connection, appeal, at), list(MeasureKind)
    if kinds.index(milder) >= kinds.index(kind) or milder is MeasureKind.REMOVE_IN:
        finding = f"found outcome {milder!s} in the place of {kind}"
        raise Conflict(appeal.name, f"{finding}; expected a milder measure that holds everywhere, or another outcome")
    return number


def _end_restriction(
    connection: Connection, appeal: Appeal, remedy: Remedy, verdict: Verdict, near_duplicates: NearDuplicates
) -> Correction:
    """Lift the contested penalty, or correct the decision with all its consequences."""
    kind, number = parse_subject(appeal.subject)
    if kind == "penalty":
        lift_penalty(connection, number, remedy)
        return Correction()
    decision_id = _find_standing(connection, appeal)
    if decision_id is None:
        return Correction()  # reversed by others meanwhile
    origin = "appeal" if verdict is Verdict.GENUINE else "deadline"
    request = CorrectionRequest(verdict, *remedy.change, origin, near_duplicates)
    return correct(connection, decision_id, request, remedy.context.actions)


def _find_standing(connection: Connection, appeal: Appeal) -> int | None:
    """Return the decision in force against the listing; it may differ from the contested one."""
    is_there = (decisions.c.case_id == appeal.case_id) & stands()
    rows = find_decisions(connection, is_there)
    return rows[-1].decision_id if rows and rows[-1].verdict == Verdict.COUNTERFEIT else None


_LONGEST_REFERENCE = 500


def holder_acted(
    connection: Connection, appeal_id: int, reference: str, by: str, *, now: datetime | None = None
) -> Appeal:
    """Record that the rights holder sued or complained to an authority: the measure stays and the deadline stops.

    `reference` is court and docket, or authority and file number, at most 500 characters. Raises IllegalStep if the
    expiry of the deadline was recorded or the appeal is no counter-notice that waits for the holder; NotFound;
    UnstorableValue.
    """
    check_text("reference", reference, _LONGEST_REFERENCE)
    if not reference.strip():
        raise UnstorableValue("reference", "nothing", "where the complaint or suit was filed, and its number")
    now = now or datetime.now(UTC)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = move(connection, find_appeal(connection, appeal_id, lock=True), AppealEvent.HOLDER_ACTED)
    stop_all(connection, running, by, now)
    encrypted = None
    with suppress(SellerErased):
        encrypted = encrypt(connection, appeal.pseudonym, reference)
    change_appeal(connection, appeal_id, reference=encrypted)
    audit.append(connection, by, "holder acted", appeal.name, {"encrypted": encrypted and digest(encrypted)}, at=now)
    return appeal


def holder_withdrew(
    connection: Connection, appeal_id: int, by: str, context: AppealContext, *, now: datetime | None = None
) -> Appeal:
    """Record that the rights holder gives up: the restriction ends at once. Raises IllegalStep or NotFound."""
    now = now or datetime.now(UTC)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = find_appeal(connection, appeal_id, lock=True)
    appeal = _restore(connection, appeal, AppealEvent.HOLDER_WITHDREW, by, context, now)
    stop_all(connection, running, by, now)
    return appeal


def extend_term(
    connection: Connection, appeal_id: int, by: str, rules: AppealRules, *, now: datetime | None = None
) -> Deadline:
    """Extend the running deadline of an appeal, once, to the profile's longer term.

    Raises NotFound, or IllegalStep if no deadline runs or the profile has no longer term.
    """
    all_deadlines = find_deadlines(connection, f"appeal:{appeal_id}", lock=True).values()
    appeal = find_appeal(connection, appeal_id, lock=True)
    running = [deadline for deadline in all_deadlines if not deadline.has_ended]
    if not running:
        raise IllegalStep(appeal.name, appeal.state, "extend")
    return extend(connection, running[0], rules.load_profile(appeal.profile), by, now or datetime.now(UTC))


_AT_ONCE = 200  # looked for in one query


def run_appeal_deadlines(engine: Engine, context: AppealContext, *, now: datetime | None = None) -> DeadlineResult:
    """Begin the deadlines whose event has occurred, and expire those that two readings of the clock found past.

    The clock `now` may be wrong for a while: see `ipml.enforcement.deadlines.deadlines`.
    """
    now, rules = now or datetime.now(UTC), context.rules
    _open_windows(engine, rules, now)
    _begin_passed_on(engine, rules, now)

    def follow(connection: Connection, deadline: Deadline, at: datetime) -> None:
        if _restores(deadline, rules):
            appeal = find_appeal(connection, parse_subject(deadline.subject)[1], lock=True)
            _restore(connection, appeal, AppealEvent.HOLDER_SILENT, DEADLINES, context, at)

    def has_effect(deadline: Deadline) -> bool:
        with suppress(UnusableSetting):  # an unreadable profile is reported when the effect is applied
            return _restores(deadline, rules)
        return True

    return run_deadlines(engine, now, rules.confirm, follow, has_effect)


def _restores(deadline: Deadline, rules: AppealRules) -> bool:
    """Return whether the expiry of a deadline restores the listing; a filing deadline or a late decision does not."""
    return rules.load_profile(deadline.profile).stage(deadline.stage).at_expiry == "restore"


def _open_windows(engine: Engine, rules: AppealRules, now: datetime) -> None:
    def open_some(connection: Connection, subjects: Sequence[str]) -> None:
        notified = find_newly_notified(connection, now, len(subjects), among=subjects)
        start_deadlines(connection, _name_windows(connection, notified, rules), DEADLINES, now)

    while True:
        with reading(engine) as connection:
            subjects = [subject for subject, _ in find_newly_notified(connection, now, _AT_ONCE)]
        if not subjects:
            return
        for _ in change_in_turns(engine, subjects, open_some, lock=Lock.OPEN_WINDOWS):
            pass


def _name_windows(
    connection: Connection, notified: Sequence[tuple[str, datetime]], rules: AppealRules
) -> list[DeadlineStart]:
    country_of = _find_countries(connection, [subject for subject, _ in notified])
    profile_of = {country: rules.profile_for(country) for country in set(country_of.values())}
    starts: list[DeadlineStart] = []
    for subject, at in notified:
        profile = profile_of[country_of[subject]]
        starts.append(DeadlineStart(subject, COMPLAINT, profile, at))
        if profile.windows.counter_notice != profile.windows.complaint:
            starts.append(DeadlineStart(subject, COUNTER_NOTICE, profile, at))
    return starts


def _find_countries(connection: Connection, subjects: Sequence[str]) -> dict[str, str | None]:
    """Return the country of the listing behind each restriction, None if unknown."""
    numbers = [parse_subject(subject)[1] for subject in subjects]
    of_measures = select(measures.c.measure_id, measures.c.case_id).where(measures.c.measure_id.in_(numbers))
    of_penalties = PENALISED.where(penalties.c.penalty_id.in_(numbers))
    case_of = {f"measure:{row.measure_id}": row.case_id for row in connection.execute(of_measures)}
    case_of |= {f"penalty:{row.penalty_id}": row.case_id for row in connection.execute(of_penalties)}
    case_of = {subject: case_of[subject] for subject in subjects if subject in case_of}
    rows = find_cases(connection, case_of.values())
    countries = {subject: decode_listing(rows[number].snapshot).country for subject, number in case_of.items()}
    return {subject: countries.get(subject) for subject in subjects}


def _begin_passed_on(engine: Engine, rules: AppealRules, now: datetime) -> None:
    query = (
        select(deadlines.c.subject).where(deadlines.c.state == DeadlineState.WAITING).order_by(deadlines.c.deadline_id)
    )
    with reading(engine) as connection:
        waiting = list(connection.scalars(query))
    for subject in waiting:
        with writing(engine) as connection:
            _begin_one(connection, subject, rules, now)


def _begin_one(connection: Connection, subject: str, rules: AppealRules, now: datetime) -> None:
    deadline = find_deadlines(connection, subject, lock=True)["holder"]
    passed_on = passed_on_subject(parse_subject(subject)[1])
    # Notifiers may be notified besides the rights holder; a dead message does not delay the deadline.
    of_it = or_(outbox.c.subject == passed_on, outbox.c.subject.like(f"{passed_on}:%")), outbox.c.state != "dead"
    rows = connection.execute(select(outbox.c.state, outbox.c.settled_at).where(*of_it)).all()
    are_delivered = bool(rows) and all(row.state == "delivered" for row in rows)
    if deadline.state is DeadlineState.WAITING and are_delivered:
        reached_at = max(row.settled_at for row in rows)
        begin(connection, deadline, rules.load_profile(deadline.profile), reached_at, DEADLINES, now)
