"""Claims: leases on cases, the choice of a reviewer's next case, and the parts of a case that its reviewer may see.

A claim's token grows with every claim, so a reviewer whose claim ran out cannot overrule the next one. Drawn cases get
a set share of the reviewers' time; neither lane starves the other. Reviews are blind: a blind re-review looks like an
ordinary case and a second person sees no first verdict, so pages use `show_case` and `shown_history`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, bindparam, func, select, union_all
from sqlalchemy.sql.expression import True_

from ipml.errors import Overtaken
from ipml.records import Case, Claim
from ipml.review.cases import (
    NOW,
    REVIEWER,
    StoredCase,
    change_case,
    find_case,
    find_case_with_waiting,
    is_held,
    lock_first,
    make_case,
    note_event,
    select_first,
    subject_of,
)
from ipml.review.quality.blind_reviews import (
    Offer,
    SecondReview,
    find_held_second_review,
    find_second_review,
    find_second_review_of,
    hold_second_review,
    prolong_second_review,
    release_second_review,
)
from ipml.review.quality.second_person import find_awaiting, find_halves, is_free_for, refuse_conflict
from ipml.review.ranking.deadlines import find_due
from ipml.review.ranking.queue_order import find_current_parts
from ipml.review.worklists.assignment import find_assigned, is_for
from ipml.review.worklists.review_queues import find_turns
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.audit_trail import audit
from ipml.storage.tables import cases, decisions, second_reviews

_PATIENCE = timedelta(days=1)
_TURNS_REMEMBERED = 5  # drawn cases: after a gap, at most this many come in a row


_FOR_THEM = select(cases).where(cases.c.state == "open", is_for(REVIEWER, NOW), is_free_for(REVIEWER, NOW))
_LEFT = select_first(
    _FOR_THEM.where(cases.c.drawn_at <= bindparam("since")).order_by(cases.c.drawn_at, cases.c.case_id)
)
_DRAWN = select_first(_FOR_THEM.where(cases.c.lane == "explored").order_by(cases.c.random_order, cases.c.case_id))
_BEST = _FOR_THEM.where(cases.c.lane == "ranked", cases.c.exemplar.is_(None)).order_by(cases.c.rank, cases.c.case_id)
_FIRST_BEST = select_first(_BEST)


def _find_explored(connection: Connection, reviewer: str, now: datetime, share: float) -> StoredCase | None:
    """Return the next drawn case, locked, if the share of drawn cases is due."""
    if share and is_turn(share, *count_recent(connection, share, now)):
        return _find_drawn(connection, reviewer, now)
    return None


def _find_left_to_people(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the longest waiting case that automation drew for people, after a day; else some would wait for ever."""
    return lock_first(connection, _LEFT, {"reviewer": reviewer, "now": now, "since": now - _PATIENCE})


