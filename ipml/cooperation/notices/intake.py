"""Intake of notices: stored, joined to cases and confirmed in one transaction; unknown listings are matched later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, func, or_, select, update

from ipml.cooperation.notices.notice import NotedListing, Notice
from ipml.cooperation.notices.outcomes import settle_notices
from ipml.cooperation.notices.register import (
    Coming,
    Joined,
    StoredNotice,
    encrypt_location,
    find_changed,
    find_earlier,
    find_latest,
    find_noted,
    get_notice,
    join,
    read_location,
    require_reasons,
    store_listings,
    store_notice,
    store_rights,
)
from ipml.cooperation.notices.status import Receipt, make_receipt, send_receipt
from ipml.cooperation.notifiers.notifier import AppointmentOrder, appoint, find_appointment
from ipml.cooperation.notifiers.tiers import Lane, lane_of, store_count
from ipml.cooperation.policy import CooperationPolicy, NoticeRules
from ipml.errors import InvalidListings, InvalidNotice
from ipml.kit.canonical_json import digest
from ipml.records import Listing, Problem, ScoredListing
from ipml.review.arrivals.marketplace import find_by_address, find_known
from ipml.review.cases import StoredCase, find_cases
from ipml.review.ranking.policy import fold_name
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.row_digests import name_rows
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.pseudonyms import (
    Notifier,
    find_seller,
    get_notifier,
    note_notifier_added,
    notifier_of,
    pseudonym_of,
)
from ipml.storage.tables import notice_items, notices, notifiers

Score = Callable[[Sequence[Listing]], Sequence[ScoredListing]]
"""Scores listings, in their order; raises InvalidListings if some break the rules."""

_ACTOR = "notifier"
_NAMED_A_RIGHT = "Was taken for a consumer, and named a right to the brand since."
_UNSCORED = "not scored: it came with a notice"
_NO_MODEL = "none"


def receive(
    connection: Connection,
    notice: Notice,
    policy: CooperationPolicy,
    *,
    scored: Mapping[str, ScoredListing] = MappingProxyType({}),
    now: datetime | None = None,
) -> Receipt:
    """Receive a checked notice; the same notice again gives the same receipt.

    `scored` has, by id, the scored listings without a case (see `score_unknown`). Without it, listings that
    came with the notice are queued without a score.

    Raises
    ------
    InvalidNotice
        The notifier's first notice on this brand names no right, or it says less than the tier requires.
    KeyReused
        Its key came before with other content.
    """
    now = now or datetime.now(UTC)
    described = [noted.listing for noted in notice.listings if noted.listing is not None]
    unscored = {
        listing.listing_id: ScoredListing(listing, None, None, (), (), None, _NO_MODEL, _UNSCORED)
        for listing in described
    }
    scored = unscored | dict(scored)
    guessed = "consumer" if notice.kind == "complaint" else "rights holder"
    notifier = notifier_of(connection, notice.email, guessed, now)
    if earlier := find_earlier(connection, notifier, notice, policy.notices, now):
        return make_receipt(connection, earlier, is_new=False)
    store_count(connection, notifier, policy.notifiers, now)
    is_mistaken = _is_mistaken(connection, notifier, notice, now)
    lane = lane_of(connection, notifier.notifier_id, policy, now, kind=guessed if is_mistaken else None)
    rights = store_rights(connection, notifier, notice, lane, now)
    require_reasons(notice, lane)
    kept = store_notice(connection, notifier, notice, lane, now)
    located = locate(connection, notice)
    joined = _join_listings(connection, notifier, located, scored, lane, policy, now)
    items = store_listings(connection, notifier, located, kept, joined)
    send_receipt(connection, notifier, notice, make_receipt(connection, kept, is_new=True), now)
    note_notifier_added(connection, notifier, _ACTOR, now)
    if is_mistaken:
        order = AppointmentOrder(guessed, _SYSTEM, _NAMED_A_RIGHT, now)
        appoint(connection, notifier.notifier_id, order)
    if rights is not None:
        action, number = rights
        audit.append(connection, _ACTOR, action, notifier.subject, {"document": number}, at=now)
    _note(connection, notifier, kept, items, joined)
    settle_notices(connection, [kept.notice_id], now, policy.notifiers)
    return make_receipt(connection, get_notice(connection, kept.notice_id), is_new=True)


def _is_mistaken(connection: Connection, notifier: Notifier, notice: Notice, now: datetime) -> bool:
    """Return whether a presumed consumer gives notice as a rights holder, without an appointment."""
    if notice.kind == "complaint" or notifier.kind != "consumer":
        return False
    return find_appointment(connection, notifier.notifier_id, now) is None


def locate(connection: Connection, notice: Notice) -> Notice:
    """Return a notice with the ids of listings that it names by their submitted address."""
    urls = {noted.url for noted in notice.listings if noted.url is not None and noted.listing_id is None}
    ids = find_by_address(connection, urls) if urls else {}
    return replace(
        notice,
        listings=tuple(
            replace(noted, listing_id=ids[noted.url]) if noted.listing_id is None and noted.url in ids else noted
            for noted in notice.listings
        ),
    )


@dataclass(frozen=True, slots=True)
class PreviewedListing:
    """A listing of a notice before it is received: whether it is known, and whether it names another brand."""

    is_known: bool
    has_other_brand: bool


def find_brands(connection: Connection, listing_ids: Collection[str]) -> dict[str, str | None]:
    """Return the brand of each known listing, as submitted or as in its latest case, by id."""
    brands = {key: listing.scored.listing.brand for key, listing in find_known(connection, listing_ids).items()}
    rows = find_cases(connection, find_latest(connection, {*listing_ids} - brands.keys()).values())
    return brands | {row.listing_id: row.brand for row in rows.values()}


def preview(connection: Connection, notice: Notice) -> list[PreviewedListing]:
    """Preview each listing of a notice, in order; nothing is stored."""
    ids = [listing.listing_id or "" for listing in locate(connection, notice).listings]
    brands = find_brands(connection, ids)
    consistent = {""} | {fold_name(brand) for brand in (brands.values() if notice.brand is None else [notice.brand])}
    return [PreviewedListing(key in brands, fold_name(brands.get(key)) not in consistent) for key in ids]


def find_contradictions(connection: Connection, notice: Notice) -> list[Problem]:
    """Return the listings of a notice that are offered under another brand than it names."""
    expected = f"{notice.brand}, or that you report it all the same"
    return [
        Problem(1, f"listings[{place}].brand", "the listing names another brand", expected)
        for place, listing in enumerate(preview(connection, notice))
        if listing.has_other_brand
    ]


def score_unknown(connection: Connection, notice: Notice, score: Score) -> Mapping[str, ScoredListing]:
    """Score the known listings of a notice without a case, and return them by id; raises InvalidNotice.

    They came with the notice, or the platform submitted them. Call it before `receive`, in a reading transaction:
    scoring takes longer than storing.
    """
    notice = locate(connection, notice)
    described = {noted.listing.listing_id: noted.listing for noted in notice.listings if noted.listing is not None}
    named = {noted.listing_id for noted in notice.listings if noted.listing_id is not None}
    without_case = named - find_latest(connection, named).keys()
    unknown = [listing for listing_id, listing in described.items() if listing_id in without_case]
    submitted = [
        submission.scored.listing for submission in find_known(connection, without_case - described.keys()).values()
    ]
    try:
        return {result.listing.listing_id: result for some in (unknown, submitted) if some for result in score(some)}
    except InvalidListings as error:
        places = [next(n for n, noted in enumerate(notice.listings) if noted.listing is listing) for listing in unknown]
        problems = [
            replace(problem, row=1, column=f"listings[{places[problem.row - 1]}].listing.{problem.column}")
            for problem in error.problems
        ]
        raise InvalidNotice(problems) from error


def _join_listings(
    connection: Connection,
    notifier: Notifier,
    notice: Notice,
    scored: Mapping[str, ScoredListing],
    lane: Lane,
    policy: CooperationPolicy,
    now: datetime,
) -> list[Joined]:
    """Join the listings of a notice, except those of a suspended notifier and repeated ones."""
    if lane.is_suspended:
        return [Joined("undecided")] * len(notice.listings)
    noted = find_noted(connection, notifier, notice)
    named = [listing.listing_id for listing in notice.listings if listing.listing_id]
    latest = find_latest(connection, named) if noted else {}
    rows = {row.listing_id: row for row in find_cases(connection, latest.values()).values()}
    changed = find_changed(connection, rows.values())
    repeated: dict[str, Joined] = {}
    for listing in notice.listings:
        earlier, case = noted.get(listing.digest), latest.get(listing.listing_id or "")
        # A listing that changed since is another case, so it may be reported again.
        if listing.listing_id in changed:
            continue
        if earlier is not None and (earlier.case_id is None or case is None or earlier.case_id == case):
            repeated[listing.digest] = _repeat(connection, earlier, rows.get(listing.listing_id or ""), now)
    fresh = [listing for listing in notice.listings if listing.digest not in repeated]
    again = [listing.listing_id for listing in notice.listings if listing.digest in repeated and listing.listing_id]
    coming = Coming(notifier.notifier_id, notice.kind == "complaint", fresh, scored, lane, again)
    results = iter(join(connection, coming, policy.notices, now))
    return [repeated.get(listing.digest) or next(results) for listing in notice.listings]


def _repeat(connection: Connection, earlier: Joined, row: StoredCase | None, now: datetime) -> Joined:
    """Return the item that a listing repeats, with today's seller; the earlier one may have been erased."""
    if row is not None:
        return replace(earlier, pseudonym=pseudonym_of(connection, row.seller_id, now=now))
    is_known = earlier.pseudonym is not None and find_seller(connection, earlier.pseudonym) is not None
    return replace(earlier, case_id=None, pseudonym=earlier.pseudonym if is_known else None)


