"""Keeping no record longer than the policy says, unless a legal hold is on it.

A run goes class by class, some hundred rows in each transaction, each noted in the audit trail with its count: killed
at any moment, the next run goes on; one after another does nothing. The traces that deleted rows leave in the files of
the database are overwritten on SQLite, and left to the server's own vacuuming on PostgreSQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, update

from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.privacy.classes import CLASSES, LISTINGS, RecordClass
from ipml.enforcement.privacy.expired_listings import expire, find_due
from ipml.enforcement.privacy.holds import is_held
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.remains import overwrite_deleted

_AT_ONCE = 500
_ACTOR = "ipml"


@dataclass(frozen=True, slots=True)
class Expired:
    """How many records of each class were due; those under a legal hold are not."""

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


def run_retention(
    engine: Engine, policy: EnforcementPolicy, *, dry_run: bool = False, by: str = _ACTOR, now: datetime | None = None
) -> Expired:
    """Delete, or empty of what tells of people, every record that was kept as long as it may be.

    Parameters
    ----------
    dry_run : bool, default=False
        Whether only to count what is due.
    by : str, default="ipml"
        Who is noted in the audit trail.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine, now = open_database("sqlite://"), datetime(2026, 5, 1, tzinfo=UTC)
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "ann", "Bag"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag], now=now - timedelta(days=400))
    >>> run_retention(engine, load_enforcement_policy(), now=now).counts["undecided_listings"]
    1
    >>> run_retention(engine, load_enforcement_policy(), now=now).total
    0
    """
    now = now or datetime.now(UTC)
    counts: Counter[str] = Counter(dict.fromkeys((*LISTINGS, *(kind.name for kind in CLASSES)), 0))
    counts += _expire_listings(engine, policy, dry_run, by, now)
    for kind in CLASSES:
        days = getattr(policy.retention, kind.name)
        if dry_run:
            counts[kind.name] = _count(engine, kind, days, now)
        else:
            while done := _expire_batch(engine, kind, days, by, now):
                counts[kind.name] += done
    names = (*LISTINGS, *(kind.name for kind in CLASSES))
    expired = Expired({name: counts[name] for name in names})
    if not dry_run:
        with writing(engine) as connection:
            payload: dict[str, audit.Value] = {"policy": policy.digest, **expired.counts}
            audit.append(connection, by, "ran", "retention", payload, at=now)
    return expired


def is_due(kind: RecordClass, days: int, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a row of a class was kept long enough, and is under no hold."""
    condition = kind.is_of_class & (kind.since <= now - timedelta(days=days))
    return condition & ~is_held(kind.table, now) if kind.can_be_held else condition


def _count(engine: Engine, kind: RecordClass, days: int, now: datetime) -> int:
    with reading(engine) as connection:
        query = select(func.count()).select_from(kind.table).where(is_due(kind, days, now))
        return connection.scalar(query) or 0


def _expire_batch(engine: Engine, kind: RecordClass, days: int, by: str, now: datetime) -> int:
    """Expire the next rows of a class; return how many."""
    with writing(engine) as connection:
        overwrite_deleted(connection)
        due = select(kind.key).where(is_due(kind, days, now)).order_by(kind.key).limit(_AT_ONCE)
        keys = connection.scalars(due).all()
        if not keys:
            return 0
        wanted = kind.key.in_(keys)
        change = update(kind.table).values(**kind.blanks) if kind.blanks else delete(kind.table)
        audit.change_rows(connection, change.where(wanted), by, "expired", at=now)
        _note(connection, kind.name, len(keys), days, by, now)
        return len(keys)


def _expire_listings(engine: Engine, policy: EnforcementPolicy, dry_run: bool, by: str, now: datetime) -> Counter[str]:
    counts: Counter[str] = Counter()
    after: int | None = 0
    while after is not None:
        with reading(engine) if dry_run else writing(engine) as connection:
            if not dry_run:
                overwrite_deleted(connection)
                serialise(connection, Lock.ENQUEUE)  # what comes in locks many cases, too, and in another order
            due, after = find_due(connection, policy.retention, now, after, _AT_ONCE)
            found = Counter(name for name, _ in due)
            if due and not dry_run:
                expire(connection, [number for _, number in due], by, now)
                for name, count in found.items():
                    _note(connection, name, count, getattr(policy.retention, name), by, now)
        counts += found
    return counts


def _note(connection: Connection, name: str, count: int, days: int, by: str, now: datetime) -> None:
    payload: dict[str, audit.Value] = {"class": name, "rows": count, "days": days}
    audit.append(connection, by, "expired", "retention", payload, at=now)
