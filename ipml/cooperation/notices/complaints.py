"""Complaints of consumers as seller history: what a score at some moment may know of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Engine, func, select

from ipml.enforcement.penalties.strikes import SellerEvent
from ipml.storage.database import reading
from ipml.storage.pseudonyms import find_seller
from ipml.storage.tables import notice_items, notices

_AT_ONCE = 500


def list_complaints(engine: Engine, *, known_by: datetime | None = None) -> Iterator[SellerEvent]:
    """Give an event "complained" for each consumer and listing, seller by seller, as seller history reads them.

    However often somebody complains of a listing, it counts once, when they first did. Complaints of notifiers who were
    suspended when they complained do not count, nor do those of listings that nobody knows, or whose seller was erased.

    Parameters
    ----------
    known_by : datetime, default=now
        Only what was known by then, as training for a test at that moment must see it.
    """
    query = (
        select(notice_items.c.pseudonym, func.min(notices.c.received_at))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(notices.c.kind == "complaint", ~notices.c.is_suspended, notice_items.c.pseudonym.is_not(None))
        .where(notices.c.received_at <= (known_by or datetime.now(UTC)))
        .group_by(notice_items.c.pseudonym, notices.c.notifier_id, notice_items.c.case_id)
        .order_by(notice_items.c.pseudonym, func.min(notices.c.received_at))
    )
    sellers: dict[str, str | None] = {}
    with reading(engine) as connection:
        for pseudonym, moment in connection.execute(query).all():
            if pseudonym not in sellers:
                sellers[pseudonym] = find_seller(connection, pseudonym)
            seller_id = sellers[pseudonym]
            if seller_id is not None:
                yield SellerEvent(seller_id, "complained", moment, moment)
