"""Misuse of notices: manifestly unfounded notices, and the steps against them.

Article 23(3) of the Digital Services Act asks for the absolute number, the share of all notices, gravity and
consequences, and, if known, the intent. All four are shown to a lead; nothing happens automatically. A notice of a
listing is presumed manifestly unfounded if a person rejected it and the model saw nothing either. The share is judged
by the lower end of its interval, so few notices never look like a habit. The steps are a warning, a suspension for a
time, and its end. A person takes each, with reasons that the notifier reads, and the audit trail records it. A
suspension needs an earlier warning and time to heed it. Notices that come meanwhile are stored and not examined.
Notifiers can object to each step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select

from ipml.cooperation.notifiers.notifier import NotifierMessage, decrypt_if_kept, send_to_notifier
from ipml.cooperation.notifiers.record import (
    MONTH,
    NotifierRate,
    count_settled,
    find_priors,
    shrink,
    tells_of_notifier,
)
from ipml.cooperation.policy import TRUSTED, MisuseRules, NotifierRules
from ipml.errors import Conflict, SellerErased, UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.review.arrivals.snapshot import check_text
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import Notifier, encrypt, get_notifier
from ipml.storage.tables import cases, decisions, notice_items, notices, notifier_steps

_LONGEST_WHY = 2000
_WORDS = {
    "warn": "Many of your notices are manifestly unfounded. If this continues, we will not examine them for a time.",
    "suspend": "You continued after our warning. Notices sent until the day named are stored and not examined.",
    "lift": "Our warning or suspension no longer applies; we examine your notices as before.",
}
_KINDS = {"warn": "notifier_warning", "suspend": "notifier_suspension", "lift": "notifier_lift"}
_MEASURES_TAKEN = {"warn": "warned", "suspend": "suspended", "lift": "lifted"}


@dataclass(frozen=True, slots=True)
class MisuseStep:
    """A step as it was taken; `why` is None if the notifier was erased."""

    step_id: int
    notifier_id: int
    kind: str
    taken_by: str
    taken_at: datetime
    until: datetime | None
    why: str | None


@dataclass(frozen=True, slots=True)
class StepOrder:
    """A user's order to take a step against a notifier, at a moment and under the rules in force.

    The notifier reads `why` (at most 2,000 characters): which notices, and what is wrong with them.
    """

    by: str
    why: str
    rules: NotifierRules
    at: datetime


def warn(connection: Connection, notifier_id: int, order: StepOrder) -> MisuseStep:
    """Warn a notifier that their notices are manifestly unfounded; the policy sets how long the warning is in force.

    Raises NotFound and UnstorableValue.
    """
    notifier = get_notifier(connection, notifier_id, lock=True)
    return _take(connection, notifier, "warn", order, order.at + timedelta(days=order.rules.misuse.warning_days))


def suspend(connection: Connection, notifier_id: int, order: StepOrder, *, days: float | None = None) -> MisuseStep:
    """Suspend a notifier who continued after a warning; the policy sets the default length.

    Raises Conflict if no warning is in force, if it is too recent, or if the notifier is suspended already.
    """
    rules, now = order.rules.misuse, order.at
    notifier = get_notifier(connection, notifier_id, lock=True)
    refuse_suspended(connection, notifier_id, now)
    _require_warning(connection, notifier_id, rules, now)
    usual = _days_of_next(connection, notifier_id, rules)
    until = now + timedelta(days=usual if days is None else days)
    if until <= now:
        raise UnstorableValue("days", f"{days:g}", "a number above 0")
    return _take(connection, notifier, "suspend", order, until)


def lift(connection: Connection, notifier_id: int, order: StepOrder) -> MisuseStep:
    """End a suspension and revoke the warning before it; raises Conflict if neither is in force.

    A lifted suspension does not lengthen the next one.
    """
    notifier, now = get_notifier(connection, notifier_id, lock=True), order.at
    if find_suspension(connection, notifier_id, now) is None and find_warning(connection, notifier_id, now) is None:
        finding = "found neither a suspension nor a warning in force"
        raise Conflict(f"notifier {notifier_id}", finding, "There is no need.")
    return _take(connection, notifier, "lift", order, None)


def find_suspension(connection: Connection, notifier_id: int, now: datetime) -> MisuseStep | None:
    """Return the suspension in force at a moment, if any."""
    return _find_in_force(connection, notifier_id, "suspend", now)


def refuse_suspended(connection: Connection, notifier_id: int, now: datetime) -> None:
    """Raise Conflict if a suspension of the notifier is in force."""
    if (running := find_suspension(connection, notifier_id, now)) is not None:
        finding = f"is suspended until {running.until or now:%Y-%m-%d %H:%M} UTC"
        raise Conflict(f"notifier {notifier_id}", finding, "End that first, on the page of the notifier.")


def find_warning(connection: Connection, notifier_id: int, now: datetime) -> MisuseStep | None:
    """Return the warning in force at a moment, if any; a suspension leaves it in force."""
    return _find_in_force(connection, notifier_id, "warn", now)


def list_in_force(connection: Connection, kind: str, now: datetime) -> dict[int, MisuseStep]:
    """Return the warnings ("warn") or suspensions ("suspend") in force at a moment, by notifier."""
    query = select(notifier_steps).where(notifier_steps.c.kind.in_((kind, "lift")), notifier_steps.c.taken_at <= now)
    last = {row.notifier_id: row for row in connection.execute(query.order_by(notifier_steps.c.step_id))}
    return {
        number: _make(connection, row, None) for number, row in last.items() if row.kind == kind and row.until > now
    }


def list_steps(connection: Connection, notifier_id: int) -> list[MisuseStep]:
    """Return all steps against a notifier, in order, with the reasons."""
    rows = _read_steps(connection, notifier_id)
    whose = get_notifier(connection, notifier_id).pseudonym
    return [_make(connection, row, whose) for row in rows]


def _judged_since(connection: Connection, notifier_id: int, now: datetime) -> datetime | None:
    """Return the moment from which notices are judged: the last warning, end of a suspension or lifting; or None."""
    steps = [row for row in _read_steps(connection, notifier_id) if row.taken_at <= now]
    lifted = max((place for place, row in enumerate(steps) if row.kind == "lift"), default=0)
    return max((row.until if row.kind == "suspend" else row.taken_at for row in steps[lifted:]), default=None)


def _find_in_force(connection: Connection, notifier_id: int, kind: str, now: datetime) -> MisuseStep | None:
    of_kind = notifier_steps.c.notifier_id == notifier_id, notifier_steps.c.kind.in_((kind, "lift"))
    query = select(notifier_steps).where(*of_kind, notifier_steps.c.taken_at <= now)
    last = connection.execute(query.order_by(notifier_steps.c.step_id.desc()).limit(1)).first()
    if last is None or last.kind == "lift" or last.until <= now:
        return None
    return _make(connection, last, None)


def _require_warning(connection: Connection, notifier_id: int, rules: MisuseRules, now: datetime) -> None:
    warning = find_warning(connection, notifier_id, now)
    if warning is not None and now - warning.taken_at >= timedelta(days=rules.least_warning_days):
        return
    finding = "no warning in force"
    if warning is not None:
        finding = f"a warning of {warning.taken_at:%Y-%m-%d}, which leaves too little time"
    raise Conflict(
        f"notifier {notifier_id}",
        f"found {finding}; expected an earlier warning that was not heeded",
        "Warn first, and see which notices come then.",
    )


def _days_of_next(connection: Connection, notifier_id: int, rules: MisuseRules) -> float:
    """Return the length of the next suspension, by the number of earlier ones that were not lifted."""
    rows = _read_steps(connection, notifier_id)
    lifted = [row.taken_at for row in rows if row.kind == "lift"]
    served = [row for row in rows if row.kind == "suspend" and not any(row.taken_at <= at < row.until for at in lifted)]
    return rules.suspension_days[min(len(served), len(rules.suspension_days) - 1)]


def _read_steps(connection: Connection, notifier_id: int) -> Sequence[Row[Any]]:
    query = select(notifier_steps).where(notifier_steps.c.notifier_id == notifier_id)
    return connection.execute(query.order_by(notifier_steps.c.step_id)).all()


def _take(
    connection: Connection, notifier: Notifier, kind: str, order: StepOrder, until: datetime | None
) -> MisuseStep:
    by, why, at = order.by, order.why, order.at
    check_text("why", why, _LONGEST_WHY)
    if not why.strip():
        raise UnstorableValue("why", "nothing", "reasons that the notifier can read")
    encrypted = ""
    with suppress(SellerErased):
        encrypted = encrypt(connection, notifier.pseudonym, why)
    fields = {"notifier_id": notifier.notifier_id, "kind": kind, "taken_by": by, "taken_at": at, "until": until}
    query = insert(notifier_steps).values(**fields, why=encrypted).returning(notifier_steps)
    row = connection.execute(query).one()
    noted: dict[str, audit.Value] = {"step": row.step_id, "why": digest(why)}
    noted["until"] = None if until is None else write_moment(until)
    audit.append(connection, by, f"notifier {_MEASURES_TAKEN[kind]}", notifier.subject, noted, at=at)
    body = {"words": _WORDS[kind], "why": why, "until": noted["until"], "redress": order.rules.redress}
    key = outbox.make_key(f"notifier-{notifier.notifier_id}-{_MEASURES_TAKEN[kind]}")
    send_to_notifier(connection, notifier, NotifierMessage(key, _KINDS[kind], notifier.subject, body), at)
    return _make(connection, row, None)


def _make(connection: Connection, row: Row[Any], whose: str | None) -> MisuseStep:
    """Return a step, with the reasons if `whose` names the notifier."""
    why = None if whose is None else decrypt_if_kept(connection, whose, row.why)
    return MisuseStep(**row._asdict() | {"why": why})


@dataclass(frozen=True, slots=True)
class Assessment:
    """Evidence of misuse by a notifier since a moment.

    `unfounded` is the share of settled listings presumed manifestly unfounded, `items` has their numbers, and `notices`
    counts their notices. `overturned` counts listings taken down on the notifier's notices and reinstated on appeal.
    `one_seller` is the largest share of the unfounded ones aimed at one seller.
    """

    since: datetime
    unfounded: NotifierRate
    notices: int
    overturned: int
    one_seller: float
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A step that a lead may take, "warn" or "suspend", with the circumstances in sentences."""

    notifier: Notifier
    kind: str
    assessment: Assessment
    sentences: tuple[str, ...]


