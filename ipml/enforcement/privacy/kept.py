"""What is kept of a seller, class by class, and until when: what a seller may ask for (Article 15 of the GDPR)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.privacy.classes import CLASSES
from ipml.enforcement.privacy.expired_listings import find_class, find_last_verdicts
from ipml.enforcement.privacy.holds import Hold, find_holds, require_known
from ipml.enforcement.privacy.places import sealed_tables
from ipml.enforcement.privacy.rules import RetentionRules
from ipml.storage.database import reading
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases, metadata

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KeptClass:
    """How many records of a class are kept of a seller; `until` is when the last of them expires, where any does."""

    name: str
    records: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of a seller, and the legal holds in force."""

    seller_id: str
    pseudonym: str | None
    classes: tuple[KeptClass, ...]
    holds: tuple[Hold, ...]


def find_kept(engine: Engine, seller_id: str, policy: EnforcementPolicy, *, now: datetime | None = None) -> Kept:
    """Return what is kept of a seller; SellerUnknown where nothing is.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "ann", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> [(kept.name, kept.records) for kept in find_kept(engine, "ann", load_enforcement_policy()).classes]
    [('undecided_listings', 1)]
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        require_known(connection, seller_id)
        pseudonym = find_pseudonym(connection, seller_id)
        found = _find_listings(connection, seller_id, policy.retention)
        if pseudonym is not None:
            found += _find_sealed(connection, pseudonym, policy.retention)
        holds = find_holds(connection, pseudonym, now) if pseudonym else []
    return Kept(seller_id, pseudonym, tuple(found), tuple(holds))


def _find_listings(connection: Connection, seller_id: str, rules: RetentionRules) -> list[KeptClass]:
    query = select(cases.c.case_id, cases.c.state, cases.c.enqueued_at).where(cases.c.seller_id == seller_id)
    rows = connection.execute(query.order_by(cases.c.case_id)).all()
    moments: dict[str, list[datetime]] = defaultdict(list)
    for start in range(0, len(rows), _AT_ONCE):
        batch = rows[start : start + _AT_ONCE]
        last = find_last_verdicts(connection, [row.case_id for row in batch])
        for row in batch:
            name, since = find_class(row.state, row.enqueued_at, last.get(row.case_id))
            moments[name].append(since + timedelta(days=getattr(rules, name)))
    return [KeptClass(name, len(until), max(until)) for name, until in sorted(moments.items())]


def _find_sealed(connection: Connection, pseudonym: str, rules: RetentionRules) -> list[KeptClass]:
    """Count what is kept under the pseudonym: by class where it expires, by table where it does not."""
    found = []
    for kind in CLASSES:
        if "pseudonym" in kind.table.c:
            query = select(func.count(), func.max(kind.since)).where(kind.table.c.pseudonym == pseudonym)
            count, last = connection.execute(query.where(kind.is_of_class)).one()
            found.append(KeptClass(kind.name, count, last and last + timedelta(days=getattr(rules, kind.name))))
    expiring = {kind.table.name for kind in CLASSES}
    for name in sealed_tables():
        if name not in expiring:
            table = metadata.tables[name]
            count = connection.scalar(select(func.count()).where(table.c.pseudonym == pseudonym)) or 0
            found.append(KeptClass(name, count, None))
    return [kept for kept in found if kept.records]
