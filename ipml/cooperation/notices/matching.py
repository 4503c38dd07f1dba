"""Notices of listings that nobody knew when they came: joined to their cases once these are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, or_, select, update

from ipml.cooperation.notices.joining import Coming, Joined, find_latest, join
from ipml.cooperation.notices.keeping import get_notice, read_location, seal_location
from ipml.cooperation.notices.notice import NotedListing
from ipml.cooperation.notices.outcomes import settle_notices
from ipml.cooperation.notices.rules import NoticeRules
from ipml.cooperation.notifiers.lanes import keep_count, lane_of
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.notifiers import get_notifier
from ipml.storage.tables import notice_items, notices, notifiers

_AT_ONCE = 500
_ACTOR = "ipml"


@dataclass(frozen=True, slots=True)
class Matched:
    """How many listings of notices were found among the cases, and how many nobody knows still."""

    found: int = 0
    unknown: int = 0


def match_notices(
    engine: Engine,
    *,
    policy: CooperationPolicy | None = None,
    show: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Matched:
    """Look for the cases of all listings that were unknown when a notice of them came; doing it again changes nothing.

    Each notice is a transaction of its own. The terms of the notifiers' lanes begin now, as nothing could be decided
    before.

    Parameters
    ----------
    policy : CooperationPolicy, default=the setting `cooperation`
    show : callable, optional
        Told now and then how many listings were looked for.
    """
    policy, now = policy or load_cooperation_policy(), now or datetime.now(UTC)
    found = looked = after = 0
    while items := _read_unknown(engine, policy.notices, after):
        with reading(engine) as connection:
            latest = find_latest(connection, [one.listing_id for _, _, one in items if one and one.listing_id])
        known = {notice_id for _, notice_id, one in items if one and one.listing_id in latest}
        found += sum(_join_notice(engine, notice_id, policy, now) for notice_id in sorted(known))
        looked, after = looked + len(items), items[-1][0]
        if show:
            show(looked)
    return Matched(found, looked - found)


def _read_unknown(engine: Engine, rules: NoticeRules, after: int) -> Sequence[tuple[int, int, NotedListing | None]]:
    """Return the next unknown items: number, notice and what the item points at."""
    query = (
        select(notice_items, notifiers.c.pseudonym.label("theirs"))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .where(notice_items.c.state == "unknown", notice_items.c.item_id > after)
        .order_by(notice_items.c.item_id)
        .limit(_AT_ONCE)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        return [
            (row.item_id, row.notice_id, _find_id(rules, read_location(connection, row, row.theirs))) for row in rows
        ]


def _find_id(rules: NoticeRules, noted: NotedListing | None) -> NotedListing | None:
    """Return what an item points at, with the id that the patterns of today find in its address."""
    if noted is None or noted.listing_id is not None or noted.url is None:
        return noted
    return NotedListing(rules.find_listing_id(noted.url), noted.url)


def _join_notice(engine: Engine, notice_id: int, policy: CooperationPolicy, now: datetime) -> int:
    """Join the unknown listings of a notice to their cases; return how many have one."""
    with writing(engine) as connection:
        notice = get_notice(connection, notice_id)
        notifier = get_notifier(connection, notice.notifier_id, lock=True)
        query = select(notice_items).where(notice_items.c.notice_id == notice_id, notice_items.c.state == "unknown")
        pointed = [
            (row.item_id, noted)
            for row in connection.execute(query.order_by(notice_items.c.position)).all()
            if (noted := _find_id(policy.notices, read_location(connection, row, notifier.pseudonym)))
        ]
        keep_count(connection, notifier, policy.notifiers, now)
        lane = lane_of(connection, notifier, policy, now)
        listings = [one for _, one in pointed]
        coming = Coming(notifier.notifier_id, notice.kind == "complaint", listings, {}, lane)
        joined = join(connection, coming, policy.notices, now)
        serialise(connection, Lock.APPEND_TO_AUDIT)  # before rows that whoever decides changes after it
        found = [(item_id, at) for (item_id, _), at in zip(pointed, joined, strict=True) if at.pseudonym]
        with audit.together(connection):
            for item_id, at in found:
                _keep_joined(connection, item_id, at, notifier.pseudonym, policy.notices, now)
        _note(connection, notice_id, [at.case_id for _, at in found if at.case_id is not None], now)
        settle_notices(connection, [notice_id], now, policy.notifiers)
        return len(found)


def _keep_joined(
    connection: Connection, item_id: int, at: Joined, theirs: str, rules: NoticeRules, now: datetime
) -> None:
    """Keep what is known now of a listing, with the item and with those of the notifier that repeat it."""
    assert at.pseudonym is not None
    query = select(notice_items).where(or_(notice_items.c.item_id == item_id, notice_items.c.repeats == item_id))
    for row in connection.execute(query.order_by(notice_items.c.item_id)).all():
        noted = _find_id(rules, read_location(connection, row, theirs))
        fields: dict[str, Any] = {"pseudonym": at.pseudonym, "case_id": at.case_id}
        if noted is not None and noted.listing_id is not None:
            fields |= {"listing_digest": noted.digest, "location": seal_location(connection, at.pseudonym, noted)}
        if row.item_id == item_id:
            settled_at = None if at.state == "waiting" else now
            fields |= {"state": at.state, "decision_id": at.decision_id, "settled_at": settled_at}
        change = update(notice_items).where(notice_items.c.item_id == row.item_id).values(fields)
        audit.change_rows(connection, change, _ACTOR, "item joined", at=now)


def _note(connection: Connection, notice_id: int, case_ids: Sequence[int], now: datetime) -> None:
    entries = [(f"case:{case_id}", {"notice": notice_id}) for case_id in sorted(set(case_ids))]
    audit.append_all(connection, _ACTOR, "noticed", entries, at=now)
