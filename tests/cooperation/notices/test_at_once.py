"""Notices that come at the same moment: none is lost, none is doubled, each has one receipt."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.given_notices import NOON, POLICY, offer, say

from ipml.cooperation.notices.intake import receive
from ipml.review.queue import enqueue
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import notice_items, notices, notifiers, outbox

TIMES, LISTINGS, NOTIFIERS = 3, 4, 2


@on_both
def test_notices_at_once_are_each_kept_once(engine: Engine):
    """From several notifiers, each sent three times, about the same few listings, some of them unknown."""
    enqueue(engine, [offer(f"L{number}") for number in range(LISTINGS // 2)], joins_alike=False, now=NOON)
    given = [
        say(*(f"L{(first + number) % LISTINGS}" for number in range(2)), email=f"n{who}@acme.test", key=f"k{first}")
        for who in range(NOTIFIERS)
        for first in range(LISTINGS)
    ] * TIMES

    def give(notice):
        with writing(engine) as connection:
            return receive(connection, notice, policy=POLICY, now=NOON)

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(give, given))
    assert sum(receipt.is_new for receipt in receipts) == NOTIFIERS * LISTINGS
    assert set(Counter(receipt.reference for receipt in receipts).values()) == {TIMES}
    with reading(engine) as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table)) for table in (notifiers, notices, notice_items)
        ]
        assert counts == [NOTIFIERS, NOTIFIERS * LISTINGS, 2 * NOTIFIERS * LISTINGS]
        kinds = Counter(connection.scalars(select(outbox.c.kind)))
        repeated = select(notices).where(notices.c.settled_at.is_not(None))
        assert kinds["notice_receipt"] == NOTIFIERS * LISTINGS
        assert kinds["notice_outcome"] == len(connection.execute(repeated).all())
        fresh = select(notice_items.c.listing_digest, func.count()).where(notice_items.c.state != "repeated")
        assert {count for _, count in connection.execute(fresh.group_by(notice_items.c.listing_digest))} == {NOTIFIERS}
        assert audit.verify(connection).is_intact
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()
