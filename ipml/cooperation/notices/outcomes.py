"""What became of the listings in a notice: settled with the decision on them, and open again when it is taken back.

An item waits as long as its case does. A decision settles it, whatever way that came about; passing the case on to a
lead settles nothing. Where the decision is taken back the item waits again with its case, and so does its notice: what
the notifier was told is corrected. An item that was upheld, and whose decision was then taken back, says since when
(`overturned_at`) until it is upheld anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, update

from ipml.cooperation.notices.telling import subject_of, tell_outcomes
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.records import Decision, Reversal
from ipml.review.cases import find_case, find_cases
from ipml.review.consequences import Made
from ipml.review.decisions import make_decision
from ipml.review.reversals import find_decisions, stands
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import cases, decisions, notice_items, notices, notifiers
from ipml.storage.tables.cooperation import STATE_OF_VERDICT

_LOST = "not found"
OPEN = ("unknown", "waiting")
SETTLED = ("upheld", "rejected", "undecided")
_AT_ONCE = 500  # numbers in one query


def settle_decided(connection: Connection, made: Sequence[Made], rules: NotifierRules) -> None:
    """Settle the items that wait for cases which were just decided, and tell whose notice is settled by that.

    All of it is kept with the decisions, or none; each notice whose last item this was gets one message.
    """
    verdicts = {case.case_id: decision for case, decision in made if decision.verdict in STATE_OF_VERDICT}
    waiting = _find_waiting(connection, verdicts)
    if not waiting:
        return
    serialise(connection, Lock.APPEND_TO_AUDIT)  # of two decisions on one notice the second sees the first
    _settle(connection, [(item, verdicts[item.case_id]) for item in waiting])
    at = max(decision.decided_at for decision in verdicts.values())
    settle_notices(connection, {item.notice_id for item in waiting}, at, rules)


def settle_notices(connection: Connection, notice_ids: Collection[int], at: datetime, rules: NotifierRules) -> None:
    """Settle those of some notices in which nothing waits any more, and tell their notifiers what became of them.

    For whoever settles items otherwise than by a decision that is just made, such as the intake where a listing was
    taken down before.
    """
    numbers = sorted(notice_ids)
    for start in range(0, len(numbers), _AT_ONCE):
        is_open = select(1).where(notice_items.c.notice_id == notices.c.notice_id, notice_items.c.state.in_(OPEN))
        is_one = notices.c.notice_id.in_(numbers[start : start + _AT_ONCE])
        query = update(notices).where(is_one, notices.c.settled_at.is_(None), ~is_open.exists())
        settled = connection.scalars(query.values(settled_at=at).returning(notices.c.notice_id)).all()
        if settled:
            _note_settled(connection, sorted(settled), at)
            tell_outcomes(connection, sorted(settled), at, rules)


def reopen(connection: Connection, reversal: Reversal, rules: NotifierRules) -> None:
    """Let the items wait again that a decision had settled which was just taken back; correct what was told of them.

    Where an earlier decision stands then, they are settled by that; where the listing was erased nobody can look at it
    again, and they end undecided, without a word.
    """
    of_case = select(notice_items).where(notice_items.c.case_id == reversal.case_id)  # which is how they are indexed
    is_settled = notice_items.c.decision_id == reversal.decision_id, notice_items.c.state.in_(SETTLED)
    items = connection.execute(of_case.where(*is_settled).order_by(notice_items.c.item_id)).all()
    if not items:
        return
    at, case = reversal.reversed_at, find_case(connection, reversal.case_id)
    is_gone = case.erased_at is not None
    for item in items:
        fields: dict[str, Any] = {"overturned_at": at} if item.state == "upheld" else {}
        fields |= {"state": "undecided"} if is_gone else {"state": "waiting", "decision_id": None, "settled_at": None}
        connection.execute(update(notice_items).where(notice_items.c.item_id == item.item_id).values(fields))
    _note_items(connection, "item open again", [(item.item_id, at) for item in items])
    if not is_gone:
        _wait_again(connection, {item.notice_id for item in items}, case, at, rules)


def settle_erased(connection: Connection, at: datetime, rules: NotifierRules) -> int:
    """Settle the items that wait for cases whose listing was erased meanwhile, and return how many there were.

    Nobody will decide on those. They end undecided, and the notifier is told of the other listings only.
    """
    waiting = _find_waiting(connection, None)
    if waiting:
        serialise(connection, Lock.APPEND_TO_AUDIT)
        ended = [{"number": item.item_id, "state": "undecided", "settled_at": at} for item in waiting]
        _change(connection, ended)
        settle_notices(connection, {item.notice_id for item in waiting}, at, rules)
    return len(waiting)


def end_unknown(connection: Connection, before: datetime, at: datetime, rules: NotifierRules) -> int:
    """Settle some items that nobody knew when notice was given before a moment, nor since; return how many there were.

    They end as not found, so that no notice is open for ever. Notice of such a listing may be given again.
    """
    is_old = notice_items.c.state == "unknown", notice_items.c.noted_at < before
    old = select(notice_items.c.item_id, notice_items.c.notice_id).where(*is_old)
    found = connection.execute(old.order_by(notice_items.c.item_id).limit(_AT_ONCE)).all()
    if not found:
        return 0
    whose = select(notices.c.notifier_id).where(notices.c.notice_id.in_({row.notice_id for row in found}))
    theirs = select(notifiers.c.notifier_id).where(notifiers.c.notifier_id.in_(whose))
    connection.execute(theirs.order_by(notifiers.c.notifier_id).with_for_update()).all()  # as `matching` does
    serialise(connection, Lock.APPEND_TO_AUDIT)
    is_one = notice_items.c.item_id.in_([row.item_id for row in found]), notice_items.c.state == "unknown"
    query = update(notice_items).where(*is_one).values(state=_LOST, settled_at=at)
    ended = audit.change_rows(connection, query, "ipml", "item settled", at=at)
    settle_notices(connection, {row.notice_id for row in found}, at, rules)
    return ended


def end_passed_over(connection: Connection, before: datetime, at: datetime, rules: NotifierRules) -> int:
    """Settle old items whose case was decided before them and did not come back to a person, by that decision.

    Such are complaints of which there were too few.
    """
    old = _find_passed_over(before).limit(_AT_ONCE)
    if not (numbers := {item.case_id for item in connection.execute(old)}):
        return 0
    kept = find_cases(connection, numbers, lock=True)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    standing = (decisions.c.case_id.in_([row.case_id for row in kept.values() if row.state == "decided"])) & stands()
    made = [make_decision(row) for row in find_decisions(connection, standing)]
    last = {decision.case_id: decision for decision in made if decision.verdict in STATE_OF_VERDICT}
    found = [item for item in connection.execute(old).all() if item.case_id in last]
    if found:
        _settle(connection, [(item, last[item.case_id]) for item in found], at)
        settle_notices(connection, {item.notice_id for item in found}, at, rules)
    return len(found)


def has_old(connection: Connection, before: datetime) -> bool:
    """Say whether an item is one that `end_unknown` or `end_passed_over` ends."""
    is_old = notice_items.c.state == "unknown", notice_items.c.noted_at < before
    unknown = select(notice_items.c.item_id).where(*is_old)
    queries = (unknown, _find_passed_over(before))
    return any(connection.execute(query.limit(1)).first() is not None for query in queries)


def _find_passed_over(before: datetime) -> Select[Any]:
    query = select(notice_items).join(cases, cases.c.case_id == notice_items.c.case_id)
    query = query.where(notice_items.c.state == "waiting", notice_items.c.noted_at < before)
    return query.where(cases.c.state == "decided").order_by(notice_items.c.item_id)


def has_erased(connection: Connection) -> bool:
    """Say whether an item waits for a case whose listing was erased."""
    return bool(_find_waiting(connection, None))


def _wait_again(
    connection: Connection, notice_ids: Collection[int], case: Row[Any], at: datetime, rules: NotifierRules
) -> None:
    were_settled = notices.c.notice_id.in_(notice_ids), notices.c.settled_at.is_not(None)
    query = update(notices).where(*were_settled).values(settled_at=None)
    again = sorted(connection.scalars(query.returning(notices.c.notice_id)).all())
    audit.append_all(connection, "ipml", "notice open again", [(subject_of(number), {}) for number in again], at=at)
    if case.state == "decided":  # by an earlier decision, which stands
        left = find_decisions(connection, (decisions.c.case_id == case.case_id) & stands())
        settle_decided(connection, [(case, make_decision(left[-1]))], rules)
    still_open = notices.c.notice_id.in_(again), notices.c.settled_at.is_(None)
    left_open = select(notices.c.notice_id).where(*still_open).order_by(notices.c.notice_id)
    tell_outcomes(connection, connection.scalars(left_open).all(), at, rules)


def _find_waiting(connection: Connection, case_ids: Iterable[int] | None) -> list[Row[Any]]:
    """Return the items that wait for some cases, or those that wait for cases that were erased."""
    query = select(notice_items).join(cases, cases.c.case_id == notice_items.c.case_id)
    query = query.where(notice_items.c.state == "waiting").order_by(notice_items.c.item_id)
    if case_ids is None:
        return list(connection.execute(query.where(cases.c.erased_at.is_not(None))))
    numbers = sorted(case_ids)
    found: list[Row[Any]] = []
    for start in range(0, len(numbers), _AT_ONCE):
        wanted = notice_items.c.case_id.in_(numbers[start : start + _AT_ONCE])
        found += connection.execute(query.where(wanted)).all()
    return found


def _settle(connection: Connection, found: Iterable[tuple[Row[Any], Decision]], at: datetime | None = None) -> None:
    """Settle items by decisions, at a moment or else when they were made."""
    _change(connection, [_settled_by(item, decision, at) for item, decision in found])


def _settled_by(item: Row[Any], decision: Decision, at: datetime | None) -> Mapping[str, Any]:
    state = STATE_OF_VERDICT[decision.verdict]
    return {
        "number": item.item_id,
        "state": state,
        "decision_id": decision.decision_id,
        "settled_at": at or decision.decided_at,
        "overturned_at": None if state == "upheld" else item.overturned_at,
    }


def _change(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    names = [name for name in rows[0] if name != "number"]
    query = update(notice_items).where(notice_items.c.item_id == bindparam("number"))
    connection.execute(query.values({name: bindparam(name) for name in names}), list(rows))
    _note_items(connection, "item settled", [(row["number"], row["settled_at"]) for row in rows])


def _note_items(connection: Connection, action: str, items: Iterable[tuple[int, datetime]]) -> None:
    deeds = [audit.Deed(at, "ipml", action, f"item:{number}", {}) for number, at in items]
    audit.append_deeds(connection, deeds)


def _note_settled(connection: Connection, notice_ids: Sequence[int], at: datetime) -> None:
    counted = select(notice_items.c.notice_id, notice_items.c.state, func.count().label("n"))
    counted = counted.where(notice_items.c.notice_id.in_(notice_ids)).group_by(*counted.selected_columns[:2])
    payloads: dict[int, dict[str, audit.Value]] = {number: {} for number in notice_ids}
    for row in connection.execute(counted):
        payloads[row.notice_id][row.state] = row.n
    entries = [(subject_of(number), payload) for number, payload in payloads.items()]
    audit.append_all(connection, "ipml", "notice settled", entries, at=at)
