"""Notices of listings that are gone: they wait for nobody any more, and do not say whose the listing was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from ipml.enforcement.privacy.places import BLANKED
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import notice_items, notices

_OPEN = ("unknown", "waiting")
_MOST_NUMBERS = 500  # in one query


def close_notices(connection: Connection, rows: Sequence[Row[Any]], at: datetime) -> None:
    """Let nothing of a notice wait for cases that are closed for good; no more than some hundred of them.

    A notice that has not found its listing yet knows where it is by the notifier's key alone: that is emptied.

    Parameters
    ----------
    rows : sequence of rows of `cases`
        As they were before something else stood in for their listings.
    """
    digests = {digest_listing(row.listing_id): row.case_id for row in rows}
    on_them = or_(notice_items.c.case_id.in_([row.case_id for row in rows]), notice_items.c.listing_digest.in_(digests))
    touched = set(connection.scalars(select(notice_items.c.notice_id).where(on_them)))
    lost = select(notice_items.c.item_id, notice_items.c.listing_digest).where(
        on_them, notice_items.c.pseudonym.is_(None)
    )
    for item in connection.execute(lost).all():
        one = update(notice_items).where(notice_items.c.item_id == item.item_id)
        connection.execute(one.values(case_id=digests.get(item.listing_digest), location="", listing_digest=""))
    is_open = notice_items.c.notice_id.in_(touched), notice_items.c.state.in_(_OPEN)
    is_gone = notice_items.c.case_id.in_([row.case_id for row in rows])
    connection.execute(update(notice_items).where(*is_open, is_gone).values(state="undecided", settled_at=at))
    waits = select(func.count()).where(notice_items.c.notice_id == notices.c.notice_id, notice_items.c.state.in_(_OPEN))
    settled = update(notices).where(notices.c.notice_id.in_(touched), notices.c.settled_at.is_(None))
    connection.execute(settled.where(waits.scalar_subquery() == 0).values(settled_at=at))


def empty_explanations(connection: Connection, case_ids: Sequence[int]) -> None:
    """Empty what notices say of cases: whoever wrote it may have named the seller."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        about = select(notice_items.c.notice_id).where(notice_items.c.case_id.in_(numbers))
        query = update(notices).where(notices.c.notice_id.in_(about))
        connection.execute(query.values(**BLANKED["notices", "notice_id"]))
