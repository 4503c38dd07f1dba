"""Notices of a brand as its notifier sees them: the outcome of each listing, and counter-notices to answer.

A person acts for brands, each in the name of a notifier. They see the notices of that notifier on that brand and no
others: not those of the same notifier on other brands, nor those of others on the same brand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, tuple_

from ipml.cooperation.brands.listings import BrandMeasure, find_own_cases
from ipml.cooperation.notices.counter_notices import (
    MESSAGE,
    is_behind,
    select_against,
    select_behind,
    subject_of_counter_notice,
)
from ipml.cooperation.notices.outcomes import ListingOutcome, list_outcomes
from ipml.cooperation.notices.register import find_stored
from ipml.cooperation.notices.status import Receipt, make_receipt, name_outcome, read_explanation
from ipml.enforcement.appeals.appeal import AppealState
from ipml.enforcement.deadlines.deadlines import find_deadlines
from ipml.errors import NotFound
from ipml.storage import outbox
from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import digest_listing, get_notifier
from ipml.storage.tables import appeals, measures, notice_items, notices

Acting = Collection[tuple[int, str]]
"""Notifiers (numbers) for whom a person acts, each with a brand."""

_HOLDERS_STAGE = "holder"
_NOT_EXAMINED = "stored and not examined, as your notices are suspended"
STATES: Mapping[AppealState, str] = {
    AppealState.WITH_HOLDER: "waits for your answer",
    AppealState.HOLDER_ACTED: "you have acted: the listing stays down",
    AppealState.RESTORED: "the listing was reinstated",
    AppealState.GRANTED: "granted: the listing was reinstated",
    AppealState.MEASURE_LIFTED: "granted for one measure: the finding stands",
    AppealState.PARTLY_GRANTED: "granted in part",
    AppealState.REJECTED: "rejected: the listing stays down",
    AppealState.WITHDRAWN: "withdrawn by the seller",
}


@dataclass(frozen=True, slots=True)
class BrandNotice:
    """A notice in a list, with the number of its listings, of those waiting, and of those upheld."""

    reference: str
    brand: str
    received_at: datetime
    settled_at: datetime | None
    is_suspended: bool
    listings: int
    waiting: int
    upheld: int


@dataclass(frozen=True, slots=True)
class BrandCounterNotice:
    """A seller's counter-notice against a measure that followed from a notice.

    `reference` is that of the notice, by which it is answered; `due_at` is None before the term has begun. Listing and
    statement are as the rules of filing pass them on, None before. `waits` is for the holder's answer; `may_withdraw`
    is whether they may still give up.
    """

    appeal_id: int
    reference: str
    brand: str
    filed_at: datetime
    due_at: datetime | None
    state: str
    rules: str | None
    term: str | None
    listing: str | None
    statement: str | None
    waits: bool
    may_withdraw: bool


@dataclass(frozen=True, slots=True)
class BrandNoticeFile:
    """A notice with its content and outcomes."""

    brand: str
    receipt: Receipt
    explanation: str | None
    outcomes: tuple[ListingOutcome, ...]
    measures: Mapping[int, Sequence[BrandMeasure]]
    counter_notices: tuple[BrandCounterNotice, ...]
    own_cases: frozenset[int]
    """Its listings that are cases of the brand."""


def list_brand_notices(
    connection: Connection, acting: Acting, *, after: str = "", limit: int = 50
) -> list[BrandNotice]:
    """Return notices, newest first, after the one of a reference."""
    counts = (
        func.count(),
        func.count().filter(notice_items.c.state.in_(["waiting", "unknown"])),
        func.count().filter(notice_items.c.state == "upheld"),
    )
    query = (
        select(
            notices.c.reference, notices.c.brand, notices.c.received_at, notices.c.settled_at, notices.c.is_suspended
        )
        .add_columns(*counts)
        .join(notice_items, notice_items.c.notice_id == notices.c.notice_id)
        .where(_is_theirs(acting))
        .group_by(notices.c.notice_id)
        .order_by(notices.c.notice_id.desc())
        .limit(limit)
    )
    if after:
        last = select(notices.c.notice_id).where(notices.c.reference == after, _is_theirs(acting))
        query = query.where(notices.c.notice_id < last.scalar_subquery())
    return [BrandNotice(*row) for row in connection.execute(query)]


def get_brand_notice(connection: Connection, acting: Acting, reference: str) -> BrandNoticeFile:
    """Return a notice by its reference; raises NotFound if it is not theirs, whether or not it exists."""
    stored = find_stored(connection, notices.c.reference == reference, _is_theirs(acting))
    if stored is None:
        raise NotFound("notice", reference, "The page Notices lists yours.")
    whose, outcomes = (
        get_notifier(connection, stored.notifier_id).pseudonym,
        list_outcomes(connection, stored.notice_id),
    )
    return BrandNoticeFile(
        stored.brand or "",
        make_receipt(connection, stored, is_new=False),
        read_explanation(connection, whose, stored.explanation),
        tuple(outcomes),
        _find_measures(connection, [one.decision_id for one in outcomes if one.decision_id]),
        tuple(list_counter_notices(connection, acting, reference)),
        find_own_cases(connection, [stored.brand or ""], [one.case_id for one in outcomes if one.case_id]),
    )


@dataclass(frozen=True, slots=True)
class ReportedListing:
    """A listing in a notice of the holder: the notice's reference, brand and moment, and its state in words."""

    reference: str
    brand: str
    received_at: datetime
    outcome: str


