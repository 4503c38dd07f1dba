"""Stated restriction: what its own seller may see of it: the statement of reasons, the deadline, and their appeals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ipml.enforcement.appeals.appeal import Appeal, find_appeal, find_outcome, make_appeal
from ipml.enforcement.appeals.filings import COMPLAINT, find_open_kinds
from ipml.enforcement.appeals.remedies import find_restricted
from ipml.enforcement.deadlines.deadlines import DeadlineState, find_deadlines
from ipml.enforcement.deadlines.terms import Kind
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.statements.statements import StatedListing, read_stated
from ipml.enforcement.views.case_file import find_due
from ipml.errors import NotFound
from ipml.storage.pseudonyms import find_seller
from ipml.storage.tables import appeals


@dataclass(frozen=True, slots=True)
class OwnAppeal:
    """An appeal as its seller sees it; `why`: reasons for the seller, never who decided."""

    appeal: Appeal
    due_at: datetime | None
    decided_at: datetime | None
    why: str | None


@dataclass(frozen=True, slots=True)
class StatedRestriction:
    """A restriction for its seller.

    - `due_at`: end of the time to complain, once the letter arrived.
    - `is_late`: this time is over.
    - `kinds`: kinds of appeal that may be filed now.
    - `appeals`: own appeals against it, oldest first.
    """

    stated: StatedListing
    seller_id: str
    is_in_force: bool
    due_at: datetime | None
    is_late: bool
    kinds: tuple[Kind, ...]
    appeals: tuple[OwnAppeal, ...]

    @property
    def last_appeal(self) -> int:
        """Number of the last appeal, or 0."""
        return self.appeals[-1].appeal.appeal_id if self.appeals else 0


def read_stated_restriction(connection: Connection, subject: str, rules: AppealRules) -> StatedRestriction:
    """Return a restriction ("measure:12", "penalty:3", or that of "appeal:4") as its seller may see it.

    Raises NotFound if there is none, its seller was erased, or its letter has expired.
    """
    kind, _, number = subject.partition(":")
    if kind == "appeal":
        subject = find_appeal(connection, int(number)).subject
    stated = read_stated(connection, subject)
    pseudonym = stated.statement.pseudonym
    seller_id = find_seller(connection, pseudonym)
    if seller_id is None:
        raise NotFound("seller of", subject)
    window = find_deadlines(connection, subject).get(COMPLAINT)
    return StatedRestriction(
        stated=stated,
        seller_id=seller_id,
        is_in_force=_is_in_force(connection, subject, seller_id),
        due_at=None if window is None else window.due_at,
        is_late=window is not None and window.state is DeadlineState.EXPIRED,
        kinds=tuple(find_open_kinds(connection, subject, seller_id, rules)),
        appeals=tuple(_list_own(connection, subject, pseudonym)),
    )


def _is_in_force(connection: Connection, subject: str, seller_id: str) -> bool:
    try:
        find_restricted(connection, subject, seller_id)
    except NotFound:
        return False
    return True


def _list_own(connection: Connection, subject: str, pseudonym: str) -> list[OwnAppeal]:
    query = select(appeals).where(appeals.c.subject == subject, appeals.c.pseudonym == pseudonym)
    own = []
    for appeal in map(make_appeal, connection.execute(query.order_by(appeals.c.appeal_id))):
        outcome = find_outcome(connection, appeal)
        decided_at, why = (outcome.decided_at, outcome.why) if outcome else (None, None)
        own.append(OwnAppeal(appeal, find_due(connection, appeal.name), decided_at, why))
    return own
