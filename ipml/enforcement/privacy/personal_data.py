"""Personal data: lists the columns that may hold a seller's data, and replaces that data on erasure.

Every text column must be declared here; a test fails otherwise. A `CLEAR` column must also be in `BLANKED`, `REMOVED`
or `REPLACED`: erasure uses these lists only. A case whose listing was replaced can still be counted: number, state,
score, price, verdicts and times stay. Brand and category stay if another seller has them; otherwise they may be a name
or a telephone number. Notices of erased listings state neither the seller nor the address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, delete, literal, or_, select, update

from ipml.enforcement.takedown.handed_over import find_held, make_placeholder_id
from ipml.kit.canonical_json import canonical_json
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.snapshot import decode, encode
from ipml.review.cases import StoredCase, subject_of
from ipml.review.near_duplicates.relistings import refresh_matches
from ipml.review.ranking.policy import usual_keys
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import (
    bands,
    case_texts,
    cases,
    control_cases,
    decisions,
    metadata,
    notice_items,
    notices,
    pictures,
    rankings,
    second_reviews,
    second_verdicts,
    translations,
)


class Holds(StrEnum):
    """Kind of seller data in a column."""

    NOTHING = "nothing"
    PSEUDONYM = "a pseudonym, or a value derived from it"
    ENCRYPTED = "text encrypted with the seller's key"
    CLEAR = "data of a seller in the clear, or free text that may contain it"


NOTHING, PSEUDONYM, ENCRYPTED, CLEAR = Holds

# Names of staff (reviewer, holder, actor, …) are not data of a seller.
TEXTS: dict[str, dict[str, Holds]] = {
    "appeal_outcomes": dict.fromkeys(("outcome", "decided_by", "measure_kind"), NOTHING) | {"why": ENCRYPTED},
    "appeals": dict.fromkeys(("subject", "kind", "profile", "state", "key", "holder"), NOTHING)
    | {"pseudonym": PSEUDONYM, "text": ENCRYPTED, "reference": ENCRYPTED},
    "audit": dict.fromkeys(("actor", "action", "previous", "hash"), NOTHING)
    | {"subject": PSEUDONYM, "payload": PSEUDONYM},
    "automatic_decisions": {"brand": CLEAR},
    "automatic_draws": {"model_version": NOTHING, "brand": CLEAR},
    "case_comments": {"pseudonym": PSEUDONYM, "author": NOTHING, "encrypted": ENCRYPTED},
    "case_texts": {"text": CLEAR},
    "inbox_messages": {"user_name": NOTHING, "kind": NOTHING},
    "translations": {"digest": NOTHING, "text": CLEAR, "language": NOTHING},
    "cases": dict.fromkeys(("model_version", "state", "holder", "expected_value", "lane"), NOTHING)
    | dict.fromkeys(("assigned_to", "script", "match_kind"), NOTHING)
    | dict.fromkeys(("listing_key", "listing_id", "seller_id", "brand", "snapshot", "category", "brand_read"), CLEAR)
    | {"content": PSEUDONYM},
    "deadline_events": dict.fromkeys(("kind", "by", "payload"), NOTHING),
    "deadlines": dict.fromkeys(("subject", "stage", "profile", "state"), NOTHING),
    "referral_outcomes": dict.fromkeys(("kind", "why", "noted_by", "currency"), NOTHING),
    "referrals": dict.fromkeys(
        (
            *("reference", "recipient", "brand", "purpose", "built_by", "content_digest", "currency", "signs"),
            "received_by",
        ),
        NOTHING,
    )
    | {"members_digest": PSEUDONYM},
    "decisions": dict.fromkeys(("verdict", "ground", "reviewer", "lane", "origin", "group_key"), NOTHING)
    | dict.fromkeys(("listing_id", "note", "key"), CLEAR),
    "disclosures": {"pseudonym": PSEUDONYM, "name": PSEUDONYM},
    "enforcement_policies": {"digest": NOTHING, "policy": NOTHING},
    "erasures": {"pseudonym": PSEUDONYM, "erased_by": NOTHING, "why": NOTHING},
    "evidence": {"pseudonym": PSEUDONYM, "digest": PSEUDONYM, "encrypted": ENCRYPTED},
    "control_cases": {"truth": NOTHING, "source": CLEAR, "added_by": NOTHING},
    "identities": {"issuer": NOTHING, "subject": NOTHING},
    "jobs": dict.fromkeys(("name", "schedule", "runner", "outcome", "words"), NOTHING),
    "legal_holds": {"pseudonym": PSEUDONYM, "encrypted": ENCRYPTED, "placed_by": NOTHING, "released_by": NOTHING},
    "linked_accounts": dict.fromkeys(("kind", "outcome", "decided_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "linked_to": PSEUDONYM, "evidence": ENCRYPTED, "why": ENCRYPTED},
    "listings": {"model_version": NOTHING, "own_history": NOTHING, "sent": PSEUDONYM, "content": PSEUDONYM}
    | {"url_digest": PSEUDONYM}
    | dict.fromkeys(("listing_id", "seller_id", "snapshot"), CLEAR),
    "second_reviews": dict.fromkeys(("kind", "wanted_of", "not_by", "holder"), NOTHING),
    "measures": dict.fromkeys(("kind", "territories", "policy_digest", "imposed_by", "lifted_by", "source"), NOTHING)
    | {"pseudonym": PSEUDONYM, "why": ENCRYPTED, "why_lifted": ENCRYPTED, "why_refused": ENCRYPTED},
    "measure_messages": {"key": NOTHING, "effect": NOTHING},
    "measure_stakes": dict.fromkeys(("size_band", "age_band", "currency"), NOTHING),
    # A notifier's own key encrypts `encrypted`, `reference`, `why`, `ground` and `explanation`. Explanations are about
    # sellers, whose keys do not protect them: they count as clear.
    "notice_items": {"listing_digest": CLEAR, "location": ENCRYPTED, "pseudonym": PSEUDONYM, "state": NOTHING},
    "notice_templates": {"brand": NOTHING, "encrypted": ENCRYPTED, "changed_by": NOTHING},
    "notices": dict.fromkeys(("reference", "kind", "brand", "key", "content_digest", "tier"), NOTHING)
    | {"encrypted": ENCRYPTED, "explanation": CLEAR},
    "notifier_appointments": {"kind": NOTHING, "made_by": NOTHING, "ground": ENCRYPTED},
    "notifier_steps": {"kind": NOTHING, "taken_by": NOTHING, "why": ENCRYPTED},
    "notifiers": dict.fromkeys(("address", "pseudonym", "key", "kind"), NOTHING),
    "second_verdicts": dict.fromkeys(("kind", "verdict", "ground", "reviewer"), NOTHING)
    | dict.fromkeys(("listing_id", "note", "key"), CLEAR),
    "outbox": dict.fromkeys(("key", "channel", "kind", "subject", "state", "holder", "dropped_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "body": ENCRYPTED, "last_error": ENCRYPTED, "why_dropped": ENCRYPTED},
    "penalties": dict.fromkeys(("kind", "policy_digest", "imposed_by", "ended_as", "ended_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "why": ENCRYPTED, "why_ended": ENCRYPTED, "why_confirmed": ENCRYPTED},
    "picture_proposals": dict.fromkeys(("brand", "digest", "kind", "shows", "proposed_by"), NOTHING)
    | dict.fromkeys(("outcome", "why_rejected", "decided_by"), NOTHING),
    "picture_groups": dict.fromkeys(("hash", "colours"), PSEUDONYM),
    "pictures": dict.fromkeys(("state", "kind"), NOTHING)
    | {"digest": PSEUDONYM}
    | dict.fromkeys(("address", "found_at", "why"), CLEAR),
    "platform_answers": dict.fromkeys(("key", "status", "told_by"), NOTHING) | {"why": ENCRYPTED},
    "portfolio_listings": {"model_version": NOTHING} | dict.fromkeys(("listing_id", "seller_id"), CLEAR),
    "portfolios": {"model_version": NOTHING, "seller_id": CLEAR},
    "promises": dict.fromkeys(("brand", "event", "cause", "actor", "why", "policy_digest", "model_version"), NOTHING),
    "rankings": dict.fromkeys(("actor", "order", "policy_digest", "policy"), NOTHING) | {"usual": CLEAR},
    "reference_pictures": dict.fromkeys(("digest", "kind", "brand", "source", "added_by", "removed_by"), NOTHING),
    "review_queues": dict.fromkeys(("name", "rule", "changed_by"), NOTHING),
    # Written for no single case: the page says to name nobody.
    "note_templates": dict.fromkeys(("ground", "text", "changed_by"), NOTHING),
    "reversals": {"reviewer": NOTHING, "why": CLEAR},
    "screened_pictures": dict.fromkeys(("state", "kind"), NOTHING)
    | {"digest": PSEUDONYM}
    | dict.fromkeys(("listing_id", "seller_id", "address", "found_at", "why"), CLEAR),
    "screening_days": {"day": NOTHING},
    "seeds": {"seed": NOTHING},
    "seller_events": {"kind": NOTHING} | dict.fromkeys(("event_id", "seller_id", "listing_id"), CLEAR),
    "seller_keys": {"seller_id": CLEAR, "pseudonym": PSEUDONYM, "key": CLEAR},
    "rights_documents": dict.fromkeys(("brand", "reference", "checked_by", "details"), NOTHING),
    "rights_files": {"content": NOTHING},
    "seller_list_entries": dict.fromkeys(("kind", "brand", "brand_read", "origin", "added_by", "removed_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "encrypted": ENCRYPTED, "why_removed": ENCRYPTED},
    "seller_languages": {"seller_id": CLEAR, "language": CLEAR},
    "seller_proposals": dict.fromkeys(("brand", "proposed_by", "outcome", "decided_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "encrypted": ENCRYPTED, "why_declined": ENCRYPTED},
    "sessions": {"token_hash": NOTHING},
    "saved_views": dict.fromkeys(("name", "query", "seller_id"), CLEAR),
    "samples": dict.fromkeys(("digest", "file_digest", "model_version", "rule"), NOTHING),
    "changes": dict.fromkeys(("kind", "changed_by", "content"), NOTHING),
    "spread_audits": {"verdict": NOTHING},
    # Facts and payload name brands and categories of the policy only, and nobody.
    "statements": dict.fromkeys(("subject", "puid", "facts", "payload", "policy_digest"), NOTHING)
    | {"pseudonym": PSEUDONYM, "letter": ENCRYPTED},
    "strikes": dict.fromkeys(("ground", "category", "policy_digest", "currency"), NOTHING) | {"pseudonym": PSEUDONYM},
    "strikes_taken_back": {"by": NOTHING, "why": ENCRYPTED},
    "tries": {"address": NOTHING, "name_hash": NOTHING},
    "user_brands": dict.fromkeys(("brand", "bound_by", "ended_by"), NOTHING),
    "user_sellers": {"user_name": NOTHING, "seller_id": CLEAR},
    "users": dict.fromkeys(("name", "password_hash", "role"), NOTHING),
}

# Values that replace texts in rows about the seller, by table and the column that finds these rows.
BLANKED: dict[tuple[str, str], dict[str, str | None]] = {
    ("decisions", "case_id"): {"note": "", "key": None},
    ("second_verdicts", "case_id"): {"note": "", "key": None},
    ("control_cases", "case_id"): {"source": ""},
    ("reversals", "decision_id"): {"why": ""},
    ("automatic_draws", "case_id"): {"brand": ""},
    ("automatic_decisions", "decision_id"): {"brand": ""},
    ("notice_items", "case_id"): {"listing_digest": ""},
    ("notices", "notice_id"): {"explanation": ""},
}

# Tables whose rows are deleted with the seller, and the column that finds these rows.
REMOVED: dict[str, str] = {
    "case_texts": "case_id",
    "translations": "case_id",
    "bands": "case_id",
    "pictures": "case_id",
    "listings": "seller_id",
    "screened_pictures": "seller_id",
    "seller_events": "seller_id",
    "seller_languages": "seller_id",
    "portfolio_listings": "seller_id",
    "portfolios": "seller_id",
    "user_sellers": "seller_id",
    "saved_views": "seller_id",
    "seller_keys": "seller_id",
}

# Columns that receive a placeholder of the listing or of data derived from it.
REPLACED: dict[str, tuple[str, ...]] = {
    "cases": ("listing_key", "listing_id", "seller_id", "brand", "snapshot", "category", "brand_read"),
    "decisions": ("listing_id",),
    "second_verdicts": ("listing_id",),
    "rankings": ("usual",),
}


def touched_tables() -> frozenset[str]:
    """Return the tables that the erasure of a seller changes."""
    return frozenset({*(table for table, _ in BLANKED), *REMOVED, *REPLACED})


def encrypted_tables() -> list[str]:
    """Return the tables that refer to sellers by pseudonym, in order."""
    return [name for name in metadata.tables if "pseudonym" in metadata.tables[name].c and name != "seller_keys"]


_MOST_NUMBERS = 500  # in one query
_STATES = ("open", "decided", "escalated", "superseded")


def _join_notices(batch: audit.AuditBatch, rows: Sequence[StoredCase], by: str, at: datetime) -> None:
    """Join notice items without a case to the cases of their listings, and empty their addresses.

    An address is encrypted with the notifier's key, which outlives the seller's. Joined items wait for cases that are
    then closed for good. `rows` are the cases before the replacement, at most a few hundred.
    """
    numbers = {digest_listing(row.listing_id): row.case_id for row in rows}
    columns = (notice_items.c[name] for name in ("item_id", "listing_digest", "state", "case_id"))
    query = select(*columns).where(notice_items.c.listing_digest.in_(numbers)).order_by(notice_items.c.item_id)
    # With the condition in the query, SQLite would scan all items without a case.
    for item in [item for item in batch.connection.execute(query) if item.case_id is None]:
        is_unknown = item.state == "unknown"
        state = "waiting" if is_unknown else item.state
        fields = {"case_id": numbers[item.listing_digest], "state": state, "location": "", "listing_digest": ""}
        change = update(notice_items).where(notice_items.c.item_id == item.item_id).values(fields)
        audit.change_rows(batch, change, by, "item joined" if is_unknown else "erased", at=at)


def empty_explanations(connection: Connection, case_ids: Sequence[int], by: str, at: datetime) -> None:
    """Empty the explanations in notices of cases: their authors may have named the seller."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        about = select(notice_items.c.notice_id).where(notice_items.c.case_id.in_(numbers))
        left = update(notices).where(notices.c.notice_id.in_(about), notices.c.explanation != "")
        audit.change_rows(connection, left.values(**BLANKED["notices", "notice_id"]), by, "erased", at=at)


