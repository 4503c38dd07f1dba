"""Notices as they are kept, the same notice once: what was said encrypted by the key of who said it, its listings
joined.

What becomes of a listing that a notice names: its case comes forward, comes back to a person, or answers at once.

- Its case waits for a person: it gets the deadline of the notifier's lane, unless they gave notice of too many today.
- It was found counterfeit: the notice is right, and nothing is left to do.
- People did not find it counterfeit: it comes back as an escalated case, to be decided with what the notice says before
  one's eyes. The earlier verdict is not taken back for that. That happens as often as the policy says, and never
  where a person decided on an appeal: from then on what was decided is the answer.
- There is no case, or the listing was changed since it was decided: one is opened where the platform submitted the
  listing, or told with the notice what it is like; else it waits for the listing.

A consumer's complaint brings about the same, but only together with those of others, as many as the policy says; till
then, and if they never come, its listing is one that is known here, and not one that could not be found.
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
    """What is known of a listing in a notice, once it was looked for.

    Attributes
    ----------
    state : str
        "unknown", "waiting", "upheld", "rejected", "undecided" or "repeated".
    pseudonym : str or None
        Of the seller; None while nobody knows the listing. One that was submitted and has no case yet has a seller.
    decision_id : int or None
        That was made before, and settles it.
    repeats : int or None
        The notifier's earlier item on the same listing.
    """

    state: str
    case_id: int | None = None
    pseudonym: str | None = None
    decision_id: int | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """Listings of one notice on their way to cases.

    Attributes
    ----------
    is_complaint : bool
        Whether it takes several of them to bring something about.
    scored : mapping of str to ScoredListing
        By listing id, those that came along with the notice; of these, and of those that the platform submitted, a case
        may be opened.
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
    named = [one.listing_id for one in coming.listings if one.listing_id is not None]
    if named:
        serialise(connection, Lock.ENQUEUE)
    rows = lock_latest(connection, [*named, *coming.besides])
    known = _find_scored(connection, coming, [listing_id for listing_id in named if listing_id not in rows])
    changed = find_changed(connection, [row for row in rows.values() if row.listing_id in named])
    enough = _find_enough(connection, coming, rules)
    waits_for_case = {key: one for key, one in known.items() if key not in rows} | changed
    opened = [
        scored
        for one in coming.listings
        if one.digest in enough and (scored := waits_for_case.get(one.listing_id or ""))
    ]
    offered_by = {scored.listing.seller_id for scored in (*known.values(), *changed.values())}
    sellers = {row.seller_id for row in rows.values()} | offered_by
    pseudonyms = {seller_id: pseudonym_of(connection, seller_id, now=now) for seller_id in sorted(sellers)}
    due_at = coming.lane.due_at(now)
    if opened:
        enqueue_within(connection, prepare(opened), is_seen=False, now=now)
        rows |= lock_latest(connection, [scored.listing.listing_id for scored in opened])
    standing = _find_standing(connection, [row.case_id for row in rows.values() if row.state == "decided"])
    reopened = _count_reopened(connection, list(standing))
    joined: list[Joined] = []
    brought: list[StoredCase] = []
    for one in coming.listings:
        row = rows.get(one.listing_id or "")
        if row is None:
            offered = known.get(one.listing_id or "")
            joined.append(Joined("unknown", pseudonym=pseudonyms[offered.listing.seller_id] if offered else None))
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


def _find_scored(connection: Connection, coming: Coming, listing_ids: Collection[str]) -> dict[str, ScoredListing]:
    """Return listings that have no case, as they came along with the notice, else as the platform submitted them."""
    submitted = {key: one.scored for key, one in find_known(connection, listing_ids).items()}
    told = {key: one for key, one in coming.scored.items() if one.score is not None or key not in submitted}
    return submitted | told


def find_changed(connection: Connection, rows: Collection[StoredCase]) -> dict[str, ScoredListing]:
    """Return the listings whose case was decided and that were changed since, by their ids, as they are offered now.

    What was decided says nothing of them, and no case of theirs waits, as the model saw nothing in the change.
    """
    decided = {row.listing_id: row for row in rows if row.state == "decided"}
    submitted = {key: one.scored for key, one in find_known(connection, decided).items()} if decided else {}
    return {
        key: scored
        for key, scored in submitted.items()
        if digest_content(scored.listing) != decided[key].content
        or scored.listing.price != decode_listing(decided[key].snapshot).price
    }


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


