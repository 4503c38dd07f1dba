"""Case file: the actions that followed a case's decisions, and a preview of the decision "counterfeit".

If the seller was erased, texts are None; numbers, kinds and times stay. The preview writes nothing. The listing file
shows measures in force, running deadlines and pending messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, select

from ipml.enforcement.appeals.appeal import Appeal, PendingAppeal, list_of_case
from ipml.enforcement.deadlines.deadlines import Deadline, find_all_deadlines, find_deadlines, make_deadline
from ipml.enforcement.evidence.pieces import Evidence, find_evidence
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.penalties import (
    Explained,
    Penalty,
    explain_penalties,
    find_steps,
    list_told,
    select_penalties,
)
from ipml.enforcement.penalties.standing import (
    SellerStanding,
    Strike,
    find_standing,
    select_strikes,
)
from ipml.enforcement.penalties.strikes import preview_strike
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import PenaltyKind, Restriction
from ipml.enforcement.statements.facts import Background, Statement, state
from ipml.enforcement.statements.letter import Letter, write_letter
from ipml.enforcement.statements.statements import StoredStatement, find_notified, list_statements
from ipml.enforcement.takedown.measures import (
    ChosenMeasure,
    Measure,
    find_measures,
    find_on_listing,
    in_force,
    read_all_whys,
)
from ipml.errors import EvidenceChanged
from ipml.records import Decision, Listing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase
from ipml.review.decisions import GROUNDS
from ipml.storage.tables import deadlines, outbox, penalties, strikes


@dataclass(frozen=True, slots=True)
class SentStatement:
    """A statement of reasons as it was sent.

    - `letter`: None if the seller was erased.
    - `payload`: content for the transparency database; None if nothing is submitted, for the reason in
      `why_not_stated`.
    - `notified_at`: time of delivery.
    - `windows`: deadlines of the seller's appeal.
    """

    statement: Statement
    letter: Letter | None
    payload: dict[str, Any] | None
    why_not_stated: str | None
    notified_at: datetime | None
    windows: tuple[Deadline, ...]


@dataclass(frozen=True, slots=True)
class TakenMeasure:
    """A measure with its reasons and its statement `told`."""

    measure: Measure
    why: str | None
    why_lifted: str | None
    why_refused: str | None
    told: SentStatement | None

    @property
    def took(self) -> timedelta | None:
        """Time from listing to measure; None if the time of listing is unknown."""
        listed_at = self.measure.listed_at
        return None if listed_at is None else max(self.measure.imposed_at - listed_at, timedelta())


@dataclass(frozen=True, slots=True)
class GivenPenalty:
    """A penalty with its reasons; `explained` is None if the seller was erased."""

    penalty: Penalty
    explained: Explained | None
    told: SentStatement | None


@dataclass(frozen=True, slots=True)
class CaseActions:
    """Actions after the decisions on a case; measures newest first, the others oldest first.

    `damage` is the error message if the evidence is damaged; no evidence is shown then.
    """

    evidence: tuple[Evidence, ...]
    measures: tuple[TakenMeasure, ...]
    strikes: tuple[Strike, ...]
    penalties: tuple[GivenPenalty, ...]
    appeals: tuple[PendingAppeal, ...]
    damage: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether no action is recorded."""
        entries = self.evidence or self.measures or self.strikes or self.penalties or self.appeals
        return not entries and self.damage is None


def read_case_actions(connection: Connection, case_id: int) -> CaseActions:
    """Return the actions after the decisions on a case."""
    statements = read_told(connection, list_statements(connection, case_id))
    struck = list(select_strikes(connection, strikes.c.case_id == case_id))
    led_to = list(select_penalties(connection, penalties.c.strike_id.in_([strike.strike_id for strike in struck])))
    evidence, damage = _find_evidence(connection, case_id)
    measures = find_measures(connection, case_id=case_id)
    whys = read_all_whys(connection, measures)
    return CaseActions(
        evidence=evidence,
        damage=damage,
        measures=tuple(
            TakenMeasure(measure, **whys[measure.measure_id], told=statements.get(measure.subject))
            for measure in measures
        ),
        strikes=tuple(struck),
        penalties=tuple(read_penalties(connection, led_to, statements)),
        appeals=tuple(find_pending(connection, list_of_case(connection, case_id))),
    )


def read_told(connection: Connection, stored: Sequence[StoredStatement]) -> dict[str, SentStatement]:
    """Return statements as sent to the seller and the public, by subject."""
    if not stored:
        return {}
    subjects = [stored_statement.statement.subject for stored_statement in stored]
    notified, windows = find_notified(connection, subjects), find_all_deadlines(connection, subjects)
    return {
        subject: SentStatement(
            stored_statement.statement,
            stored_statement.letter,
            stored_statement.payload,
            stored_statement.why_not_stated,
            notified.get(subject),
            tuple(windows[subject].values()),
        )
        for subject, stored_statement in zip(subjects, stored, strict=True)
    }


def read_penalties(
    connection: Connection, some: Sequence[Penalty], told: Mapping[str, SentStatement] = MappingProxyType({})
) -> list[GivenPenalty]:
    """Return penalties with their reasons, and their statements if `told` contains them."""
    explained = explain_penalties(connection, [penalty.penalty_id for penalty in some])
    return [GivenPenalty(penalty, explained[penalty.penalty_id], told.get(penalty.subject)) for penalty in some]


def find_pending(connection: Connection, some: Sequence[Appeal]) -> list[PendingAppeal]:
    """Return appeals, each with its next running deadline."""
    terms = find_all_deadlines(connection, [appeal.name for appeal in some])
    return [PendingAppeal(appeal, _next(terms[appeal.name].values())) for appeal in some]


