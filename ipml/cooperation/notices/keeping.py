"""Notices as they are kept: what was said sealed by the key of who said it, the same notice once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ipml.cooperation.notices.fields import count_seen
from ipml.cooperation.notices.joining import Joined
from ipml.cooperation.notices.notice import NotedListing, Notice
from ipml.cooperation.notices.rules import NoticeRules
from ipml.cooperation.notifiers.lanes import Lane
from ipml.errors import InvalidNotice, NoticeKeyReused, SellerErased
from ipml.records import Problem
from ipml.review.snapshot import digest
from ipml.storage.appending import append_rows
from ipml.storage.notifiers import Notifier
from ipml.storage.pseudonyms import keyed_digest, seal, unseal
from ipml.storage.tables import notice_items, notices, rights_documents

_REFERENCE_BYTES = 16  # nobody guesses 128 bits
_DOCUMENT = "the number of a trade mark or another right, as this is your first notice on the brand"
_OTHER_DOCUMENT = "another document of your right to the brand, as the one you named was not accepted"


@dataclass(frozen=True, slots=True)
class Place:
    """What is kept of one listing of a notice; `repeats` is the notifier's earlier item on the same listing."""

    joined: Joined
    repeats: int | None = None


def find_earlier(
    connection: Connection, notifier: Notifier, notice: Notice, rules: NoticeRules, now: datetime
) -> Row[Any] | None:
    """Return the notice that a request repeats: by its key, or by its content not long ago.

    Raises
    ------
    NoticeKeyReused
        The key came before with another content.
    """
    content = keyed_digest(connection, notifier.pseudonym, notice.content)
    theirs = select(notices).where(notices.c.notifier_id == notifier.notifier_id)
    if notice.key is not None:
        known = connection.execute(theirs.where(notices.c.key == digest(notice.key))).first()
        if known is not None and known.content_digest != content:
            raise NoticeKeyReused(notice.key)
        if known is not None:
            return known
    since = now - timedelta(days=rules.repeat_days)
    same = theirs.where(notices.c.content_digest == content, notices.c.received_at >= since)
    return connection.execute(same.order_by(notices.c.notice_id.desc()).limit(1)).first()


def require_reasons(notice: Notice, lane: Lane) -> None:
    """Raise InvalidNotice where a notifier of this lane must say more of why the listings are counterfeit."""
    seen, least = count_seen(notice.explanation), lane.least_explanation_letters
    if seen < least:
        expected = f"at least {least}, of a notifier of whom no more is known"
        raise InvalidNotice([Problem(1, "explanation", f"{seen} letters that can be seen", expected)])


def keep_rights(
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
    brand = notice.brand.casefold()
    known = next((row for row in connection.execute(theirs).all() if row.brand.casefold() == brand), None)
    if known is not None and known.is_accepted is not False:
        return None
    if notice.rights is None:
        if lane.needs_rights_document:
            raise InvalidNotice([Problem(1, "rights", "nothing", _DOCUMENT if known is None else _OTHER_DOCUMENT)])
        return None
    fields: dict[str, Any] = {"reference": seal(connection, notifier.pseudonym, notice.rights), "filed_at": now}
    if known is None:
        fields |= {"notifier_id": notifier.notifier_id, "brand": notice.brand}
        return "rights filed", append_rows(connection, rights_documents, [fields])[0]
    fields |= {"checked_by": None, "checked_at": None, "is_accepted": None}
    is_known = rights_documents.c.document_id == known.document_id
    connection.execute(update(rights_documents).where(is_known).values(fields))
    return "rights filed again", known.document_id


def keep_notice(connection: Connection, notifier: Notifier, notice: Notice, lane: Lane, now: datetime) -> Row[Any]:
    """Keep what a notice says; its listings are kept by `keep_listings`."""
    order = notice.order and {"order_id": notice.order.order_id, "bought_at": _write(notice.order.bought_at)}
    fields = {
        "reference": secrets.token_hex(_REFERENCE_BYTES),
        "notifier_id": notifier.notifier_id,
        "kind": notice.kind,
        "brand": notice.brand,
        "sealed": _seal(connection, notifier, {"name": notice.name, "language": notice.language}),
        "explanation": _seal(connection, notifier, {"explanation": notice.explanation, "order": order}),
        "key": None if notice.key is None else digest(notice.key),
        "content_digest": keyed_digest(connection, notifier.pseudonym, notice.content),
        "tier": lane.tier,
        "received_at": now,
        "is_suspended": lane.is_suspended,
    }
    return connection.execute(insert(notices).values(fields).returning(notices)).one()


def keep_listings(
    connection: Connection, notifier: Notifier, notice: Notice, notice_id: int, places: Sequence[Place], now: datetime
) -> list[int]:
    """Keep where the listings of a notice are, each sealed by the seller's key where the seller is known.

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
            "location": seal_location(connection, place.joined.pseudonym or notifier.pseudonym, one),
            "pseudonym": place.joined.pseudonym,
            "case_id": place.joined.case_id,
            "state": place.joined.state,
            "repeats": place.repeats,
            "decision_id": place.joined.decision_id,
            "settled_at": None if place.joined.state in ("unknown", "waiting") else now,
        }
        for position, (one, place) in enumerate(zip(notice.listings, places, strict=True), start=1)
    ]
    return append_rows(connection, notice_items, rows)


def find_noted(connection: Connection, notifier: Notifier, notice: Notice) -> Mapping[str, Row[Any]]:
    """Return the notifier's last item on each listing of a notice, by digest: of notices of its kind that counted."""
    query = (
        select(notice_items)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(notices.c.notifier_id == notifier.notifier_id, notices.c.kind == notice.kind, ~notices.c.is_suspended)
        .where(notice_items.c.listing_digest.in_([one.digest for one in notice.listings]))
        .where(notice_items.c.state.not_in(["repeated", "not found"]))
        .order_by(notice_items.c.item_id)
    )
    return {row.listing_digest: row for row in connection.execute(query)}


def seal_location(connection: Connection, pseudonym: str, one: NotedListing) -> str:
    """Return where a listing is, sealed by a key: both the address and the id, as far as they are known."""
    return seal(connection, pseudonym, json.dumps({"url": one.url, "listing_id": one.listing_id}))


def read_location(connection: Connection, item: Row[Any], theirs: str) -> NotedListing | None:
    """Return where the listing of an item is, by the seller's key or else by the notifier's; None once erased."""
    if not item.location:
        return None
    try:
        return NotedListing(**json.loads(unseal(connection, item.pseudonym or theirs, item.location)))
    except SellerErased:
        return None


def get_notice(connection: Connection, notice_id: int) -> Row[Any]:
    """Return the row of a notice that stands in another table."""
    return connection.execute(select(notices).where(notices.c.notice_id == notice_id)).one()


def _seal(connection: Connection, notifier: Notifier, said: Mapping[str, Any]) -> str:
    return seal(connection, notifier.pseudonym, json.dumps(said, separators=(",", ":"), sort_keys=True))


def _write(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
