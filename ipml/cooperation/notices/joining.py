"""What becomes of a listing that a notice names: its case comes forward, comes back to a person, or answers at once.

- Its case waits for a person: it gets the deadline of the notifier's lane, unless they gave notice of too many today.
- It was found counterfeit: the notice is right, and nothing is left to do.
- People did not find it counterfeit: it comes back as an escalated case, to be decided with what the notice says before
  one's eyes. The earlier verdict is not taken back for that. That happens as often as the policy says, and never
  where a person decided on an appeal: from then on what was decided is the answer.
- There is no case: one is opened where the platform told what the listing is like; else it waits for the listing.

A consumer's complaint brings about the same, but only together with those of others, as many as the policy says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ipml.cooperation.notices.notice import NotedListing
from ipml.cooperation.notices.rules import NoticeRules
from ipml.cooperation.notifiers.lanes import Lane
from ipml.records import Decision, ScoredListing, Verdict
from ipml.review.cases import find_cases
from ipml.review.decisions import Origin, record
from ipml.review.intake import enqueue_within
from ipml.review.ranking.deadlines import bring_forward
from ipml.review.reversals import BY_APPEAL, is_last_verdict
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import cases, decisions, notice_items, notices

_AT_ONCE = 500  # numbers in one query
_SYSTEM = "ipml"
_ORIGIN = "notice"
_SETTLED = {Verdict.COUNTERFEIT: "upheld", Verdict.GENUINE: "rejected"}


@dataclass(frozen=True, slots=True)
class Joined:
    """What is known of a listing in a notice, once it was looked for.

    Attributes
    ----------
    state : str
        "unknown", "waiting", "upheld", "rejected" or "undecided".
    pseudonym : str or None
        Of the seller; None while nobody knows the listing.
    decision_id : int or None
        That was made before, and settles it.
    """

    state: str
    case_id: int | None = None
    pseudonym: str | None = None
    decision_id: int | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """Listings of one notice on their way to cases.

    Attributes
    ----------
    is_complaint : bool
        Whether it takes several of them to bring something about.
    scored : mapping of str to ScoredListing
        By listing id, those of which a case may be opened.
    besides : sequence of str
        Ids of listings whose cases are only kept from other writers, as rows that are still to come refer to them.
    """

    notifier_id: int
    is_complaint: bool
    listings: Sequence[NotedListing]
    scored: Mapping[str, ScoredListing]
    lane: Lane
    besides: Sequence[str] = ()


def join(connection: Connection, coming: Coming, rules: NoticeRules, now: datetime) -> list[Joined]:
    """Look for the cases of listings, and do to each what follows; return what came of them, in their order.

    Afterwards cases are kept from other writers, and so is the audit trail.
    """
    if coming.scored:
        serialise(connection, Lock.ENQUEUE)
    named = [one.listing_id for one in coming.listings if one.listing_id is not None]
    rows = lock_latest(connection, [*named, *coming.besides])
    enough = _find_enough(connection, coming, rules)
    opened = [
        scored
        for one in coming.listings
        if one.digest in enough and one.listing_id not in rows and (scored := coming.scored.get(one.listing_id or ""))
    ]
    sellers = {row.seller_id for row in rows.values()} | {scored.listing.seller_id for scored in opened}
    pseudonyms = {seller_id: pseudonym_of(connection, seller_id, now=now) for seller_id in sorted(sellers)}
    due_at = coming.lane.due_at(now)
    if opened:
        enqueue_within(connection, opened, now=now)
        rows |= lock_latest(connection, [scored.listing.listing_id for scored in opened])
    standing = _find_standing(connection, [row.case_id for row in rows.values() if row.state == "decided"])
    reopened = _count_reopened(connection, list(standing))
    joined: list[Joined] = []
    brought: list[Row[Any]] = []
    for one in coming.listings:
        row = rows.get(one.listing_id or "")
        if row is None:
            joined.append(Joined("unknown"))
            continue
        decision = standing.get(row.case_id)
        is_final = decision is not None and (
            decision.origin in BY_APPEAL or reopened.get(row.case_id, 0) >= rules.reopenings
        )
        state = choose_state(decision and Verdict(decision.verdict), is_final=is_final)
        if state == "waiting" and one.digest in enough:
            brought.append(row)
        settled_by = decision.decision_id if decision is not None and state != "waiting" else None
        joined.append(Joined(state, row.case_id, pseudonyms[row.seller_id], settled_by))
    _reopen(connection, brought, now)
    _bring_forward(connection, brought[: coming.lane.left_today], due_at, now)
    return joined


def choose_state(verdict: Verdict | None, *, is_final: bool) -> str:
    """Return the state of a listing in a notice, by what was decided of it before.

    Parameters
    ----------
    is_final : bool
        Whether nobody looks at it again for a notice.

    Examples
    --------
    >>> choose_state(None, is_final=False), choose_state(Verdict.COUNTERFEIT, is_final=False)
    ('waiting', 'upheld')
    >>> choose_state(Verdict.GENUINE, is_final=False), choose_state(Verdict.GENUINE, is_final=True)
    ('waiting', 'rejected')
    """
    if verdict is None or (verdict is not Verdict.COUNTERFEIT and not is_final):
        return "waiting"
    return _SETTLED.get(verdict, "undecided")


def lock_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, Row[Any]]:
    """Return the latest case of each listing by its id, kept from other writers, as are those they wait for."""
    numbers = sorted(find_latest(connection, listing_ids).values())
    exemplars: set[int] = set()
    for part in _in_parts(numbers):
        query = select(cases.c.exemplar).where(cases.c.case_id.in_(part), cases.c.exemplar.is_not(None))
        exemplars |= set(connection.scalars(query))
    rows = find_cases(connection, exemplars.union(numbers), lock=True)
    return {rows[number].listing_id: rows[number] for number in numbers if rows[number].erased_at is None}


def find_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, int]:
    """Return the number of the latest case of each listing that has one, by the listing's id."""
    found: dict[str, int] = {}
    for some in _in_parts(sorted(set(listing_ids))):
        query = select(cases.c.listing_id, func.max(cases.c.case_id)).where(cases.c.listing_id.in_(some))
        query = query.where(cases.c.erased_at.is_(None)).group_by(cases.c.listing_id)
        found |= dict(connection.execute(query).all())
    return found


