"""Same pictures: finds near-duplicates and relistings by picture, after the worker has examined them.

Pictures are known only after a listing has become a case, so cases with newly grouped pictures are compared again. Only
the first picture counts, since later ones may be logos or size tables. Pictures that many sellers show join no cases
(see `ipml.review.pictures.same_picture`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update

from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase, find_cases, is_held
from ipml.review.near_duplicates.clusters import (
    LARGEST_SCORE_STEP,
    count_waiting,
    has_like_price,
    lock_clusters,
    move_forward,
    read_brand,
)
from ipml.review.pictures.same_picture import SamePicture, find_same_pictures
from ipml.storage.tables import cases, listings, pictures


def mark_same_pictures(
    connection: Connection, case_ids: Iterable[int], now: datetime, *, joins_alike: bool = True
) -> dict[int, int]:
    """Let cases wait for the same offer, and mark relistings of removed offers; return the exemplars.

    A case joins an open case of its seller with the same first picture and brand and about the same price, unless it
    scores higher, somebody holds it, or others wait for it. A case with the first picture of an earlier confirmed
    counterfeit is marked as a relisting of any seller. A listing that came over HTTP is scored again if its pictures
    bring news.
    """
    joined: dict[int, int] = {}
    for case_id in sorted(case_ids):
        shown = [one for one in find_same_pictures(connection, case_id) if not one.is_common]
        row = find_cases(connection, [case_id])[case_id]
        if any(one.decided or one.references for one in shown):
            query = update(listings).where(listings.c.listing_id == row.listing_id)
            connection.execute(query.values(news_at=now))
        found = next((one for one in shown if 0 in one.positions), None)
        if found is None:
            continue
        _mark_relisting(connection, row, found)
        exemplar = _find_exemplar(connection, row, found, now) if joins_alike else None
        if exemplar is not None:
            connection.execute(update(cases).where(cases.c.case_id == case_id).values(exemplar=exemplar))
            move_forward(connection, {exemplar: count_waiting(connection, [exemplar])[exemplar] - 1})
            joined[case_id] = exemplar
    return joined


def _mark_relisting(connection: Connection, row: StoredCase, found: SamePicture) -> None:
    before = [one.case_id for one in found.decided if one.is_counterfeit and one.decided_at <= row.enqueued_at]
    if row.relisting_of is None and (first := _with_first_picture(connection, before, found.group_id)):
        connection.execute(update(cases).where(cases.c.case_id == row.case_id).values(relisting_of=first[0]))


def _find_exemplar(connection: Connection, row: StoredCase, found: SamePicture, now: datetime) -> int | None:
    """Return the first case that another may wait for; both are locked, so that neither is decided meanwhile."""
    query = select(cases.c.case_id).where(
        cases.c.seller_id == row.seller_id,
        cases.c.state == "open",
        cases.c.exemplar.is_(None),
        cases.c.case_id != row.case_id,
        cases.c.case_id.in_(select(pictures.c.case_id).where(pictures.c.group_id == found.group_id)),
    )
    numbers = _with_first_picture(connection, connection.scalars(query.order_by(cases.c.case_id)).all(), found.group_id)
    if not numbers or not _may_wait(row, now):
        return None
    locked = lock_clusters(connection, [row.case_id, *numbers])
    is_waited_for = any(other.exemplar == row.case_id for other in locked.values())
    if is_waited_for or not _may_wait(locked[row.case_id], now):
        return None
    leaders = (locked[number] for number in numbers if locked[number].state == "open")
    return next((one.case_id for one in leaders if one.exemplar is None and _is_same_offer(row, one)), None)


def _may_wait(row: StoredCase, now: datetime) -> bool:
    is_wanted = is_held(row, now) or row.assigned_to is not None or row.drawn_at is not None
    return row.state == "open" and row.exemplar is None and not is_wanted


def _with_first_picture(connection: Connection, case_ids: Collection[int], group_id: int) -> list[int]:
    query = select(pictures.c.case_id).where(
        pictures.c.case_id.in_(case_ids), pictures.c.position == 0, pictures.c.group_id == group_id
    )
    has_it = set(connection.scalars(query)) if case_ids else set()
    return [case_id for case_id in case_ids if case_id in has_it]


def _is_same_offer(row: StoredCase, other: StoredCase) -> bool:
    one, that = decode(row.snapshot), decode(other.snapshot)
    steps = (-1.0 if row.score is None else row.score) - (-1.0 if other.score is None else other.score)
    is_priced_alike = has_like_price(one.listing, that.listing)
    return is_priced_alike and read_brand(one) == read_brand(that) and steps <= LARGEST_SCORE_STEP
