"""Resolution: ends appeals by a person's decision, by the rights holder, or by a deadline.

The outcome names the error and changes only that: the verdict with all its consequences, one measure, its severity, or
nothing. A counter-notice goes to the rights holder, who sues within the deadline, gives up, or stays silent. Each step
of `run_appeal_deadlines` is a transaction of its own, so an interrupted run is completed by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, or_, select

from ipml.enforcement.appeals.appeal import (
    OUTCOMES,
    Appeal,
    AppealEvent,
    change_appeal,
    find_appeal,
    may_decide,
    move,
    next_state,
    store_outcome,
)
from ipml.enforcement.appeals.filings import COMPLAINT, COUNTER_NOTICE, find_newly_notified, stop_all
from ipml.enforcement.appeals.letters import passed_on_subject, write_seller
from ipml.enforcement.appeals.remedies import (
    find_penalty,
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
    pause,
    resume,
    run_deadlines,
    start_deadlines,
)
from ipml.enforcement.policy import AppealRules, load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.handed_over import read_listing
from ipml.errors import Conflict, Forbidden, IllegalStep, SellerErased, UnstorableValue, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import check_text, decode_listing
from ipml.review.cases import find_cases
from ipml.review.corrections import Correction, CorrectionRequest, NearDuplicates, correct
from ipml.review.reversals import DecisionActions, find_decisions, stands
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, writing
from ipml.storage.pseudonyms import encrypt
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import deadlines, decisions, measures, outbox

LONGEST_WHY = 5_000


def claim_appeal(
    connection: Connection, appeal_id: int, by: str, *, rules: AppealRules | None = None, now: datetime | None = None
) -> Appeal:
    """Claim an appeal for a person, or prolong their claim. Raises Forbidden, Conflict or NotFound."""
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    appeal = find_appeal(connection, appeal_id, lock=True)
    if not appeal.is_pending:
        raise IllegalStep(appeal.name, appeal.state, "assigned")
    _refuse(connection, appeal, by, now)
    lease = {"holder": by, "lease_expires_at": now + timedelta(minutes=rules.claim_minutes)}
    change_appeal(connection, appeal_id, **lease)
    audit.append(connection, by, "appeal assigned", appeal.name, {"case": appeal.case_id}, at=now)
    return find_appeal(connection, appeal_id)


def decide_appeal(
    connection: Connection,
    appeal_id: int,
    by: str,
    outcome: str,
    why: str,
    *,
    measure: MeasureKind | None = None,
    near_duplicates: NearDuplicates = NearDuplicates.QUEUE,
    rules: AppealRules | None = None,
    now: datetime | None = None,
    actions: DecisionActions | None = None,
) -> Appeal:
    """Decide an appeal and correct the error in one transaction; the seller receives the reasons.

    - "granted": the verdict was wrong. The decision is reversed with all its measures and its strike, and the listing
      is decided genuine. In an appeal against a penalty, the penalty is lifted and the strikes stay.
    - "measure lifted": the verdict was right, this measure was not. It ends; everything else stays.
    - "partly granted": the milder `measure` replaces it until the same end.
    - "rejected": everything stays.

    The second and third apply to measures only. `why` is sent to the seller, at most 5,000 characters.
    `near_duplicates` applies if the verdict was wrong: the treatment of near-duplicates decided with the listing.
    `actions` undoes and applies the consequences of the old and the new decision.

    Raises
    ------
    Forbidden
        `by` is not a person, decided in the matter before, or sells as this seller.
    Conflict, NotFound, IllegalStep
        Another person has claimed it, it does not exist, or it was decided already.
    Conflict, UnstorableValue
        Outcome, measure or reasons do not fit.
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    check_text("why", why, LONGEST_WHY)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = find_appeal(connection, appeal_id, lock=True)
    event = _check_outcome(appeal, outcome, why, measure)
    _refuse(connection, appeal, by, now)
    listing = read_listing(connection, appeal.case_id, appeal.decision_id)
    appeal = move(connection, appeal, event)
    made = _put_right(connection, appeal, event, by, measure, near_duplicates, rules, now, actions)
    stop_all(connection, running, by, now)
    store_outcome(connection, appeal, by, why, now, measure, **_describe(made), queued=made.n_queued)
    write_seller(connection, appeal, event.value.replace(" ", "_"), listing, rules, now, why)
    return appeal


def why_lifted(why: str) -> str:
    """Return the cause of a reversal that a seller's letter states: "appeal", "counter-notice" or "review".

    Examples
    --------
    >>> why_lifted("appeal 3 granted"), why_lifted("holder silent, appeal 3"), why_lifted("wrong brand")
    ('appeal', 'counter-notice', 'review')
    """
    if re.fullmatch(r"appeal \d+ granted", why):
        return "appeal"
    return "counter-notice" if re.fullmatch(r"holder \w+, appeal \d+", why) else "review"


