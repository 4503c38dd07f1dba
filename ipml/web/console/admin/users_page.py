"""Users page: users, for admins; added, given roles and passwords, disabled and logged out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Form, Request, Response
from sqlalchemy import Connection

from ipml.errors import Conflict, Refused
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.accounts.permissions import LEAST_ROLES, Action, Role
from ipml.web.accounts.sessions import log_out_everywhere
from ipml.web.accounts.users import (
    UserAccess,
    add_user,
    disable_user,
    enable_user,
    get_user,
    list_access,
    set_password,
    set_role,
)
from ipml.web.console.case_list import NO_NUL, PathNumber
from ipml.web.console.drawing.tables import AskedTable, Column, TableQuery, page_rows
from ipml.web.responses import redirect, render

_PASSWORD_BYTES = 15  # 20 letters; the person replaces the password later
_LONGEST_NAME = 64
_ROLE = f"^({'|'.join(Role)})$"
_ORDER = {role: place for place, role in enumerate(Role)}

USER_COLUMNS: tuple[Column[UserAccess], ...] = (
    Column("name", "Name", lambda one: one.user.name.casefold()),
    Column("role", "Role", lambda one: _ORDER[one.user.role]),
    Column("state", "State", lambda one: not one.user.is_active),
    Column("login", "Logs in by", lambda one: (one.has_password, one.has_identity)),
    Column("since", "Since", lambda one: one.user.created_at, is_number=True),
    Column("seen", "Last used", lambda one: one.seen_at, is_number=True),
    Column("sessions", "Sessions", lambda one: one.n_sessions, is_number=True),
    Column("act", "Change", is_sortable=False),
)

_FIRST_PAGE = TableQuery()


def show_users(request: Request, asked: AskedTable) -> Response:
    """Show all users."""
    return _render(request, asked)


def add(
    request: Request,
    name: Annotated[str, Form(max_length=_LONGEST_NAME, pattern=NO_NUL)],
    role: Annotated[str, Form(pattern=_ROLE)],
    *,
    without: Annotated[bool, Form(alias="no_password")] = False,
) -> Response:
    """Add a user with a random password, shown once, or without one for login by a provider or proxy."""
    password = None if without else secrets.token_urlsafe(_PASSWORD_BYTES)
    cost, name = request.app.state.cost, name.strip()
    try:
        with authorised(request, writing) as (connection, user):
            add_user(connection, name, password, Role(role), cost, actor=user.name)
    except (Conflict, Refused) as error:
        return _render(request, message=str(error), typed={"name": name, "role": role})
    if password is None:
        return redirect("/users")
    return _render(request, given=(name, password))


def change_role(request: Request, user_id: PathNumber, role: Annotated[str, Form(pattern=_ROLE)]) -> Response:
    """Change a user's role; their sessions end."""
    return _change(request, user_id, lambda connection, name, by: set_role(connection, name, Role(role), by))


def disable(request: Request, user_id: PathNumber) -> Response:
    """Disable a user; their decisions stay."""
    return _change(request, user_id, disable_user)


def enable(request: Request, user_id: PathNumber) -> Response:
    """Enable a user again."""
    return _change(request, user_id, enable_user)


def reset_password(request: Request, user_id: PathNumber) -> Response:
    """Give a user a random password, shown once; their sessions end."""
    password, cost = secrets.token_urlsafe(_PASSWORD_BYTES), request.app.state.cost
    with authorised(request, writing) as (connection, user):
        changed, is_own = get_user(connection, user_id), user.user_id == user_id
        if not is_own:
            set_password(connection, changed.name, password, cost, actor=user.name)
    if is_own:
        return _render(request, message="Your own password is changed by a click on your name, at the top of the page.")
    return _render(request, given=(changed.name, password))


def end_sessions(request: Request, user_id: PathNumber) -> Response:
    """Log a user out everywhere, as after the loss of a laptop."""
    return _change(request, user_id, log_out_everywhere)


def show_roles(request: Request) -> Response:
    """Show the rights of each role."""
    with authorised(request):
        pass
    actions = [(str(action), [role for role in Role if role.may(action)]) for action in Action if action in LEAST_ROLES]
    return render(request, "roles.html", {"actions": actions, "roles": list(Role)})


def _change(request: Request, user_id: int, change: Callable[[Connection, str, str], object]) -> Response:
    try:
        with authorised(request, writing) as (connection, user):
            change(connection, get_user(connection, user_id).name, user.name)
    except Conflict as error:
        return _render(request, message=str(error))
    return redirect("/users")


def _render(
    request: Request,
    asked: TableQuery = _FIRST_PAGE,
    message: str = "",
    typed: dict[str, str] | None = None,
    given: tuple[str, str] | None = None,
) -> Response:
    with authorised(request) as (connection, _):
        listed = list_access(connection)
    context: dict[str, Any] = {
        "table": page_rows(listed, USER_COLUMNS, asked, text_of=_name_user, usual="name"),
        "roles": list(Role),
        "said": typed or {},
        "given": given,
        "message": message,
    }
    return render(request, "users.html", context)


def _name_user(one: UserAccess) -> str:
    return f"{one.user.name} {one.user.role} {'active' if one.user.is_active else 'disabled'}"
