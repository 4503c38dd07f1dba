"""Retention: expires records after the days in the policy's section `[retention]`, unless a legal hold covers them.

`CLASSES` defines the rows of each class, the time from which their days count, and the change made. A new table with
personal data needs a class here and a number of days in the policy. The case of an expired listing stays, with a
placeholder. A run goes class by class in short transactions, writes the number of changed rows to the audit trail, and
may be repeated. Traces of deleted rows are overwritten on SQLite and left to vacuuming on PostgreSQL.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    union_all,
    update,
)

from ipml.enforcement.policy import EnforcementPolicy, RetentionRules
from ipml.enforcement.privacy.legal_holds import Hold, can_be_held, find_holds, is_held, require_known
from ipml.enforcement.privacy.personal_data import TEXTS, Holds, Replacement, encrypted_tables, replace_listings
from ipml.records import Verdict
from ipml.review.cases import is_free
from ipml.review.near_duplicates.clusters import hand_over, lock_clusters
from ipml.review.reversals import is_last_verdict
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, writing
from ipml.storage.pseudonyms import find_pseudonym, find_pseudonyms
from ipml.storage.remains import overwrite_deleted
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import (
    appeals,
    cases,
    decisions,
    disclosures,
    erasures,
    evidence,
    legal_holds,
    listings,
    measures,
    metadata,
    notice_items,
    notices,
    notifier_steps,
    outbox,
    portfolio_listings,
    portfolios,
    reversals,
    screened_pictures,
    second_reviews,
    seller_events,
    seller_keys,
    seller_languages,
    seller_list_entries,
    sessions,
    statements,
    tries,
)
from ipml.storage.tables.enforcement import PENDING_APPEALS


@dataclass(frozen=True, slots=True)
class RecordClass:
    """Rows that expire a number of days after a time in the row.

    - `name`: field of `RetentionRules`.
    - `table`: has a primary key of one column.
    - `since`: time from which the days count; a row without it does not expire.
    - `blanks`: replacement by column; empty: the row is deleted.
    """

    name: str
    table: Table
    since: ColumnElement[Any]
    blanks: Mapping[str, str | None] = field(default_factory=dict)
    condition: ColumnElement[bool] | None = None

    @property
    def key(self) -> Column[Any]:
        """Primary key of the table."""
        (key,) = self.table.primary_key.columns
        return key

    @property
    def is_of_class(self) -> ColumnElement[bool]:
        """Condition that a row is in this class and has not expired yet."""
        conditions = [] if self.condition is None else [self.condition]
        if self.blanks:
            is_left = [self.table.c[name].is_distinct_from(value) for name, value in self.blanks.items()]
            conditions.append(or_(*is_left))
        return and_(self.since.is_not(None), *conditions)


_ENDED = case((legal_holds.c.released_at.is_not(None), legal_holds.c.released_at), else_=legal_holds.c.until)
_UNLISTED = case(
    (seller_list_entries.c.removed_at.is_not(None), seller_list_entries.c.removed_at),
    else_=seller_list_entries.c.until,
)
_DELIVERED = outbox.c.state == "delivered"


def _opens_nothing() -> ColumnElement[bool]:
    """Return the condition that a key decrypts nothing, its seller has no listing, and no erasure needs it."""
    encrypted = [
        select(1).where(table.c.pseudonym == seller_keys.c.pseudonym, table.c[column] != "").exists()
        for table, column in (
            (metadata.tables[name], column)
            for name, columns in TEXTS.items()
            for column, held in columns.items()
            if held is Holds.ENCRYPTED and "pseudonym" in metadata.tables[name].c
        )
    ]
    listing = select(cases.c.case_id).where(cases.c.seller_id == seller_keys.c.seller_id, cases.c.erased_at.is_(None))
    begun = select(erasures.c.erasure_id).where(erasures.c.pseudonym == seller_keys.c.pseudonym)
    return ~or_(*encrypted, listing.exists(), begun.exists())


CLASSES = (
    RecordClass("evidence", evidence, evidence.c.stored_at),
    RecordClass(
        "delivered_messages",
        outbox,
        outbox.c.settled_at,
        {"body": "", "last_error": None},
        outbox.c.state == "delivered",
    ),
    RecordClass("dead_messages", outbox, outbox.c.settled_at, condition=outbox.c.state == "dead"),
    RecordClass("letters", statements, statements.c.issued_at, {"letter": ""}),
    RecordClass("appeals", appeals, appeals.c.filed_at, {"text": "", "reference": None}),
    RecordClass("notices", notices, notices.c.received_at, {"encrypted": "", "explanation": ""}),
    RecordClass("noted_listings", notice_items, notice_items.c.noted_at, {"location": "", "listing_digest": ""}),
    RecordClass("notes", measures, measures.c.lifted_at, {"why": None, "why_lifted": None, "why_refused": None}),
    RecordClass("disclosures", disclosures, disclosures.c.disclosed_at),
    RecordClass("notifier_steps", notifier_steps, notifier_steps.c.taken_at, {"why": ""}),
    RecordClass("ended_holds", legal_holds, _ENDED),
    RecordClass("ended_list_entries", seller_list_entries, _UNLISTED),
    RecordClass("idle_sellers", seller_keys, seller_keys.c.created_at, condition=_opens_nothing()),
    RecordClass("marketplace_listings", listings, listings.c.received_at),
    RecordClass("marketplace_listings", seller_languages, seller_languages.c.known_at),
    RecordClass("screened_pictures", screened_pictures, screened_pictures.c.received_at),
    RecordClass("seller_events", seller_events, seller_events.c.received_at),
    RecordClass("portfolios", portfolios, portfolios.c.changed_at),
    RecordClass("portfolio_listings", portfolio_listings, portfolio_listings.c.received_at),
    RecordClass("sessions", sessions, sessions.c.expires_at),
    RecordClass("tries", tries, tries.c.at),
)

_ACTOR = "ipml"
LISTING_CLASSES = ("undecided_listings", "genuine_listings", "counterfeit_listings")
"""Classes of cases; see `ipml.enforcement.privacy.retention`."""


LastVerdict = tuple[Verdict, datetime]


def _find_class(state: str, waits_since: datetime, last: LastVerdict | None) -> tuple[str, datetime]:
    """Return the class of a case and the time from which its days count.

    `waits_since` is when the case was enqueued or last returned to reviewers.

    >>> noon = datetime(2026, 5, 1, 12)
    >>> _find_class("open", noon, None)[0], _find_class("decided", noon, (Verdict.COUNTERFEIT, noon))[0]
    ('undecided_listings', 'counterfeit_listings')
    """
    if state != "decided" or last is None:
        return "undecided_listings", waits_since
    verdict, at = last
    return ("counterfeit_listings" if verdict is Verdict.COUNTERFEIT else "genuine_listings"), at


def is_waited_for(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a notice, an appeal, a second review or a reviewer's claim on a case is pending."""
    case_id, state = cases.c.case_id, appeals.c.state
    noticed = select(notice_items.c.item_id).where(notice_items.c.case_id == case_id, notice_items.c.state == "waiting")
    appealed = select(appeals.c.appeal_id).where(appeals.c.case_id == case_id, state.in_(PENDING_APPEALS))
    second = select(second_reviews.c.review_id).where(
        second_reviews.c.case_id == case_id, second_reviews.c.kind == "second", second_reviews.c.ended_at.is_(None)
    )
    return or_(noticed.exists(), appealed.exists(), second.exists(), ~is_free(now))


