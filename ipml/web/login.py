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
from ipml.web.sessions import close_session, open_session
from ipml.web.tries import count_try, forget_tries
from ipml.web.users import User, check_password, find_active_user

_AT_THE_PROXY = "Your organisation's login in front of this page names you to it: log out there, or close the browser."
_log = logging.getLogger(__name__)


def show_login(request: Request, then: str = "/") -> Response:
    """Show the form to log in; afterwards the browser goes on to `then`."""
    return _show(request, then)


def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Open a session for who knows the password; after too many tries nobody looks at it any more."""
    state = request.app.state
    name, address = name[:64], find_address(request)
    seconds = count_try(state.engine, name, address, state.limits)
    if seconds:
        _log.warning("login refused: too many tries from %s", address)
        return _refuse_for(request, then, seconds)
    user = check_password(state.engine, name, password, state.cost)
    if user is None:
        known = find_active_user(state.engine, name)  # a name that is nobody's may be a password
        _log.warning("login refused: %s from %s", f"user:{known.user_id}" if known else "unknown name", address)
        return _show(request, then, HTTPStatus.UNAUTHORIZED, "Name or password is wrong.")
    forget_tries(state.engine, name, address)
    return start_session(request, user, then, "password")


def log_out(request: Request) -> Response:
    """End the session, in the browser and here."""
    close_session(request.app.state.engine, auth.read_cookie(request))
    response: Response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if request.state.is_named_by_proxy:
        told = {"heading": "Not logged out", "message": _AT_THE_PROXY, "status": HTTPStatus.OK}
        response = render(request, "error.html", told)
    auth.forget_cookie(request, response)
    return response


def start_session(request: Request, user: User, then: str, by: str) -> Response:
    """Send a person who has shown who they are on to `then`, with a new session; an earlier one of the browser ends."""
    state = request.app.state
    close_session(state.engine, auth.read_cookie(request))
    response = RedirectResponse(own_path(then), HTTPStatus.SEE_OTHER)
    auth.set_cookie(request, response, open_session(state.engine, user, state.settings.session_hours))
    _log.info("login: user:%s by %s from %s", user.user_id, by, find_address(request))
    return response


def find_address(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def own_path(path: str) -> str:
    """Return a path of this page as it is, and anything else as "/": a login must not lead to another site.

    Examples
    --------
    >>> own_path("/cases/12"), own_path("//elsewhere.example")
    ('/cases/12', '/')
    """
    return path if re.fullmatch(r"/cases/[0-9]{1,18}", path) else "/"


def _refuse_for(request: Request, then: str, seconds: int) -> Response:
    minutes = -(-seconds // 60)
    message = f"Too many tries. Try again in {minutes} minute{'s' * (minutes > 1)}."
    response = _show(request, then, HTTPStatus.TOO_MANY_REQUESTS, message)
    response.headers["Retry-After"] = str(seconds)
    return response


def _show(request: Request, then: str, status: int = HTTPStatus.OK, message: str = "") -> Response:
    provider = request.app.state.provider
    context = {"message": message, "then": own_path(then), "provider": provider.label if provider else None}
    return render(request, "login.html", context, status)
