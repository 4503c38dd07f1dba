"""An appeal as a record, and the rows it is read from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ipml.enforcement.appeals.states import PENDING, AppealEvent, AppealState, next_state
from ipml.errors import AppealNotFound
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.tables import appeals


@dataclass(frozen=True, slots=True)
class Appeal:
    """A complaint or counter-notice of a seller.

    Attributes
    ----------
    subject : str
        What it is against: "measure:12", "penalty:3" or "case:7".
    decision_id : int
        The decision the restriction came from.
    kind : str
        "complaint" or "counter-notice".
    profile : str
        By whose rules it is dealt with.
    holder, lease_expires_at
        Who has it in hand, and until when.
    """

    appeal_id: int
    subject: str
    case_id: int
    decision_id: int
    pseudonym: str
    kind: str
    profile: str
    state: AppealState
    filed_at: datetime
    holder: str | None = None
    lease_expires_at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name in the audit trail, and for its clocks."""
        return f"appeal:{self.appeal_id}"

    @property
    def is_pending(self) -> bool:
        """Whether it waits for somebody."""
        return self.state in PENDING

    def holder_at(self, now: datetime) -> str | None:
        """Return who has it in hand at a moment."""
        return self.holder if self.lease_expires_at is not None and self.lease_expires_at > now else None


def find_row(connection: Connection, appeal_id: int, *, lock: bool = False) -> Row[Any]:
    """Return the row of an appeal, with `lock` kept from other writers; AppealNotFound if there is none."""
    query = select(appeals).where(appeals.c.appeal_id == appeal_id)
    row = None
    if 0 < appeal_id <= LARGEST_NUMBER:
        row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise AppealNotFound(appeal_id)
    return row


def find_appeal(connection: Connection, appeal_id: int, *, lock: bool = False) -> Appeal:
    """Return an appeal, with `lock` kept from other writers; its clocks must be locked before."""
    return make_appeal(find_row(connection, appeal_id, lock=lock))


def move(connection: Connection, appeal: Appeal, event: AppealEvent) -> Appeal:
    """Take a step of the table; IllegalStep where there is none."""
    state = next_state(appeal.appeal_id, appeal.state, event)
    change_appeal(connection, appeal.appeal_id, state=state, holder=None, lease_expires_at=None)
    return replace(appeal, state=state, holder=None, lease_expires_at=None)


def change_appeal(connection: Connection, appeal_id: int, **columns: Any) -> None:
    """Give columns of an appeal new values."""
    connection.execute(update(appeals).where(appeals.c.appeal_id == appeal_id).values(columns))


def make_appeal(row: Row[Any]) -> Appeal:
    """Make the record of a row of appeals."""
    fields = {name: getattr(row, name) for name in Appeal.__slots__}
    return Appeal(**fields | {"state": AppealState(row.state)})
