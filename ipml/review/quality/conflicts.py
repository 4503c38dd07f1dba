"""Who must not judge what: nobody their own listing, nor both times where two persons are needed.

A source of cases passes over them with `is_free_for`; whoever asks for one by its number is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, delete, exists, insert, select

from ipml.errors import OwnListing, SamePerson, SellerNotKept, UnknownUser
from ipml.review.cases import is_free
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, opinions, user_sellers, users


def is_free_for(reviewer: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody has a live claim on a case, and that a reviewer may judge it."""
    return and_(is_free(now), may_judge(reviewer))


def may_judge(reviewer: str) -> ColumnElement[bool]:
    """Return the condition that a reviewer may judge a case: it is not their own, nor judged by them before."""
    is_own = exists().where(user_sellers.c.user_name == reviewer, user_sellers.c.seller_id == cases.c.seller_id)
    return and_(~is_own, ~exists().where(_is_half_of_two(reviewer), opinions.c.case_id == cases.c.case_id))


def refuse_conflict(connection: Connection, row: Row[Any], reviewer: str) -> None:
    """Raise OwnListing or SamePerson unless a reviewer may judge the case in a row."""
    refuse_conflicts(connection, [(row, reviewer)])


def refuse_conflicts(connection: Connection, wanted: Sequence[tuple[Row[Any], str]]) -> None:
    """Raise OwnListing or SamePerson unless each reviewer may judge the case in the row beside them."""
    for error in find_conflicts(connection, wanted):
        if error is not None:
            raise error


def find_conflicts(
    connection: Connection, wanted: Sequence[tuple[Row[Any], str]]
) -> list[OwnListing | SamePerson | None]:
    """Return for each case, and the reviewer beside it, why that reviewer must not judge it; None where they may."""
    own, halves = set[tuple[str, str]](), set[tuple[str, int]]()
    for reviewer in {name for _, name in wanted}:
        rows = [row for row, name in wanted if name == reviewer]
        sold = select(user_sellers.c.seller_id).where(user_sellers.c.user_name == reviewer)
        sold_in = user_sellers.c.seller_id.in_({row.seller_id for row in rows})
        own |= {(reviewer, seller_id) for seller_id in connection.scalars(sold.where(sold_in))}
        given = select(opinions.c.case_id).where(_is_half_of_two(reviewer))
        given_in = opinions.c.case_id.in_([row.case_id for row in rows])
        halves |= {(reviewer, case_id) for case_id in connection.scalars(given.where(given_in))}
    return [_name_conflict(row, reviewer, own, halves) for row, reviewer in wanted]


def _name_conflict(
    row: Row[Any], reviewer: str, own: set[tuple[str, str]], halves: set[tuple[str, int]]
) -> OwnListing | SamePerson | None:
    if (reviewer, row.seller_id) in own:
        return OwnListing(row.case_id, reviewer)
    return SamePerson(row.case_id, reviewer) if (reviewer, row.case_id) in halves else None


def refuse_own(connection: Connection, row: Row[Any], reviewer: str) -> None:
    """Raise OwnListing where somebody sells as the seller of the case in a row."""
    own = select(user_sellers.c.since).where(
        user_sellers.c.user_name == reviewer, user_sellers.c.seller_id == row.seller_id
    )
    if connection.execute(own).first() is not None:
        raise OwnListing(row.case_id, reviewer)


def add_seller(
    engine: Engine, name: str, seller_id: str, *, by: str = "command line", now: datetime | None = None
) -> None:
    """Note that a user sells under a seller, whose listings they then never judge; again changes nothing.

    Raises
    ------
    UnknownUser
        Nobody of that name may log in.
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name).with_for_update())
        if user_id is None:
            raise UnknownUser(name)
        if seller_id not in _sellers_of(connection, name):
            row = {"user_name": name, "seller_id": seller_id, "since": now}
            connection.execute(insert(user_sellers), row)
            audit.append(connection, by, "seller noted", f"user:{user_id}", {}, at=now)


def remove_seller(
    engine: Engine, name: str, seller_id: str, *, by: str = "command line", now: datetime | None = None
) -> None:
    """Forget that a user sells under a seller; SellerNotKept where that was not noted."""
    gone = delete(user_sellers).where(user_sellers.c.user_name == name, user_sellers.c.seller_id == seller_id)
    with writing(engine) as connection:
        if connection.execute(gone).rowcount == 0:
            raise SellerNotKept(name, seller_id)
        user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name))
        audit.append(connection, by, "seller forgotten", f"user:{user_id}", {}, at=now)


def list_sellers(engine: Engine, name: str) -> list[str]:
    """Return under which sellers a user sells, in order."""
    with reading(engine) as connection:
        return _sellers_of(connection, name)


def _sellers_of(connection: Connection, name: str) -> list[str]:
    query = select(user_sellers.c.seller_id).where(user_sellers.c.user_name == name)
    return sorted(connection.scalars(query))


def _is_half_of_two(reviewer: str) -> ColumnElement[bool]:
    return and_(
        opinions.c.reviewer == reviewer,
        opinions.c.kind.in_(["first", "second"]),
        opinions.c.withdrawn_at.is_(None),
    )
