"""The record of a notifier: how often people found that they were right, and how sure that is.

What counts is what people found of a listing after the notifier pointed to it. So a record cannot be made by giving
notice of what was taken down before, nor by repeating oneself; and what the record leads to (a tier, its deadline)
decides on no listing, so that it does not confirm itself. What a policy decided without a person counts for nobody, and
near-duplicates that one look decided count as the one judgement they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Pool, and_, func, or_, select

from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.cooperation.notifiers.shrinkage import Prior, Rate, learn_prior, shrink
from ipml.review.reversals import BY_APPEAL, by_people
from ipml.storage.tables import decisions, notice_items, notices

_MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True)
class Counts:
    """What people found of a notifier's listings.

    Attributes
    ----------
    overturned : int
        Upheld at first and put back on a complaint or counter-notice; on a complaint they are among the rejected, too.
    undecided : int
        They count for neither side.
    """

    upheld: int = 0
    rejected: int = 0
    overturned: int = 0
    undecided: int = 0

    @property
    def settled(self) -> int:
        """How many were upheld or rejected."""
        return self.upheld + self.rejected


@dataclass(frozen=True, slots=True)
class Priors:
    """What is presumed of the shares of any notifier."""

    success: Prior
    overturned: Prior


@dataclass(frozen=True, slots=True)
class Record:
    """A notifier's counts in a window, and the two shares that follow, with their intervals.

    Attributes
    ----------
    success : Rate
        Of what was settled, the share upheld.
    overturned : Rate
        Of what was upheld at first, the share put back.
    """

    since: datetime
    counts: Counts
    success: Rate
    overturned: Rate


def record_of(connection: Connection, notifier_id: int, rules: NotifierRules, now: datetime) -> Record:
    """Return the record of a notifier at a moment.

    Examples
    --------
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     record = record_of(connection, 1, load_cooperation_policy().notifiers, datetime(2026, 5, 1, tzinfo=UTC))
    >>> record.counts.settled, round(record.success.mean, 2), record.success.high > 0.99
    (0, 0.7, True)
    """
    since = now - rules.months * _MONTH
    counts = count_settled(connection, since, now, notifier_id).get(notifier_id, Counts())
    return make_record(since, counts, find_priors(connection, rules, now), rules.confidence)


def empty_record(connection: Connection, rules: NotifierRules, now: datetime) -> Record:
    """Return the record of somebody of whose listings nothing was settled in the window."""
    return make_record(now - rules.months * _MONTH, Counts(), find_priors(connection, rules, now), rules.confidence)


def make_record(since: datetime, counts: Counts, priors: Priors, confidence: float) -> Record:
    """Return the record that some counts make."""
    put_up = counts.upheld + counts.overturned
    success = shrink(counts.upheld, counts.settled, priors.success, confidence)
    return Record(since, counts, success, shrink(counts.overturned, put_up, priors.overturned, confidence))


def list_records(
    connection: Connection, rules: NotifierRules, now: datetime, within: tuple[datetime, datetime] | None = None
) -> dict[int, Record]:
    """Return the records of all notifiers of whose listings something was settled in the window, or other days."""
    since, until = within or (now - rules.months * _MONTH, now)
    priors, counted = find_priors(connection, rules, now), count_settled(connection, since, until)
    return {number: make_record(since, counts, priors, rules.confidence) for number, counts in counted.items()}


def count_settled(
    connection: Connection,
    since: datetime,
    until: datetime,
    notifier_id: int | None = None,
    *,
    sent_after: datetime | None = None,
) -> dict[int, Counts]:
    """Return the counts of each notifier of what was settled from one moment to another; of later notices if asked."""
    is_overturned = and_(notice_items.c.overturned_at.is_not(None), decisions.c.origin.in_(BY_APPEAL))
    names = {
        "upheld": notice_items.c.state == "upheld",
        "rejected": notice_items.c.state == "rejected",
        "overturned": and_(notice_items.c.state != "upheld", is_overturned),
        "undecided": notice_items.c.state == "undecided",
    }
    judgement = func.coalesce(decisions.c.spread_from, decisions.c.decision_id)
    columns = [func.count(judgement.distinct()).filter(condition).label(name) for name, condition in names.items()]
    query = (
        select(notices.c.notifier_id, *columns)
        .select_from(notice_items)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(decisions, decisions.c.decision_id == notice_items.c.decision_id)
        .where(*tells_of_notifier(), notice_items.c.settled_at > since, notice_items.c.settled_at <= until)
        .group_by(notices.c.notifier_id)
    )
    if notifier_id is not None:
        query = query.where(notices.c.notifier_id == notifier_id)
    if sent_after is not None:
        query = query.where(notices.c.received_at > sent_after)
    return {number: Counts(*counts) for number, *counts in connection.execute(query)}


def tells_of_notifier() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a settled item says something of who gave notice of it.

    A person decided, after the notice, on what the platform looked at because of it.
    """
    by_person = or_(by_people(), decisions.c.origin.in_(BY_APPEAL))
    return by_person, decisions.c.decided_at > notices.c.received_at, ~notices.c.is_suspended


def find_priors(connection: Connection, rules: NotifierRules, now: datetime) -> Priors:
    """Return what is presumed of any notifier, as of the beginning of the day in UTC.

    It is the same all day, whoever asks: so it is found once, and a tier does not change because others were settled.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    key, pool = (midnight, rules), connection.engine.pool
    known = _OF_TODAY.get(pool)
    if known is None or known[0] != key:
        counted = count_settled(connection, midnight - rules.months * _MONTH, midnight).values()
        known = (key, _learn(list(counted), rules))
        _OF_TODAY[pool] = known
    return known[1]


# By the pool of connections, which is what all views of one database in a process share, and no two databases.
_OF_TODAY: WeakKeyDictionary[Pool, tuple[tuple[datetime, NotifierRules], Priors]] = WeakKeyDictionary()


def _learn(counted: list[Counts], rules: NotifierRules) -> Priors:
    prior = rules.prior
    success = learn_prior(
        ((one.upheld, one.settled) for one in counted), prior.success, prior.weight, most_weight=prior.most_weight
    )
    put_up = ((one.overturned, one.upheld + one.overturned) for one in counted)
    return Priors(success, learn_prior(put_up, prior.overturned, prior.weight, most_weight=prior.most_weight))
