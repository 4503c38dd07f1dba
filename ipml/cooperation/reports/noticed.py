"""What others told the platform: notices and what came of them, and misuse (Articles 16, 22, 23)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, false, func, literal, or_, select

from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.spans import ALL, between, measure_spans
from ipml.enforcement.takedown.measures import Span
from ipml.records import Verdict
from ipml.review.reversals import BY_APPEAL, is_last_verdict
from ipml.storage.notifiers import kind_at
from ipml.storage.tables import (
    audit,
    cases,
    decisions,
    notice_items,
    notices,
    notifier_steps,
    notifiers,
    reversals,
)
from ipml.storage.tables.cooperation import STATE_OF_VERDICT

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
        From the notice to the end of its last listing, by notifier, and of "all".
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
        return sum(n for (who, _), n in self.notices.items() if notifier in (None, who))

    def listings(self, notifier: str | None = None, state: str | None = None) -> int:
        """Return how many listings they name, of one kind of notifier or one state only where given."""
        return sum(n for (who, how), n in self.items.items() if notifier in (None, who) and state in (None, how))

    def taken(self, step: str) -> int:
        """Return how many steps of a kind were taken against notifiers."""
        return sum(n for (_, kind), n in self.steps.items() if kind == step)


def count_notices(
    connection: Connection,
    period: Period,
    as_of: datetime,
    brand: str | None = None,
    notifier: str | None = None,
    kind: str | None = None,
) -> Noticed:
    """Return the notices of a period, of one brand or one kind of notifier only where given.

    Parameters
    ----------
    kind : str, optional
        "counterfeit" (notices as in Article 16 of the Digital Services Act) or "complaint" (of consumers).
    """
    who = kind_at(notices.c.received_at).label("who")  # when the notice came, whatever became of them since
    held: list[Any] = [period.holds(notices.c.received_at, as_of)]
    held += [] if brand is None else [notices.c.brand == brand]
    held += [] if notifier is None else [who == notifier]
    held += [] if kind is None else [notices.c.kind == kind]
    by_whom = notices.join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
    received = select(who, notices.c.kind, func.count()).select_from(by_whom).where(*held)
    became = _state_at(as_of)
    each = (
        select(who, became.label("became"), _is_overturned(became, as_of).label("overturned"))
        .select_from(by_whom.join(notice_items, notice_items.c.notice_id == notices.c.notice_id))
        .where(*held)
        .subquery()
    )
    named = select(each.c.who, each.c.became, func.count(), func.sum(each.c.overturned))
    items = connection.execute(named.group_by(each.c.who, each.c.became)).all()
    settled_at = _settled_at(as_of)
    spent = between(notices.c.received_at, settled_at).label("span")
    spans: dict[str, Span] = {}
    for group in (literal(ALL), who):
        query = select(group.label("group"), spent).select_from(by_whom).where(*held, settled_at.is_not(None))
        spans |= measure_spans(connection, query)
    return Noticed(
        {(row[0], row[1]): row[2] for row in connection.execute(received.group_by(who, notices.c.kind))},
        {(row[0], row[1]): row[2] for row in items},
        int(sum(row[3] for row in items)),
        spans,
        {} if brand else _count_steps(connection, period, as_of),
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
    """Return when a notice was settled, as far as it was at a moment; the trail tells of those that were open again."""
    noted = audit.c.subject == literal("notice:") + cast(notices.c.notice_id, String)
    told = noted, audit.c.action.in_(("notice settled", "notice open again")), audit.c.at <= as_of
    last = select(func.max(audit.c.sequence)).where(*told).correlate(notices).scalar_subquery()
    then = select(audit.c.at).where(audit.c.sequence == last, audit.c.action == "notice settled")
    return case((notices.c.settled_at <= as_of, notices.c.settled_at), else_=then.correlate(notices).scalar_subquery())


def _count_steps(connection: Connection, period: Period, as_of: datetime) -> dict[tuple[str, str], int]:
    who = kind_at(notifier_steps.c.taken_at).label("who")
    query = (
        select(who, notifier_steps.c.kind, func.count())
        .join(notifiers, notifiers.c.notifier_id == notifier_steps.c.notifier_id)
        .where(period.holds(notifier_steps.c.taken_at, as_of))
        .group_by(who, notifier_steps.c.kind)
    )
    steps: dict[tuple[str, str], int] = defaultdict(int)
    for notifier, kind, n in connection.execute(query):
        steps[notifier, kind] += n
    return dict(steps)
