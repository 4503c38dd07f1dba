"""Views of the list of cases that people saved under a name: a filter, an order and a state, as an address has them.

A view is its maker's, or shared with everybody. One of those that a person sees may be the view that their list
begins with, and that they work in.
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
    """A view as one person sees it.

    Attributes
    ----------
    query : str
        What the address of the list says after "/?".
    owner : str
        Name of the user who saved it.
    is_own, is_start : bool
        Whether it is the person's own; whether their list begins with it.
    """

    view_id: int
    name: str
    query: str
    owner: str
    is_shared: bool
    is_own: bool
    is_start: bool


def list_views(connection: Connection, user_id: int) -> list[SavedView]:
    """Return the views that a person sees, their own and the shared ones: that of the start first, then by name."""
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
    """Return the view that a person's list begins with, if they chose one."""
    return next((one for one in list_views(connection, user_id) if one.is_start), None)


def save_view(
    connection: Connection, user_id: int, name: str, query: str, *, is_shared: bool = False, names: str | None = None
) -> int:
    """Save a view under a name, in place of the one that the person has under it, shared as that is; return its number.

    Parameters
    ----------
    name : str
        1 to 40 characters.
    query : str
        What the address of the list says after "/?".
    names : str, optional
        The seller whom the query names, or words of it that may name one: the view is erased with that seller.

    Raises
    ------
    UnstorableValue
    Conflict
        The person has 50 already.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.web.accounts.permissions import Role
    >>> from ipml.web.accounts.users import add_user
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     _ = add_user(connection, "ana", "correct horse battery", Role.REVIEWER)
    ...     number = save_view(connection, 1, "Sure Acme", "brand=Acme&least=90")
    ...     begin_with(connection, 1, number)
    ...     find_start(connection, 1).query
    'brand=Acme&least=90'
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
    """Give a view that a person sees another name, share it, or share it no longer.

    Raises
    ------
    NotFound, UnstorableValue
    Conflict
        Its owner has another of that name.
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
    if not is_shared:  # nobody else begins with it any more
        theirs = start_views.c.view_id == view_id, start_views.c.user_id != owner
        connection.execute(delete(start_views).where(*theirs))


def remove_view(connection: Connection, user_id: int, view_id: int) -> None:
    """Remove a view that a person sees; whose list began with it has the whole list. NotFound if there is none."""
    get_view(connection, user_id, view_id)
    connection.execute(delete(saved_views).where(saved_views.c.view_id == view_id))


def begin_with(connection: Connection, user_id: int, view_id: int | None) -> None:
    """Have a person's list begin with a view that they see, or with all open cases. NotFound if there is none."""
    serialise(connection, Lock.SAVE_VIEWS)
    if view_id is not None:
        get_view(connection, user_id, view_id)
    connection.execute(delete(start_views).where(start_views.c.user_id == user_id))
    if view_id is not None:
        connection.execute(insert(start_views), {"user_id": user_id, "view_id": view_id})


def get_view(connection: Connection, user_id: int, view_id: int) -> SavedView:
    """Return a view that a person sees; NotFound if there is none of that number."""
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
