"""The lane a notice comes in: how soon its listings are looked at, what it must bring, and how much of it a day.

However much somebody sends, only so many cases a day get a deadline for it; what is more waits in ordinary order, so
that no notifier can keep reviewers from what others gave notice of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ipml.cooperation.notifiers.record import record_of
from ipml.cooperation.notifiers.rules import NotifierRules, Tier
from ipml.cooperation.notifiers.steps import find_suspension
from ipml.cooperation.notifiers.tiers import asks_record, choose_tier
from ipml.cooperation.policy import CooperationPolicy
from ipml.storage.database import Lock, serialise
from ipml.storage.notifiers import Notifier, get_notifier
from ipml.storage.tables import notice_items, notices, notifiers


@dataclass(frozen=True, slots=True)
class Lane:
    """How the next notice of a notifier is dealt with.

    Attributes
    ----------
    tier : str
        The name of their tier.
    hours : float
        From the notice to the deadline of the cases that it raises.
    burden : str
        What the reviewer reads of how much must be shown.
    is_suspended : bool
        Whether what they send is kept and opens nothing.
    left_today : int or None
        How many more cases of theirs get a deadline today (UTC); None: as many as there are. While they are new, no
        more than are left of what all get who are new.
    """

    tier: str
    hours: float
    burden: str
    is_suspended: bool = False
    needs_rights_document: bool = True
    least_explanation_letters: int = 0
    left_today: int | None = None

    def due_at(self, received_at: datetime) -> datetime:
        """Return by when a case raised by a notice must be decided."""
        return received_at + timedelta(hours=self.hours)


def lane_of(
    connection: Connection, notifier: Row[Any] | Notifier | int, policy: CooperationPolicy, now: datetime | None = None
) -> Lane:
    """Return the lane of a notifier.

    Parameters
    ----------
    notifier : Row, Notifier or int
        One, or the number of one. Whoever then raises cases has kept them from other writers (`notifier_of`), and so
        has counted all that came before.
    now : datetime, default=the clock

    Raises
    ------
    NotifierNotFound
        There is none of that number.
    """
    rules, now = policy.notifiers, now or datetime.now(UTC)
    number = notifier if isinstance(notifier, int) else notifier.notifier_id
    known = get_notifier(connection, number, at=now)
    tier = tier_of(connection, number, known.kind, rules, now)
    return Lane(
        tier=tier.name,
        hours=tier.deadline_hours,
        burden=tier.burden,
        is_suspended=find_suspension(connection, number, now) is not None,
        needs_rights_document=tier.needs_rights_document,
        least_explanation_letters=tier.least_explanation_letters,
        left_today=_count_left(connection, known, tier, rules, now),
    )


def keep_count(connection: Connection, notifier: Notifier, rules: NotifierRules, now: datetime) -> None:
    """Let no other new notifier raise cases before the transaction ends: all of them have one count."""
    if _is_new(notifier, rules, now):
        serialise(connection, Lock.COUNT_OF_NEW)


def tier_of(connection: Connection, notifier_id: int, kind: str, rules: NotifierRules, now: datetime) -> Tier:
    """Return the tier of a notifier at a moment; the record is looked up only where it matters."""
    record = record_of(connection, notifier_id, rules, now) if asks_record(kind, rules) else None
    return choose_tier(kind, record, rules)


def _is_new(notifier: Row[Any] | Notifier, rules: NotifierRules, now: datetime) -> bool:
    return bool(notifier.created_at > now - timedelta(days=rules.new_days))


def _count_left(
    connection: Connection, notifier: Row[Any] | Notifier, tier: Tier, rules: NotifierRules, now: datetime
) -> int | None:
    left: list[int] = []
    if tier.raised_a_day is not None:
        left.append(tier.raised_a_day - _count_raised(connection, notices.c.notifier_id == notifier.notifier_id, now))
    if tier.raised_a_day_by_new is not None and _is_new(notifier, rules, now):
        since = now - timedelta(days=rules.new_days)
        new = select(notifiers.c.notifier_id).where(notifiers.c.created_at > since)
        by_new = (notices.c.tier == tier.name) & notices.c.notifier_id.in_(new)
        left.append(tier.raised_a_day_by_new - _count_raised(connection, by_new, now))
    return max(0, min(left)) if left else None


def _count_raised(connection: Connection, whose: ColumnElement[bool], now: datetime) -> int:
    """Return how many cases some notices of today raised."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(func.count()).select_from(notice_items)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.where(whose, notices.c.received_at >= midnight)
    return connection.scalar(query.where(notice_items.c.case_id.is_not(None), notice_items.c.state != "repeated")) or 0