def _find_drawn(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the first open, unheld drawn case in random order, locked."""
    return lock_first(connection, _DRAWN, {"reviewer": reviewer, "now": now})


def is_turn(share: float, taken: int, drawn: int) -> bool:
    """Return whether the next case should be a drawn one: `drawn` of the `taken` recent cases were.

    >>> turns = []
    >>> for _ in range(10):
    ...     turns.append(is_turn(0.3, len(turns), sum(turns)))
    >>> sum(turns)
    3
    """
    return drawn + 1 <= share * (taken + 1) + 1e-9  # 20 x 0.05 may come out a little below 1


def _select_recent_lanes() -> CompoundSelect[tuple[str]]:
    query = select(decisions.c.lane).where(decisions.c.origin != "policy").order_by(decisions.c.decision_id.desc())
    decided = query.limit(bindparam("most")).subquery()
    is_held = (cases.c.holder > "", cases.c.lease_expires_at > NOW)  # SQLite uses an index, unlike IS NOT NULL
    return union_all(select(decided.c.lane), select(cases.c.lane).where(*is_held))


_RECENT_LANES = _select_recent_lanes()


def count_recent(connection: Connection, share: float, now: datetime) -> tuple[int, int]:
    """Return how many cases were taken recently, including those held now, and how many of these were drawn."""
    # One less than the cases that hold so many turns: the case about to be taken completes them.
    asked = {"most": math.ceil(_TURNS_REMEMBERED / share) - 1, "now": now}
    lanes = connection.scalars(_RECENT_LANES, asked).all()
    return len(lanes), lanes.count("explored")


def claim(
    connection: Connection,
    reviewer: str,
    case_id: int | None = None,
    *,
    settings: Settings = DEFAULT_SETTINGS,
    now: datetime | None = None,
) -> Claim | None:
    """Claim a case, so that nobody else works on it meanwhile; None if somebody else holds it or no open case is left.

    Without `case_id` it takes the reviewer's next case, now and then a decided one for a second review. That review is
    blind; it can be claimed again by case number. Claiming one's own case again prolongs the claim.

    Raises NotFound or Overtaken if nobody can claim the case; Forbidden if the case is not for this reviewer.
    """
    now = now or datetime.now(UTC)
    if case_id is None:
        offer = _find_next(connection, reviewer, now, settings)
    else:
        offer = _find_named(connection, reviewer, case_id, now)
    return None if offer is None else _take(connection, offer, reviewer, now, settings)


def resume(
    connection: Connection, reviewer: str, *, settings: Settings = DEFAULT_SETTINGS, now: datetime | None = None
) -> Claim | None:
    """Claim again the case or second review that a reviewer opened last and still holds; None if they hold none."""
    now = now or datetime.now(UTC)
    # The expression hides the state's index from SQLite, which would scan all open cases, not this reviewer's few.
    live = ((cases, cases.c.state.concat("") == "open"), (second_reviews, second_reviews.c.ended_at.is_(None)))
    held = union_all(
        *(
            select(table.c.case_id, table.c.lease_expires_at).where(
                table.c.holder == reviewer, table.c.lease_expires_at > now, is_live
            )
            for table, is_live in live
        )
    ).subquery()
    latest = select(held.c.case_id).order_by(held.c.lease_expires_at.desc(), held.c.case_id.desc()).limit(1)
    case_id = connection.scalar(latest)
    return None if case_id is None else claim(connection, reviewer, case_id, settings=settings, now=now)


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """The reasons why a reviewer finds no open case to take.

    `held` counts open cases held by others; the first is free at `free_at` unless it is decided before. `waiting`
    counts cases, of the others, that wait for the verdict on a near-duplicate.
    """

    open: int
    held: int
    free_at: datetime | None
    waiting: int

    @property
    def kept(self) -> int:
        """Cases reserved for another person, for example after this reviewer's first of two verdicts."""
        return self.open - self.held - self.waiting


def find_out_of_reach(connection: Connection, reviewer: str, *, now: datetime | None = None) -> OutOfReach:
    """Return why `claim` gave a reviewer no case."""
    now = now or datetime.now(UTC)
    is_others = and_(cases.c.holder != reviewer, cases.c.lease_expires_at > now)
    query = select(
        func.count(),
        func.count().filter(is_others),
        func.min(cases.c.lease_expires_at).filter(is_others),
        func.count().filter(cases.c.exemplar.is_not(None), is_others.is_not(True)),
    )
    return OutOfReach(*connection.execute(query.where(cases.c.state == "open")).one())


def claim_ahead(
    connection: Connection, reviewer: str, *, settings: Settings = DEFAULT_SETTINGS, now: datetime | None = None
) -> Claim | None:
    """Claim what precedes the ranked cases: a pressing deadline, a second person's case, a drawn case, a second review.

    For reviewers who work down the list: the result, if any, is their next case.
    """
    now = now or datetime.now(UTC)
    offer = _find_ahead(connection, reviewer, now, settings)
    return None if offer is None else _take(connection, offer, reviewer, now, settings)


def release(connection: Connection, claim: Claim, *, now: datetime | None = None) -> None:
    """Give a case back undecided; Overtaken if this claim no longer holds it."""
    now = now or datetime.now(UTC)
    row = find_case(connection, claim.case_id, lock=True)
    second_review = find_held_second_review(connection, row, claim)
    if second_review is not None:
        release_second_review(connection, second_review, claim, now)
        return
    require_holder(row, claim)
    change_case(connection, claim.case_id, holder=None, lease_expires_at=None)
    note_event(connection, claim.reviewer, "released", claim.case_id, now, token=claim.token)


def _find_next(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return a reviewer's next case, in this order: ahead of ranking, assigned, best ranked, drawn."""
    if ahead := _find_ahead(connection, reviewer, now, settings):
        return ahead
    found = (
        find_assigned(connection, reviewer, now)
        or find_best(connection, reviewer, now)
        or _find_drawn(connection, reviewer, now)
    )
    return None if found is None else Offer(found)


def _find_ahead(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return what precedes ranked cases: a pressing deadline, a second person's case, a second review, a drawn case."""
    found = (
        find_due(connection, reviewer, now)
        or find_awaiting(connection, reviewer, now)
        or find_second_review(connection, reviewer, now, settings)
        or _find_explored(connection, reviewer, now, settings.explore)
        or _find_left_to_people(connection, reviewer, now)
    )
    return Offer(found) if isinstance(found, StoredCase) else found


def _find_named(connection: Connection, reviewer: str, case_id: int, now: datetime) -> Offer | None:
    row = find_case(connection, case_id, lock=True)
    if is_held(row, now) and row.holder != reviewer:
        return None
    if row.state == "decided":
        second_review = find_second_review_of(connection, reviewer, case_id)
        if second_review is None:
            raise Overtaken(f"case {case_id}", "has been decided", "Take the next one.")
        return Offer(row, second_review)
    if row.state == "superseded":
        raise Overtaken(f"case {case_id}", "its listing was changed", f"Case {row.successor} is in its place.")
    refuse_conflict(connection, row, reviewer)
    return Offer(row)


def _take(connection: Connection, offer: Offer, reviewer: str, now: datetime, settings: Settings) -> Claim:
    """Prolong the reviewer's claim on an offer, or make a claim with a token greater than any before."""
    case_id, token, until = offer.row.case_id, offer.row.token + 1, now + timedelta(minutes=settings.lease_minutes)
    review_id = offer.second_review.review_id if offer.second_review else None
    held = _claim_of(offer.second_review or offer.row, case_id, now, review_id)
    if held is not None and held.reviewer == reviewer:
        held = replace(held, expires_at=until)
        if offer.second_review is None:
            change_case(connection, case_id, lease_expires_at=until)
        else:
            prolong_second_review(connection, held)
        return held
    if offer.second_review is not None:
        claim = Claim(case_id, reviewer, token, until, offer.second_review.review_id)
        change_case(connection, case_id, token=token)
        hold_second_review(connection, claim, now)
        return claim
    change_case(connection, case_id, holder=reviewer, token=token, lease_expires_at=until)
    note_event(connection, reviewer, "claimed", case_id, now, token=token)
    return Claim(case_id, reviewer, token, until)


def find_best(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the first open, unheld ranked case, locked."""
    asked = {"reviewer": reviewer, "now": now}
    parts = find_current_parts(connection, now).conditions()
    for groups in find_turns(connection, reviewer, now):
        for part in parts:
            if found := _lock_first_of(connection, part, groups, asked):
                return found
    return None


def _lock_first_of(
    connection: Connection, part: ColumnElement[bool], groups: Sequence[ColumnElement[bool]], asked: dict[str, Any]
) -> StoredCase | None:
    """Return the first case of a part across groups, locked; each group has its own index."""
    if len(groups) > 1:
        first = _BEST.where(part).with_only_columns(cases.c.rank, cases.c.case_id).limit(1)
        found = [(connection.execute(first.where(group), asked).first(), group) for group in groups]
        groups = [group for row, group in sorted((one for one in found if one[0]), key=lambda one: tuple(one[0] or ()))]
    queries = (_add_conditions(_FIRST_BEST, part, group) for group in groups)
    return next((row for one in queries if (row := lock_first(connection, one, asked))), None)


def _add_conditions(query: Select[Any], *conditions: ColumnElement[bool]) -> Select[Any]:
    """Return a query with more conditions, or the same cached query if they always hold."""
    telling = [condition for condition in conditions if not isinstance(condition, True_)]
    return query.where(*telling) if telling else query


def require_holder(row: StoredCase, claim: Claim) -> None:
    """Raise Overtaken unless this claim holds the case."""
    if row.state == "decided":
        raise Overtaken(f"case {claim.case_id}", "has been decided", "Take the next one.")
    if row.state == "superseded":
        raise Overtaken(f"case {claim.case_id}", "its listing was changed", f"Case {row.successor} is in its place.")
    if row.token != claim.token or row.holder != claim.reviewer:
        raise Overtaken(
            f"case {claim.case_id}", "the claim on it is no longer the one it is held under", "Claim it again."
        )


_SYSTEM = "ipml"  # the actor of automatic events


@dataclass(frozen=True, slots=True)
class ShownCase:
    """A case as its page shows it to a user.

    `case.state` is "open" while the user has a second review of it, and `review_id` is that review. `hides_history`
    hides decisions and audit events. `claim` is the user's live claim.
    """

    case: Case
    stored: StoredCase
    hides_history: bool
    claim: Claim | None
    review_id: int | None = None


def show_case(connection: Connection, user_name: str, case_id: int, *, now: datetime | None = None) -> ShownCase:
    """Return a case as shown to a user; NotFound if no case has this number."""
    now = now or datetime.now(UTC)
    row = find_case_with_waiting(connection, case_id)
    case = make_case(row, now)
    second_review = find_second_review_of(connection, user_name, case_id) if row.state == "decided" else None
    if second_review is not None:
        claim = _claim_of(second_review, case_id, now, second_review.review_id)
        return ShownCase(replace(case, state="open"), row, True, claim, second_review.review_id)
    halves = [] if row.state == "decided" else find_halves(connection, [case_id])[case_id]
    hides = len(halves) == 1 and halves[0].reviewer != user_name  # the first of two verdicts, by another
    return ShownCase(case, row, hides, _claim_of(row, case_id, now) if row.holder == user_name else None)


def find_hidden(connection: Connection, user_name: str) -> frozenset[int]:
    """Return the decided cases of which a user has a second review; their outcomes are hidden from the user."""
    return frozenset(connection.scalars(select_hidden(user_name)))


def select_hidden(user_name: str) -> Select[tuple[int]]:
    """Return the query of `find_hidden`."""
    is_theirs = second_reviews.c.holder == user_name, second_reviews.c.ended_at.is_(None)
    return select(second_reviews.c.case_id).where(*is_theirs)


def shown_history(connection: Connection, user_name: str, shown: ShownCase) -> list[audit.AuditRow]:
    """Return the audit events of a case that a user may see.

    In a blind review these are events of the system and the user's own, as for a new case. Only the last of consecutive
    claims by one user is shown; their number would reveal a blind re-review.
    """
    audit_events = audit.list_rows(connection, subject_of(shown.case.case_id))
    if shown.review_id is not None:
        came = [audit_event for audit_event in audit_events if audit_event.actor == _SYSTEM]
        audit_events = came + audit.list_rows(connection, f"second_review:{shown.review_id}")
    elif shown.hides_history:
        audit_events = [audit_event for audit_event in audit_events if audit_event.actor in (_SYSTEM, user_name)]
    following = [(audit_event.actor, audit_event.action) for audit_event in audit_events[1:]]
    return [
        audit_event
        for audit_event, after in zip(audit_events, [*following, None], strict=True)
        if audit_event.action != "claimed" or (audit_event.actor, audit_event.action) != after
    ]


def _claim_of(
    leased: StoredCase | SecondReview, case_id: int, now: datetime, review_id: int | None = None
) -> Claim | None:
    if leased.holder is None or leased.lease_expires_at is None or leased.lease_expires_at <= now:
        return None
    return Claim(case_id, leased.holder, leased.token, leased.lease_expires_at, review_id)
