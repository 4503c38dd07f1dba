"""Versions of a listing: one case for each, of which only the newest waits for people.

A listing that comes again as it was is the case that is there: open, it takes the new score; decided, it stays so,
unless its score has risen by more than the policy says since people found nothing wrong with it. A listing that was
changed is a new case, and the one that still waited is superseded: nobody decides any more on what is no longer there.
One that was changed back to what people had decided, before anybody did anything about the change, is no new case: that
decision holds.
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
_NOT_BY_PEOPLE = ("enqueued", "rescored", "deadline set")  # the last by a notice of this listing, or of one like it
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


class Fate(StrEnum):
    """What becomes of a listing that comes in."""

    NEW = "new"
    CHANGED = "changed"
    BACK = "back"
    RETURNED = "returned"
    AGAIN = "again"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A listing that comes in, beside the cases that it has.

    Attributes
    ----------
    version : int
        Counts its contents from 1; one that it had before has the number it had then.
    last : StoredCase or None
        Its case that holds (`KnownCases`); of one that was changed back, that with the decision.
    newest : StoredCase or None
        Its newest case, be it superseded.
    superseded : StoredCase or None
        The case that waits, for a decision on what is no longer there.
    """

    fate: Fate
    version: int = 1
    last: StoredCase | None = None
    newest: StoredCase | None = None
    superseded: StoredCase | None = None

    @property
    def opens(self) -> bool:
        """Whether it becomes a case."""
        return self.fate in (Fate.NEW, Fate.CHANGED, Fate.RETURNED)


@dataclass(frozen=True, slots=True)
class KnownCases:
    """The cases of a listing, the oldest first.

    Of those that were not superseded the last one holds: it waits for people, or was decided and nothing came since, or
    what came since was changed back.
    """

    rows: Sequence[StoredCase]

    @property
    def last(self) -> StoredCase | None:
        """The case that holds; where all were superseded, as that in their place was erased, the newest."""
        held = (row for row in reversed(self.rows) if row.state != "superseded")
        return next(held, self.rows[-1] if self.rows else None)

    @property
    def decided(self) -> StoredCase | None:
        """The case that was decided last, of those that were not superseded."""
        return next((row for row in reversed(self.rows) if row.state == "decided"), None)


# Made once, as making a query takes longer than asking it.
_NUMBERS = select(cases.c.case_id).where(
    cases.c.listing_id.in_(bindparam("listing_ids", expanding=True)), cases.c.erased_at.is_(None)
)
_VERDICTS = select(decisions).where(decisions.c.case_id.in_(bindparam("case_ids", expanding=True)), is_last_verdict())


def find_numbers(connection: Connection, listing_ids: Iterable[str]) -> list[int]:
    """Return the numbers of all cases of some listings, the oldest first."""
    return sorted(connection.scalars(_NUMBERS, {"listing_ids": list(set(listing_ids))}))


def compare(
    scored: ScoredListing, known: KnownCases, verdict: Verdict | None, policy: Policy, untouched: Collection[int] = ()
) -> Arrived:
    """Say what becomes of a listing.

    Parameters
    ----------
    verdict : Verdict or None
        What stands of the case that was decided last.
    untouched : collection of int
        Cases about which nobody did anything (`find_untouched`).
    """
    last, decided = known.last, known.decided
    if last is None:
        return Arrived(Fate.NEW)
    listing, newest = scored.listing, known.rows[-1]
    is_held = last.state != "superseded"
    if is_held and listing.observed_at and last.observed_at and last.seen_at and listing.observed_at < last.seen_at:
        return Arrived(Fate.OUTDATED, last.version, last, newest)
    content = digest_content(listing)
    same = {
        row.case_id: row.version
        for row in known.rows
        if row.content == content and has_same_price(decode_listing(row.snapshot), listing, policy.same_price_share)
    }
    has_risen = decided is not None and verdict is not Verdict.COUNTERFEIT and _rise(decided, scored, policy)
    is_back = decided is not None and decided.case_id in same and last.version != decided.version
    if decided is not None and is_back and last.case_id in untouched and not has_risen:
        return Arrived(Fate.BACK, decided.version, decided, newest, last)
    if last.version not in same.values() or not is_held:
        version = [*same.values()][-1] if same else 1 + max(row.version for row in known.rows)
        return Arrived(Fate.CHANGED, version, last, newest, last if last.state in PENDING else None)
    if last is decided and has_risen:
        return Arrived(Fate.RETURNED, last.version, last, newest)
    return Arrived(Fate.AGAIN, last.version, last, newest)


