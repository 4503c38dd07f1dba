"""What a notifier is told when a notice is settled, and when that no longer holds.

Messages on one notice have one subject, so that they arrive in order. Each says how all its listings stand, so that
one nobody has tried to deliver yet is dropped in favour of the next: who gave notice gets one answer, and another only
where the first may have reached them and is no longer so.

A message names listings by their place in the notice and in no other way: it is sealed with the notifier's key, which
does not go when the seller is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from ipml.cooperation.notifiers.messages import tell_notifier
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.storage import outbox
from ipml.storage.notifiers import get_notifier
from ipml.storage.tables import cases, decisions, notice_items, notices, seller_keys

OUTCOME, CORRECTION = "notice_outcome", "notice_correction"

_WORDS = {
    "upheld": "It was found to be counterfeit, and was acted on.",
    "rejected": "It was not found to be counterfeit; nothing was done.",
    "undecided": "It could not be told whether it is counterfeit; nothing was done.",
    "repeated": "You had given notice of it before, and were or will be answered there.",
    "waiting": "The decision on it was taken back; it is being looked at again.",
    "unknown": "No such listing is known here yet.",
    "not found": "We could not find it; nothing was done. If it is still on offer, give notice of it again.",
}
_TAKEN_BACK = {
    "appeal": "The seller complained, and it is not found to be counterfeit any more; it was put back.",
    "clock": "The seller sent a counter-notice on which the rights holder did not act; it was put back.",
}
_AUTOMATED = {
    "policy": "decided by a rule, without a person",
    "spread": "decided by a person on a listing nearly the same",
}
_BY_PERSON = "decided by a person"
_PROCESSING = "The order in which people look at listings is found by a computer."


def tell_outcomes(connection: Connection, notice_ids: Sequence[int], at: datetime, rules: NotifierRules) -> None:
    """Tell the notifiers of some notices how their listings stand; nobody is told of a seller who was erased.

    A notice that is open again is told of only where an answer may have arrived. One that came while its notifier was
    suspended was not looked at: its receipt said so, and no outcome follows.
    """
    if not notice_ids:
        return
    for notice_id, items in groupby(_read(connection, notice_ids), key=lambda row: row.notice_id):
        _tell(connection, notice_id, list(items), at, rules)


def _read(connection: Connection, notice_ids: Sequence[int]) -> list[Row[Any]]:
    is_gone = or_(
        cases.c.erased_at.is_not(None), and_(notice_items.c.pseudonym.is_not(None), seller_keys.c.pseudonym.is_(None))
    )
    query = (
        select(notice_items, notices.c.reference, notices.c.settled_at.label("closed_at"), decisions.c.origin)
        .add_columns(notices.c.notifier_id, notices.c.is_suspended)
        .add_columns(is_gone.label("is_gone"))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .outerjoin(decisions, decisions.c.decision_id == notice_items.c.decision_id)
        .outerjoin(cases, cases.c.case_id == notice_items.c.case_id)
        .outerjoin(seller_keys, seller_keys.c.pseudonym == notice_items.c.pseudonym)
        .where(notice_items.c.notice_id.in_(notice_ids))
        .order_by(notice_items.c.notice_id, notice_items.c.position)
    )
    return list(connection.execute(query))


def _tell(
    connection: Connection, notice_id: int, items: Sequence[Row[Any]], at: datetime, rules: NotifierRules
) -> None:
    first, subject = items[0], subject_of(notice_id)
    keys = outbox.find_keys(connection, subject, OUTCOME, CORRECTION)
    may_have_arrived = [key for key in keys if not outbox.withdraw(connection, key, by="ipml", now=at)]
    told = [] if first.is_suspended else [item for item in items if not item.is_gone]
    if not told or (first.closed_at is None and not may_have_arrived):
        return
    kind = CORRECTION if may_have_arrived else OUTCOME
    body = {
        "reference": first.reference,
        "at": at.isoformat(),
        "is_settled": first.closed_at is not None,
        "listings": [_describe(item) for item in told],
        "processing": _PROCESSING,
        "redress": rules.redress,
    }
    key = outbox.make_key(f"notice-{notice_id}-{kind.removeprefix('notice_')}")
    notifier = get_notifier(connection, first.notifier_id)
    tell_notifier(connection, notifier, key=key, kind=kind, subject=subject, body=body, at=at)


def _describe(item: Row[Any]) -> dict[str, Any]:
    is_taken_back = item.overturned_at is not None and item.state in ("rejected", "undecided")
    words = (is_taken_back and _TAKEN_BACK.get(item.origin)) or _WORDS[item.state]
    how = None if item.origin is None else _AUTOMATED.get(item.origin, _BY_PERSON)
    return {"position": item.position, "outcome": item.state, "words": words, "how": how}


def subject_of(notice_id: int) -> str:
    """Return what a notice is called in the outbox and in the audit trail.

    Examples
    --------
    >>> subject_of(12)
    'notice:12'
    """
    return f"notice:{notice_id}"
