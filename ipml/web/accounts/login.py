"""Who is asking: the one check that every request passes, and the pages to log in, out, and change one's password.

A browser is known by a cookie. A login at a provider has two addresses: away to it, and back from it. Changing one's
password ends every session of the person; this browser goes on under a new one.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, Engine
from starlette.exceptions import HTTPException

from ipml.enforcement.policy import EnforcementPolicy
from ipml.errors import Forbidden, LoginNeeded, Refused
from ipml.review.reversals import Consequences
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.web.accounts.oidc import BACK, Provider, refuse_login
from ipml.web.accounts.permissions import LEAST_ROLES, Action
from ipml.web.accounts.sessions import close_session, count_try, find_user, forget_tries, open_session
from ipml.web.accounts.users import (
    LEAST_PASSWORD_LENGTH,
    MOST_PASSWORD_LENGTH,
    User,
    admit,
    check_password,
    find_active_user,
    has_password,
    set_password,
)
from ipml.web.responses import is_from_elsewhere, render
from ipml.web.server import find_proxy_user


def authorise(request: Request) -> None:
    """Let a request pass if its route is in the table of routes and the person's role suffices.

    Raises
    ------
    LoginNeeded, Forbidden
    """
    actions: Mapping[tuple[str, str], Action | None] = request.app.state.actions
    rule = (request.method, request.scope["route"].path)
    is_free = rule in actions and actions[rule] is None
    user = request.state.user = _identify(request, is_free=is_free)
    if is_free:
        return
    if user is None:
        raise LoginNeeded("this page", "your session has ended or was never opened", "Log in and try again.")
    action = actions.get(rule)
    if action is None or not user.role.may(action):
        needed = f"it takes a {LEAST_ROLES[action]}" if action else "it is open to nobody"
        raise Forbidden("this page", f"you are logged in as a {user.role}; {needed}", "Ask an admin.")


def get_engine(request: Request) -> Engine:
    """Return the review database."""
    engine: Engine = request.app.state.engine
    return engine


def get_consequences(request: Request) -> Consequences:
    """Return what follows from the decisions that are made here, and undoes it."""
    consequences: Consequences = request.app.state.consequences
    return consequences


def get_policy(request: Request) -> EnforcementPolicy:
    """Return what follows from decisions here."""
    policy: EnforcementPolicy = request.app.state.policy
    return policy


def settings_of(request: Request) -> Settings:
    """Return the settings that the application was made with."""
    settings: Settings = request.app.state.settings
    return settings


def get_user(request: Request) -> User:
    """Return who is asking; `authorise` has made sure that they are logged in."""
    user: User = request.state.user
    return user


def read_cookie(request: Request) -> str | None:
    """Return the session token that a request carries."""
    return request.cookies.get(_cookie_name(request))


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Hand a session token to the browser, out of reach of scripts and of other sites."""
    is_https = request.url.scheme == "https"
    response.set_cookie(_cookie_name(request), token, path="/", httponly=True, samesite="lax", secure=is_https)


def forget_cookie(request: Request, response: Response) -> None:
    """Have the browser drop its session token."""
    is_https = request.url.scheme == "https"
    response.delete_cookie(_cookie_name(request), path="/", httponly=True, samesite="lax", secure=is_https)


def _identify(request: Request, *, is_free: bool) -> User | None:
    # What a proxy says of the person goes before what their browser still holds of an earlier login.
    settings = request.app.state.settings
    named = find_proxy_user(request, settings.trusted_header, get_engine(request), is_free=is_free)
    request.state.is_named_by_proxy = named is not None
    return named or find_user(get_engine(request), read_cookie(request), settings.idle_minutes)


def _cookie_name(request: Request) -> str:
    # Browsers take a name with this prefix only over https, from this host, for every path.
    return "__Host-ipml" if request.url.scheme == "https" else "ipml"


_AT_THE_PROXY = "Your organisation's login in front of this page names you to it: log out there, or close the browser."
_log = logging.getLogger(__name__)


def show_login(request: Request, then: str = "/") -> Response:
    """Show the form to log in; afterwards the browser goes on to `then`."""
    return _render_login(request, then)


