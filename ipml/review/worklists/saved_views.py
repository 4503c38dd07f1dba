"""Saved views: named filters, orders and states of the case list, as in its URL.

A view is private or shared. Users can choose one of their visible views as start view, in which they also work.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.review.arrivals.snapshot import check_text
from ipml.storage.database import Lock, serialise
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import saved_views, start_views, users

LONGEST_VIEW_NAME, MOST_VIEWS = 40, 50
_LONGEST_QUERY = 2_000


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view as one user sees it. `query` is the URL's part after "/?". `is_own` and `is_start` refer to that user."""

    view_id: int
    name: str
    query: str
    owner: str
    is_shared: bool
    is_own: bool
    is_start: bool


def list_views(connection: Connection, user_id: int) -> list[SavedView]:
    """Return a user's own and shared views: the start view first, then by name."""
    is_start = start_views.c.view_id.is_not(None)
    query = (
        select(saved_views, users.c.name.label("owner"), is_start.label("is_start"))
        .join(users, users.c.user_id == saved_views.c.user_id)
        .outerjoin(start_views, and_(start_views.c.view_id == saved_views.c.view_id, start_views.c.user_id == user_id))
        .where(or_(saved_views.c.user_id == user_id, saved_views.c.is_shared))
        .order_by(is_start.desc(), func.lower(saved_views.c.name), saved_views.c.view_id)
    )
    return [
        SavedView(
            row.view_id, row.name, row.query, row.owner, row.is_shared, row.user_id == user_id, bool(row.is_start)
        )
        for row in connection.execute(query)
    ]


def find_start(connection: Connection, user_id: int) -> SavedView | None:
    """Return a user's start view, or None."""
    return next((one for one in list_views(connection, user_id) if one.is_start), None)


def save_view(
    connection: Connection, user_id: int, name: str, query: str, *, is_shared: bool = False, names: str | None = None
) -> int:
    """Save a view, replacing the user's view of that name and keeping its sharing; return its number.

    `name` has 1 to 40 characters. `query` is the URL's part after "/?". `names` is the seller that the query names, or
    words of it that may name one: the view is erased with that seller.

    Raises UnstorableValue; Conflict if the user has 50 already.
    """
    name = _check(name)
    if not query or len(query) > _LONGEST_QUERY:
        raise UnstorableValue("view", "the whole list" if not query else "a long one", "a filter, an order or a state")
    serialise(connection, Lock.SAVE_VIEWS)
    own = [one for one in list_views(connection, user_id) if one.is_own]
    known = next((one for one in own if one.name == name), None)
    columns = {"query": query, "seller_id": names, "is_shared": is_shared or (known is not None and known.is_shared)}
    if known is not None:
        connection.execute(update(saved_views).where(saved_views.c.view_id == known.view_id).values(columns))
        return known.view_id
    if len(own) >= MOST_VIEWS:
        raise Conflict("saved views", f"you have {len(own)} already", "Remove one that you do not need.")
    (number,) = append_rows(connection, saved_views, [{"user_id": user_id, "name": name, **columns}])
    return number


def change_view(connection: Connection, user_id: int, view_id: int, name: str, *, is_shared: bool) -> None:
    """Rename, share or unshare a view that a user sees.

    Raises NotFound or UnstorableValue; Conflict if its owner has another of that name.
    """
    name = _check(name)
    serialise(connection, Lock.SAVE_VIEWS)
    get_view(connection, user_id, view_id)
    owner = select(saved_views.c.user_id).where(saved_views.c.view_id == view_id).scalar_subquery()
    others = saved_views.c.user_id == owner, saved_views.c.name == name, saved_views.c.view_id != view_id
    if connection.scalar(select(func.count()).where(*others)):
        raise Conflict(f"view {name!r}", "there is one of that name", "Choose another name.")
    fields = {"name": name, "is_shared": is_shared}
    connection.execute(update(saved_views).where(saved_views.c.view_id == view_id).values(fields))
    if not is_shared:  # it is no longer anybody else's start view
        theirs = start_views.c.view_id == view_id, start_views.c.user_id != owner
        connection.execute(delete(start_views).where(*theirs))


def remove_view(connection: Connection, user_id: int, view_id: int) -> None:
    """Remove a view that a user sees; users who started with it get the whole list. NotFound if there is none."""
    get_view(connection, user_id, view_id)
    connection.execute(delete(saved_views).where(saved_views.c.view_id == view_id))


def begin_with(connection: Connection, user_id: int, view_id: int | None) -> None:
    """Set a user's start view, or with None all open cases. NotFound if there is none."""
    serialise(connection, Lock.SAVE_VIEWS)
    if view_id is not None:
        get_view(connection, user_id, view_id)
    connection.execute(delete(start_views).where(start_views.c.user_id == user_id))
    if view_id is not None:
        connection.execute(insert(start_views), {"user_id": user_id, "view_id": view_id})


def get_view(connection: Connection, user_id: int, view_id: int) -> SavedView:
    """Return a view that a user sees; NotFound if there is none."""
    found = next((one for one in list_views(connection, user_id) if one.view_id == view_id), None)
    if found is None:
        raise NotFound("view", view_id, "The list of cases shows those that there are.")
    return found


def _check(name: str) -> str:
    name = " ".join(name.split())
    check_text("name", name, LONGEST_VIEW_NAME)
    if not name:
        raise UnstorableValue("name", "nothing", f"1 to {LONGEST_VIEW_NAME} characters")
    return name
