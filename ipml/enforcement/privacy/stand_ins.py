"""What stands in for a listing that was erased: the case can still be counted, and tells nothing of anybody.

Number, state, score, price, verdicts and moments stay. Brand and category stay where another seller has them, too:
whatever only one seller wrote there may be a name or a telephone number.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, delete, func, literal, or_, select, update

from ipml.enforcement.privacy.noted import join_notices
from ipml.enforcement.privacy.places import BLANKED
from ipml.records import Listing, ScoredListing
from ipml.review.cases import note_deed, subject_of
from ipml.review.ranking.worth import usual_keys
from ipml.review.snapshot import decode, encode
from ipml.storage import audit
from ipml.storage.tables import bands, case_texts, cases, decisions, goldens, looks, metadata, opinions, rankings

TITLE = "(erased)"
_MOST_NUMBERS = 500  # in one query


def replace_listings(connection: Connection, rows: Sequence[Row[Any]], seller: str, by: str, at: datetime) -> int:
    """Put stand-ins in the place of the listings of cases, with all that was made of these; return how many.

    Cases that were waiting for a decision are closed without one.

    Parameters
    ----------
    rows : sequence of rows of `cases`
        All of one seller, locked.
    seller : str
        What the seller is called from now on.
    by : str
        Who is noted in the audit trail.
    """
    rows = [row for row in rows if row.erased_at is None]
    lone = _find_lone_names(connection, rows)
    for start in range(0, len(rows), _MOST_NUMBERS):
        _replace(connection, rows[start : start + _MOST_NUMBERS], seller, lone, by, at)
    _forget_usual(connection, lone)
    for row in rows:
        if row.state != "decided":
            note_deed(connection, by, "closed", row.case_id, at, erased=True)
    return len(rows)


def empty_notes(connection: Connection, case_ids: Sequence[int], by: str, at: datetime) -> None:
    """Empty what people typed about cases."""
    for start in range(0, len(case_ids), _MOST_NUMBERS):
        numbers = case_ids[start : start + _MOST_NUMBERS]
        decided = select(decisions.c.decision_id).where(decisions.c.case_id.in_(numbers))
        for (name, found_by), columns in BLANKED.items():
            table = metadata.tables[name]
            if found_by in ("case_id", "decision_id"):
                wanted = table.c[found_by].in_(numbers if found_by == "case_id" else decided)
                is_left = or_(*(table.c[column].is_distinct_from(value) for column, value in columns.items()))
                audit.change_rows(
                    connection, update(table).where(wanted, is_left).values(**columns), by, "erased", at=at
                )


def stand_in_for(scored: ScoredListing, case_id: int, seller: str, lone: Collection[tuple[str, str]]) -> ScoredListing:
    """Return a scored listing of which only what tells of nobody is left.

    Examples
    --------
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag of Ann", brand="Acme"), 0.9, 2.2, (), (), None, "2024-05")
    >>> stand_in_for(bag, 12, "erased:5f1c", ()).listing
    Listing(listing_id='erased:12', seller_id='erased:5f1c', title='(erased)', ... brand='Acme', ...)
    """
    old = scored.listing
    kept = {
        name: value for name in ("brand", "category") if (value := getattr(old, name)) and (name, value) not in lone
    }
    listing = Listing(stand_in_id(case_id), seller, TITLE, price=old.price, currency=old.currency, **kept)
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
    )


def stand_in_id(case_id: int) -> str:
    """Return what an erased listing is called."""
    return f"erased:{case_id}"


def _replace(
    connection: Connection,
    rows: Sequence[Row[Any]],
    seller: str,
    lone: Collection[tuple[str, str]],
    by: str,
    at: datetime,
) -> None:
    numbers = [row.case_id for row in rows]
    for row in rows:
        stand_in = stand_in_for(decode(row.snapshot), row.case_id, seller, lone)
        columns = {
            "listing_key": stand_in.listing.listing_id,
            "listing_id": stand_in.listing.listing_id,
            "seller_id": seller,
            "brand": stand_in.listing.brand,
            "category": stand_in.listing.category,
            "snapshot": encode(stand_in),
            "content": None,
            "brand_read": stand_in.listing.brand and stand_in.listing.brand.strip().casefold(),
            "state": "decided",
            "holder": None,
            "lease_expires_at": None,
            "exemplar": None,
            "erased_at": at,
        }
        connection.execute(update(cases).where(cases.c.case_id == row.case_id).values(**columns))
    for table in (decisions, opinions):
        alias = literal("erased:").concat(cast(table.c.case_id, Text))
        audit.change_rows(
            connection, update(table).where(table.c.case_id.in_(numbers)).values(listing_id=alias), by, "erased", at=at
        )
    for table in (case_texts, bands):
        connection.execute(delete(table).where(table.c.case_id.in_(numbers)))
    _end_looks(connection, numbers, by, at)
    join_notices(connection, rows, by, at)
    empty_notes(connection, numbers, by, at)
    audit.append_all(connection, by, "erased", [(subject_of(number), {}) for number in numbers], at=at)


def _end_looks(connection: Connection, numbers: Sequence[int], by: str, at: datetime) -> None:
    """Nobody is asked to look at a stand-in."""
    pending = looks.c.case_id.in_(numbers), looks.c.ended_at.is_(None)
    connection.execute(update(looks).where(*pending).values(ended_at=at))
    listed = goldens.c.case_id.in_(numbers), goldens.c.removed_at.is_(None)
    audit.change_rows(connection, update(goldens).where(*listed).values(removed_at=at), by, "erased", at=at)


def _find_lone_names(connection: Connection, rows: Sequence[Row[Any]]) -> set[tuple[str, str]]:
    """Return the brands and categories that no other seller has, as (column, text)."""
    sellers = {row.seller_id for row in rows}
    named = {(name, value) for row in rows for name in ("brand", "category") if (value := getattr(row, name))}
    return {one for one in named if not connection.scalar(_others_have(*one, sellers))}


def _others_have(name: str, value: str, sellers: Collection[str]) -> Any:
    others = select(cases.c.case_id).where(cases.c[name] == value, cases.c.seller_id.not_in(sellers))
    return select(func.count()).select_from(others.limit(1).subquery())


def _forget_usual(connection: Connection, lone: Collection[tuple[str, str]]) -> None:
    """Take names that no other seller has out of the medians by which the queue was ranked."""
    keys = {key for name, value in lone for key in usual_keys(Listing("", "", "", **{name: value}))}  # type: ignore[arg-type]
    for ranking_id, usual in connection.execute(select(rankings.c.ranking_id, rankings.c.usual)) if keys else ():
        said = json.loads(usual)
        left = {part: {name: value for name, value in of.items() if name not in keys} for part, of in said.items()}
        if left != said:
            text = json.dumps(left, separators=(",", ":"))
            connection.execute(update(rankings).where(rankings.c.ranking_id == ranking_id).values(usual=text))
