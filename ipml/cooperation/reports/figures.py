"""Figures: counts and rates of a period, from the database, in one pass over each table; no lists of rows in memory.

Figures are as of a moment (`as_of`), so a report can be made again. Facts that the database does not hold, such as
orders of authorities, are None and never zero. This module adds notices and misuse (Articles 16, 22 and 23 of the
Digital Services Act), networks and referrals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, false, func, literal, or_, select

from ipml.cooperation.networks.store import load_networks
from ipml.cooperation.reports.measures import (
    FiledComplaints,
    ImposedMeasures,
    StatementCounts,
    TakedownTimes,
    count_complaints,
    count_measures,
    count_penalties,
    count_statements,
    count_strikes,
    measure_takedowns,
    time_by_month,
)
from ipml.cooperation.reports.period import ALL, Period, ReportScope, add_up, between, measure_spans
from ipml.cooperation.reports.verdicts import (
    PeriodDecisions,
    Precision,
    ReviewerCounts,
    Sellers,
    count_by,
    count_decided,
    count_people,
    count_queued,
    count_seen,
    count_sellers,
    measure_precision,
    select_found,
)
from ipml.enforcement.takedown.measures import Span
from ipml.records import Verdict
from ipml.review.reversals import BY_APPEAL, is_last_verdict
from ipml.review.sampling.estimates import EstimatedFigure, read_stretches, summarise
from ipml.storage.pseudonyms import notifier_kind_at
from ipml.storage.tables import (
    audit,
    cases,
    decisions,
    notice_items,
    notices,
    notifier_steps,
    notifiers,
    referrals,
    reversals,
    samples,
    seller_keys,
)
from ipml.storage.tables.cooperation import STATE_OF_VERDICT


@dataclass(frozen=True, slots=True)
class Linked:
    """Networks and members of a folder, and those with listings found counterfeit.

    `active` has, for each such network, its sellers and listings found counterfeit, the largest first.
    """

    networks: int
    members: int
    active: tuple[tuple[int, int], ...]

    @property
    def sellers(self) -> int:
        """Sellers in networks who had listings found counterfeit."""
        return sum(sellers for sellers, _ in self.active)

    @property
    def listings(self) -> int:
        """Listings found counterfeit of sellers in networks."""
        return sum(listings for _, listings in self.active)


def count_linked(scope: ReportScope) -> Linked | None:
    """Return the networks of sellers of listings found counterfeit, by id or pseudonym; None without networks."""
    if scope.networks is None:
        return None
    networks = load_networks(scope.networks)
    numbers = dict(zip(networks.holdings.seller_ids.tolist(), networks.numbering.number.tolist(), strict=True))
    found = (
        select_found(scope, cases.c.seller_id, seller_keys.c.pseudonym, func.count())
        .join(seller_keys, seller_keys.c.seller_id == cases.c.seller_id, isouter=True)
        .group_by(cases.c.seller_id, seller_keys.c.pseudonym)
    )
    sellers: Counter[int] = Counter()
    listings: Counter[int] = Counter()
    for seller_id, pseudonym, n in scope.connection.execute(found.execution_options(yield_per=1000)):
        number = numbers.get(seller_id) or numbers.get(pseudonym) or 0
        if number:
            sellers[number] += 1
            listings[number] += n
    members = [number for number in numbers.values() if number]
    active = sorted(((sellers[number], listings[number]) for number in sellers), reverse=True)
    return Linked(len(set(members)), len(members), tuple(active))


NOTIFIERS = ("rights holder", "trusted flagger", "consumer", "authority")
STATES = ("unknown", "waiting", "upheld", "rejected", "undecided", "not found", "repeated")
STEPS = ("warn", "suspend", "lift")
_PASSED_ON = decisions.alias()


@dataclass(frozen=True, slots=True)
class Noticed:
    """Notices received in a period.

    `notices` counts by notifier (`NOTIFIERS`) and kind, `items` listings by notifier and state (`STATES`) at `as_of`;
    `overturned` were upheld at first, and an appeal or a lead reversed that. `spans` is the time from notice to the
    first settlement, by notifier and for "all"; `steps` counts warnings and suspensions by notifier.
    """

    notices: Mapping[tuple[str, str], int]
    items: Mapping[tuple[str, str], int]
    overturned: int
    spans: Mapping[str, Span]
    steps: Mapping[tuple[str, str], int]

    def received(self, notifier: str | None = None) -> int:
        """Return the number of notices, optionally of one kind of notifier."""
        return add_up(self.notices, notifier, None)

    def listings(self, notifier: str | None = None, state: str | None = None) -> int:
        """Return the number of listings in notices, optionally of one kind of notifier or one state."""
        return add_up(self.items, notifier, state)

    def taken(self, step: str) -> int:
        """Return the number of steps of a kind against notifiers."""
        return add_up(self.steps, None, step)


def count_notices(scope: ReportScope, notifier: str | None = None, kind: str | None = None) -> Noticed:
    """Return the notices of a period, optionally of one kind of notifier.

    `kind` is "counterfeit" (Article 16 of the Digital Services Act) or "complaint" (of consumers).
    """
    who = notifier_kind_at(notices.c.received_at).label("who")  # kind of notifier when the notice came
    held: list[Any] = [scope.holds(notices.c.received_at), scope.is_of_brand(notices.c.brand)]
    held += [] if notifier is None else [who == notifier]
    held += [] if kind is None else [notices.c.kind == kind]
    by_whom = notices.join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
    received = select(who, notices.c.kind, func.count()).select_from(by_whom).where(*held)
    became = _state_at(scope.as_of)
    each = (
        select(who, became.label("became"), _is_overturned(became, scope.as_of).label("overturned"))
        .select_from(by_whom.join(notice_items, notice_items.c.notice_id == notices.c.notice_id))
        .where(*held)
        .subquery()
    )
    named = select(each.c.who, each.c.became, func.count(), func.sum(each.c.overturned))
    items = scope.connection.execute(named.group_by(each.c.who, each.c.became)).all()
    settled_at = _settled_at(scope.as_of)
    spent = between(notices.c.received_at, settled_at).label("span")
    spans: dict[str, Span] = {}
    for group in (literal(ALL), who):
        query = select(group.label("group"), spent).select_from(by_whom).where(*held, settled_at.is_not(None))
        spans |= measure_spans(scope.connection, query)
    return Noticed(
        {(row[0], row[1]): row[2] for row in scope.connection.execute(received.group_by(who, notices.c.kind))},
        {(row[0], row[1]): row[2] for row in items},
        int(sum(row[3] for row in items)),
        spans,
        {} if scope.brand else _count_steps(scope),
    )


def _state_at(as_of: datetime) -> ColumnElement[str]:
    """Return the state of an item at a moment.

    Items settled later, or open again since, get the state of the verdict in force then: one after the notice, or an
    earlier one if the notice did not reopen the case. An item joined to its case later was unknown; one passed on to a
    later version of its listing waited for the earlier one.
    """
    case_id = notice_items.c.case_id
    settles = or_(
        decisions.c.decided_at >= notice_items.c.noted_at,
        decisions.c.verdict == Verdict.COUNTERFEIT,
        decisions.c.origin.in_(BY_APPEAL),
        ~_waited_again(),
    )
    named = case(*((decisions.c.verdict == verdict, state) for verdict, state in STATE_OF_VERDICT.items()))
    verdict = select(named).where(decisions.c.case_id == case_id, is_last_verdict(as_of), settles)
    is_known = select(cases.c.case_id).where(cases.c.case_id == case_id, cases.c.enqueued_at <= as_of).exists()
    about = audit.c.subject == literal("item:") + cast(notice_items.c.item_id, String), audit.c.at > as_of
    joined_later, passed_on_later = (
        select(audit.c.sequence).where(*about, audit.c.action == action).correlate(notice_items).exists()
        for action in ("item joined", "item passed on")
    )
    is_overturned_later = func.coalesce(notice_items.c.overturned_at > as_of, false())
    return case(
        (notice_items.c.state == "repeated", "repeated"),
        (joined_later, "unknown"),
        (and_(notice_items.c.settled_at <= as_of, ~is_overturned_later), notice_items.c.state),
        (or_(is_known, passed_on_later), func.coalesce(verdict.correlate(notice_items).scalar_subquery(), "waiting")),
        else_="unknown",
    )


def _waited_again() -> ColumnElement[bool]:
    """Return whether a case was open again, after the decision on it, when the notice of an item came."""
    taken_back = select(reversals.c.reversal_id).where(
        reversals.c.decision_id == _PASSED_ON.c.decision_id, reversals.c.reversed_at <= notice_items.c.noted_at
    )
    passed_on = select(_PASSED_ON.c.decision_id).where(
        _PASSED_ON.c.case_id == notice_items.c.case_id,
        _PASSED_ON.c.verdict == Verdict.ESCALATE,
        _PASSED_ON.c.decided_at.between(decisions.c.decided_at, notice_items.c.noted_at),
        ~taken_back.correlate(_PASSED_ON, notice_items).exists(),
    )
    return passed_on.correlate(decisions, notice_items).exists()


def _is_overturned(became: ColumnElement[str], as_of: datetime) -> ColumnElement[int]:
    """Return 1 if a decision upholding an item had been reversed at a moment, and no other upholds it."""
    back = (
        select(reversals.c.reversal_id)
        .join(decisions, decisions.c.decision_id == reversals.c.decision_id)
        .where(decisions.c.case_id == notice_items.c.case_id, decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(reversals.c.reversed_at > notice_items.c.noted_at, reversals.c.reversed_at <= as_of)
    )
    return case((and_(became.not_in(("upheld", "repeated")), back.correlate(notice_items).exists()), 1), else_=0)


def _settled_at(as_of: datetime) -> ColumnElement[Any]:
    """Return when a notice was first settled, as known at a moment, even if it was reopened since."""
    noted = audit.c.subject == literal("notice:") + cast(notices.c.notice_id, String)
    told = noted, audit.c.action == "notice settled", audit.c.at <= as_of
    first = select(func.min(audit.c.at)).where(*told).correlate(notices).scalar_subquery()
    return func.coalesce(first, case((notices.c.settled_at <= as_of, notices.c.settled_at)))


def _count_steps(scope: ReportScope) -> dict[tuple[str, str], int]:
    who = notifier_kind_at(notifier_steps.c.taken_at).label("who")
    query = (
        select(who, notifier_steps.c.kind, func.count())
        .join(notifiers, notifiers.c.notifier_id == notifier_steps.c.notifier_id)
        .where(scope.holds(notifier_steps.c.taken_at))
        .group_by(who, notifier_steps.c.kind)
    )
    steps: dict[tuple[str, str], int] = defaultdict(int)
    for notifier, kind, n in scope.connection.execute(query):
        steps[notifier, kind] += n
    return dict(steps)


@dataclass(frozen=True, slots=True)
class HandedOn:
    """Referrals made, and referrals acknowledged by the recipient."""

    made: int
    received: int


def _count_referrals(scope: ReportScope) -> HandedOn:
    """Return the numbers of referrals."""
    received = func.count().filter(referrals.c.received_at <= scope.as_of)
    query = select(func.count(), received).where(scope.holds(referrals.c.built_at))
    return HandedOn(*scope.connection.execute(query).one())


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a period.

    Counter-notices are not internal complaints, and consumers' complaints are not notices under Article 16.
    """

    period: Period
    as_of: datetime
    seen: int | None
    queued: dict[str, int]
    decided: PeriodDecisions
    precision: tuple[Precision, ...]
    estimates: tuple[EstimatedFigure, ...]
    sellers: Sellers
    people: ReviewerCounts
    brands: list[tuple[str, int, int]]
    categories: list[tuple[str, int, int]]
    measures: ImposedMeasures
    takedowns: TakedownTimes
    by_month: dict[str, Span]
    strikes: tuple[int, int]
    penalties: dict[str, int]
    statements: StatementCounts
    complaints: FiledComplaints
    internal_complaints: FiledComplaints
    notices: Noticed
    legal_notices: Noticed
    networks: Linked | None
    referrals: HandedOn

    @property
    def confirmed(self) -> Precision:
        """The precision of all ways of deciding together."""
        return self.precision[-1]


