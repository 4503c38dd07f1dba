"""Saved views of the case list: saved, renamed, shared and removed on the list's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import JSONResponse

from ipml.errors import Forbidden
from ipml.review.worklists.saved_views import (
    LONGEST_VIEW_NAME,
    begin_with,
    change_view,
    get_view,
    list_views,
    remove_view,
    save_view,
)
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import LONGEST_ADDRESS, NO_NUL, ListQuery, PathNumber, address_of_list
from ipml.web.responses import redirect

_Name = Annotated[str, Form(max_length=10 * LONGEST_VIEW_NAME)]
_Query = Annotated[str, Form(max_length=LONGEST_ADDRESS, pattern=NO_NUL)]
_Flag = Annotated[int, Form(ge=0, le=1)]


def send_views(request: Request) -> Response:
    """Send names and addresses of the user's and shared views, as JSON."""
    with authorised(request) as (connection, user):
        views = list_views(connection, user.user_id)
    return JSONResponse([{"name": one.name, "address": address_of_list(one.query)} for one in views])


def add_view(request: Request, name: _Name, query: _Query = "", shared: _Flag = 0, start: _Flag = 0) -> Response:
    """Save a list under a name, replacing the user's view of that name, and show it again."""
    asked = ListQuery.read(query)
    with authorised(request, writing) as (connection, user):
        _check_sharing(user, is_shared=bool(shared))
        names = asked.seller or asked.words or None
        number = save_view(connection, user.user_id, name, asked.write(), is_shared=bool(shared), names=names)
        if start:
            begin_with(connection, user.user_id, number)
    return redirect(address_of_list(query))


def edit_view(request: Request, view_id: PathNumber, name: _Name, shared: _Flag = 0) -> Response:
    """Rename, share or unshare an own view; a lead may do so with shared ones."""
    with authorised(request, writing) as (connection, user):
        view = get_view(connection, user.user_id, view_id)
        _check_sharing(user, is_shared=(bool(shared) and not view.is_shared) or not view.is_own)
        change_view(connection, user.user_id, view_id, name, is_shared=bool(shared))
    return redirect(address_of_list(view.query))


def drop_view(request: Request, view_id: PathNumber) -> Response:
    """Remove an own view (a lead: any shared one), and show its list without a name."""
    with authorised(request, writing) as (connection, user):
        view = get_view(connection, user.user_id, view_id)
        _check_sharing(user, is_shared=not view.is_own)
        remove_view(connection, user.user_id, view_id)
    return redirect(address_of_list(view.query))


def choose_start(request: Request, view_id: PathNumber, start: _Flag = 0) -> Response:
    """Set the user's start view, or reset it to all open cases."""
    with authorised(request, writing) as (connection, user):
        view = get_view(connection, user.user_id, view_id)
        begin_with(connection, user.user_id, view_id if start else None)
    return redirect(address_of_list(view.query))


def _check_sharing(user: User, *, is_shared: bool) -> None:
    if is_shared and not user.role.may(Action.SHARE_VIEWS):
        raise Forbidden("saved view", f"you are logged in as a {user.role}", f"Ask a lead to {Action.SHARE_VIEWS}.")
