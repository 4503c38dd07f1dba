"""The record of a notifier: how often people found that they were right, and how sure that is.

What counts is what people found of a listing after the notifier pointed to it. So a record cannot be made by giving
notice of what was taken down before, nor by repeating oneself; and what the record leads to (a tier, its deadline)
decides on no listing, so that it does not confirm itself. What a policy decided without a person counts for nobody, and
near-duplicates that one look decided count as the one judgement they are.

Shares of few and of many are compared fairly: 9 of 10 is not 900 of 1,000. Each notifier has a true share, drawn from
a beta distribution that is common to all; of `n` decided listings `k` are upheld by chance with that share. What the
common distribution is like (its mean, and how alike notifiers are: its weight) is learnt from the records of all, by
the beta-binomial likelihood (Skellam 1948) at the points of a grid, with the weak presumption on the weight of Gelman
et al., Bayesian Data Analysis, section 5.3. Given the common distribution the share of one notifier is Beta(a + k, b
+ n - k); as it is not known for sure, the answer is a mixture over the grid. Its mean lies between k/n and the common
mean, the nearer to k/n the larger n is; the interval holds its middle.

To take the likeliest common distribution as if it were the true one (empirical Bayes; Casella 1985) makes intervals
too narrow where notifiers are few (Morris 1983): of those said to hold 90 % of the truths, 84 % to 90 % do
(`experiments/README.md`). The mixture is right with few, too, and needs no least number of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaln
from sqlalchemy import ColumnElement, Connection, Pool, and_, func, or_, select

from ipml.cooperation.policy import NotifierRules
from ipml.review.reversals import BY_APPEAL, by_people
from ipml.storage.tables import decisions, notice_items, notices

_MEANS, _WEIGHTS = 40, 12  # points of the grid
_LEAST_WEIGHT = 0.5
_NEGLIGIBLE = 1e-3  # of the likeliest point


@dataclass(frozen=True, slots=True)
class Prior:
    """What is presumed of a share before anything is known of this one.

    Attributes
    ----------
    points : tuple of (mean, weight, odds)
        Means, each with the weight of so many trials, and how likely each is; the odds sum to 1.
    """

    points: tuple[tuple[float, float, float], ...]

    @property
    def mean(self) -> float:
        """The share of one of whom nothing is known."""
        return sum(mean * odds for mean, _, odds in self.points)

    @property
    def complement(self) -> Prior:
        """What is presumed of the share of the others."""
        return Prior(tuple((1 - mean, weight, odds) for mean, weight, odds in self.points))


@dataclass(frozen=True, slots=True)
class NotifierRate:
    """A share as far as it is known: `hits` of `trials`, the mean of what it may be, and the ends of its interval."""

    hits: int
    trials: int
    mean: float
    low: float
    high: float


def shrink(hits: int, trials: int, prior: Prior, confidence: float = 0.9) -> NotifierRate:
    """Return what is known of a share after so many hits in so many trials.

    Parameters
    ----------
    confidence : float, default=0.9
        How likely the share lies between the ends; as likely below as above them.

    Examples
    --------
    >>> prior = Prior(((0.7, 10.0, 1.0),))
    >>> few, many = shrink(9, 10, prior), shrink(900, 1000, prior)
    >>> round(few.low, 2), round(many.low, 2)
    (0.64, 0.88)
    """
    means, weights, odds = np.array(prior.points).T
    a, b = means * weights + hits, (1 - means) * weights + trials - hits
    tail = (1 - confidence) / 2
    low, high = (_find_quantile(share, a, b, odds) for share in (tail, 1 - tail))
    return NotifierRate(hits, trials, float(odds @ (a / (a + b))), low, high)


def learn_prior(
    records: Iterable[tuple[int, int]], presumed: float, weight: float, *, most_weight: float = 50.0
) -> Prior:
    """Return what the records of all say of the next.

    Parameters
    ----------
    records : iterable of (hits, trials)
        One for each notifier.
    presumed, weight : float
        The common mean that is presumed, as if it had been seen in so many notifiers.
    most_weight : float, default=50
        What the common distribution weighs at most against a notifier's own trials, however alike all are.

    Examples
    --------
    >>> round(learn_prior([], 0.7, 2.0).mean, 2)
    0.7
    >>> round(learn_prior([(18, 20), (45, 50), (8, 10), (95, 100)] * 5, 0.7, 2.0).mean, 1)
    0.9
    """
    places = (np.arange(_MEANS) + 0.5) / _MEANS
    means = np.sin(np.pi / 2 * places) ** 2  # closer to each other near 0 and 1, where it matters
    weights = np.geomspace(_LEAST_WEIGHT, most_weight, _WEIGHTS)
    spacing = np.log(np.sin(np.pi * places))
    common = (presumed * weight - 1) * np.log(means) + ((1 - presumed) * weight - 1) * np.log1p(-means) + spacing
    counted = Counter(record for record in records if record[1] > 0)
    hits, trials = np.array(list(counted), dtype=float).reshape(-1, 2).T
    times = np.array(list(counted.values()), dtype=float)
    log_odds = np.empty((_WEIGHTS, _MEANS))
    for at, one in enumerate(weights):
        a, b = (means * one)[:, np.newaxis], ((1 - means) * one)[:, np.newaxis]
        likelihood = (betaln(a + hits, b + trials - hits) - betaln(a, b)) @ times
        log_odds[at] = likelihood + common - 0.5 * np.log(one)
    odds = np.exp(log_odds - log_odds.max())
    rows, columns = np.nonzero(odds > _NEGLIGIBLE)
    kept = odds[rows, columns] / odds[rows, columns].sum()
    return Prior(tuple(zip(means[columns].tolist(), weights[rows].tolist(), kept.tolist(), strict=True)))


def _find_quantile(share: float, a: np.ndarray, b: np.ndarray, odds: np.ndarray) -> float:
    """Return the point below which so much of a mixture of beta distributions lies."""
    return float(brentq(lambda point: odds @ betainc(a, b, point) - share, 0.0, 1.0, xtol=1e-10))


MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True)
class NotifierCounts:
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
class NotifierRecord:
    """A notifier's counts in a window, and the two shares that follow, with their intervals.

    Attributes
    ----------
    success : NotifierRate
        Of what was settled, the share upheld.
    overturned : NotifierRate
        Of what was upheld at first, the share put back.
    """

    since: datetime
    counts: NotifierCounts
    success: NotifierRate
    overturned: NotifierRate


def record_of(connection: Connection, notifier_id: int, rules: NotifierRules, now: datetime) -> NotifierRecord:
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
    since = now - rules.months * MONTH
    counts = count_settled(connection, since, now, notifier_id).get(notifier_id, NotifierCounts())
    return make_record(since, counts, find_priors(connection, rules, now), rules.confidence)


def empty_record(connection: Connection, rules: NotifierRules, now: datetime) -> NotifierRecord:
    """Return the record of somebody of whose listings nothing was settled in the window."""
    since, priors = now - rules.months * MONTH, find_priors(connection, rules, now)
    return make_record(since, NotifierCounts(), priors, rules.confidence)


def make_record(since: datetime, counts: NotifierCounts, priors: Priors, confidence: float) -> NotifierRecord:
    """Return the record that some counts make."""
    put_up = counts.upheld + counts.overturned
    success = shrink(counts.upheld, counts.settled, priors.success, confidence)
    return NotifierRecord(since, counts, success, shrink(counts.overturned, put_up, priors.overturned, confidence))


def list_records(
    connection: Connection, rules: NotifierRules, now: datetime, within: tuple[datetime, datetime] | None = None
) -> dict[int, NotifierRecord]:
    """Return the records of all notifiers of whose listings something was settled in the window, or other days."""
    since, until = within or (now - rules.months * MONTH, now)
    priors, counted = find_priors(connection, rules, now), count_settled(connection, since, until)
    return {number: make_record(since, counts, priors, rules.confidence) for number, counts in counted.items()}


def count_settled(
    connection: Connection,
    since: datetime,
    until: datetime,
    notifier_id: int | None = None,
    *,
    sent_after: datetime | None = None,
) -> dict[int, NotifierCounts]:
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
    return {number: NotifierCounts(*counts) for number, *counts in connection.execute(query)}


def tells_of_notifier() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a settled item says something of who gave notice of it.

    A person decided, after the notice, on what the platform looked at because of it.
    """
    by_person = or_(by_people(), decisions.c.origin.in_(BY_APPEAL))
    return by_person, decisions.c.decided_at > notices.c.received_at, ~notices.c.is_suspended


