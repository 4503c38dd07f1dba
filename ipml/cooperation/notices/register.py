"""Register of notices: each notice once, encrypted with the notifier's key, its listings joined to cases.

The case of a listing in a notice decides what follows:
- It waits for a person: it gets the deadline of the notifier's lane, up to the lane's daily limit.
- It was found counterfeit: the notice is upheld at once.
- People found otherwise: it is escalated, to be decided with the notice at hand, as often as the policy allows. The
  earlier verdict is not reversed. After a person's decision on an appeal it is not escalated any more.
- There is no case, or the listing changed since its decision: one is opened if the platform submitted the listing, or
  if the notice describes it; otherwise the notice waits for the listing.

Consumers' complaints have these effects only when as many came as the policy requires. Until then a submitted listing
counts as known.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from ipml.cooperation.faults import count_seen
from ipml.cooperation.notices.notice import NotedListing, Notice
from ipml.cooperation.notifiers.notifier import decrypt_if_kept
from ipml.cooperation.notifiers.tiers import Lane
from ipml.cooperation.policy import NoticeRules
from ipml.errors import InvalidNotice, KeyReused
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Decision, Problem, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_within, prepare
from ipml.review.arrivals.marketplace import find_known
from ipml.review.arrivals.snapshot import decode_listing, digest_content
from ipml.review.cases import StoredCase, find_cases
from ipml.review.decisions import Origin, record_all
from ipml.review.ranking.deadlines import bring_forward
from ipml.review.reversals import BY_APPEAL, is_last_verdict
from ipml.storage.database import Lock, in_batches, serialise
from ipml.storage.pseudonyms import Notifier, encrypt, keyed_digest, pseudonym_of
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import cases, decisions, listings, notice_items, notices, rights_documents

_SYSTEM = "ipml"
_ORIGIN = "notice"
_SETTLED = {Verdict.COUNTERFEIT: "upheld", Verdict.GENUINE: "rejected"}


@dataclass(frozen=True, slots=True)
class Joined:
    """A listing of a notice after the search for its case.

    `state` is "unknown", "waiting", "upheld", "rejected", "undecided" or "repeated". `pseudonym` is the seller's, None
    if the listing is unknown. `decision_id` is an earlier decision that settles it, `repeats` the notifier's earlier
    item on the same listing.
    """

    state: str
    case_id: int | None = None
    pseudonym: str | None = None
    decision_id: int | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """Listings of one notice on their way to cases.

    A case may be opened for `scored` listings (by id), which came with the notice, and for submitted ones. A complaint
    takes effect only with others. Cases of the listings `besides` are only locked, as later rows refer to them.
    """

    notifier_id: int
    is_complaint: bool
    listings: Sequence[NotedListing]
    scored: Mapping[str, ScoredListing]
    lane: Lane
    besides: Sequence[str] = ()


def join(connection: Connection, coming: Coming, rules: NoticeRules, now: datetime) -> list[Joined]:
    """Find the cases of listings and apply the rules of the module's docstring; return the results in their order.

    Afterwards the cases and the audit trail are locked against other writers.
    """
    named = [listing.listing_id for listing in coming.listings if listing.listing_id is not None]
    if named:
        serialise(connection, Lock.ENQUEUE)
    rows = _lock_latest(connection, [*named, *coming.besides])
    scored_now = _find_scored(connection, coming, [listing_id for listing_id in named if listing_id not in rows])
    changed = find_changed(connection, [row for row in rows.values() if row.listing_id in named])
    enough = _find_enough(connection, coming, rules)
    waits_for_case = {key: listing for key, listing in scored_now.items() if key not in rows} | changed
    opened = [
        scored
        for listing in coming.listings
        if listing.digest in enough and (scored := waits_for_case.get(listing.listing_id or ""))
    ]
    offered_by = {scored.listing.seller_id for scored in (*scored_now.values(), *changed.values())}
    sellers = {row.seller_id for row in rows.values()} | offered_by
    pseudonyms = {seller_id: pseudonym_of(connection, seller_id, now=now) for seller_id in sorted(sellers)}
    due_at = coming.lane.due_at(now)
    if opened:
        enqueue_within(connection, prepare(opened), is_seen=False, now=now)
        rows |= _lock_latest(connection, [scored.listing.listing_id for scored in opened])
    standing = _find_standing(connection, [row.case_id for row in rows.values() if row.state == "decided"])
    reopened = _count_reopened(connection, list(standing))
    joined: list[Joined] = []
    brought: list[StoredCase] = []
    for listing in coming.listings:
        row = rows.get(listing.listing_id or "")
        if row is None:
            offered = scored_now.get(listing.listing_id or "")
            joined.append(Joined("unknown", pseudonym=pseudonyms[offered.listing.seller_id] if offered else None))
            continue
        decision = standing.get(row.case_id)
        is_final = decision is not None and (
            decision.origin in BY_APPEAL or reopened.get(row.case_id, 0) >= rules.reopenings
        )
        state = _choose_state(decision and Verdict(decision.verdict), is_final=is_final)
        if state == "waiting" and listing.digest in enough:
            brought.append(row)
        settled_by = decision.decision_id if decision is not None and state != "waiting" else None
        joined.append(Joined(state, row.case_id, pseudonyms[row.seller_id], settled_by))
    _reopen(connection, brought, now)
    if numbers := [row.case_id for row in brought[: coming.lane.left_today]]:
        bring_forward(connection, find_cases(connection, numbers).values(), due_at, actor=_SYSTEM, now=now)
    return joined


def _find_scored(connection: Connection, coming: Coming, listing_ids: Collection[str]) -> dict[str, ScoredListing]:
    """Return listings without a case, as they came with the notice, else as the platform submitted them."""
    submitted = {key: submission.scored for key, submission in find_known(connection, listing_ids).items()}
    described = {
        key: listing for key, listing in coming.scored.items() if listing.score is not None or key not in submitted
    }
    return submitted | described


def find_changed(connection: Connection, rows: Collection[StoredCase]) -> dict[str, ScoredListing]:
    """Return the listings that changed since their case was decided, by id, in the current version.

    The decision does not cover the change, and no case was opened, as the model found nothing in it.
    """
    decided = {row.listing_id: row for row in rows if row.state == "decided"}
    submitted = (
        {key: submission.scored for key, submission in find_known(connection, decided).items()} if decided else {}
    )
    return {
        key: scored
        for key, scored in submitted.items()
        if digest_content(scored.listing) != decided[key].content
        or scored.listing.price != decode_listing(decided[key].snapshot).price
    }


def _choose_state(verdict: Verdict | None, *, is_final: bool) -> str:
    """Return the state of a listing in a notice by an earlier verdict; `is_final` if a notice cannot reopen it.

    >>> _choose_state(None, is_final=False), _choose_state(Verdict.COUNTERFEIT, is_final=False)
    ('waiting', 'upheld')
    >>> _choose_state(Verdict.GENUINE, is_final=False), _choose_state(Verdict.GENUINE, is_final=True)
    ('waiting', 'rejected')
    """
    if verdict is None or (verdict is not Verdict.COUNTERFEIT and not is_final):
        return "waiting"
    return _SETTLED.get(verdict, "undecided")


def _lock_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, StoredCase]:
    """Return the latest case of each listing by id, and lock them with the cases they wait for."""
    numbers = sorted(find_latest(connection, listing_ids).values())
    exemplars: set[int] = set()
    for part in in_batches(numbers):
        query = select(cases.c.exemplar).where(cases.c.case_id.in_(part), cases.c.exemplar.is_not(None))
        exemplars |= set(connection.scalars(query))
    rows = find_cases(connection, exemplars.union(numbers), lock=True)
    return {rows[number].listing_id: rows[number] for number in numbers if rows[number].erased_at is None}


def find_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, int]:
    """Return the number of each listing's latest case, by listing id."""
    latest: dict[str, int] = {}
    for some in in_batches(sorted(set(listing_ids))):
        query = select(cases.c.listing_id, func.max(cases.c.case_id)).where(cases.c.listing_id.in_(some))
        is_latest = cases.c.erased_at.is_(None), cases.c.state != "superseded"
        query = query.where(*is_latest).group_by(cases.c.listing_id)
        latest |= dict(connection.execute(query).all())
    return latest


