"""Coming and going: log in, log out."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from ipml.web import auth
from ipml.web.render import render
from ipml.web.users import check_password

_log = logging.getLogger(__name__)


def show_login(request: Request, then: str = "/") -> Response:
    """Show the form to log in; afterwards the browser goes on to `then`."""
    return render(request, "login.html", {"message": "", "then": own_path(then)})


def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Open a session for who knows the password; after too many tries nobody looks at it any more."""
    state = request.app.state
    name, address = name[:64], request.client.host if request.client else "unknown"
    if not state.tries.count(name, address):
        return _refuse(request, then, HTTPStatus.TOO_MANY_REQUESTS, "Too many tries. Try again in 15 minutes.")
    user = check_password(state.engine, name, password, state.cost)
    if user is None:
        _log.warning("login refused: name %r from %s", name, address)
        return _refuse(request, then, HTTPStatus.UNAUTHORIZED, "Name or password is wrong.")
    state.tries.forget(name, address)
    auth.close_session(state.engine, auth.read_cookie(request))
    response = RedirectResponse(own_path(then), HTTPStatus.SEE_OTHER)
    auth.set_cookie(request, response, auth.open_session(state.engine, user, state.settings.session_hours))
    return response


def log_out(request: Request) -> Response:
    """End the session, in the browser and here."""
    auth.close_session(request.app.state.engine, auth.read_cookie(request))
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    auth.forget_cookie(request, response)
    return response


def own_path(path: str) -> str:
    """Return a path of this page as it is, and anything else as "/": a login must not lead to another site.

    Examples
    --------
    >>> own_path("/cases/12"), own_path("//elsewhere.example")
    ('/cases/12', '/')
    """
    return path if re.fullmatch(r"/cases/[0-9]{1,18}", path) else "/"


def _refuse(request: Request, then: str, status: int, message: str) -> Response:
    return render(request, "login.html", {"message": message, "then": own_path(then)}, status)