def _find_returns(connection: Connection, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """Return when each of some cases was last escalated or had its decision reversed."""
    of_them = decisions.c.case_id.in_(numbers)
    taken_back = select(decisions.c.case_id, reversals.c.reversed_at.label("at")).join_from(decisions, reversals)
    passed_on = select(decisions.c.case_id, decisions.c.decided_at).where(
        of_them, decisions.c.verdict == Verdict.ESCALATE
    )
    back = union_all(taken_back.where(of_them), passed_on).subquery()
    return dict(connection.execute(select(back.c.case_id, func.max(back.c.at)).group_by(back.c.case_id)).all())


def _find_last_verdicts(connection: Connection, numbers: Sequence[int]) -> Mapping[int, LastVerdict]:
    """Return the last verdict in force on each of some cases, and its time."""
    query = select(decisions.c.case_id, decisions.c.verdict, decisions.c.decided_at)
    rows = connection.execute(query.where(decisions.c.case_id.in_(numbers), is_last_verdict()))
    return {row.case_id: (Verdict(row.verdict), row.decided_at) for row in rows}


def _expire_listings(connection: Connection, numbers: Sequence[int], now: datetime) -> None:
    """Replace listings by placeholders. Hidden near-duplicates of an undecided one become visible."""
    locked = lock_clusters(connection, numbers)
    rows = [locked[number] for number in sorted(numbers)]
    pseudonyms = find_pseudonyms(connection, {row.seller_id for row in rows})
    sellers: dict[str, str] = {}
    for row in rows:
        sellers.setdefault(row.seller_id, f"erased:{pseudonyms.get(row.seller_id, f'case-{row.case_id}')}")
    replace_listings(connection, rows, Replacement(sellers, _ACTOR, now))
    hand_over(connection, [row.case_id for row in rows if row.state != "decided"])


_AT_ONCE = 500  # looked at in one query
_Change = Callable[[Connection, Sequence[Any]], Counter[str]]


@dataclass(frozen=True, slots=True)
class StoredClass:
    """Number of a seller's records in a class; `until` is when the last one expires, None for never."""

    name: str
    records: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class StoredRecords:
    """All records stored about a seller, and the legal holds in force."""

    seller_id: str
    pseudonym: str | None
    classes: tuple[StoredClass, ...]
    holds: tuple[Hold, ...]


def find_stored(
    connection: Connection, seller_id: str, policy: EnforcementPolicy, *, now: datetime | None = None
) -> StoredRecords:
    """Return the records stored about a seller (Article 15 of the GDPR); raise NotFound if there are none."""
    now = now or datetime.now(UTC)
    require_known(connection, seller_id)
    pseudonym = find_pseudonym(connection, seller_id)
    classes = _find_listings(connection, seller_id, policy.retention)
    classes += _find_submitted(connection, seller_id, policy.retention)
    if pseudonym is not None:
        classes += _find_encrypted(connection, pseudonym, policy.retention)
    holds = find_holds(connection, pseudonym, now) if pseudonym else []
    return StoredRecords(seller_id, pseudonym, tuple(classes), tuple(holds))


def _find_listings(connection: Connection, seller_id: str, rules: RetentionRules) -> list[StoredClass]:
    query = select(cases.c.case_id, cases.c.state, cases.c.enqueued_at).where(cases.c.seller_id == seller_id)
    rows = connection.execute(query.order_by(cases.c.case_id)).all()
    moments: dict[str, list[datetime]] = defaultdict(list)
    for start in range(0, len(rows), _AT_ONCE):
        for _, name, end in _classify(connection, rows[start : start + _AT_ONCE], rules):
            moments[name].append(end)
    return [StoredClass(name, len(until), max(until)) for name, until in sorted(moments.items())]


def _classify(
    connection: Connection, rows: Sequence[Row[Any, Any, Any]], rules: RetentionRules
) -> Iterator[tuple[Row[Any, Any, Any], str, datetime]]:
    """Yield each of some cases with its class and the time at which it expires."""
    numbers = [row.case_id for row in rows]
    last, back = _find_last_verdicts(connection, numbers), _find_returns(connection, numbers)
    for row in rows:
        waits_since = max(row.enqueued_at, back.get(row.case_id, row.enqueued_at))
        name, since = _find_class(row.state, waits_since, last.get(row.case_id))
        yield row, name, since + timedelta(days=getattr(rules, name))


def _find_submitted(connection: Connection, seller_id: str, rules: RetentionRules) -> list[StoredClass]:
    """Count the records that the marketplace sent under the seller's id."""
    classes = []
    for kind in CLASSES:
        if "seller_id" in kind.table.c and "pseudonym" not in kind.table.c:
            query = select(func.count(), func.max(kind.since)).where(kind.table.c.seller_id == seller_id)
            count, last = connection.execute(query).one()
            if count:
                classes.append(StoredClass(kind.name, count, last + timedelta(days=getattr(rules, kind.name))))
    return classes


def _find_encrypted(connection: Connection, pseudonym: str, rules: RetentionRules) -> list[StoredClass]:
    """Count the records under the pseudonym: by class if they expire, otherwise by table."""
    classes = []
    for kind in CLASSES:
        if "pseudonym" in kind.table.c:
            query = select(func.count(), func.max(kind.since)).where(kind.table.c.pseudonym == pseudonym)
            count, last = connection.execute(query.where(kind.is_of_class)).one()
            classes.append(StoredClass(kind.name, count, last and last + timedelta(days=getattr(rules, kind.name))))
    expiring = {kind.table.name for kind in CLASSES}
    for name in encrypted_tables():
        if name not in expiring:
            table = metadata.tables[name]
            count = connection.scalar(select(func.count()).where(table.c.pseudonym == pseudonym)) or 0
            classes.append(StoredClass(name, count, None))
    return [kept for kept in classes if kept.records]


@dataclass(frozen=True, slots=True)
class Expired:
    """Number of due records of each class; records under a legal hold do not count."""

    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Due records of all classes."""
        return sum(self.counts.values())


def run_retention(
    engine: Engine,
    policy: EnforcementPolicy,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Expired:
    """Delete every record whose retention period is over, or empty its personal data.

    `is_stopped` is called before each transaction; the next run does the rest.
    """
    now = now or datetime.now(UTC)
    run = _RetentionRun(engine, policy.retention, now, is_stopped)
    counts: Counter[str] = Counter(dict.fromkeys((*LISTING_CLASSES, *(kind.name for kind in CLASSES)), 0))
    counts += run.expire_due(dry_run)
    for kind in CLASSES:
        days = getattr(policy.retention, kind.name)
        if dry_run:
            with reading(engine) as connection:
                counts[kind.name] = _count(connection, kind, days, now)
        else:
            counts += run.expire_class(kind)
    names = (*LISTING_CLASSES, *(kind.name for kind in CLASSES))
    expired = Expired({name: counts[name] for name in names})
    if not dry_run:
        with writing(engine) as connection:
            payload: dict[str, audit.Value] = {"policy": policy.digest, **expired.counts}
            audit.append(connection, _ACTOR, "ran", "retention", payload, at=now)
    return expired


def is_due(kind: RecordClass, days: int, now: datetime) -> ColumnElement[bool]:
    """Return the condition that the retention period of a row is over and no hold covers it."""
    condition = kind.is_of_class & (kind.since <= now - timedelta(days=days))
    return condition & ~is_held(kind.table, now) if can_be_held(kind.table) else condition


def _count(connection: Connection, kind: RecordClass, days: int, now: datetime) -> int:
    query = select(func.count()).select_from(kind.table).where(is_due(kind, days, now))
    return connection.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class _RetentionRun:
    engine: Engine
    rules: RetentionRules
    now: datetime
    is_stopped: Callable[[], bool]

    def expire_class(self, kind: RecordClass) -> Counter[str]:
        """Expire the records of a class; return how many."""
        is_over = is_due(kind, getattr(self.rules, kind.name), self.now)
        change = update(kind.table).values(**kind.blanks) if kind.blanks else delete(kind.table)

        def expire(connection: Connection, keys: Sequence[Any]) -> Counter[str]:
            expired = change.where(kind.key.in_(keys), is_over)
            return Counter({kind.name: audit.change_rows(connection, expired, _ACTOR, "expired", at=self.now)})

        query, counts = select(kind.key).where(is_over).order_by(kind.key).limit(_AT_ONCE), Counter[str]()
        due: Sequence[Any] = ()
        while not self.is_stopped():
            with reading(self.engine) as connection:
                due = connection.scalars(query.where(kind.key > due[-1]) if due else query).all()
            if not due:
                break
            counts += self._change(due, expire)
        return counts

    def find_due_listings(
        self, connection: Connection, after: int, among: Sequence[int] | None = None
    ) -> tuple[list[tuple[str, int]], int | None]:
        """Return class and number of the due cases after a number, and the last number read (None at the end).

        Cases under a hold and cases with a pending notice, appeal, review or claim are left out. `among` limits the
        search.
        """
        rules, now = self.rules, self.now
        shortest = min(rules.undecided_listings, rules.genuine_listings, rules.counterfeit_listings)
        query = select(cases.c.case_id, cases.c.state, cases.c.enqueued_at).where(
            cases.c.case_id > after,
            cases.c.erased_at.is_(None),
            cases.c.enqueued_at <= now - timedelta(days=shortest),  # a decision is younger than its case
            ~is_held(cases, now),
            ~is_waited_for(now),
        )
        if among is not None:
            query = query.where(cases.c.case_id.in_(among))
        rows = connection.execute(query.order_by(cases.c.case_id).limit(_AT_ONCE)).all()
        due = [(name, row.case_id) for row, name, end in _classify(connection, rows, rules) if end <= now]
        return due, rows[-1].case_id if len(rows) == _AT_ONCE else None

    def expire_due(self, dry_run: bool) -> Counter[str]:
        """Expire listings, or only count them; return how many by class."""
        counts = Counter[str]()

        def expire(connection: Connection, numbers: Sequence[int]) -> Counter[str]:
            due, _ = self.find_due_listings(connection, 0, numbers)
            _expire_listings(connection, [number for _, number in due], self.now)
            return Counter(name for name, _ in due)

        after: int | None = 0
        while after is not None and not self.is_stopped():
            with reading(self.engine) as connection:
                due, after = self.find_due_listings(connection, after)
            if dry_run:
                counts.update(name for name, _ in due)
            else:
                counts += self._change([number for _, number in due], expire)
        return counts

    def _change(self, keys: Sequence[Any], change: _Change) -> Counter[str]:
        def change_some(connection: Connection, some: Sequence[Any]) -> Counter[str]:
            overwrite_deleted(connection)
            done = +change(connection, some)
            for name, count in done.items():
                payload: dict[str, audit.Value] = {"class": name, "rows": count, "days": getattr(self.rules, name)}
                audit.append(connection, _ACTOR, "expired", "retention", payload, at=self.now)
            return done

        # Intake locks many cases, too, and in another order.
        turns = change_in_turns(self.engine, keys, change_some, lock=Lock.ENQUEUE, is_stopped=self.is_stopped)
        return sum(turns, Counter[str]())