def _note(
    connection: Connection,
    notifier: Notifier,
    kept: StoredNotice,
    items: Sequence[int],
    joined: Sequence[Joined],
) -> None:
    now = kept.received_at
    payload: dict[str, audit.Value] = {"notifier": notifier.pseudonym, "listings": len(joined)}
    payload["encrypted"] = digest(kept.encrypted + kept.explanation)
    given = audit.AuditEvent(now, _ACTOR, "gave notice", f"notice:{kept.notice_id}", payload, name_rows("item", items))
    audit.append_events(connection, [given])
    fresh = [at.case_id for at in joined if at.case_id is not None and not at.repeats]
    _note_cases(connection, _ACTOR, kept.notice_id, fresh, now)


def _note_cases(connection: Connection, actor: str, notice_id: int, case_ids: Sequence[int], now: datetime) -> None:
    entries = [(f"case:{case_id}", {"notice": notice_id}) for case_id in sorted(set(case_ids))]
    audit.append_all(connection, actor, "noticed", entries, at=now)


_AT_ONCE = 500
_SYSTEM = "ipml"


@dataclass(frozen=True, slots=True)
class Matched:
    """Numbers of listings found, and still unknown."""

    found: int = 0
    unknown: int = 0


def match_notices(
    engine: Engine,
    policy: CooperationPolicy,
    *,
    show: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Matched:
    """Match all unknown listings of notices again; repeating it changes nothing.

    An item is joined to the listing's case; a case is opened for a submitted listing without one. Each notice is a
    transaction. Deadlines start now, since nothing could be decided before. `show` is called now and then with the
    number of listings searched.
    """
    now = now or datetime.now(UTC)
    n_found = looked = after = 0
    while items := _read_unknown(engine, policy.notices, after):
        with reading(engine) as connection:
            joinable = _find_joinable(connection, items)
        n_found += sum(_join_notice(engine, notice_id, policy, now) for notice_id in sorted(joinable))
        looked, after = looked + len(items), items[-1].item_id
        if show:
            show(looked)
    return Matched(n_found, looked - n_found)


@dataclass(frozen=True, slots=True)
class _Unknown:
    item_id: int
    notice_id: int
    is_complaint: bool
    has_seller: bool
    listing_id: str | None


def _find_joinable(connection: Connection, items: Sequence[_Unknown]) -> set[int]:
    """Return the notices with a listing that has a case now, or that was submitted; a complaint opens no case alone."""
    named = {item.listing_id for item in items if item.listing_id is not None}
    with_case = find_latest(connection, named)
    submitted = find_known(connection, named - with_case.keys())
    return {
        item.notice_id
        for item in items
        if item.listing_id in with_case
        or (item.listing_id in submitted and not (item.is_complaint and item.has_seller))
    }


def _read_unknown(engine: Engine, rules: NoticeRules, after: int) -> Sequence[_Unknown]:
    query = (
        select(
            notice_items, notices.c.kind, func.coalesce(notice_items.c.pseudonym, notifiers.c.pseudonym).label("theirs")
        )
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .where(notice_items.c.state == "unknown", notice_items.c.item_id > after)
        .order_by(notice_items.c.item_id)
        .limit(_AT_ONCE)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        noted = [_read_noted(connection, row.theirs, row.location, rules) for row in rows]
        return [
            _Unknown(
                row.item_id,
                row.notice_id,
                row.kind == "complaint",
                row.pseudonym is not None,
                listing.listing_id if listing else None,
            )
            for row, listing in zip(rows, noted, strict=True)
        ]


def _read_noted(connection: Connection, pseudonym: str, location: str, rules: NoticeRules) -> NotedListing | None:
    """Return the listing of an item, with the id for its address as known today."""
    noted = read_location(connection, pseudonym, location)
    if noted is None or noted.listing_id is not None or noted.url is None:
        return noted
    listing_id = rules.find_listing_id(noted.url) or find_by_address(connection, [noted.url]).get(noted.url)
    return NotedListing(listing_id, noted.url)


def _join_notice(engine: Engine, notice_id: int, policy: CooperationPolicy, now: datetime) -> int:
    """Join the unknown listings of a notice to their cases; return the number of those with a case."""
    with writing(engine) as connection:
        notice = get_notice(connection, notice_id)
        notifier = get_notifier(connection, notice.notifier_id, lock=True)
        query = select(notice_items).where(notice_items.c.notice_id == notice_id, notice_items.c.state == "unknown")
        pointed = [
            (row, noted)
            for row in connection.execute(query.order_by(notice_items.c.position)).all()
            if (noted := _read_noted(connection, row.pseudonym or notifier.pseudonym, row.location, policy.notices))
        ]
        store_count(connection, notifier, policy.notifiers, now)
        lane = lane_of(connection, notifier.notifier_id, policy, now)
        listings = [listing for _, listing in pointed]
        coming = Coming(notifier.notifier_id, notice.kind == "complaint", listings, {}, lane)
        joined = join(connection, coming, policy.notices, now)
        serialise(connection, Lock.APPEND_TO_AUDIT)  # before the item rows: decisions lock in this order
        results = [(row, at) for (row, _), at in zip(pointed, joined, strict=True) if at.pseudonym]
        matched = [(row.item_id, at) for row, at in results if at.case_id is not None or row.pseudonym is None]
        with audit.collect(connection) as batch:
            for item_id, at in matched:
                _keep_joined(batch, item_id, at, notifier.pseudonym, policy.notices, now)
        _note_cases(connection, _SYSTEM, notice_id, [at.case_id for _, at in matched if at.case_id is not None], now)
        settle_notices(connection, [notice_id], now, policy.notifiers)
        return sum(at.case_id is not None for _, at in matched)


def _keep_joined(
    batch: audit.AuditBatch, item_id: int, at: Joined, theirs: str, rules: NoticeRules, now: datetime
) -> None:
    """Store the match of a listing with the item and with the notifier's items that repeat it."""
    assert at.pseudonym is not None
    connection = batch.connection
    query = select(notice_items).where(or_(notice_items.c.item_id == item_id, notice_items.c.repeats == item_id))
    for row in connection.execute(query.order_by(notice_items.c.item_id)).all():
        noted = _read_noted(connection, row.pseudonym or theirs, row.location, rules)
        fields: dict[str, Any] = {"pseudonym": at.pseudonym, "case_id": at.case_id}
        fields |= {"joined_at": now} if row.pseudonym is None else {}
        if noted is not None and noted.listing_id is not None:
            fields |= {"listing_digest": noted.digest, "location": encrypt_location(connection, at.pseudonym, noted)}
        if row.item_id == item_id:
            settled_at = None if at.state in ("unknown", "waiting") else now
            fields |= {"state": at.state, "decision_id": at.decision_id, "settled_at": settled_at}
        change = update(notice_items).where(notice_items.c.item_id == row.item_id).values(fields)
        audit.change_rows(batch, change, _SYSTEM, "item joined", at=now)