def find_due(connection: Connection, subject: str) -> datetime | None:
    """Return the next running deadline of a subject, or None."""
    return _next(find_deadlines(connection, subject).values())


def _next(deadlines: Iterable[Deadline]) -> datetime | None:
    return min(
        (deadline.due_at for deadline in deadlines if deadline.due_at is not None and not deadline.has_ended),
        default=None,
    )


def _find_evidence(connection: Connection, case_id: int) -> tuple[tuple[Evidence, ...], str | None]:
    try:
        return tuple(find_evidence(connection, case_id)), None
    except EvidenceChanged as error:
        return (), str(error)


_NOBODY = ""  # pseudonym of a seller without one


@dataclass(frozen=True, slots=True)
class ActionPreview:
    """Preview of the decision "counterfeit".

    - `measures`: measure with its reason, and the grounds that lead to it.
    - `now`, `then`: before and after the decision, on the heaviest ground.
    - `imposed`, `proposed`: penalty imposed automatically, and penalty proposed to a lead.
    - `letter`: letter to the seller about the measure, on the first ground.
    """

    measures: tuple[tuple[str, tuple[str, ...]], ...]
    now: SellerStanding
    then: SellerStanding
    imposed: PenaltyKind | None
    proposed: PenaltyKind | None
    letter: Letter


def preview_actions(
    connection: Connection,
    case: StoredCase,
    strikes: Sequence[Strike],
    policy: EnforcementPolicy,
    *,
    now: datetime | None = None,
) -> ActionPreview:
    """Return a preview of the decision "counterfeit" on a case whose seller has these strikes."""
    at = now or datetime.now(UTC)
    scored = decode(case.snapshot)
    choices = {ground: policy.measures.choose(scored.listing, scored.score, ground) for ground in GROUNDS}
    before, after, imposed, proposed = _preview_penalties(connection, case, strikes, policy, at)
    first, choice = next(iter(choices.items()))
    restriction = _restrict(case, scored.listing, first, choice, at)
    statement = state(restriction, policy.statements, Background.of("review", scored), puid="…")
    return ActionPreview(
        measures=_group(choices),
        now=before,
        then=after,
        imposed=imposed,
        proposed=proposed,
        letter=write_letter(statement, scored.listing.title, scored.listing.listing_id, policy.statements),
    )


def _group(choices: dict[str, ChosenMeasure]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    ways = dict.fromkeys(choice.why for choice in choices.values())
    return tuple((why, tuple(ground for ground, choice in choices.items() if choice.why == why)) for why in ways)


def _preview_penalties(
    connection: Connection, case: StoredCase, strikes: Sequence[Strike], policy: EnforcementPolicy, at: datetime
) -> tuple[SellerStanding, SellerStanding, PenaltyKind | None, PenaltyKind | None]:
    """Return the seller's standing before and after, and the penalties imposed and proposed."""
    rules = policy.penalties
    # Decisions on this case are left out: a second reviewer must not see that there are any.
    strikes = [strike for strike in strikes if strike.case_id != case.case_id]
    counted = {strike.strike_id for strike in strikes}
    penalties = find_penalties(connection, pseudonym=strikes[0].pseudonym, at=at) if strikes else []
    before = [penalty for penalty in penalties if penalty.strike_id in counted]
    reported = list_told(before)
    ground = max(GROUNDS, key=lambda ground: rules.compute_strike_weight(ground, case.category))
    decision = Decision(0, case.case_id, case.listing_id, Verdict.COUNTERFEIT, ground, "", _NOBODY, at)
    then = find_standing([*strikes, preview_strike(connection, case, decision, policy)], reported, rules, at)
    steps = find_steps(then, before, at)
    kinds = [None if rung is None else rules.ladder[rung].kind for rung in (steps.imposed, steps.proposed)]
    return find_standing(strikes, reported, rules, at), then, kinds[0], kinds[1]


def _restrict(case: StoredCase, listing: Listing, ground: str, choice: ChosenMeasure, at: datetime) -> Restriction:
    restriction = Restriction("measure:0", choice.kind, _NOBODY, case.case_id, 0, listing, ground, at)
    return replace(restriction, until=choice.until(at), territories=choice.territories)


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """An undelivered message."""

    key: str
    channel: str
    kind: str
    subject: str
    put_at: datetime


@dataclass(frozen=True, slots=True)
class ListingFile:
    """Measures in force on a listing, their running deadlines, and pending messages about any of its measures."""

    measures: tuple[Measure, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    messages: tuple[WaitingMessage, ...] = ()


def read_listing_file(connection: Connection, listing_id: str) -> ListingFile:
    """Return the file of a listing under any seller; empty if it never had a measure."""
    every = find_on_listing(connection, listing_id)
    if not every:
        return ListingFile()
    subjects = [measure.subject for measure in every]
    running = select(deadlines).where(deadlines.c.subject.in_(subjects)).order_by(deadlines.c.deadline_id)
    columns = outbox.c.key, outbox.c.channel, outbox.c.kind, outbox.c.subject, outbox.c.put_at
    waiting = select(*columns).where(outbox.c.subject.in_(subjects), outbox.c.state == "waiting")
    terms = map(make_deadline, connection.execute(running))
    return ListingFile(
        tuple(in_force(every)),
        tuple(term for term in terms if not term.has_ended),
        tuple(WaitingMessage(*row) for row in connection.execute(waiting.order_by(outbox.c.message_id))),
    )
