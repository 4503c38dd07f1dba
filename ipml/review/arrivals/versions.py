"""Versions: each version of a listing is one case; only the newest waits for people.

An unchanged listing rescores its open case; a decided one stays, unless it was not found counterfeit and its score rose
by more than the policy's limit. A changed listing becomes a new case and supersedes the waiting one, so nobody decides
on an offer that is gone. If it is changed back before anybody acted, the earlier decision is in force again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from ipml.records import Decision, Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import decode, decode_listing, digest_content
from ipml.review.cases import (
    PENDING,
    StoredCase,
    change_case,
    close_cases,
    find_cases,
    note_event,
    pass_on_notices,
    subject_of,
)
from ipml.review.decisions import make_decision
from ipml.review.near_duplicates.clusters import count_leaving, hand_over, lock_clusters, move_back, show_cases
from ipml.review.ranking.policy import Policy
from ipml.review.reversals import is_last_verdict
from ipml.storage.audit_trail import audit
from ipml.storage.database import in_batches
from ipml.storage.tables import audit as trail
from ipml.storage.tables import automatic_draws, cases, decisions, notice_items, sample_cases, second_reviews

_SYSTEM = "ipml"
_NOT_BY_PEOPLE = ("enqueued", "rescored", "deadline set")  # a notice of this or a similar listing sets deadlines
_SHOWN = {
    "title": "title",
    "description": "description",
    "brand": "brand",
    "category": "category",
    "price": "price",
    "condition": "condition",
    "gtin": "product number",
    "image_hash": "picture",
    "seller_id": "seller",
}


class IntakeOutcome(StrEnum):
    """Outcome of an incoming listing."""

    NEW = "new"
    CHANGED = "changed"
    BACK = "back"
    RETURNED = "returned"
    AGAIN = "again"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class MatchedListing:
    """An incoming listing compared with its existing cases.

    `version` counts contents from 1; a repeated content keeps its number. `last` is the current case (`KnownCases`), or
    the decided one if the listing was changed back. `newest` may be superseded. `superseded` waits for a decision on an
    offer that is gone.
    """

    outcome: IntakeOutcome
    version: int = 1
    last: StoredCase | None = None
    newest: StoredCase | None = None
    superseded: StoredCase | None = None

    @property
    def opens(self) -> bool:
        """Whether it becomes a case."""
        return self.outcome in (IntakeOutcome.NEW, IntakeOutcome.CHANGED, IntakeOutcome.RETURNED)


@dataclass(frozen=True, slots=True)
class KnownCases:
    """The cases of a listing, oldest first."""

    rows: Sequence[StoredCase]

    @property
    def last(self) -> StoredCase | None:
        """The last case not superseded, which waits or whose decision holds; the newest if all were superseded."""
        held = (row for row in reversed(self.rows) if row.state != "superseded")
        return next(held, self.rows[-1] if self.rows else None)

    @property
    def decided(self) -> StoredCase | None:
        """The last decided case that was not superseded."""
        return next((row for row in reversed(self.rows) if row.state == "decided"), None)


# Built once, since building a query takes longer than running it.
_NUMBERS = select(cases.c.case_id).where(
    cases.c.listing_id.in_(bindparam("listing_ids", expanding=True)), cases.c.erased_at.is_(None)
)
_VERDICTS = select(decisions).where(decisions.c.case_id.in_(bindparam("case_ids", expanding=True)), is_last_verdict())


def find_numbers(connection: Connection, listing_ids: Iterable[str]) -> list[int]:
    """Return the numbers of all cases of some listings, oldest first."""
    return sorted(connection.scalars(_NUMBERS, {"listing_ids": list(set(listing_ids))}))


def compare(
    scored: ScoredListing, known: KnownCases, verdict: Verdict | None, policy: Policy, untouched: Collection[int] = ()
) -> MatchedListing:
    """Classify an incoming listing.

    `verdict` is that in force on the last decided case. `untouched` holds cases that nobody acted on
    (`find_untouched`).
    """
    last, decided = known.last, known.decided
    if last is None:
        return MatchedListing(IntakeOutcome.NEW)
    listing, newest = scored.listing, known.rows[-1]
    is_held = last.state != "superseded"
    if is_held and listing.observed_at and last.observed_at and last.seen_at and listing.observed_at < last.seen_at:
        return MatchedListing(IntakeOutcome.OUTDATED, last.version, last, newest)
    content = digest_content(listing)
    same = {
        row.case_id: row.version
        for row in known.rows
        if row.content == content and has_same_price(decode_listing(row.snapshot), listing, policy.same_price_share)
    }
    has_risen = decided is not None and verdict is not Verdict.COUNTERFEIT and _rise(decided, scored, policy)
    is_back = decided is not None and decided.case_id in same and last.version != decided.version
    if decided is not None and is_back and last.case_id in untouched and not has_risen:
        return MatchedListing(IntakeOutcome.BACK, decided.version, decided, newest, last)
    if last.version not in same.values() or not is_held:
        version = [*same.values()][-1] if same else 1 + max(row.version for row in known.rows)
        return MatchedListing(IntakeOutcome.CHANGED, version, last, newest, last if last.state in PENDING else None)
    if last is decided and has_risen:
        return MatchedListing(IntakeOutcome.RETURNED, last.version, last, newest)
    return MatchedListing(IntakeOutcome.AGAIN, last.version, last, newest)


def find_untouched(connection: Connection, rows: Collection[StoredCase]) -> set[int]:
    """Return the cases that nobody acted on and that were not drawn at random."""
    free = {
        row.case_id
        for row in rows
        if row.state == "open" and row.lane == "ranked" and row.drawn_at is None and row.token == 0
    }
    for some in in_batches(sorted(free)):
        subjects = {subject_of(number): number for number in some}
        done = select(trail.c.subject).where(trail.c.subject.in_(subjects), trail.c.action.not_in(_NOT_BY_PEOPLE))
        free -= {subjects[name] for name in connection.scalars(done)}
        for number, *at_random in (
            (notice_items.c.case_id,),
            (second_reviews.c.case_id,),
            (sample_cases.c.case_id, sample_cases.c.random_order.is_not(None)),
        ):
            free -= set(connection.scalars(select(number).where(number.in_(some), *at_random)))
    return free


def has_same_price(one: Listing, other: Listing, share: float) -> bool:
    """Return whether two prices are both unknown, or in one currency and at most a share of the lower one apart.

    >>> bag = Listing("A7", "s", "Bag", price=50.0)
    >>> [has_same_price(bag, Listing("A7", "s", "Bag", price=price), 0.05) for price in (52.5, 53.0, None)]
    [True, False, False]
    """
    if one.price is None or other.price is None:
        return one.price is other.price
    low, high = sorted((one.price, other.price))
    return one.currency == other.currency and high <= low * (1 + share)


def _rise(row: StoredCase, scored: ScoredListing, policy: Policy) -> bool:
    if scored.score is None:
        return False
    before = policy.prevalence if row.score is None else row.score
    return bool(scored.score > before + policy.return_score_rise)


def find_verdicts(connection: Connection, case_ids: Iterable[int]) -> dict[int, Decision]:
    """Return the last verdict in force on each case."""
    if not (wanted := set(case_ids)):
        return {}
    return {row.case_id: make_decision(row) for row in connection.execute(_VERDICTS, {"case_ids": list(wanted)})}


def supersede(connection: Connection, case_ids: Sequence[int]) -> None:
    """Close cases of changed listings; the cases that waited for them get another exemplar.

    The cases must be locked; cases waiting for them are locked here.
    """
    if not case_ids:
        return
    lock_clusters(connection, case_ids)
    hand_over(connection, case_ids)
    left = count_leaving(connection, case_ids)
    close_cases(connection, case_ids, "superseded")
    show_cases(connection, case_ids)
    move_back(connection, left)


def pass_on(connection: Connection, successors: Iterable[tuple[StoredCase, int]], now: datetime) -> None:
    """Move everything pending on superseded cases to their successors, and record it in the audit trail.

    It moves notices, the assignee and sample membership: the listing stays in the sample in its current form. Requests
    for a second person are dropped. `successors` pairs each superseded case, as it was, with the number of its
    successor, which is an earlier case if the listing was changed back.
    """
    entries: list[tuple[str, dict[str, audit.Value]]] = []
    for row, new in successors:
        change_case(connection, row.case_id, successor=new)
        if row.drawn_at is not None:
            change_case(connection, new, drawn_at=row.drawn_at)
        if row.assigned_to is not None and new > row.case_id:
            change_case(connection, new, assigned_to=row.assigned_to)
            note_event(connection, _SYSTEM, "assigned", new, now, to=row.assigned_to)
        known = select(sample_cases.c.sample_id).where(sample_cases.c.case_id == new)
        is_in = sample_cases.c.case_id == row.case_id
        connection.execute(delete(sample_cases).where(is_in, sample_cases.c.sample_id.in_(known)))
        for table in (sample_cases, automatic_draws):
            connection.execute(update(table).where(table.c.case_id == row.case_id).values(case_id=new))
        pass_on_notices(connection, row.case_id, new, now)
        is_pending = second_reviews.c.case_id == row.case_id, second_reviews.c.ended_at.is_(None)
        connection.execute(update(second_reviews).where(*is_pending).values(ended_at=now))
        entries.append((subject_of(row.case_id), {"superseded_by": new}))
    audit.append_all(connection, _SYSTEM, "superseded", entries, at=now)


@dataclass(frozen=True, slots=True)
class VersionChange:
    """One changed field between two versions; None means no value."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """Previous and next case of the same listing; `case_id` is None for the first.

    `state` and `decision` are those of the previous case; `changes` since are empty if the listing came back unchanged.
    `same` is the last decision on this exact content, on any case. `settled_by` is the earlier case whose decision
    holds because the listing was changed back. `seen_at` is when this content was last seen.
    """

    case_id: int | None
    state: str
    decision: Decision | None
    changes: tuple[VersionChange, ...]
    score_before: float | None
    score: float | None
    same: Decision | None
    next_id: int | None
    settled_by: int | None
    seen_at: datetime | None


def read_pasts(connection: Connection, case_ids: Collection[int]) -> dict[int, Past]:
    """Return previous and next cases by case number; a listing's only case is left out."""
    wanted = select(cases.c.listing_id).where(cases.c.case_id.in_(case_ids), cases.c.erased_at.is_(None))
    columns = cases.c.case_id, cases.c.listing_id, cases.c.version, cases.c.successor
    query = select(*columns).where(cases.c.listing_id.in_(wanted), cases.c.erased_at.is_(None))
    by_listing: dict[str, list[Any]] = {}
    for row in connection.execute(query.order_by(cases.c.case_id)):
        by_listing.setdefault(row.listing_id, []).append(row)
    chains = [rows for rows in by_listing.values() if len(rows) > 1]
    verdicts = find_verdicts(connection, [row.case_id for rows in chains for row in rows])
    asked = {row.case_id: _place(rows, at) for rows in chains for at, row in enumerate(rows) if row.case_id in case_ids}
    whole = find_cases(connection, {*asked, *(one.before for one in asked.values() if one.before)}) if asked else {}
    return {number: _read_past(whole[number], place, verdicts, whole) for number, place in asked.items()}


