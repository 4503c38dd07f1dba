"""What others told the platform: notices and what came of them, and misuse (Articles 16, 22, 23)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, literal, select

from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.spans import ALL, between, measure_spans
from ipml.enforcement.takedown.timing import Span
from ipml.storage.notifiers import kind_at
from ipml.storage.tables import notice_items, notices, notifier_steps, notifiers

NOTIFIERS = ("rights holder", "trusted flagger", "consumer", "authority")
STATES = ("unknown", "waiting", "upheld", "rejected", "undecided", "not found", "repeated")
STEPS = ("warn", "suspend", "lift")


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
    settled = case((notice_items.c.settled_at > as_of, "waiting"), else_=notice_items.c.state).label("state")
    overturned = func.sum(case((notice_items.c.overturned_at <= as_of, 1), else_=0))
    named = (
        select(who, settled, func.count(), overturned)
        .select_from(by_whom.join(notice_items, notice_items.c.notice_id == notices.c.notice_id))
        .where(*held)
        .group_by(who, settled)
    )
    items = connection.execute(named).all()
    spent = between(notices.c.received_at, notices.c.settled_at).label("span")
    spans: dict[str, Span] = {}
    for group in (literal(ALL), who):
        query = select(group.label("group"), spent).select_from(by_whom).where(*held, notices.c.settled_at <= as_of)
        spans |= measure_spans(connection, query)
    return Noticed(
        {(row[0], row[1]): row[2] for row in connection.execute(received.group_by(who, notices.c.kind))},
        {(row[0], row[1]): row[2] for row in items},
        int(sum(row[3] for row in items)),
        spans,
        {} if brand else _count_steps(connection, period, as_of),
    )


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
