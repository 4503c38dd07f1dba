"""Record of a notifier: how often people upheld their notices, and how certain that is.

Only people's decisions after the notice count. Reporting listings that were taken down before, or repeating oneself,
builds no record; the tier decides on no listing, so a record does not confirm itself. Decisions without a person count
for nobody; near-duplicates decided at once count as one judgement. Each notifier's true share is drawn from a common
beta distribution; of n decided listings k are upheld. The mean and weight of that distribution are learnt from all
records by the beta-binomial likelihood (Skellam 1948) on a grid, with the weak prior on the weight of Gelman et al.,
Bayesian Data Analysis, section 5.3. Given them the share is Beta(a + k, b + n - k); the result is the mixture over the
grid. Its mean lies between k/n and the common mean, nearer to k/n the larger n is. Empirical Bayes (Casella 1985),
which uses the likeliest distribution alone, makes intervals too narrow for few notifiers (Morris 1983): its 90 %
intervals hold 84 % to 90 % of the truths (`experiments/README.md`).
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
    """The prior of a share, as points (mean, weight in trials, probability); the probabilities add up to 1."""

    points: tuple[tuple[float, float, float], ...]

    @property
    def mean(self) -> float:
        """The presumed share of an unknown notifier."""
        return sum(mean * odds for mean, _, odds in self.points)

    @property
    def complement(self) -> Prior:
        """The prior of the complementary share."""
        return Prior(tuple((1 - mean, weight, odds) for mean, weight, odds in self.points))


@dataclass(frozen=True, slots=True)
class NotifierRate:
    """A share as known from `hits` of `trials`: posterior mean and interval."""

    hits: int
    trials: int
    mean: float
    low: float
    high: float


def shrink(hits: int, trials: int, prior: Prior, confidence: float = 0.9) -> NotifierRate:
    """Return the posterior of a share after some hits in some trials; the interval has equal tails.

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
    """Return the prior learnt from all records (hits, trials).

    `presumed` is the common mean presumed with the weight of so many notifiers. `most_weight` limits the weight of the
    common distribution against a notifier's own trials, however alike all are.

    >>> round(learn_prior([], 0.7, 2.0).mean, 2)
    0.7
    >>> round(learn_prior([(18, 20), (45, 50), (8, 10), (95, 100)] * 5, 0.7, 2.0).mean, 1)
    0.9
    """
    places = (np.arange(_MEANS) + 0.5) / _MEANS
    means = np.sin(np.pi / 2 * places) ** 2  # denser near 0 and 1, where precision matters
    weights = np.geomspace(_LEAST_WEIGHT, most_weight, _WEIGHTS)
    spacing = np.log(np.sin(np.pi * places))
    common = (presumed * weight - 1) * np.log(means) + ((1 - presumed) * weight - 1) * np.log1p(-means) + spacing
    counted = Counter(record for record in records if record[1] > 0)
    hits, trials = np.array(list(counted), dtype=float).reshape(-1, 2).T
    times = np.array(list(counted.values()), dtype=float)
    log_odds = np.empty((_WEIGHTS, _MEANS))
    for at, candidate in enumerate(weights):
        a, b = (means * candidate)[:, np.newaxis], ((1 - means) * candidate)[:, np.newaxis]
        likelihood = (betaln(a + hits, b + trials - hits) - betaln(a, b)) @ times
        log_odds[at] = likelihood + common - 0.5 * np.log(candidate)
    odds = np.exp(log_odds - log_odds.max())
    rows, columns = np.nonzero(odds > _NEGLIGIBLE)
    kept = odds[rows, columns] / odds[rows, columns].sum()
    return Prior(tuple(zip(means[columns].tolist(), weights[rows].tolist(), kept.tolist(), strict=True)))


def _find_quantile(share: float, a: np.ndarray, b: np.ndarray, odds: np.ndarray) -> float:
    return float(brentq(lambda point: odds @ betainc(a, b, point) - share, 0.0, 1.0, xtol=1e-10))


MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True)
class NotifierCounts:
    """Judgements of people on a notifier's listings; undecided ones count for neither side.

    `overturned` were upheld at first and reinstated on appeal; after a complaint they also count as rejected.
    """

    upheld: int = 0
    rejected: int = 0
    overturned: int = 0
    undecided: int = 0

    @property
    def settled(self) -> int:
        """Number of listings upheld or rejected."""
        return self.upheld + self.rejected


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of the two shares of a notifier."""

    success: Prior
    overturned: Prior


@dataclass(frozen=True, slots=True)
class NotifierRecord:
    """A notifier's counts in a window, and two shares: upheld among settled, and reinstated among first upheld."""

    since: datetime
    counts: NotifierCounts
    success: NotifierRate
    overturned: NotifierRate


def record_of(connection: Connection, notifier_id: int, rules: NotifierRules, now: datetime) -> NotifierRecord:
    """Return the record of a notifier at a moment."""
    since = now - rules.months * MONTH
    counts = count_settled(connection, since, now, notifier_id).get(notifier_id, NotifierCounts())
    return make_record(since, counts, find_priors(connection, rules, now), rules.confidence)


def empty_record(connection: Connection, rules: NotifierRules, now: datetime) -> NotifierRecord:
    """Return the record of a notifier without settled listings in the window."""
    since, priors = now - rules.months * MONTH, find_priors(connection, rules, now)
    return make_record(since, NotifierCounts(), priors, rules.confidence)


def make_record(since: datetime, counts: NotifierCounts, priors: Priors, confidence: float) -> NotifierRecord:
    """Return the record of some counts."""
    put_up = counts.upheld + counts.overturned
    success = shrink(counts.upheld, counts.settled, priors.success, confidence)
    return NotifierRecord(since, counts, success, shrink(counts.overturned, put_up, priors.overturned, confidence))


def list_records(
    connection: Connection, rules: NotifierRules, now: datetime, within: tuple[datetime, datetime] | None = None
) -> dict[int, NotifierRecord]:
    """Return the records of all notifiers with settled listings in the policy's window, or within other moments."""
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
    """Return counts by notifier of the listings settled in a time; with `sent_after`, of later notices only."""
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
    """Return the conditions under which a settled item counts in the record.

    A person decided, after the notice, and the notifier was not suspended.
    """
    by_person = or_(by_people(), decisions.c.origin.in_(BY_APPEAL))
    return by_person, decisions.c.decided_at > notices.c.received_at, ~notices.c.is_suspended


def begin_day(now: datetime) -> datetime:
    """Return the beginning of a moment's day in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def find_priors(connection: Connection, rules: NotifierRules, now: datetime) -> Priors:
    """Return the priors as of the beginning of the day in UTC.

    They are calculated once a day, so a tier does not change when others' notices are settled.
    """
    midnight = begin_day(now)
    key, pool = (midnight, rules), connection.engine.pool
    learnt = _OF_TODAY.get(pool)
    if learnt is None or learnt[0] != key:
        counted = count_settled(connection, midnight - rules.months * MONTH, midnight).values()
        learnt = (key, _learn(list(counted), rules))
        _OF_TODAY[pool] = learnt
    return learnt[1]


# By connection pool: shared by all engines of one database in a process, never by two databases.
_OF_TODAY: WeakKeyDictionary[Pool, tuple[tuple[datetime, NotifierRules], Priors]] = WeakKeyDictionary()


def _learn(counted: list[NotifierCounts], rules: NotifierRules) -> Priors:
    prior = rules.prior
    success = learn_prior(
        ((counts.upheld, counts.settled) for counts in counted),
        prior.success,
        prior.weight,
        most_weight=prior.most_weight,
    )
    put_up = ((counts.overturned, counts.upheld + counts.overturned) for counts in counted)
    return Priors(success, learn_prior(put_up, prior.overturned, prior.weight, most_weight=prior.most_weight))