TITLE = "(erased)"


Names = Mapping[tuple[str, str], bool]
"""By (column, text) of brands and categories: whether only one seller has it."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A replacement of listings by placeholders.

    - `sellers`: replacement of each seller id.
    - `gone`: the seller being erased.
    - `names`: result of `find_names`; other names are looked up.
    """

    sellers: Mapping[str, str]
    by: str
    at: datetime
    gone: str | None = None
    names: Names = field(default_factory=dict)


def replace_listings(connection: Connection, rows: Sequence[StoredCase], change: Replacement) -> int:
    """Replace the listings of locked cases and everything derived from them by placeholders; return how many.

    Cases that wait for a decision are closed without one. A decision keeps the id of a listing that another seller has
    taken over while its measure is in force (`ipml.enforcement.takedown.handed_over`).
    """
    rows = [row for row in rows if row.erased_at is None]
    held = find_held(connection, rows, change.gone)
    with audit.collect(connection) as batch:
        lone = {name for name, is_lone in find_names(connection, rows, change.names).items() if is_lone}
        for start in range(0, len(rows), _MOST_NUMBERS):
            _replace(batch, rows[start : start + _MOST_NUMBERS], change, lone, held)
        _forget_usual(connection, lone)
        closed = [(subject_of(row.case_id), {"erased": True}) for row in rows if row.state != "decided"]
        audit.append_all(batch, change.by, "closed", closed, at=change.at)
    return len(rows)


