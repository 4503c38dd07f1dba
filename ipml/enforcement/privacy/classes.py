"""The classes of records that expire: which rows, from which moment on, and what is done to them.

Each is named as in the section `[retention]` of the policy. A new table with something of people in it needs a line
here and a number of days there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, case, or_, select

from ipml.enforcement.privacy.places import TEXTS, Holds
from ipml.storage.tables import (
    appeals,
    cases,
    disclosures,
    evidence,
    legal_holds,
    measures,
    metadata,
    notice_items,
    notices,
    notifier_steps,
    outbox,
    seller_keys,
    sessions,
    statements,
    tries,
)


@dataclass(frozen=True, slots=True)
class RecordClass:
    """Rows that expire some days after a moment of theirs.

    Attributes
    ----------
    name : str
        Field of `RetentionRules`.
    table : Table
        Of one primary key. Its columns `pseudonym` and `case_id`, where it has them, say which holds it is under.
    since : ColumnElement
        The moment from which the days count; a row without one does not expire.
    blanks : mapping of str to str or None
        What is put into which columns; empty: the row is deleted.
    condition : ColumnElement, optional
        Which rows of the table these are; all without.
    """

    name: str
    table: Table
    since: ColumnElement[Any]
    blanks: Mapping[str, str | None] = field(default_factory=dict)
    condition: ColumnElement[bool] | None = None

    @property
    def can_be_held(self) -> bool:
        """Whether a legal hold can be on such rows."""
        return "pseudonym" in self.table.c and self.table is not legal_holds

    @property
    def key(self) -> Column[Any]:
        """The column by which a row is known."""
        (key,) = self.table.primary_key.columns
        return key

    @property
    def is_of_class(self) -> ColumnElement[bool]:
        """The condition that a row is of this class, and has not expired yet."""
        conditions = [] if self.condition is None else [self.condition]
        if self.blanks:
            is_left = [self.table.c[name].is_distinct_from(value) for name, value in self.blanks.items()]
            conditions.append(or_(*is_left))
        return and_(self.since.is_not(None), *conditions)


_ENDED = case((legal_holds.c.released_at.is_not(None), legal_holds.c.released_at), else_=legal_holds.c.until)
_DELIVERED = outbox.c.state == "delivered"


def _opens_nothing() -> ColumnElement[bool]:
    """Return the condition that with the key of a seller nothing can be read any more, and no listing is left."""
    sealed = [
        select(1).where(table.c.pseudonym == seller_keys.c.pseudonym, table.c[column] != "").exists()
        for table, column in (
            (metadata.tables[name], column)
            for name, columns in TEXTS.items()
            for column, held in columns.items()
            if held is Holds.SEALED and "pseudonym" in metadata.tables[name].c
        )
    ]
    listing = select(cases.c.case_id).where(cases.c.seller_id == seller_keys.c.seller_id, cases.c.erased_at.is_(None))
    return ~or_(*sealed, listing.exists())


CLASSES = (
    RecordClass("evidence", evidence, evidence.c.kept_at),
    RecordClass(
        "delivered_messages",
        outbox,
        outbox.c.settled_at,
        {"body": "", "last_error": None},
        outbox.c.state == "delivered",
    ),
    RecordClass("dead_messages", outbox, outbox.c.settled_at, condition=outbox.c.state == "dead"),
    RecordClass("letters", statements, statements.c.issued_at, {"letter": ""}),
    RecordClass("appeals", appeals, appeals.c.filed_at, {"text": "", "reference": None}),
    RecordClass("notices", notices, notices.c.received_at, {"sealed": "", "explanation": ""}),
    RecordClass("noted_listings", notice_items, notice_items.c.noted_at, {"location": "", "listing_digest": ""}),
    RecordClass("notes", measures, measures.c.lifted_at, {"why": None, "why_lifted": None, "why_refused": None}),
    RecordClass("disclosures", disclosures, disclosures.c.disclosed_at),
    RecordClass("notifier_steps", notifier_steps, notifier_steps.c.taken_at, {"why": ""}),
    RecordClass("ended_holds", legal_holds, _ENDED),
    RecordClass("idle_sellers", seller_keys, seller_keys.c.created_at, condition=_opens_nothing()),
    RecordClass("sessions", sessions, sessions.c.expires_at),
    RecordClass("tries", tries, tries.c.at),
)

LISTINGS = ("undecided_listings", "genuine_listings", "counterfeit_listings")
"""Classes of cases; see `ipml.enforcement.privacy.expired_listings`."""