@dataclass(frozen=True, slots=True)
class _Place:
    """Neighbours of a case among those of its listing; `same` are earlier cases with the same content."""

    before: int | None
    same: Sequence[int]
    next_id: int | None
    settled_by: int | None


def _place(rows: Sequence[Row[Any]], at: int) -> _Place:
    """Return the neighbours of a case; a listing since changed back has no next case."""
    case = rows[at]
    earlier = [row.case_id for row in rows[:at] if not _is_changed_back(row)]
    later = [row.case_id for row in rows[at + 1 :] if not _is_changed_back(row)]
    same = [row.case_id for row in rows[:at] if row.version == case.version]
    settled_by = case.successor if _is_changed_back(case) else None
    return _Place(earlier[-1] if earlier else None, same, later[0] if later and not settled_by else None, settled_by)


def _is_changed_back(row: Row[Any]) -> bool:
    return row.successor is not None and row.successor < row.case_id


def _read_past(
    case: StoredCase, place: _Place, verdicts: Mapping[int, Decision], whole: Mapping[int, StoredCase]
) -> Past:
    if place.before is None:
        return Past(None, "", None, (), None, case.score, None, place.next_id, place.settled_by, case.seen_at)
    before = whole[place.before]
    changes = () if before.version == case.version else _find_changes(decode(before.snapshot), decode(case.snapshot))
    found = [verdicts[number] for number in place.same if number in verdicts]
    return Past(
        before.case_id,
        before.state,
        verdicts.get(before.case_id),
        changes,
        before.score,
        case.score,
        found[-1] if found else None,
        place.next_id,
        place.settled_by,
        case.seen_at,
    )