def empty_notes(trail: audit.Trail, case_ids: Sequence[int], by: str, at: datetime) -> None:
    """Empty the texts that people typed about cases."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        decided = select(decisions.c.decision_id).where(decisions.c.case_id.in_(numbers))
        for (name, found_by), columns in BLANKED.items():
            table = metadata.tables[name]
            if found_by in ("case_id", "decision_id"):
                is_about = table.c[found_by].in_(numbers if found_by == "case_id" else decided)
                is_left = or_(*(table.c[column].is_distinct_from(value) for column, value in columns.items()))
                audit.change_rows(trail, update(table).where(is_about, is_left).values(**columns), by, "erased", at=at)


def _make_placeholder(
    scored: ScoredListing, case_id: int, seller: str, lone: Collection[tuple[str, str]]
) -> ScoredListing:
    """Return a scored listing without personal data; brand and category stay unless they are in `lone`.

    >>> bag = ScoredListing(Listing("A7", "s1", "Bag of Ann", brand="Acme"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _make_placeholder(bag, 12, "erased:5f1c", ()).listing
    Listing(listing_id='erased:12', seller_id='erased:5f1c', title='(erased)', ... brand='Acme', ...)
    """
    old = scored.listing
    kept = {
        name: value for name in ("brand", "category") if (value := getattr(old, name)) and (name, value) not in lone
    }
    listing = Listing(make_placeholder_id(case_id), seller, TITLE, price=old.price, currency=old.currency, **kept)
    return ScoredListing(
        listing,
        scored.score,
        scored.log_odds,
        reasons=(),
        highlights=(),
        price_range=scored.price_range if "brand" in kept else None,
        model_version=scored.model_version,
        abstained=scored.abstained,
        score_low=scored.score_low,
        score_high=scored.score_high,
        warning=scored.warning,
    )


def _replace(
    batch: audit.AuditBatch,
    rows: Sequence[StoredCase],
    change: Replacement,
    lone: Collection[tuple[str, str]],
    held: Collection[int],
) -> None:
    connection, by, at, numbers = batch.connection, change.by, change.at, [row.case_id for row in rows]
    changes = []
    for row in rows:
        placeholder = _make_placeholder(decode(row.snapshot), row.case_id, change.sellers[row.seller_id], lone)
        replaced = {
            "numbered": row.case_id,
            "listing_key": placeholder.listing.listing_id,
            "listing_id": placeholder.listing.listing_id,
            "seller_id": placeholder.listing.seller_id,
            "brand": placeholder.listing.brand,
            "category": placeholder.listing.category,
            "snapshot": encode(placeholder),
            "content": None,
            "brand_read": placeholder.listing.brand and placeholder.listing.brand.strip().casefold(),
            "state": "decided",
            "holder": None,
            "lease_expires_at": None,
            "exemplar": None,
            "erased_at": at,
        }
        changes.append(replaced)
    connection.execute(update(cases).where(cases.c.case_id == bindparam("numbered")), changes)
    for table in (decisions, second_verdicts):
        alias = literal("erased:").concat(cast(table.c.case_id, Text))
        renamed = [number for number in numbers if table is not decisions or number not in held]
        rename = update(table).where(table.c.case_id.in_(renamed)).values(listing_id=alias)
        audit.change_rows(batch, rename, by, "erased", at=at)
    for table in (case_texts, bands, translations, pictures):
        connection.execute(delete(table).where(table.c.case_id.in_(numbers)))
    refresh_matches(connection, numbers)
    _end_second_reviews(batch, numbers, by, at)
    _join_notices(batch, rows, by, at)
    empty_notes(batch, numbers, by, at)
    audit.append_all(batch, by, "erased", [(subject_of(number), {}) for number in numbers], at=at)


def _end_second_reviews(batch: audit.AuditBatch, numbers: Sequence[int], by: str, at: datetime) -> None:
    connection = batch.connection
    query = select(second_reviews.c.review_id, second_reviews.c.ended_at)
    # With the condition in the query, SQLite would scan all pending second reviews.
    reviews = connection.execute(query.where(second_reviews.c.case_id.in_(numbers)))
    if pending := [review.review_id for review in reviews if review.ended_at is None]:
        ended = update(second_reviews).where(second_reviews.c.review_id.in_(pending))
        connection.execute(ended.values(ended_at=at))
    listed = control_cases.c.case_id.in_(numbers), control_cases.c.removed_at.is_(None)
    audit.change_rows(batch, update(control_cases).where(*listed).values(removed_at=at), by, "erased", at=at)


def find_names(connection: Connection, rows: Iterable[StoredCase | Row[Any, Any]], known: Names) -> Names:
    """Map the brands and categories of cases to whether only one seller has them."""
    named = {(name, value) for row in rows for name in ("brand", "category") if (value := getattr(row, name))}
    return {pair: known[pair] if pair in known else not connection.scalar(_find_another(*pair)) for pair in named}


def _find_another(name: str, value: str) -> Select[tuple[bool]]:
    """Return the query whether a second seller has a name that some case has."""
    # All states are listed because the indexes of brands and categories begin with the state. With DISTINCT sellers,
    # PostgreSQL would read all cases of the name.
    has_name = cases.c.state.in_(_STATES), cases.c[name] == value
    seller_id = select(cases.c.seller_id).where(*has_name).limit(1).scalar_subquery()
    return select(select(cases.c.case_id).where(*has_name, cases.c.seller_id != seller_id).exists())


def _forget_usual(connection: Connection, lone: Collection[tuple[str, str]]) -> None:
    """Remove names that no other seller has from the medians of stored rankings."""
    keys = {key for name, value in lone for key in usual_keys(Listing("", "", "", **{name: value}))}  # type: ignore[arg-type]
    for ranking_id, usual in connection.execute(select(rankings.c.ranking_id, rankings.c.usual)) if keys else ():
        medians = json.loads(usual)
        left = {part: {name: value for name, value in of.items() if name not in keys} for part, of in medians.items()}
        if left != medians:
            text = canonical_json(left)
            connection.execute(update(rankings).where(rankings.c.ranking_id == ranking_id).values(usual=text))