def begin_day(now: datetime) -> datetime:
    """Return when the day of a moment began, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def find_priors(connection: Connection, rules: NotifierRules, now: datetime) -> Priors:
    """Return what is presumed of any notifier, as of the beginning of the day in UTC.

    It is the same all day, whoever asks: so it is found once, and a tier does not change because others were settled.
    """
    midnight = begin_day(now)
    key, pool = (midnight, rules), connection.engine.pool
    known = _OF_TODAY.get(pool)
    if known is None or known[0] != key:
        counted = count_settled(connection, midnight - rules.months * MONTH, midnight).values()
        known = (key, _learn(list(counted), rules))
        _OF_TODAY[pool] = known
    return known[1]


# By the pool of connections, which is what all views of one database in a process share, and no two databases.
_OF_TODAY: WeakKeyDictionary[Pool, tuple[tuple[datetime, NotifierRules], Priors]] = WeakKeyDictionary()


def _learn(counted: list[NotifierCounts], rules: NotifierRules) -> Priors:
    prior = rules.prior
    success = learn_prior(
        ((one.upheld, one.settled) for one in counted), prior.success, prior.weight, most_weight=prior.most_weight
    )
    put_up = ((one.overturned, one.upheld + one.overturned) for one in counted)
    return Priors(success, learn_prior(put_up, prior.overturned, prior.weight, most_weight=prior.most_weight))
