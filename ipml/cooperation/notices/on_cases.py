"""Which notices are behind a case, and what they say: for the reviewer to read, whoever wrote it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ipml.errors import SellerErased
from ipml.storage.notifiers import kind_at
from ipml.storage.pseudonyms import unseal
from ipml.storage.tables import cases, notice_items, notices, notifiers


@dataclass(frozen=True, slots=True)
class CaseNotice:
    """A notice about the listing of a case, or of one that waits for it.

    Attributes
    ----------
    case_id : int
        The case itself, or its near-duplicate that was noted.
    notifier : str
        Pseudonym.
    notifier_kind : str
        "rights holder", "trusted flagger", "consumer" or "authority".
    kind : str
        "counterfeit" or "complaint".
    tier : str
        Of the notifier, when it came.
    explanation : str or None
        Hostile, as any text from outside; None once the notifier or a seller it is about was erased.
    """

    notice_id: int
    case_id: int
    notifier: str
    notifier_kind: str
    kind: str
    tier: str
    brand: str | None
    received_at: datetime
    state: str
    explanation: str | None


def find_notices(connection: Connection, case_id: int) -> list[CaseNotice]:
    """Return the notices behind a case and behind its near-duplicates that wait for it, the first that came first.

    Those of notifiers who were suspended when they gave notice are behind nothing.
    """
    waiting = select(cases.c.case_id).where(cases.c.exemplar == case_id, cases.c.state == "open")
    query = (
        select(notices, notice_items.c.case_id, notice_items.c.state, notifiers.c.pseudonym)
        .add_columns(kind_at(notices.c.received_at).label("notifier_kind"))
        .join(notice_items, notice_items.c.notice_id == notices.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .where(notice_items.c.case_id.in_([case_id]) | notice_items.c.case_id.in_(waiting))
        .where(notice_items.c.state != "repeated")
        .order_by(notices.c.received_at, notices.c.notice_id, notice_items.c.position)
    )
    return [
        CaseNotice(
            row.notice_id,
            row.case_id,
            row.pseudonym,
            row.notifier_kind,
            row.kind,
            row.tier,
            row.brand,
            row.received_at,
            row.state,
            read_explanation(connection, row.pseudonym, row.explanation),
        )
        for row in connection.execute(query)
    ]


def read_explanation(connection: Connection, pseudonym: str, sealed: str) -> str | None:
    """Return what a notice says of its listings; None once the notifier or a seller it is about was erased."""
    try:
        return str(json.loads(unseal(connection, pseudonym, sealed))["explanation"]) if sealed else None
    except SellerErased:
        return None
