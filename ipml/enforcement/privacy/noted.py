"""Notices of listings that are gone: nothing in them says whose the listing was, or where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ipml.enforcement.privacy.places import BLANKED
from ipml.storage import audit
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import notice_items, notices

_MOST_NUMBERS = 500  # in one query


def join_notices(connection: Connection, rows: Sequence[Row[Any]], by: str, at: datetime) -> None:
    """Join notices to the cases of listings that they have not met yet, and empty where these are.

    That is known by the notifier's key alone, which stays. From now on they wait for cases that are closed for good.

    Parameters
    ----------
    rows : sequence of rows of `cases`
        As they were before something else stood in for their listings; no more than some hundred.
    """
    numbers = {digest_listing(row.listing_id): row.case_id for row in rows}
    unjoined = notice_items.c.listing_digest.in_(numbers), notice_items.c.pseudonym.is_(None)
    query = select(notice_items.c.item_id, notice_items.c.listing_digest, notice_items.c.state).where(*unjoined)
    for item in connection.execute(query).all():
        is_unknown = item.state == "unknown"
        state = "waiting" if is_unknown else item.state
        fields = {"case_id": numbers[item.listing_digest], "state": state, "location": "", "listing_digest": ""}
        change = update(notice_items).where(notice_items.c.item_id == item.item_id).values(fields)
        audit.change_rows(connection, change, by, "item joined" if is_unknown else "erased", at=at)


def empty_explanations(connection: Connection, case_ids: Sequence[int], by: str, at: datetime) -> None:
    """Empty what notices say of cases: whoever wrote it may have named the seller."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        about = select(notice_items.c.notice_id).where(notice_items.c.case_id.in_(numbers))
        left = update(notices).where(notices.c.notice_id.in_(about), notices.c.explanation != "")
        audit.change_rows(connection, left.values(**BLANKED["notices", "notice_id"]), by, "erased", at=at)