def restore(
    connection: Connection,
    appeal: Appeal,
    event: AppealEvent,
    by: str,
    rules: AppealRules,
    at: datetime,
    actions: DecisionActions | None,
) -> Appeal:
    """End a restriction because the rights holder gave up or stayed silent, without a judgement of the listing.

    The case is closed with "cannot tell", so models do not learn from it.
    """
    appeal = move(connection, appeal, event)
    listing = read_listing(connection, appeal.case_id, appeal.decision_id)
    why = f"{event}, appeal {appeal.appeal_id}"
    said = (Verdict.CANNOT_TELL, NearDuplicates.STAND, by, why)
    made = _end_restriction(connection, appeal, *said, at, actions)
    store_outcome(connection, appeal, by, event.value, at, None, **_describe(made))
    write_seller(connection, appeal, "restored", listing, rules, at)
    return appeal


def _describe(made: Correction) -> dict[str, int | None]:
    return {"corrected": len(made.decisions), "new_decision": made.decisions[0].decision_id if made.decisions else None}


def _refuse(connection: Connection, appeal: Appeal, by: str, now: datetime) -> None:
    if obstacle := may_decide(connection, appeal, by):
        raise Forbidden(f"appeal {appeal.appeal_id}", f"it is not for {by!r} to decide: {obstacle}")
    holder = appeal.holder_at(now)
    if holder not in (None, by):
        raise Conflict(f"appeal {appeal.appeal_id}", f"it is in the hands of {holder}", "Take another, or ask them.")


def _check_outcome(appeal: Appeal, outcome: str, why: str, measure: MeasureKind | None) -> AppealEvent:
    number = appeal.appeal_id
    if outcome not in OUTCOMES:
        raise Conflict(f"appeal {number}", f"found outcome {outcome[:80]!r}; expected one of {', '.join(OUTCOMES)}")
    if not why.strip():
        raise Conflict(
            f"appeal {number}", f"found outcome {outcome!r} without reasons; expected reasons that the seller can read"
        )
    is_partly = outcome == AppealEvent.PARTLY_GRANTED
    if is_partly != (measure is not None):
        raise Conflict(
            f"appeal {number}",
            f"found outcome {outcome!r} with measure {measure}; expected a milder measure if granted in part only",
        )
    if (is_partly or outcome == AppealEvent.MEASURE_LIFTED) and not appeal.subject.startswith("measure:"):
        raise Conflict(
            f"appeal {number}",
            f"found outcome {outcome!r} of {appeal.subject}; expected granted or rejected, as it is no measure",
        )
    next_state(number, appeal.state, AppealEvent(outcome))  # first: a late decision is refused as late for any person
    return AppealEvent(outcome)


def _put_right(
    connection: Connection,
    appeal: Appeal,
    event: AppealEvent,
    by: str,
    measure: MeasureKind | None,
    near_duplicates: NearDuplicates,
    rules: AppealRules,
    at: datetime,
    actions: DecisionActions | None,
) -> Correction:
    why = f"appeal {appeal.appeal_id} {event}"
    if event is AppealEvent.GRANTED:
        return _end_restriction(connection, appeal, Verdict.GENUINE, near_duplicates, by, why, at, actions)
    if event is AppealEvent.MEASURE_LIFTED:
        lift_measure(connection, _find_running(connection, appeal, at)[0], by, why, at)
    elif measure is not None:
        soften(connection, _find_harder(connection, appeal, measure, at), measure, by, why, at)
        if rules.strike_in_part == "taken back":
            take_strike_back(connection, appeal.decision_id, by, why, at)
    return Correction()


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
        found = f"found outcome {milder!s} in the place of {kind}"
        raise Conflict(appeal.name, f"{found}; expected a milder measure that holds everywhere, or another outcome")
    return number


def _end_restriction(
    connection: Connection,
    appeal: Appeal,
    verdict: Verdict,
    near_duplicates: NearDuplicates,
    by: str,
    why: str,
    at: datetime,
    actions: DecisionActions | None,
) -> Correction:
    """Lift the contested penalty, or correct the decision with all its consequences."""
    kind, number = parse_subject(appeal.subject)
    if kind == "penalty":
        lift_penalty(connection, number, by, why, at)
        return Correction()
    decision_id = _find_standing(connection, appeal)
    if decision_id is None:
        return Correction()  # reversed by others meanwhile
    origin = "appeal" if verdict is Verdict.GENUINE else "deadline"
    request = CorrectionRequest(verdict, by, why, at, origin, near_duplicates)
    return correct(connection, decision_id, request, actions)


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
    connection: Connection,
    appeal_id: int,
    by: str,
    *,
    rules: AppealRules | None = None,
    now: datetime | None = None,
    actions: DecisionActions | None = None,
) -> Appeal:
    """Record that the rights holder gives up: the restriction ends at once. Raises IllegalStep or NotFound."""
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = find_appeal(connection, appeal_id, lock=True)
    appeal = restore(connection, appeal, AppealEvent.HOLDER_WITHDREW, by, rules, now, actions)
    stop_all(connection, running, by, now)
    return appeal