def find_offered(connection: Connection, listing_ids: Collection[str]) -> set[str]:
    """Return those of some listings that the platform submitted."""
    return {
        listing_id
        for some in in_batches(sorted(listing_ids))
        for listing_id in connection.scalars(select(listings.c.listing_id).where(listings.c.listing_id.in_(some)))
    }


def _find_enough(connection: Connection, coming: Coming, rules: NoticeRules) -> set[str]:
    """Return the digests of listings for which there are enough notices to take effect."""
    digests = {listing.digest for listing in coming.listings}
    if not coming.is_complaint:
        return digests
    others = dict.fromkeys(digests, 0)
    for some in in_batches(sorted(digests)):
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
    rows: dict[int, Row[Any]] = {}
    for some in in_batches(case_ids):
        query = select(decisions).where(decisions.c.case_id.in_(some), is_last_verdict())
        rows |= {row.case_id: row for row in connection.execute(query)}
    return rows


def _count_reopened(connection: Connection, case_ids: Sequence[int]) -> dict[int, int]:
    counted: dict[int, int] = {}
    for some in in_batches(case_ids):
        query = select(decisions.c.case_id, func.count()).where(decisions.c.case_id.in_(some))
        query = query.where(decisions.c.origin == _ORIGIN).group_by(decisions.c.case_id)
        counted |= dict(connection.execute(query).all())
    return counted