def find_reports(
    connection: Connection, acting: Acting, listing_ids: Collection[str]
) -> dict[str, list[ReportedListing]]:
    """Return the holder's notices about some listings, by listing id, the newest first."""
    ids = {digest_listing(one): one for one in listing_ids}
    said = notice_items.alias()  # the item, or the earlier one that it repeats
    query = (
        select(notice_items.c.listing_digest, notices.c.reference, notices.c.brand, notices.c.received_at)
        .add_columns(notices.c.is_suspended, said.c.state, said.c.overturned_at)
        .join_from(notice_items, notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(said, said.c.item_id == func.coalesce(notice_items.c.repeats, notice_items.c.item_id))
        .where(_is_theirs(acting))
        .order_by(notices.c.notice_id.desc())
    )
    found: dict[str, list[ReportedListing]] = {}
    for some in in_batches(sorted(ids)):
        for row in connection.execute(query.where(notice_items.c.listing_digest.in_(some))):
            outcome = _NOT_EXAMINED if row.is_suspended else name_outcome(row.state, row.overturned_at)
            report = ReportedListing(row.reference, row.brand, row.received_at, outcome)
            found.setdefault(ids[row.listing_digest], []).append(report)
    return found


def list_counter_notices(
    connection: Connection, acting: Acting, reference: str | None = None
) -> list[BrandCounterNotice]:
    """Return the counter-notices against all notices or one, waiting ones first by due date.

    After one has reinstated a listing, another decision is behind its notice; notifiers who were informed still see it.
    """
    behind = is_behind().label("is_behind")
    query = (
        select_against(appeals.c.appeal_id, appeals.c.state, appeals.c.filed_at)
        .add_columns(notices.c.reference, notices.c.notifier_id, notices.c.brand, behind)
        .where(_is_theirs(acting), notices.c.received_at <= appeals.c.filed_at)
        .order_by(appeals.c.appeal_id, behind)
    )
    query = query if reference is None else query.where(notices.c.reference == reference)
    rows = {(row.appeal_id, row.reference): row for row in connection.execute(query)}
    made = [(row.is_behind, _make(connection, row)) for row in rows.values()]
    found = [one for is_behind_it, one in made if is_behind_it or one.rules is not None]
    return sorted(found, key=lambda one: (not one.waits, one.due_at is None, one.due_at or one.filed_at))


def count_waiting(connection: Connection, acting: Acting) -> int:
    """Return how many counter-notices wait for an answer."""
    waits = _is_theirs(acting) & (appeals.c.state == AppealState.WITH_HOLDER)
    found = select_behind(appeals.c.appeal_id).where(waits).distinct().subquery()
    return connection.scalar(select(func.count()).select_from(found)) or 0


def _is_theirs(acting: Acting) -> ColumnElement[bool]:
    return tuple_(notices.c.notifier_id, notices.c.brand).in_(sorted(acting))


def _find_measures(connection: Connection, decision_ids: Sequence[int]) -> Mapping[int, list[BrandMeasure]]:
    query = select(measures.c.decision_id, measures.c.kind, measures.c.imposed_at, measures.c.lifted_at)
    found: dict[int, list[BrandMeasure]] = {}
    for decision_id, *told in connection.execute(
        query.where(measures.c.decision_id.in_(decision_ids)).order_by(measures.c.measure_id)
    ):
        found.setdefault(decision_id, []).append(BrandMeasure(*told))
    return found


def _make(connection: Connection, row: Row[Any]) -> BrandCounterNotice:
    state = AppealState(row.state)
    term = find_deadlines(connection, f"appeal:{row.appeal_id}").get(_HOLDERS_STAGE)
    told = _read_told(connection, row.appeal_id, row.notifier_id)
    listing = told.get("listing")
    return BrandCounterNotice(
        row.appeal_id,
        row.reference,
        row.brand,
        row.filed_at,
        term.due_at if term else None,
        STATES.get(state, "in review"),
        told.get("rules"),
        told.get("term"),
        listing and f"{listing['title']} ({listing['id']})",
        told.get("statement"),
        waits=row.is_behind and state is AppealState.WITH_HOLDER,
        may_withdraw=row.is_behind and state in (AppealState.WITH_HOLDER, AppealState.HOLDER_ACTED),
    )


def _read_told(connection: Connection, appeal_id: int, notifier_id: int) -> Mapping[str, Any]:
    """Return the message sent to the notifier; empty if it is pending, or the seller was erased."""
    keys = outbox.find_keys(connection, subject_of_counter_notice(appeal_id, notifier_id), MESSAGE)
    message = outbox.find_message(connection, keys[-1]) if keys else None
    told: Mapping[str, Any] = json.loads(message.body) if message and message.body else {}
    return told
