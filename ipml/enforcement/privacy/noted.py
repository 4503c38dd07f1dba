"""Notices of listings that are gone: they do not say whose the listing was.

Their notifiers are told of the other listings, as soon as somebody looks (`ipml.cooperation.notices.ticking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from ipml.enforcement.privacy.places import BLANKED
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import notice_items, notices

_MOST_NUMBERS = 500  # in one query


def detach_notices(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Let no notice say where the listing was of cases that are closed for good; no more than some hundred of them.

    A notice that has not found its listing yet knows where it is by the notifier's key alone: that is emptied.

    Parameters
    ----------
    rows : sequence of rows of `cases`
        As they were before something else stood in for their listings.
    """
    digests = {digest_listing(row.listing_id): row.case_id for row in rows}
    on_them = or_(notice_items.c.case_id.in_([row.case_id for row in rows]), notice_items.c.listing_digest.in_(digests))
    lost = select(notice_items.c.item_id, notice_items.c.listing_digest, notice_items.c.state).where(
        on_them, notice_items.c.pseudonym.is_(None)
    )
    for item in connection.execute(lost).all():
        one = update(notice_items).where(notice_items.c.item_id == item.item_id)
        known = {"case_id": digests.get(item.listing_digest), "location": "", "listing_digest": ""}
        connection.execute(one.values(known | ({"state": "waiting"} if item.state == "unknown" else {})))


def empty_explanations(connection: Connection, case_ids: Sequence[int]) -> None:
    """Empty what notices say of cases: whoever wrote it may have named the seller."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        about = select(notice_items.c.notice_id).where(notice_items.c.case_id.in_(numbers))
        query = update(notices).where(notices.c.notice_id.in_(about))
        connection.execute(query.values(**BLANKED["notices", "notice_id"]))