def lock_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, StoredCase]:
    """Return the latest case of each listing by its id, kept from other writers, as are those they wait for."""
    numbers = sorted(find_latest(connection, listing_ids).values())
    exemplars: set[int] = set()
    for part in in_batches(numbers):
        query = select(cases.c.exemplar).where(cases.c.case_id.in_(part), cases.c.exemplar.is_not(None))
        exemplars |= set(connection.scalars(query))
    rows = find_cases(connection, exemplars.union(numbers), lock=True)
    return {rows[number].listing_id: rows[number] for number in numbers if rows[number].erased_at is None}


def find_latest(connection: Connection, listing_ids: Collection[str]) -> dict[str, int]:
    """Return the number of the latest case of each listing that has one, by the listing's id."""
    found: dict[str, int] = {}
    for some in in_batches(sorted(set(listing_ids))):
        query = select(cases.c.listing_id, func.max(cases.c.case_id)).where(cases.c.listing_id.in_(some))
        is_latest = cases.c.erased_at.is_(None), cases.c.state != "superseded"
        query = query.where(*is_latest).group_by(cases.c.listing_id)
        found |= dict(connection.execute(query).all())
    return found


def find_offered(connection: Connection, listing_ids: Collection[str]) -> set[str]:
    """Return those of some listings that the platform submitted."""
    return {
        listing_id
        for some in in_batches(sorted(listing_ids))
        for listing_id in connection.scalars(select(listings.c.listing_id).where(listings.c.listing_id.in_(some)))
    }


def _find_enough(connection: Connection, coming: Coming, rules: NoticeRules) -> set[str]:
    """Return the digests of those listings for which something is brought about now."""
    digests = {one.digest for one in coming.listings}
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
    """Return the verdict on each of some cases."""
    found: dict[int, Row[Any]] = {}
    for some in in_batches(case_ids):
        query = select(decisions).where(decisions.c.case_id.in_(some), is_last_verdict())
        found |= {row.case_id: row for row in connection.execute(query)}
    return found


def _count_reopened(connection: Connection, case_ids: Sequence[int]) -> dict[int, int]:
    """Return how often notices brought each of some cases back to a person."""
    counted: dict[int, int] = {}
    for some in in_batches(case_ids):
        query = select(decisions.c.case_id, func.count()).where(decisions.c.case_id.in_(some))
        query = query.where(decisions.c.origin == _ORIGIN).group_by(decisions.c.case_id)
        counted |= dict(connection.execute(query).all())
    return counted


def _reopen(connection: Connection, rows: Sequence[StoredCase], now: datetime) -> None:
    """Bring those of some cases that were decided back to a person, as escalated ones."""
    for row in rows:
        if row.state == "decided":
            again = Decision(0, row.case_id, row.listing_id, Verdict.ESCALATE, "", "", _SYSTEM, now)
            # Nothing follows from an escalation.
            record_all(connection, [(row, again)], None, None, Origin(_ORIGIN), consequences=None)


def _bring_forward(connection: Connection, rows: Sequence[StoredCase], due_at: datetime, now: datetime) -> None:
    """Have some cases decided by a moment."""
    if rows:
        numbers = [row.case_id for row in rows]
        bring_forward(connection, find_cases(connection, numbers).values(), due_at, actor=_SYSTEM, now=now)


