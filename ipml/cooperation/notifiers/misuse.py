"""Misuse: notices that are manifestly unfounded, how many, how large a share, with what harm and aim.

Article 23(3) of the Digital Services Act names what counts: the absolute number in a time, the share of all, the
gravity and the consequences, and the intent where it can be told. All four are put before a lead; nothing is done here.
A listing is presumed to be manifestly unfounded where a person rejected the notice and the model saw nothing either.
The share is judged by the lower end of its interval, so that few notices never look like a habit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from ipml.cooperation.notifiers.record import count_settled, find_priors, tells_of_notifier
from ipml.cooperation.notifiers.rules import TRUSTED, MisuseRules, NotifierRules
from ipml.cooperation.notifiers.shrinkage import Rate, shrink
from ipml.cooperation.notifiers.steps import find_suspension, find_warning, judged_since
from ipml.storage.notifiers import Notifier, get_notifier
from ipml.storage.tables import cases, decisions, notice_items, notices

_MONTH = timedelta(days=365.25 / 12)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What speaks of misuse by a notifier.

    Attributes
    ----------
    unfounded : Rate
        Of the listings settled since, those presumed manifestly unfounded.
    notices : int
        How many notices they are in.
    overturned : int
        Listings that were taken down on their notices and put back on complaint or counter-notice.
    one_seller : float
        The largest share of the unfounded ones that is aimed at one seller.
    items : tuple of int
        Numbers of the unfounded items, for whoever must look at them.
    """

    since: datetime
    unfounded: Rate
    notices: int
    overturned: int
    one_seller: float
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A step that a lead may take, "warn" or "suspend", with the circumstances as sentences."""

    notifier: Notifier
    kind: str
    assessment: Assessment
    sentences: tuple[str, ...]


def find_misuse(connection: Connection, rules: NotifierRules, now: datetime) -> list[Proposal]:
    """Return the steps that a lead may take now; nothing of it is done.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     find_misuse(connection, load_cooperation_policy().notifiers, datetime(2026, 5, 1, tzinfo=UTC))
    []
    """
    counted = count_settled(connection, now - rules.misuse.months * _MONTH, now)
    least = min(rules.misuse.least_unfounded, rules.misuse.grave_unfounded)
    suspects = sorted(number for number, counts in counted.items() if counts.rejected >= least)
    found = (propose(connection, number, rules, now) for number in suspects)
    return [proposal for proposal in found if proposal is not None]


def propose(connection: Connection, notifier_id: int, rules: NotifierRules, now: datetime) -> Proposal | None:
    """Return the step that a lead may take about a notifier; None where there is no cause, or it was taken.

    Who is suspended is not judged at all; everybody else by what they sent since the last step, so that nothing is held
    against them twice.
    """
    if find_suspension(connection, notifier_id, now) is not None:
        return None
    warning = find_warning(connection, notifier_id, now)
    if warning is not None and now - warning.taken_at < timedelta(days=rules.misuse.least_warning_days):
        return None
    assessment = assess(connection, notifier_id, rules, now, sent_after=judged_since(connection, notifier_id, now))
    if not _is_misuse(assessment, rules.misuse):
        return None
    notifier = get_notifier(connection, notifier_id, at=now)
    kind = "warn" if warning is None else "suspend"
    sentences = tuple(_describe(assessment, notifier.kind, rules.misuse))
    return Proposal(notifier, kind, assessment, sentences)


def assess(
    connection: Connection,
    notifier_id: int,
    rules: NotifierRules,
    now: datetime,
    *,
    sent_after: datetime | None = None,
) -> Assessment:
    """Return what speaks of misuse by a notifier, in what was settled in the window of the policy.

    Parameters
    ----------
    sent_after : datetime, optional
        Only of notices that came later.
    """
    start = now - rules.misuse.months * _MONTH
    rows = _read_judgements(connection, notifier_id, rules.misuse, start, now, sent_after)
    unfounded = [row for row in rows if row.is_unfounded]
    aimed_at = Counter(row.pseudonym for row in unfounded if row.pseudonym)
    overturned = count_settled(connection, start, now, notifier_id, sent_after=sent_after)
    # Of one of whom nothing is known no more is presumed to be unfounded than what is rejected of all.
    prior = find_priors(connection, rules, now).success.complement
    return Assessment(
        since=max(start, sent_after or start),
        unfounded=shrink(len(unfounded), len(rows), prior, rules.confidence),
        notices=len({row.notice_id for row in unfounded}),
        overturned=overturned[notifier_id].overturned if notifier_id in overturned else 0,
        one_seller=max(aimed_at.values(), default=0) / max(len(unfounded), 1),
        items=tuple(row.item_id for row in unfounded),
    )


def _read_judgements(
    connection: Connection,
    notifier_id: int,
    rules: MisuseRules,
    since: datetime,
    now: datetime,
    sent_after: datetime | None,
) -> Sequence[Row[Any]]:
    """Return the first item of each judgement of people on listings of a notifier."""
    judgement = func.coalesce(decisions.c.spread_from, decisions.c.decision_id)
    is_unfounded = and_(
        notice_items.c.state == "rejected",
        notice_items.c.overturned_at.is_(None),
        cases.c.score <= rules.manifest_score,
    )
    first = (
        select(func.min(notice_items.c.item_id))
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(decisions, decisions.c.decision_id == notice_items.c.decision_id)
        .where(notices.c.notifier_id == notifier_id, *tells_of_notifier())
        .where(notice_items.c.state.in_(("upheld", "rejected")))
        .where(notice_items.c.settled_at > since, notice_items.c.settled_at <= now)
        .group_by(judgement)
    )
    if sent_after is not None:
        first = first.where(notices.c.received_at > sent_after)
    query = (
        select(notice_items.c.item_id, notice_items.c.notice_id, notice_items.c.pseudonym)
        .add_columns(func.coalesce(is_unfounded, False).label("is_unfounded"))
        .join(cases, cases.c.case_id == notice_items.c.case_id)
        .where(notice_items.c.item_id.in_(first))
    )
    return connection.execute(query.order_by(notice_items.c.item_id)).all()


def _is_misuse(found: Assessment, rules: MisuseRules) -> bool:
    is_grave = found.overturned >= rules.grave_overturned
    least = min(rules.grave_unfounded, rules.least_unfounded) if is_grave else rules.least_unfounded
    return found.unfounded.hits >= least and found.unfounded.low >= rules.share_at_least


def _describe(found: Assessment, kind: str, rules: MisuseRules) -> Iterator[str]:
    rate = found.unfounded
    yield f"{rate.hits:,} listings in {found.notices:,} notices were manifestly unfounded since {found.since:%Y-%m-%d}."
    yield f"Of {rate.trials:,} that people decided on that is a share of {rate.low:.0%} to {rate.high:.0%}."
    if found.overturned:
        yield f"{found.overturned:,} listings were taken down on their notices and put back when the sellers objected."
    if found.one_seller >= rules.one_seller_share and rate.hits > 1:
        yield f"{found.one_seller:.0%} of them are aimed at one seller."
    if kind == TRUSTED:
        yield "They are a trusted flagger: tell the authority that gave the status as well (Article 22(6))."
