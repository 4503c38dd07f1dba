"""All figures of a period, from the database and nothing else: a pass over each table, and no list of rows in memory.

A figure is as things stood at `as_of`: what happened later is not in it, so that a report can be made again. What the
database does not tell, such as the orders of authorities, is None, and never zero.

Here stand also what others told the platform and what came of it (notices and misuse: Articles 16, 22 and 23 of the
Digital Services Act), the networks behind the sellers of what was found counterfeit, and what was handed to
authorities.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, false, func, literal, or_, select

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
    """Networks and what they sold.

    Attributes
    ----------
    networks, members : int
        All that the folder holds.
    active : tuple of (int, int)
        Of each network with listings found counterfeit: its sellers among them, and those listings; the largest first.
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


def count_linked(scope: ReportScope, folder: Path | None) -> Linked | None:
    """Return how sellers of listings found counterfeit are linked; None without a folder of networks.

    Sellers may stand in the folder by their ids or by their pseudonyms.
    """
    if folder is None:
        return None
    networks = load_networks(folder)
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
    """Notices that came in a period.

    Attributes
    ----------
    notices : mapping of (notifier, kind) to int
        By who gave notice (`NOTIFIERS`), and whether of counterfeits or as a consumer's complaint.
    items : mapping of (notifier, state) to int
        The listings in them, by what came of each (`STATES`): settled later than `as_of` is waiting.
    overturned : int
        Listings upheld at first, of which an appeal or a lead took that back.
    spans : mapping of str to Span
        From the notice to when the last of its listings was decided for the first time, by notifier, and of "all".
    steps : mapping of (notifier, step) to int
        Warnings and suspensions of who gave notice without reason.
    """

    notices: Mapping[tuple[str, str], int]
    items: Mapping[tuple[str, str], int]
    overturned: int
    spans: Mapping[str, Span]
    steps: Mapping[tuple[str, str], int]

    def received(self, notifier: str | None = None) -> int:
        """Return how many notices came, of one kind of notifier only where given."""
        return add_up(self.notices, notifier, None)

    def listings(self, notifier: str | None = None, state: str | None = None) -> int:
        """Return how many listings they name, of one kind of notifier or one state only where given."""
        return add_up(self.items, notifier, state)

    def taken(self, step: str) -> int:
        """Return how many steps of a kind were taken against notifiers."""
        return add_up(self.steps, None, step)


def count_notices(scope: ReportScope, notifier: str | None = None, kind: str | None = None) -> Noticed:
    """Return the notices of a period, of one kind of notifier only where given.

    Parameters
    ----------
    kind : str, optional
        "counterfeit" (notices as in Article 16 of the Digital Services Act) or "complaint" (of consumers).
    """
    who = notifier_kind_at(notices.c.received_at).label("who")  # when the notice came, whatever became of them since
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
    """Return what had become of an item at a moment.

    What was settled since, or waits again since the decision on it was taken back, is told by the verdict on its case
    that stood then: by one given after the notice, or by an earlier one that the notice did not bring back to a person.
    What the trail says was joined to its case only later was not known yet.
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
    joined = audit.c.subject == literal("item:") + cast(notice_items.c.item_id, String)
    joined_later = select(audit.c.sequence).where(joined, audit.c.action == "item joined", audit.c.at > as_of)
    is_overturned_later = func.coalesce(notice_items.c.overturned_at > as_of, false())
    return case(
        (notice_items.c.state == "repeated", "repeated"),
        (joined_later.correlate(notice_items).exists(), "unknown"),
        (and_(notice_items.c.settled_at <= as_of, ~is_overturned_later), notice_items.c.state),
        (is_known, func.coalesce(verdict.correlate(notice_items).scalar_subquery(), "waiting")),
        else_="unknown",
    )


def _waited_again() -> ColumnElement[bool]:
    """Say whether a case waited for people again, after the decision on it, when the notice of an item came."""
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
    """Return 1 where a decision that upheld an item had been taken back at a moment, and none upholds it again."""
    back = (
        select(reversals.c.reversal_id)
        .join(decisions, decisions.c.decision_id == reversals.c.decision_id)
        .where(decisions.c.case_id == notice_items.c.case_id, decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(reversals.c.reversed_at > notice_items.c.noted_at, reversals.c.reversed_at <= as_of)
    )
    return case((and_(became.not_in(("upheld", "repeated")), back.correlate(notice_items).exists()), 1), else_=0)


def _settled_at(as_of: datetime) -> ColumnElement[Any]:
    """Return when a notice was settled for the first time, as far as it was at a moment, whatever came of it since."""
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
    """Referrals that were made in a period, and those of them that whoever got them has signed for."""

    made: int
    received: int


def count_referrals(scope: ReportScope) -> HandedOn:
    """Return how many referrals were handed on."""
    received = func.count().filter(referrals.c.received_at <= scope.as_of)
    query = select(func.count(), received).where(scope.holds(referrals.c.built_at))
    return HandedOn(*scope.connection.execute(query).one())


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a period; each part says what it holds.

    Counter-notices are no internal complaints, and complaints of consumers no notices as in Article 16.
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


def measure_figures(
    connection: Connection, period: Period, *, as_of: datetime | None = None, networks: Path | None = None
) -> Figures:
    """Return all figures of a period.

    Parameters
    ----------
    as_of : datetime, default=the clock
        What happened later does not count.
    networks : Path, optional
        Folder that `ipml cooperate network find` wrote; nothing is said of networks without.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     figures = measure_figures(connection, Period.of_year(2026))
    >>> figures.decided.count(), figures.seen, figures.confirmed.rate
    (0, None, None)
    """
    scope = ReportScope(connection, period, as_of or datetime.now(UTC))
    decided = count_decided(scope)
    return Figures(
        period=period,
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
        networks=count_linked(scope, networks),
        referrals=count_referrals(scope),
    )


def _estimate(scope: ReportScope) -> tuple[EstimatedFigure, ...]:
    """Return prevalence, recall and precision of what was sampled in the period, as `ipml queue estimate` has them."""
    within = set(scope.connection.scalars(select(samples.c.sample_id).where(scope.holds(samples.c.drawn_at))))
    drawn = read_stretches(scope.connection, since=scope.period.start, as_of=scope.as_of)
    stretches = [one for one in drawn if one.sample_id in within]
    return summarise(stretches).figures if stretches else ()