def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Open a session for who knows the password; after too many tries nobody looks at it any more."""
    state = request.app.state
    name, address = name[:64], find_address(request)
    with writing(state.engine) as connection:
        seconds = count_try(connection, name, address, state.limits)
    if seconds:
        _log.warning("login refused: too many tries from %s", address)
        return _refuse_for(request, then, seconds)
    with reading(state.engine) as connection:
        user = check_password(connection, name, password, state.cost)
        known = user or find_active_user(connection, name)  # a name that is nobody's may be a password
    if user is None:
        _log.warning("login refused: %s from %s", f"user:{known.user_id}" if known else "unknown name", address)
        return _render_login(request, then, HTTPStatus.UNAUTHORIZED, "Name or password is wrong.")
    with writing(state.engine) as connection:
        forget_tries(connection, name, address)
        return start_session(connection, request, user, then, "password")


def log_out(request: Request) -> Response:
    """End the session, in the browser and here."""
    with writing(request.app.state.engine) as connection:
        close_session(connection, read_cookie(request))
    response: Response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if request.state.is_named_by_proxy:
        told = {"heading": "Not logged out", "message": _AT_THE_PROXY, "status": HTTPStatus.OK}
        response = render(request, "error.html", told)
    forget_cookie(request, response)
    return response


def start_session(connection: Connection, request: Request, user: User, then: str, by: str) -> Response:
    """Send a person who has shown who they are on to `then`, with a new session; an earlier one of the browser ends."""
    close_session(connection, read_cookie(request))
    response = RedirectResponse(own_path(then), HTTPStatus.SEE_OTHER)
    set_cookie(request, response, open_session(connection, user, request.app.state.settings.session_hours))
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
    response = _render_login(request, then, HTTPStatus.TOO_MANY_REQUESTS, message)
    response.headers["Retry-After"] = str(seconds)
    return response


def _render_login(request: Request, then: str, status: int = HTTPStatus.OK, message: str = "") -> Response:
    provider = request.app.state.provider
    context = {"message": message, "then": own_path(then), "provider": provider.label if provider else None}
    return render(request, "login.html", context, status)


_STATE_MINUTES = 10
_STATE = re.compile(r"([A-Za-z0-9_-]{43})\.(/[A-Za-z0-9/]{0,40})")

_Text = Annotated[str, Query(max_length=4096)]


def go_to_provider(request: Request, then: str = "/") -> Response:
    """Send a person to the provider; the browser keeps the secret by which the way back is known."""
    provider = _get_provider(request)
    if is_from_elsewhere(request):
        raise refuse_login("a login that another site began")
    secret = secrets.token_urlsafe(32)
    response = RedirectResponse(provider.start(secret), HTTPStatus.SEE_OTHER)
    response.set_cookie(
        _state_cookie_name(request),
        f"{secret}.{own_path(then)}",
        max_age=60 * _STATE_MINUTES,
        path=_state_cookie_path(request),
        httponly=True,
        samesite="lax",  # strict would keep it back when the provider sends the person here
        secure=request.url.scheme == "https",
    )
    return response


def come_back(
    request: Request, state: _Text = "", code: _Text = "", error: _Text = "", iss: _Text | None = None
) -> Response:
    """Let in whom the provider names; the secret of the browser is spent with it."""
    provider = _get_provider(request)
    kept = _STATE.fullmatch(request.cookies.get(_state_cookie_name(request), ""))
    if kept is None:
        raise refuse_login("an answer to no login of this browser")
    if error or not code:
        _log.warning("login refused: the provider sent %.80r", error)
        raise refuse_login("the provider's refusal")
    settings = request.app.state.settings
    claims = provider.finish(kept[1], state, code, iss)
    user = admit(
        request.app.state.engine,
        provider.issuer,
        claims,
        roles=request.app.state.group_roles,
        role_claim=settings.oidc_role_claim,
        name_claim=settings.oidc_name_claim,
    )
    with writing(request.app.state.engine) as connection:
        response = start_session(connection, request, user, kept[2], "provider")
    response.delete_cookie(
        _state_cookie_name(request),
        path=_state_cookie_path(request),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def _get_provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return provider


def _state_cookie_name(request: Request) -> str:
    return "__Host-ipml-login" if request.url.scheme == "https" else "ipml-login"


def _state_cookie_path(request: Request) -> str:
    return "/" if request.url.scheme == "https" else BACK  # the prefix __Host- takes no other


def show_password(request: Request) -> Response:
    """Show the form; who logs in by a provider or a proxy alone is told that there is nothing to change."""
    return _render_password(request)


def change_password(
    request: Request,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change the password of who is logged in and knows the one they have; guesses count as tries to log in."""
    engine, user, state = get_engine(request), get_user(request), request.app.state
    with reading(engine) as connection:
        is_theirs = has_password(connection, user.user_id)
    if not is_theirs:
        return _render_password(request, HTTPStatus.CONFLICT)
    if new != again:
        return _render_password(request, HTTPStatus.BAD_REQUEST, "The new password was typed in two ways.")
    with writing(engine) as connection:
        seconds = count_try(connection, user.name, find_address(request), state.limits)
    if seconds:
        response = _render_password(request, HTTPStatus.TOO_MANY_REQUESTS, "Too many tries. Try again later.")
        response.headers["Retry-After"] = str(seconds)
        return response
    with reading(engine) as connection:
        knows_it = check_password(connection, user.name, current, state.cost) is not None
    if not knows_it:
        _log.warning("password not changed: user:%s from %s", user.user_id, find_address(request))
        return _render_password(request, HTTPStatus.BAD_REQUEST, "That is not your password.")
    try:
        with writing(engine) as connection:
            set_password(connection, user.name, new, state.cost, actor=user.name)
            forget_tries(connection, user.name, find_address(request))
            return start_session(connection, request, user, "/", "a new password")
    except Refused as error:
        return _render_password(request, HTTPStatus.BAD_REQUEST, str(error))


def _render_password(request: Request, status: int = HTTPStatus.OK, message: str = "") -> Response:
    with reading(get_engine(request)) as connection:
        context = {
            "message": message,
            "is_theirs": has_password(connection, get_user(request).user_id),
            "least": LEAST_PASSWORD_LENGTH,
            "most": MOST_PASSWORD_LENGTH,
        }
    return render(request, "password.html", context, status)
