"""Looking through notices: which wait, for whom, and by when their cases are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, case, func, select

from ipml.cooperation.notices.on_cases import read_explanation
from ipml.cooperation.notices.receipts import Receipt, make_receipt
from ipml.errors import NoticeNotFound
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.database import reading
from ipml.storage.notifiers import kind_at
from ipml.storage.tables import cases, notice_items, notices, notifiers

STATES = ("waiting", "settled", "all")


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in a list.

    Attributes
    ----------
    waiting, unknown : int
        Listings that wait for a person, and those that nobody knows yet.
    due_at : datetime or None
        When the first of its cases that are not decided is due.
    """

    notice_id: int
    received_at: datetime
    kind: str
    brand: str | None
    tier: str
    is_suspended: bool
    listings: int
    waiting: int
    unknown: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticeFile:
    """A notice with what it says, for those who look after notices."""

    row: NoticeRow
    receipt: Receipt
    notifier_id: int
    notifier: str
    notifier_kind: str
    explanation: str | None
    case_ids: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class WaitingTier:
    """How many listings of notices wait for a person in a tier, and of these how many are overdue."""

    tier: str
    kind: str
    listings: int
    overdue: int
    unknown: int
    oldest: datetime


def list_notices(engine: Engine, state: str = "waiting", limit: int = 100) -> list[NoticeRow]:
    """Return notices: those that wait by when they are due, else the newest first.

    Parameters
    ----------
    state : str, default="waiting"
        "waiting", "settled" or "all".
    """
    return _read_rows(engine, state, limit)


def get_notice_file(engine: Engine, notice: int | str) -> NoticeFile:
    """Return a notice by its number or its reference; NoticeNotFound if there is none."""
    is_number = isinstance(notice, int) or notice.isdecimal()
    number = int(notice) if is_number and len(str(notice)) < len(str(LARGEST_NUMBER)) else 0
    found = notices.c.notice_id == number if is_number else notices.c.reference == notice
    with reading(engine) as connection:
        query = select(notices, notifiers.c.pseudonym, kind_at(notices.c.received_at).label("notifier_kind")).join(
            notifiers
        )
        row = connection.execute(query.where(found)).first()
        if row is None:
            raise NoticeNotFound(str(notice))
        receipt = make_receipt(connection, row, is_new=False)
        joined = select(notice_items.c.case_id).where(notice_items.c.notice_id == row.notice_id)
        case_ids = tuple(connection.scalars(joined.order_by(notice_items.c.position)))
        explanation = read_explanation(connection, row.pseudonym, row.explanation)
    (shown,) = _read_rows(engine, "all", 1, row.notice_id)
    return NoticeFile(shown, receipt, row.notifier_id, row.pseudonym, row.notifier_kind, explanation, case_ids)


def count_waiting_by_tier(engine: Engine, *, now: datetime | None = None) -> list[WaitingTier]:
    """Return how many listings of notices wait in each tier: for a person, or to become known."""
    now = now or datetime.now(UTC)
    is_waiting = notice_items.c.state == "waiting"
    query = (
        select(
            notices.c.tier,
            notices.c.kind,
            func.sum(case((is_waiting, 1), else_=0)),
            func.sum(case((is_waiting & (cases.c.due_at < now), 1), else_=0)),
            func.sum(case((is_waiting, 0), else_=1)),
            func.min(notices.c.received_at),
        )
        .select_from(notices.join(notice_items).outerjoin(cases, cases.c.case_id == notice_items.c.case_id))
        .where(notices.c.settled_at.is_(None), notice_items.c.state.in_(["waiting", "unknown"]))
        .group_by(notices.c.tier, notices.c.kind)
        .order_by(notices.c.tier, notices.c.kind)
    )
    with reading(engine) as connection:
        return [WaitingTier(*row) for row in connection.execute(query)]


def _read_rows(engine: Engine, state: str, limit: int, notice_id: int | None = None) -> list[NoticeRow]:
    is_waiting = notice_items.c.state == "waiting"
    due_at = func.min(case((is_waiting, cases.c.due_at)))
    query = (
        select(
            *(notices.c.notice_id, notices.c.received_at, notices.c.kind, notices.c.brand, notices.c.tier),
            notices.c.is_suspended,
            func.count(),
            func.sum(case((is_waiting, 1), else_=0)),
            func.sum(case((notice_items.c.state == "unknown", 1), else_=0)),
            due_at,
        )
        .select_from(notices.join(notice_items).outerjoin(cases, cases.c.case_id == notice_items.c.case_id))
        .group_by(notices.c.notice_id)
        .limit(limit)
    )
    if notice_id is not None:
        query = query.where(notices.c.notice_id == notice_id)
    if state == "waiting":
        query = query.where(notices.c.settled_at.is_(None))
        order: Sequence[object] = (due_at.is_(None), due_at, notices.c.notice_id)
    else:
        query = query if state == "all" else query.where(notices.c.settled_at.is_not(None))
        order = (notices.c.notice_id.desc(),)
    with reading(engine) as connection:
        return [NoticeRow(*row) for row in connection.execute(query.order_by(*order))]  # type: ignore[arg-type]
