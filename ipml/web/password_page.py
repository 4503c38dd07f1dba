"""Changing one's own password. It ends every session of the person; this browser goes on under a new one."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response

from ipml.errors import UnusablePassword
from ipml.web.auth import get_engine, get_user
from ipml.web.login import find_address, start_session
from ipml.web.passwords import LEAST_PASSWORD_LENGTH, MOST_PASSWORD_LENGTH
from ipml.web.render import render
from ipml.web.tries import count_try, forget_tries
from ipml.web.users import check_password, has_password, set_password

_log = logging.getLogger(__name__)


def show_password(request: Request) -> Response:
    """Show the form; who logs in by a provider or a proxy alone is told that there is nothing to change."""
    return _show(request)


def change_password(
    request: Request,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change the password of who is logged in and knows the one they have; guesses count as tries to log in."""
    engine, user, state = get_engine(request), get_user(request), request.app.state
    if not has_password(engine, user.user_id):
        return _show(request, HTTPStatus.CONFLICT)
    if new != again:
        return _show(request, HTTPStatus.BAD_REQUEST, "The new password was typed in two ways.")
    seconds = count_try(engine, user.name, find_address(request), state.limits)
    if seconds:
        response = _show(request, HTTPStatus.TOO_MANY_REQUESTS, "Too many tries. Try again later.")
        response.headers["Retry-After"] = str(seconds)
        return response
    if check_password(engine, user.name, current, state.cost) is None:
        _log.warning("password not changed: user:%s from %s", user.user_id, find_address(request))
        return _show(request, HTTPStatus.BAD_REQUEST, "That is not your password.")
    try:
        set_password(engine, user.name, new, state.cost, actor=user.name)
    except UnusablePassword as error:
        return _show(request, HTTPStatus.BAD_REQUEST, str(error))
    forget_tries(engine, user.name, find_address(request))
    return start_session(request, user, "/", "a new password")


def _show(request: Request, status: int = HTTPStatus.OK, message: str = "") -> Response:
    context = {
        "message": message,
        "is_theirs": has_password(get_engine(request), get_user(request).user_id),
        "least": LEAST_PASSWORD_LENGTH,
        "most": MOST_PASSWORD_LENGTH,
    }
    return render(request, "password.html", context, status)