def change_term(
    connection: Connection,
    appeal_id: int,
    how: str,
    by: str,
    *,
    rules: AppealRules | None = None,
    now: datetime | None = None,
) -> Deadline:
    """Change the running deadline of an appeal: "extend" (once, to the profile's longer term), "pause" or "resume".

    Raises NotFound, or IllegalStep if no deadline runs or the profile has no longer term.
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    running = list(find_deadlines(connection, f"appeal:{appeal_id}", lock=True).values())
    appeal = find_appeal(connection, appeal_id, lock=True)
    found = [deadline for deadline in running if not deadline.has_ended]
    if not found or how not in ("extend", "pause", "resume"):
        raise IllegalStep(appeal.name, appeal.state, how)
    if how == "pause":
        return pause(connection, found[0], by, now)
    change = extend if how == "extend" else resume
    return change(connection, found[0], rules.load_profile(appeal.profile), by, now)


_AT_ONCE = 200  # looked for in one query


def run_appeal_deadlines(
    engine: Engine,
    *,
    rules: AppealRules | None = None,
    now: datetime | None = None,
    actions: DecisionActions | None = None,
) -> DeadlineResult:
    """Begin the deadlines whose event has occurred, and expire those that two readings of the clock found past.

    The clock `now` may be wrong for a while: see `ipml.enforcement.deadlines.deadlines`.
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    _open_windows(engine, rules, now)
    _begin_passed_on(engine, rules, now)
    return run_deadlines(
        engine,
        now,
        rules.confirm,
        lambda connection, deadline, at: _follow(connection, deadline, at, rules, actions),
        lambda deadline: _is_followed(deadline, rules),
    )


def _open_windows(engine: Engine, rules: AppealRules, now: datetime) -> None:
    def open_some(connection: Connection, subjects: Sequence[str]) -> None:
        told = find_newly_notified(connection, now, len(subjects), among=subjects)
        start_deadlines(connection, _name_windows(connection, told, rules), DEADLINES, now)

    while True:
        with reading(engine) as connection:
            subjects = [subject for subject, _ in find_newly_notified(connection, now, _AT_ONCE)]
        if not subjects:
            return
        for _ in change_in_turns(engine, subjects, open_some, lock=Lock.OPEN_WINDOWS):
            pass


def _name_windows(
    connection: Connection, told: Sequence[tuple[str, datetime]], rules: AppealRules
) -> list[DeadlineStart]:
    country_of = _find_countries(connection, [subject for subject, _ in told])
    profile_of = {country: rules.profile_for(country) for country in set(country_of.values())}
    starts: list[DeadlineStart] = []
    for subject, at in told:
        profile = profile_of[country_of[subject]]
        starts.append(DeadlineStart(subject, COMPLAINT, profile, at))
        if profile.windows.counter_notice != profile.windows.complaint:
            starts.append(DeadlineStart(subject, COUNTER_NOTICE, profile, at))
    return starts


def _find_countries(connection: Connection, subjects: Sequence[str]) -> dict[str, str | None]:
    """Return the country of the listing behind each restriction, None if unknown."""
    numbers = [parse_subject(subject) for subject in subjects]
    is_asked = measures.c.measure_id.in_([number for kind, number in numbers if kind == "measure"])
    case_of = {("measure", row.measure_id): row.case_id for row in connection.execute(select(measures).where(is_asked))}
    for kind, number in numbers:
        if kind == "penalty" and (penalty := find_penalty(connection, number)):
            case_of[kind, number] = penalty.case_id
    found = find_cases(connection, case_of.values())
    cases_asked = {subject: case_of.get(named) for subject, named in zip(subjects, numbers, strict=True)}
    return {
        subject: None if case_id is None else decode_listing(found[case_id].snapshot).country
        for subject, case_id in cases_asked.items()
    }


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
    told = connection.execute(select(outbox.c.state, outbox.c.settled_at).where(*of_it)).all()
    reached_at = max((row.settled_at for row in told if row.state == "delivered"), default=None)
    if (
        deadline.state is DeadlineState.WAITING
        and reached_at is not None
        and all(row.state == "delivered" for row in told)
    ):
        begin(connection, deadline, rules.load_profile(deadline.profile), reached_at, DEADLINES, now)


def _is_followed(deadline: Deadline, rules: AppealRules) -> bool:
    """Return whether an expiry has an effect; an unreadable profile is reported when the effect is applied."""
    with suppress(UnusableSetting):
        return rules.load_profile(deadline.profile).stage(deadline.stage).at_expiry == "restore"
    return True


def _follow(
    connection: Connection, deadline: Deadline, now: datetime, rules: AppealRules, actions: DecisionActions | None
) -> None:
    """Apply the effect of an expiry; a filing deadline or a late decision has none."""
    if rules.load_profile(deadline.profile).stage(deadline.stage).at_expiry != "restore":
        return
    appeal = find_appeal(connection, parse_subject(deadline.subject)[1], lock=True)
    restore(connection, appeal, AppealEvent.HOLDER_SILENT, DEADLINES, rules, now, actions)