def measure_figures(scope: ReportScope) -> Figures:
    """Return all figures of a period."""
    decided = count_decided(scope)
    return Figures(
        period=scope.period,
        as_of=scope.as_of,
        seen=count_seen(scope),
        queued=count_queued(scope),
        decided=decided,
        precision=measure_precision(scope, decided),
        estimates=_estimate(scope),
        sellers=count_sellers(scope),
        people=count_people(scope),
        brands=count_by(scope, cases.c.brand),
        categories=count_by(scope, cases.c.category),
        measures=count_measures(scope),
        takedowns=measure_takedowns(scope),
        by_month=time_by_month(scope),
        strikes=count_strikes(scope),
        penalties=count_penalties(scope),
        statements=count_statements(scope),
        complaints=count_complaints(scope),
        internal_complaints=count_complaints(scope, "complaint"),
        notices=count_notices(scope),
        legal_notices=count_notices(scope, kind="counterfeit"),
        networks=count_linked(scope),
        referrals=_count_referrals(scope),
    )


def _estimate(scope: ReportScope) -> tuple[EstimatedFigure, ...]:
    """Return prevalence, recall and precision of samples of the period, as in `ipml queue estimate`."""
    within = set(scope.connection.scalars(select(samples.c.sample_id).where(scope.holds(samples.c.drawn_at))))
    drawn = read_stretches(scope.connection, since=scope.period.start, as_of=scope.as_of)
    stretches = [one for one in drawn if one.sample_id in within]
    return summarise(stretches).figures if stretches else ()