def _find_enough(connection: Connection, coming: Coming, rules: NoticeRules) -> set[str]:
    """Return the digests of those listings for which something is brought about now."""
    digests = {one.digest for one in coming.listings}
    if not coming.is_complaint:
        return digests
    others = dict.fromkeys(digests, 0)
    for some in _in_parts(sorted(digests)):
        query = (
            select(notice_items.c.listing_digest, func.count(notices.c.notifier_id.distinct()))
            .join(notices, notices.c.notice_id == notice_items.c.notice_id)
            .where(notice_items.c.listing_digest.in_(some), notice_items.c.state.in_(["unknown", "waiting"]))
            .where(notices.c.kind == "complaint", ~notices.c.is_suspended)
            .where(notices.c.notifier_id != coming.notifier_id)
            .group_by(notice_items.c.listing_digest)
        )
        others |= dict(connection.execute(query).all())
    return {digest for digest, count in others.items() if count + 1 >= rules.complaints_needed}


def _find_standing(connection: Connection, case_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the verdict on each of some cases."""
    found: dict[int, Row[Any]] = {}
    for some in _in_parts(case_ids):
        query = select(decisions).where(decisions.c.case_id.in_(some), is_last_verdict())
        found |= {row.case_id: row for row in connection.execute(query)}
    return found


def _count_reopened(connection: Connection, case_ids: Sequence[int]) -> dict[int, int]:
    """Return how often notices brought each of some cases back to a person."""
    counted: dict[int, int] = {}
    for some in _in_parts(case_ids):
        query = select(decisions.c.case_id, func.count()).where(decisions.c.case_id.in_(some))
        query = query.where(decisions.c.origin == _ORIGIN).group_by(decisions.c.case_id)
        counted |= dict(connection.execute(query).all())
    return counted


def _reopen(connection: Connection, rows: Sequence[Row[Any]], now: datetime) -> None:
    """Bring those of some cases that were decided back to a person, as escalated ones."""
    for row in rows:
        if row.state == "decided":
            again = Decision(0, row.case_id, row.listing_id, Verdict.ESCALATE, "", "", _SYSTEM, now)
            record(connection, row, again, None, None, Origin(_ORIGIN))


def _bring_forward(connection: Connection, rows: Sequence[Row[Any]], due_at: datetime, now: datetime) -> None:
    """Have some cases decided by a moment."""
    if rows:
        numbers = [row.case_id for row in rows]
        bring_forward(connection, find_cases(connection, numbers).values(), due_at, actor=_SYSTEM, now=now)


def _in_parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