def tell_past(past: Past) -> str:
    """Return a sentence on earlier decisions on a listing and why it is back; "" for a new one.

    >>> decision = Decision(1, 12, "A7", Verdict.GENUINE, "", "", "ana", datetime(2024, 5, 1))
    >>> tell_past(Past(12, "decided", decision, (), 0.02, 0.4, decision, None, None, None))
    'This listing was found genuine on 1 May 2024 by ana (case 12). It is back because its score rose from 2 % to 40 %.'
    """
    if past.case_id is None:
        return ""
    if not past.changes:
        risen = f"from {_percent(past.score_before)} to {_percent(past.score)}"
        return f"This listing {_say_found(past.decision, past.case_id)}. It is back because its score rose {risen}."
    changed = ", ".join(change.field for change in past.changes)
    said = f"The listing was changed ({changed}) after it {_say_found(past.decision, past.case_id)}."
    if past.same is None or past.same.case_id == past.case_id:
        return said
    return f"{said} As it is now, it {_say_found(past.same, past.same.case_id)}."


def _say_found(decision: Decision | None, case_id: int) -> str:
    if decision is None:
        return f"came in as case {case_id}, which was not decided"
    found = "was left undecided" if decision.verdict is Verdict.CANNOT_TELL else f"was found {decision.verdict}"
    return f"{found} on {decision.decided_at.day} {decision.decided_at:%B %Y} by {decision.reviewer} (case {case_id})"


def _percent(score: float | None) -> str:
    return "no score" if score is None else f"{100 * score:.3g} %"


def _find_changes(before: ScoredListing, after: ScoredListing) -> tuple[VersionChange, ...]:
    """Return the changed fields in the order of the page."""
    said = [(_SHOWN[name], _say(before.listing, name), _say(after.listing, name)) for name in _SHOWN]
    return tuple(VersionChange(*one) for one in said if one[1] != one[2])


def _say(listing: Listing, name: str) -> str | None:
    value = getattr(listing, name)
    return f"{value:,.2f} {listing.currency or '(currency unknown)'}" if isinstance(value, float | int) else value


def find_pending_listings(connection: Connection) -> frozenset[str]:
    """Return the ids of listings with a pending case."""
    return frozenset(connection.scalars(select(cases.c.listing_id).where(cases.c.state.in_(PENDING))))