def _reopen(connection: Connection, rows: Sequence[StoredCase], now: datetime) -> None:
    for row in rows:
        if row.state == "decided":
            again = Decision(0, row.case_id, row.listing_id, Verdict.ESCALATE, "", "", _SYSTEM, now)
            # An escalation has no consequences.
            record_all(connection, [(row, again)], Origin(_ORIGIN))


_REFERENCE_BYTES = 16  # 128 bits cannot be guessed
_DOCUMENT = "the number of a trade mark or another right, as this is your first notice on the brand"
_OTHER_DOCUMENT = "another document of your right to the brand, as the one you named was not accepted, or has ended"


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A row of the table `notices`, which explains the fields."""

    notice_id: int
    reference: str
    notifier_id: int
    kind: str
    brand: str | None
    encrypted: str
    explanation: str
    key: str | None
    content_digest: str
    tier: str
    received_at: datetime
    is_suspended: bool
    settled_at: datetime | None


def find_stored(connection: Connection, *conditions: ColumnElement[bool]) -> StoredNotice | None:
    """Return the last notice that meets conditions on the table `notices`."""
    query = select(notices).where(*conditions).order_by(notices.c.notice_id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else StoredNotice(**row._asdict())


def find_earlier(
    connection: Connection, notifier: Notifier, notice: Notice, rules: NoticeRules, now: datetime
) -> StoredNotice | None:
    """Return the notice that a request repeats: by its key, or by its content not long ago.

    Raises KeyReused if the key came before with other content.
    """
    content = keyed_digest(connection, notifier.pseudonym, notice.content)
    is_theirs = notices.c.notifier_id == notifier.notifier_id
    if notice.key is not None and (stored := find_stored(connection, is_theirs, notices.c.key == digest(notice.key))):
        if stored.content_digest != content:
            raise KeyReused(notice.key, "notice")
        return stored
    since = now - timedelta(days=rules.repeat_days)
    is_same = notices.c.content_digest == content
    return find_stored(connection, is_theirs, is_same, notices.c.received_at >= since)


def require_reasons(notice: Notice, lane: Lane) -> None:
    """Raise InvalidNotice if the explanation is too short for this lane."""
    seen, least = count_seen(notice.explanation), lane.least_explanation_letters
    if seen < least:
        expected = f"at least {least}, of a notifier of whom no more is known"
        raise InvalidNotice([Problem(1, "explanation", f"{seen} letters that can be seen", expected)])


def store_rights(
    connection: Connection, notifier: Notifier, notice: Notice, lane: Lane, now: datetime
) -> tuple[str, int] | None:
    """Store the document of a right that a notice names, unless an accepted or unchecked one is stored.

    Returns action and document for the audit trail. Raises InvalidNotice if the lane requires a document and there is
    none.
    """
    if notice.brand is None or notice.kind == "complaint":
        return None
    theirs = select(rights_documents).where(rights_documents.c.notifier_id == notifier.notifier_id)
    theirs = theirs.order_by(rights_documents.c.document_id)
    brand = notice.brand.casefold()
    filed = [row for row in connection.execute(theirs).all() if row.brand.casefold() == brand]
    if any(row.is_accepted is not False and (row.valid_until is None or row.valid_until > now) for row in filed):
        return None
    if notice.rights is None:
        if lane.needs_rights_document:
            raise InvalidNotice([Problem(1, "rights", "nothing", _OTHER_DOCUMENT if filed else _DOCUMENT)])
        return None
    fields: dict[str, Any] = {"reference": encrypt(connection, notifier.pseudonym, notice.rights), "filed_at": now}
    unproven = next((row for row in filed if row.details is None), None)
    if unproven is None:
        fields |= {"notifier_id": notifier.notifier_id, "brand": notice.brand}
        return "rights filed", append_rows(connection, rights_documents, [fields])[0]
    fields |= {"checked_by": None, "checked_at": None, "is_accepted": None}
    is_known = rights_documents.c.document_id == unproven.document_id
    connection.execute(update(rights_documents).where(is_known).values(fields))
    return "rights filed again", unproven.document_id


def store_notice(connection: Connection, notifier: Notifier, notice: Notice, lane: Lane, now: datetime) -> StoredNotice:
    """Store the content of a notice; `store_listings` stores its listings."""
    order = notice.order and {"order_id": notice.order.order_id, "bought_at": notice.order.bought_at}
    fields = {
        "reference": secrets.token_hex(_REFERENCE_BYTES),
        "notifier_id": notifier.notifier_id,
        "kind": notice.kind,
        "brand": notice.brand,
        "encrypted": _encrypt(connection, notifier, {"name": notice.name, "language": notice.language}),
        "explanation": _encrypt(connection, notifier, {"explanation": notice.explanation, "order": order}),
        "key": None if notice.key is None else digest(notice.key),
        "content_digest": keyed_digest(connection, notifier.pseudonym, notice.content),
        "tier": lane.tier,
        "received_at": now,
        "is_suspended": lane.is_suspended,
    }
    return StoredNotice(**connection.execute(insert(notices).values(fields).returning(notices)).one()._asdict())


def store_listings(
    connection: Connection,
    notifier: Notifier,
    notice: Notice,
    stored: StoredNotice,
    joined: Sequence[Joined],
) -> list[int]:
    """Store the listings of a notice, encrypted with the seller's key if known; return the item numbers."""
    rows = [
        {
            "notice_id": stored.notice_id,
            "position": position,
            "noted_at": stored.received_at,
            "listing_digest": listing.digest,
            "location": encrypt_location(connection, at.pseudonym or notifier.pseudonym, listing),
            "settled_at": None if at.state in ("unknown", "waiting") else stored.received_at,
            **asdict(at),
        }
        for position, (listing, at) in enumerate(zip(notice.listings, joined, strict=True), start=1)
    ]
    return append_rows(connection, notice_items, rows)