def find_misuse(connection: Connection, rules: NotifierRules, now: datetime) -> list[Proposal]:
    """Return the steps that a lead may take now; nothing is done."""
    counted = count_settled(connection, now - rules.misuse.months * MONTH, now)
    least = min(rules.misuse.least_unfounded, rules.misuse.grave_unfounded)
    suspects = sorted(number for number, counts in counted.items() if counts.rejected >= least)
    assessments = (propose(connection, number, rules, now) for number in suspects)
    return [proposal for proposal in assessments if proposal is not None]


def propose(connection: Connection, notifier_id: int, rules: NotifierRules, now: datetime) -> Proposal | None:
    """Return the step that a lead may take against a notifier; None without cause, or if it was taken.

    Suspended notifiers are not judged; others by notices since the last step, so that nothing counts twice.
    """
    if find_suspension(connection, notifier_id, now) is not None:
        return None
    warning = find_warning(connection, notifier_id, now)
    if warning is not None and now - warning.taken_at < timedelta(days=rules.misuse.least_warning_days):
        return None
    assessment = _assess(connection, notifier_id, rules, now, sent_after=_judged_since(connection, notifier_id, now))
    if not _is_misuse(assessment, rules.misuse):
        return None
    notifier = get_notifier(connection, notifier_id, at=now)
    kind = "warn" if warning is None else "suspend"
    sentences = tuple(_describe(assessment, notifier.kind, rules.misuse))
    return Proposal(notifier, kind, assessment, sentences)