_REFERENCE_BYTES = 16  # nobody guesses 128 bits
_DOCUMENT = "the number of a trade mark or another right, as this is your first notice on the brand"
_OTHER_DOCUMENT = "another document of your right to the brand, as the one you named was not accepted, or has ended"


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notice as it is stored, which the table `notices` explains."""

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
    """Return the last notice that meets some conditions on the table `notices`."""
    query = select(notices).where(*conditions).order_by(notices.c.notice_id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else StoredNotice(**row._asdict())


def find_earlier(
    connection: Connection, notifier: Notifier, notice: Notice, rules: NoticeRules, now: datetime
) -> StoredNotice | None:
    """Return the notice that a request repeats: by its key, or by its content not long ago.

    Raises
    ------
    KeyReused
        The key came before with another content.
    """
    content = keyed_digest(connection, notifier.pseudonym, notice.content)
    is_theirs = notices.c.notifier_id == notifier.notifier_id
    if notice.key is not None and (known := find_stored(connection, is_theirs, notices.c.key == digest(notice.key))):
        if known.content_digest != content:
            raise KeyReused(notice.key, "notice")
        return known
    since = now - timedelta(days=rules.repeat_days)
    is_same = notices.c.content_digest == content
    return find_stored(connection, is_theirs, is_same, notices.c.received_at >= since)


def require_reasons(notice: Notice, lane: Lane) -> None:
    """Raise InvalidNotice where a notifier of this lane must say more of why the listings are counterfeit."""
    seen, least = count_seen(notice.explanation), lane.least_explanation_letters
    if seen < least:
        expected = f"at least {least}, of a notifier of whom no more is known"
        raise InvalidNotice([Problem(1, "explanation", f"{seen} letters that can be seen", expected)])


def store_rights(
    connection: Connection, notifier: Notifier, notice: Notice, lane: Lane, now: datetime
) -> tuple[str, int] | None:
    """Keep the document of a right that a notice names, if none is kept or that was not accepted.

    Returns
    -------
    (str, int) or None
        What is to be noted of which document, if one was kept.

    Raises
    ------
    InvalidNotice
        The lane needs one, and there is none.
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
    known = next((row for row in filed if row.details is None), None)
    if known is None:
        fields |= {"notifier_id": notifier.notifier_id, "brand": notice.brand}
        return "rights filed", append_rows(connection, rights_documents, [fields])[0]
    fields |= {"checked_by": None, "checked_at": None, "is_accepted": None}
    is_known = rights_documents.c.document_id == known.document_id
    connection.execute(update(rights_documents).where(is_known).values(fields))
    return "rights filed again", known.document_id


def store_notice(connection: Connection, notifier: Notifier, notice: Notice, lane: Lane, now: datetime) -> StoredNotice:
    """Keep what a notice says; its listings are kept by `store_listings`."""
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
    notice_id: int,
    joined: Sequence[Joined],
    now: datetime,
) -> list[int]:
    """Keep where the listings of a notice are, each encrypted by the seller's key where the seller is known.

    Returns
    -------
    list of int
        The numbers of the items.
    """
    rows = [
        {
            "notice_id": notice_id,
            "position": position,
            "noted_at": now,
            "listing_digest": one.digest,
            "location": encrypt_location(connection, at.pseudonym or notifier.pseudonym, one),
            "settled_at": None if at.state in ("unknown", "waiting") else now,
            **asdict(at),
        }
        for position, (one, at) in enumerate(zip(notice.listings, joined, strict=True), start=1)
    ]
    return append_rows(connection, notice_items, rows)


def find_noted(connection: Connection, notifier: Notifier, notice: Notice) -> Mapping[str, Joined]:
    """Return those listings of a notice that an earlier one of its kind and notifier named, and which counted.

    Each repeats the last item on it; they are named by their digests.
    """
    query = (
        select(notice_items)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(notices.c.notifier_id == notifier.notifier_id, notices.c.kind == notice.kind, ~notices.c.is_suspended)
        .where(notice_items.c.listing_digest.in_([one.digest for one in notice.listings]))
        .where(notice_items.c.state.not_in(["repeated", "not found"]))
        .where(or_(notice_items.c.state != "undecided", notice_items.c.case_id.is_not(None)))  # of too few complaints
        .order_by(notice_items.c.item_id)
    )
    return {
        row.listing_digest: Joined("repeated", row.case_id, row.pseudonym, repeats=row.item_id)
        for row in connection.execute(query)
    }


def get_notice(connection: Connection, notice_id: int) -> StoredNotice:
    """Return a notice that stands in another table."""
    return StoredNotice(**connection.execute(select(notices).where(notices.c.notice_id == notice_id)).one()._asdict())


def encrypt_location(connection: Connection, pseudonym: str, one: NotedListing) -> str:
    """Return where a listing is, encrypted by a key: both the address and the id, as far as they are known."""
    return encrypt(connection, pseudonym, json.dumps({"url": one.url, "listing_id": one.listing_id}))


def read_location(connection: Connection, pseudonym: str, location: str) -> NotedListing | None:
    """Return where a listing is, by the key of its seller or else of the notifier; None once erased."""
    said = decrypt_if_kept(connection, pseudonym, location)
    return None if said is None else NotedListing(**json.loads(said))


def _encrypt(connection: Connection, notifier: Notifier, said: Mapping[str, Any]) -> str:
    return encrypt(connection, notifier.pseudonym, canonical_json(said))