def find_noted(connection: Connection, notifier: Notifier, notice: Notice) -> Mapping[str, Joined]:
    """Return the listings that an earlier notice of this notifier and kind named, by digest.

    Each repeats the last item. Notices during a suspension and complaints without effect do not count.
    """
    query = (
        select(notice_items)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(notices.c.notifier_id == notifier.notifier_id, notices.c.kind == notice.kind, ~notices.c.is_suspended)
        .where(notice_items.c.listing_digest.in_([listing.digest for listing in notice.listings]))
        .where(notice_items.c.state.not_in(["repeated", "not found"]))
        .where(or_(notice_items.c.state != "undecided", notice_items.c.case_id.is_not(None)))  # too few complaints
        .order_by(notice_items.c.item_id)
    )
    return {
        row.listing_digest: Joined("repeated", row.case_id, row.pseudonym, repeats=row.item_id)
        for row in connection.execute(query)
    }


def get_notice(connection: Connection, notice_id: int) -> StoredNotice:
    """Return a notice by a number that another table refers to."""
    return StoredNotice(**connection.execute(select(notices).where(notices.c.notice_id == notice_id)).one()._asdict())


def encrypt_location(connection: Connection, pseudonym: str, one: NotedListing) -> str:
    """Encrypt address and id of a listing, if known."""
    return encrypt(connection, pseudonym, json.dumps({"url": one.url, "listing_id": one.listing_id}))


def read_location(connection: Connection, pseudonym: str, location: str) -> NotedListing | None:
    """Decrypt the location of a listing, with the seller's key or else the notifier's; None if erased."""
    content = decrypt_if_kept(connection, pseudonym, location)
    return None if content is None else NotedListing(**json.loads(content))


def _encrypt(connection: Connection, notifier: Notifier, content: Mapping[str, Any]) -> str:
    return encrypt(connection, notifier.pseudonym, canonical_json(content))
