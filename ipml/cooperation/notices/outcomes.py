"""Outcomes of notices: items are settled by the decision on their case, and open again when it is reversed.

An item waits as long as its case; escalation settles nothing. A reversal reopens the item and its notice, and corrects
the message sent. No item waits in vain: a verdict in force on the case, or on the newest version of a changed listing,
settles it at once, and old items that nobody can decide expire. `overturned_at` marks an upheld item whose decision was
reversed, until it is upheld again. Messages on one notice share a subject, so they arrive in order. Each has the state
of all listings, so an undelivered one is replaced by the next: a notifier gets a second answer only if the first may
have arrived and no longer holds. Messages name listings only by their position: they are encrypted with the notifier's
key, which outlives the seller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, bindparam, func, or_, select, update

from ipml.cooperation.notices.counter_notices import pass_on_counter_notices
from ipml.cooperation.notices.register import find_offered, read_location
from ipml.cooperation.notifiers.notifier import CHANNEL
from ipml.cooperation.policy import CooperationPolicy, NotifierRules
from ipml.kit.moments import write_moment
from ipml.records import Decision, Reversal
from ipml.review.cases import StoredCase, find_case, find_cases, pass_on_notices
from ipml.review.decisions import GROUNDS
from ipml.review.reversals import CaseDecision, find_decisions, stands
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, in_batches, reading, serialise
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import cases, decisions, notice_items, notices, notifiers, seller_keys
from ipml.storage.tables.cooperation import STATE_OF_VERDICT

OUTCOME, CORRECTION = "notice_outcome", "notice_correction"

_WORDS = {
    "upheld": "It was found to be counterfeit, and was acted on.",
    "rejected": "It was not found to be counterfeit; nothing was done.",
    "undecided": "We could not determine whether it is counterfeit; nothing was done.",
    "repeated": "You had given notice of it before, and were or will be answered there.",
    "waiting": "The decision on it was reversed; it is being reviewed again.",
    "unknown": "No such listing is known here yet.",
    "not found": "We could not find it; nothing was done. If it is still on offer, give notice of it again.",
}
_TOO_FEW = "Too few buyers complained of it; nothing was done. If it is still on offer, you may complain again."
_TAKEN_BACK = {
    "appeal": "The seller complained, and it is no longer found to be counterfeit; it was reinstated.",
    "deadline": "The seller sent a counter-notice on which the rights holder did not act; it was reinstated.",
}
_AUTOMATED = {
    "policy": "decided by a rule, without a person",
    "spread": "decided by a person on a listing nearly the same",
}
_BY_PERSON = "decided by a person"
_PROCESSING = "The order in which people look at listings is found by a computer."


def _tell_outcomes(connection: Connection, notice_ids: Sequence[int], at: datetime, rules: NotifierRules) -> None:
    """Send the notifiers of some notices the state of their listings, without those of erased sellers.

    A reopened notice is reported only if an answer may have arrived. Notices during a suspension get no outcome; their
    receipts said so.
    """
    for some in in_batches(sorted(notice_ids)):
        _tell(connection, _read(connection, some), at, rules)


def _tell(trail: audit.Trail, rows: Sequence[Row[Any]], at: datetime, rules: NotifierRules) -> None:
    """Send the state of notices, given all their items in order; it replaces undelivered messages."""
    connection = audit.connection_of(trail)
    by_notice = {number: list(items) for number, items in groupby(rows, key=lambda row: row.notice_id)}
    keys = outbox.find_all_keys(connection, [subject_of(number) for number in by_notice], OUTCOME, CORRECTION)
    sent = [key for of_one in keys.values() for key in of_one]
    may_have_arrived = outbox.withdraw(trail, sent, by="ipml", now=at)
    answered = {subject for subject, of_one in keys.items() if not may_have_arrived.isdisjoint(of_one)}
    drafts = [_draft_outcome(items, subject_of(number) in answered, at, rules) for number, items in by_notice.items()]
    outbox.put_all(trail, [draft for draft in drafts if draft is not None])


def _read(connection: Connection, notice_ids: Sequence[int]) -> list[Row[Any]]:
    # The case names its own seller: the listing may have had another one at the time of the notice.
    is_lone = notice_items.c.case_id.is_(None), notice_items.c.pseudonym.is_not(None)
    is_gone = or_(cases.c.erased_at.is_not(None), and_(*is_lone, seller_keys.c.pseudonym.is_(None)))
    query = (
        select(notice_items, notices.c.reference, notices.c.settled_at.label("closed_at"), decisions.c.origin)
        .add_columns(decisions.c.ground)
        .add_columns(notices.c.notifier_id, notices.c.is_suspended, notices.c.kind)
        .add_columns(is_gone.label("is_gone"), notifiers.c.address, notifiers.c.pseudonym.label("theirs"))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .outerjoin(decisions, decisions.c.decision_id == notice_items.c.decision_id)
        .outerjoin(cases, cases.c.case_id == notice_items.c.case_id)
        .outerjoin(seller_keys, seller_keys.c.pseudonym == notice_items.c.pseudonym)
        .where(notice_items.c.notice_id.in_(notice_ids))
        .order_by(notice_items.c.notice_id, notice_items.c.position)
    )
    return list(connection.execute(query))


def _draft_outcome(
    items: Sequence[Row[Any]], is_answered: bool, at: datetime, rules: NotifierRules
) -> outbox.Draft | None:
    """Return the message on a notice; None if nobody is to be notified."""
    first, is_settled = items[0], items[0].closed_at is not None
    reported = [] if first.is_suspended else [item for item in items if not item.is_gone]
    if not reported or first.address is None or not (is_settled or is_answered):
        return None
    kind = CORRECTION if is_answered else OUTCOME
    body = {
        "to": first.address,
        "reference": first.reference,
        "at": write_moment(at),
        "is_settled": is_settled,
        "listings": [_describe(item) for item in reported],
        "processing": _PROCESSING,
        "redress": rules.redress,
    }
    key = outbox.make_key(f"notice-{first.notice_id}-{kind.removeprefix('notice_')}")
    return outbox.Draft(key, CHANNEL, kind, subject_of(first.notice_id), body, first.theirs, at)


@dataclass(frozen=True, slots=True)
class ListingOutcome:
    """Outcome of a listing in a notice: words, decision-maker, ground and action."""

    position: int
    words: str
    how: str | None
    ground: str
    case_id: int | None
    decision_id: int | None


def list_outcomes(connection: Connection, notice_id: int) -> list[ListingOutcome]:
    """Return the outcomes of the listings of a notice, in the words sent to its notifier."""
    items = ((item, _describe(item)) for item in _read(connection, [notice_id]))
    return [
        ListingOutcome(
            item.position,
            outcome["words"],
            outcome["how"],
            GROUNDS.get(item.ground or "", "") if item.state == "upheld" else "",
            item.case_id,
            item.decision_id if item.state == "upheld" else None,
        )
        for item, outcome in items
    ]


def _describe(item: Row[Any]) -> dict[str, Any]:
    is_taken_back = item.overturned_at is not None and item.state in ("rejected", "undecided")
    words = (is_taken_back and _TAKEN_BACK.get(item.origin)) or _WORDS[item.state]
    if (item.kind, item.state, item.case_id, item.is_suspended) == ("complaint", "undecided", None, False):
        words = _TOO_FEW
    how = None if item.origin is None else _AUTOMATED.get(item.origin, _BY_PERSON)
    return {"position": item.position, "outcome": item.state, "words": words, "how": how}


def subject_of(notice_id: int) -> str:
    """Return the name of a notice in the outbox and in the audit trail."""
    return f"notice:{notice_id}"


_LOST = "not found"
OPEN = ("unknown", "waiting")
SETTLED = ("upheld", "rejected", "undecided")


def settle_decided(
    trail: audit.Trail, made: Sequence[CaseDecision], rules: NotifierRules, at: datetime | None = None
) -> None:
    """Settle the items that wait for cases just decided, and notify the notifiers of notices settled with them.

    It runs in the transaction of the decisions; each settled notice gets one message.
    """
    verdicts = {case.case_id: decision for case, decision in made if decision.verdict in STATE_OF_VERDICT}
    connection = audit.connection_of(trail)
    waiting = _find_waiting(connection, verdicts)
    if not waiting:
        return
    serialise(connection, Lock.APPEND_TO_AUDIT)  # so that the second of two decisions on one notice sees the first
    _settle(trail, [(item, verdicts[item.case_id]) for item in waiting], at)
    at = at or max(decision.decided_at for decision in verdicts.values())
    settle_notices(trail, {item.notice_id for item in waiting}, at, rules)


def settle_notices(trail: audit.Trail, notice_ids: Collection[int], at: datetime, rules: NotifierRules) -> None:
    """Settle those of some notices without open items, and notify their notifiers.

    It is also for items settled without a new decision, as by the intake of a notice on a listing taken down before.
    """
    connection = audit.connection_of(trail)
    for some in in_batches(sorted(notice_ids)):
        is_open = select(1).where(notice_items.c.notice_id == notices.c.notice_id, notice_items.c.state.in_(OPEN))
        is_one = notices.c.notice_id.in_(some)
        query = update(notices).where(is_one, notices.c.settled_at.is_(None), ~is_open.exists())
        settled = connection.scalars(query.values(settled_at=at).returning(notices.c.notice_id)).all()
        if settled:
            rows = _read(connection, settled)
            _note_settled(trail, rows, at)
            _tell(trail, rows, at, rules)


def reopen(connection: Connection, reversal: Reversal, rules: NotifierRules) -> None:
    """Reopen the items settled by a decision just reversed, and correct the messages sent.

    Items of a listing that changed since go to the case of its newest version; a verdict in force there settles them.
    Items of an erased listing end undecided, without a message.
    """
    of_case = select(notice_items).where(notice_items.c.case_id == reversal.case_id)  # the index is by case
    is_settled = and_(notice_items.c.decision_id == reversal.decision_id, notice_items.c.state.in_(SETTLED))
    concerned = of_case.where(or_(is_settled, notice_items.c.state == "waiting")).order_by(notice_items.c.item_id)
    if not (rows := connection.execute(concerned).all()):
        return
    items = [item for item in rows if item.state != "waiting"]
    at, case = reversal.reversed_at, find_case(connection, reversal.case_id)
    is_gone = case.erased_at is not None
    for item in items:
        fields: dict[str, Any] = {"overturned_at": at} if item.state == "upheld" else {}
        fields |= {"state": "undecided"} if is_gone else {"state": "waiting", "decision_id": None, "settled_at": None}
        connection.execute(update(notice_items).where(notice_items.c.item_id == item.item_id).values(fields))
    _note_items(connection, "item open again", [(item.item_id, at) for item in items])
    if is_gone:
        return
    if case.state == "superseded" and case.successor is not None:
        pass_on_notices(connection, case.case_id, case.successor, at)
        case = find_case(connection, case.successor)
    _wait_again(connection, {item.notice_id for item in items}, case, at, rules)


def settle_erased(connection: Connection, item_ids: Sequence[int], at: datetime, rules: NotifierRules) -> int:
    """Settle those of some waiting items whose listing was erased, as undecided; return their number.

    The notifier is notified of the other listings only.
    """
    waiting = connection.execute(_select_erased().where(notice_items.c.item_id.in_(item_ids))).all()
    if waiting:
        serialise(connection, Lock.APPEND_TO_AUDIT)
        ended = [{"number": item.item_id, "state": "undecided", "settled_at": at} for item in waiting]
        _change(connection, ended)
        settle_notices(connection, {item.notice_id for item in waiting}, at, rules)
    return len(waiting)


def _end_unknown(
    connection: Connection, item_ids: Sequence[int], before: datetime, at: datetime, rules: NotifierRules
) -> int:
    """End those of some items that were noted before a moment and are still unknown; return their number.

    They end as not found, so that no notice stays open for ever; too few complaints of a known listing end undecided.
    Such listings may be reported again.
    """
    rows = connection.execute(_select_unknown(before).where(notice_items.c.item_id.in_(item_ids))).all()
    if not rows:
        return 0
    whose = select(notices.c.notifier_id).where(notices.c.notice_id.in_({row.notice_id for row in rows}))
    theirs = select(notifiers.c.notifier_id).where(notifiers.c.notifier_id.in_(whose))
    connection.execute(theirs.order_by(notifiers.c.notifier_id).with_for_update()).all()  # as `matching` does
    serialise(connection, Lock.APPEND_TO_AUDIT)
    too_few, ended = _find_too_few(connection, rows), 0
    for state, numbers in ((_LOST, {row.item_id for row in rows} - too_few), ("undecided", too_few)):
        is_one = notice_items.c.item_id.in_(numbers), notice_items.c.state == "unknown"
        query = update(notice_items).where(*is_one).values(state=state, settled_at=at)
        ended += audit.change_rows(connection, query, "ipml", "item settled", at=at)
    settle_notices(connection, {row.notice_id for row in rows}, at, rules)
    return ended


def _find_too_few(connection: Connection, rows: Sequence[Row[Any]]) -> set[int]:
    """Return the unknown items that are complaints of a submitted listing."""
    complaints = [row for row in rows if row.kind == "complaint"]
    noted = {row.item_id: read_location(connection, row.theirs, row.location) for row in complaints}
    named = {
        number: listing.listing_id
        for number, listing in noted.items()
        if listing is not None and listing.listing_id is not None
    }
    offered = find_offered(connection, set(named.values()))
    return {number for number, listing_id in named.items() if listing_id in offered}


def _end_passed_over(
    connection: Connection, item_ids: Sequence[int], before: datetime, at: datetime, rules: NotifierRules
) -> int:
    """Settle old complaints, too few to reopen a case, by the decision taken before them."""
    old = _select_passed_over(before).where(notice_items.c.item_id.in_(item_ids))
    if not (numbers := {item.case_id for item in connection.execute(old)}):
        return 0
    kept = find_cases(connection, numbers, lock=True)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    standing = (decisions.c.case_id.in_([row.case_id for row in kept.values() if row.state == "decided"])) & stands()
    made = find_decisions(connection, standing)
    last = {decision.case_id: decision for decision in made if decision.verdict in STATE_OF_VERDICT}
    passed_over = [item for item in connection.execute(old).all() if item.case_id in last]
    if passed_over:
        _settle(connection, [(item, last[item.case_id]) for item in passed_over], at)
        settle_notices(connection, {item.notice_id for item in passed_over}, at, rules)
    return len(passed_over)


def _select_unknown(before: datetime) -> Select[Any]:
    is_old = notice_items.c.state == "unknown", notice_items.c.noted_at < before
    theirs = func.coalesce(notice_items.c.pseudonym, notifiers.c.pseudonym).label("theirs")
    query = select(notice_items.c.item_id, notice_items.c.notice_id, notice_items.c.location, notices.c.kind, theirs)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
    return query.where(*is_old).order_by(notice_items.c.item_id)


def _select_waiting() -> Select[Any]:
    query = select(notice_items).join(cases, cases.c.case_id == notice_items.c.case_id)
    return query.where(notice_items.c.state == "waiting").order_by(notice_items.c.item_id)


def _select_passed_over(before: datetime) -> Select[Any]:
    return _select_waiting().where(notice_items.c.noted_at < before, cases.c.state == "decided")


def _select_erased() -> Select[Any]:
    return _select_waiting().where(cases.c.erased_at.is_not(None))


def _wait_again(
    connection: Connection, notice_ids: Collection[int], case: StoredCase, at: datetime, rules: NotifierRules
) -> None:
    were_settled = notices.c.notice_id.in_(notice_ids), notices.c.settled_at.is_not(None)
    query = update(notices).where(*were_settled).values(settled_at=None)
    again = sorted(connection.scalars(query.returning(notices.c.notice_id)).all())
    audit.append_all(connection, "ipml", "notice open again", [(subject_of(number), {}) for number in again], at=at)
    if case.state == "decided":  # by an earlier decision, as the newest version, or by a new decision to come
        left = find_decisions(connection, (decisions.c.case_id == case.case_id) & stands())
        settle_decided(connection, [(case, decision) for decision in left[-1:]], rules, at)
    still_open = notices.c.notice_id.in_(again), notices.c.settled_at.is_(None)
    left_open = select(notices.c.notice_id).where(*still_open).order_by(notices.c.notice_id)
    _tell_outcomes(connection, connection.scalars(left_open).all(), at, rules)


def _find_waiting(connection: Connection, case_ids: Iterable[int]) -> list[Row[Any]]:
    query, rows = _select_waiting(), list[Row[Any]]()
    for some in in_batches(sorted(case_ids)):
        rows += connection.execute(query.where(notice_items.c.case_id.in_(some))).all()
    return rows


def _settle(trail: audit.Trail, decided: Iterable[tuple[Row[Any], Decision]], at: datetime | None = None) -> None:
    settled = [
        {
            "number": item.item_id,
            "state": (state := STATE_OF_VERDICT[decision.verdict]),
            "decision_id": decision.decision_id,
            "settled_at": at or decision.decided_at,
            "overturned_at": None if state == "upheld" else item.overturned_at,
        }
        for item, decision in decided
    ]
    _change(trail, settled)


def _change(trail: audit.Trail, rows: Sequence[Mapping[str, Any]]) -> None:
    names = [name for name in rows[0] if name != "number"]
    query = update(notice_items).where(notice_items.c.item_id == bindparam("number"))
    changes = query.values({name: bindparam(name) for name in names})
    audit.connection_of(trail).execute(changes, list(rows))
    _note_items(trail, "item settled", [(row["number"], row["settled_at"]) for row in rows])


def _note_items(trail: audit.Trail, action: str, items: Iterable[tuple[int, datetime]]) -> None:
    audit_events = [audit.AuditEvent(at, "ipml", action, f"item:{number}", {}) for number, at in items]
    audit.append_events(trail, audit_events)


def _note_settled(trail: audit.Trail, rows: Sequence[Row[Any]], at: datetime) -> None:
    entries: list[tuple[str, dict[str, audit.Value]]] = []
    for number, items in groupby(rows, key=lambda row: row.notice_id):
        entries.append((subject_of(number), {**Counter(item.state for item in items)}))
    audit.append_all(trail, "ipml", "notice settled", entries, at=at)


@dataclass(frozen=True, slots=True)
class AnsweringResult:
    """Numbers of items ended, and of counter-notices passed on.

    `ended` are listings of erased sellers; `not_found` were unknown, or had too few complaints, for too long;
    `passed_over` are complaints settled by an earlier decision, as they were too few to reopen it.
    """

    passed_on: int
    ended: int
    not_found: int
    passed_over: int


def run_notice_deadlines(engine: Engine, policy: CooperationPolicy, *, now: datetime | None = None) -> AnsweringResult:
    """Apply all due deadlines of notices; calling it again does nothing more.

    Call it before `ipml.enforcement.appeals.resolution`: a term starts only when notifiers have received the
    counter-notice.
    """
    now = now or datetime.now(UTC)
    rules, before = policy.notifiers, now - timedelta(days=policy.notices.unknown_days)
    return AnsweringResult(
        pass_on_counter_notices(engine, now=now),
        _end_all(engine, _select_erased(), partial(settle_erased, at=now, rules=rules)),
        _end_all(engine, _select_unknown(before), partial(_end_unknown, before=before, at=now, rules=rules)),
        _end_all(engine, _select_passed_over(before), partial(_end_passed_over, before=before, at=now, rules=rules)),
    )


def _end_all(engine: Engine, due: Select[Any], end: Callable[[Connection, Sequence[int]], int]) -> int:
    with reading(engine) as connection:
        item_ids = connection.scalars(due.with_only_columns(notice_items.c.item_id, maintain_column_froms=True)).all()
    return sum(change_in_turns(engine, item_ids, end))