def find_untouched(connection: Connection, rows: Collection[StoredCase]) -> set[int]:
    """Return the numbers of those of some cases about which nobody did anything, and that were not drawn at random."""
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
    """Say whether two prices are in one currency and at most a share of the lower one apart, or both unknown.

    Examples
    --------
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
    """Return the last verdict that stands on each of some cases."""
    if not (wanted := set(case_ids)):
        return {}
    return {row.case_id: make_decision(row) for row in connection.execute(_VERDICTS, {"case_ids": list(wanted)})}


def supersede(connection: Connection, case_ids: Sequence[int]) -> None:
    """Close cases of listings that were changed, or changed back; those that wait for them go on with another.

    The cases must be kept from other writers, and those that wait for them are here.
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
    """Have what waits for superseded cases wait for those that took their place, and note it in the audit trail.

    What waits are notices, the person to whom a case is assigned, and the samples of which it is one: the listing is
    still in them, as it is now. A second person who was to look at what is no longer there is not asked any more.

    Parameters
    ----------
    successors : iterable of (StoredCase, int)
        Superseded cases, as they were, each with the number of the case in its place: an earlier one where the listing
        was changed back.
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
    """What was changed about a listing from one version to the next; None where there was nothing."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """What came before a case of the same listing, and after it.

    Attributes
    ----------
    case_id : int or None
        The case before; None where this is the first.
    state : str
        Of the case before.
    decision : Decision or None
        What was found of it, as far as that stands.
    changes : tuple of VersionChange
        What the seller changed since; none where the listing came back as it was.
    score_before, score : float or None
        Of the case before, and of this one.
    same : Decision or None
        What was found of this very content last, in whichever case.
    next_id : int or None
        The case that came after.
    settled_by : int or None
        The case before with the decision that holds, where the listing was changed back to what that is on.
    seen_at : datetime or None
        When the content of this case was last seen.
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
    """Return what came before and after some cases, by their numbers; those alone of their listing are left out."""
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
    """Where a case stands among those of its listing, by their numbers; `same` are those before of its very content."""

    before: int | None
    same: Sequence[int]
    next_id: int | None
    settled_by: int | None


def _place(rows: Sequence[Row[Any]], at: int) -> _Place:
    """Return the place of a case; no others come after one of a listing that was changed back since."""
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
    changes = () if before.version == case.version else find_changes(decode(before.snapshot), decode(case.snapshot))
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
    """Return in a sentence what was found of a listing before, and why it is here again; "" where it is new.

    Examples
    --------
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


def find_changes(before: ScoredListing, after: ScoredListing) -> tuple[VersionChange, ...]:
    """Return what of a listing was changed, in the order in which a page shows it.

    Examples
    --------
    >>> bag, hat = (ScoredListing(Listing("A7", "s", one), 0.1, None, (), (), None, "m") for one in ("Bag", "Hat"))
    >>> find_changes(bag, hat)
    (VersionChange(field='title', before='Bag', after='Hat'),)
    """
    said = [(_SHOWN[name], _say(before.listing, name), _say(after.listing, name)) for name in _SHOWN]
    return tuple(VersionChange(*one) for one in said if one[1] != one[2])


def _say(listing: Listing, name: str) -> str | None:
    value = getattr(listing, name)
    return f"{value:,.2f} {listing.currency or '(currency unknown)'}" if isinstance(value, float | int) else value


def find_pending_listings(connection: Connection) -> frozenset[str]:
    """Return the ids of the listings that have a case which waits for people."""
    return frozenset(connection.scalars(select(cases.c.listing_id).where(cases.c.state.in_(PENDING))))