def _assess(
    connection: Connection,
    notifier_id: int,
    rules: NotifierRules,
    now: datetime,
    *,
    sent_after: datetime | None = None,
) -> Assessment:
    """Return the evidence of misuse in the policy's window, only from notices after `sent_after` if given."""
    start = now - rules.misuse.months * MONTH
    rows = _read_judgements(connection, notifier_id, rules.misuse.manifest_score, _Window(start, now, sent_after))
    unfounded = [row for row in rows if row.is_unfounded]
    aimed_at = Counter(row.pseudonym for row in unfounded if row.pseudonym)
    overturned = count_settled(connection, start, now, notifier_id, sent_after=sent_after)
    # An unknown notifier's presumed share of unfounded notices is the share of all notices that are rejected.
    prior = find_priors(connection, rules, now).success.complement
    return Assessment(
        since=max(start, sent_after or start),
        unfounded=shrink(len(unfounded), len(rows), prior, rules.confidence),
        notices=len({row.notice_id for row in unfounded}),
        overturned=overturned[notifier_id].overturned if notifier_id in overturned else 0,
        one_seller=max(aimed_at.values(), default=0) / max(len(unfounded), 1),
        items=tuple(row.item_id for row in unfounded),
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """The period in which judgements count, only on notices received after `sent_after` if given."""

    since: datetime
    until: datetime
    sent_after: datetime | None


def _read_judgements(
    connection: Connection, notifier_id: int, manifest_score: float, window: _Window
) -> Sequence[Row[Any]]:
    """Return the first item of each judgement of people on listings of a notifier."""
    judgement = func.coalesce(decisions.c.spread_from, decisions.c.decision_id)
    is_unfounded = and_(
        notice_items.c.state == "rejected",
        notice_items.c.overturned_at.is_(None),
        cases.c.score <= manifest_score,
    )
    first = (
        select(func.min(notice_items.c.item_id))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(decisions, decisions.c.decision_id == notice_items.c.decision_id)
        .where(notices.c.notifier_id == notifier_id, *tells_of_notifier())
        .where(notice_items.c.state.in_(("upheld", "rejected")))
        .where(notice_items.c.settled_at > window.since, notice_items.c.settled_at <= window.until)
        .group_by(judgement)
    )
    if window.sent_after is not None:
        first = first.where(notices.c.received_at > window.sent_after)
    query = (
        select(notice_items.c.item_id, notice_items.c.notice_id, notice_items.c.pseudonym)
        .add_columns(func.coalesce(is_unfounded, False).label("is_unfounded"))
        .join(cases, cases.c.case_id == notice_items.c.case_id)
        .where(notice_items.c.item_id.in_(first))
    )
    return connection.execute(query.order_by(notice_items.c.item_id)).all()


def _is_misuse(assessment: Assessment, rules: MisuseRules) -> bool:
    is_grave = assessment.overturned >= rules.grave_overturned
    least = min(rules.grave_unfounded, rules.least_unfounded) if is_grave else rules.least_unfounded
    return assessment.unfounded.hits >= least and assessment.unfounded.low >= rules.share_at_least


def _describe(proof: Assessment, kind: str, rules: MisuseRules) -> Iterator[str]:
    rate = proof.unfounded
    yield f"{rate.hits:,} listings in {proof.notices:,} notices were manifestly unfounded since {proof.since:%Y-%m-%d}."
    yield f"Of {rate.trials:,} that people decided on that is a share of {rate.low:.0%} to {rate.high:.0%}."
    if proof.overturned:
        yield f"{proof.overturned:,} listings were taken down on their notices and reinstated when sellers objected."
    if proof.one_seller >= rules.one_seller_share and rate.hits > 1:
        yield f"{proof.one_seller:.0%} of them are aimed at one seller."
    if kind == TRUSTED:
        yield "They are a trusted flagger: inform the authority that gave the status as well (Article 22(6))."
