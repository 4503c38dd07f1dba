"""Login: the one check of every request, and the pages of one's own account: login, logout, password, appearance.

Pages read and act within `authorised`, which finds the user in the same transaction, before all else. Changing a
password ends all sessions of the person; this browser gets a new one. Login attempts are counted in transactions of
their own, so that no failure takes them back.
"""

from __future__ import annotations

import logging
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.policy import EnforcementPolicy
from ipml.errors import Forbidden, LoginNeeded, Refused
from ipml.review.reversals import DecisionActions
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.web.accounts.oidc import BACK, Provider, refuse_login
from ipml.web.accounts.permissions import LEAST_ROLES, Action, Role
from ipml.web.accounts.sessions import close_session, count_try, find_user, forget_tries, note_use, open_session
from ipml.web.accounts.users import (
    LEAST_PASSWORD_LENGTH,
    MOST_PASSWORD_LENGTH,
    ClaimRules,
    User,
    admit,
    check_password,
    find_active_user,
    has_password,
    set_password,
)
from ipml.web.responses import (
    APPEARANCE,
    APPEARANCE_CHOICES,
    answer_misunderstanding,
    is_from_elsewhere,
    redirect,
    render,
)
from ipml.web.server import find_proxy_user

UNATTENDED = ("/rows",)
"""Paths that pages ask for by themselves; this is no use of a session."""


@contextmanager
def authorised(
    request: Request, opened: Callable[[Engine], AbstractContextManager[Connection]] = reading
) -> Iterator[tuple[Connection, User]]:
    """Open the transaction of a request and find its user; nothing is read or done for others.

    User and action belong to one moment of the database and one server thread. The use of the session is recorded after
    the transaction, however it ended. `opened` is `reading` or `writing`. Raises LoginNeeded and Forbidden.
    """
    action = _find_action(request)
    if not _names_anybody(request):  # a request without credentials opens no transaction
        _check(None, action)
    with ExitStack() as afterwards, opened(get_engine(request)) as connection:
        yield connection, _check(_identify(request, connection, afterwards, is_free=False), action)


def identify(request: Request) -> User | None:
    """Return the user of a page for everyone, or None."""
    if not _names_anybody(request):
        return None
    with ExitStack() as afterwards, reading(get_engine(request)) as connection:
        return _identify(request, connection, afterwards, is_free=True)


def refuse_misunderstood(request: Request, error: Exception) -> Response:
    """Answer a malformed request; raises LoginNeeded or Forbidden first for users who may not ask."""
    if _find_action(request) is None:
        identify(request)
    else:
        with authorised(request):
            pass
    return answer_misunderstanding(request, error)


def get_engine(request: Request) -> Engine:
    """Return the review database, for transactions opened after `authorised`."""
    engine: Engine = request.app.state.engine
    return engine


def get_actions(request: Request) -> DecisionActions:
    """Return the actions that follow decisions made here, and their reversal."""
    actions: DecisionActions = request.app.state.actions
    return actions


def get_policy(request: Request) -> EnforcementPolicy:
    """Return the enforcement policy."""
    policy: EnforcementPolicy = request.app.state.policy
    return policy


def get_cooperation_policy(request: Request) -> CooperationPolicy:
    """Return the cooperation policy."""
    policy: CooperationPolicy = request.app.state.cooperation
    return policy


def settings_of(request: Request) -> Settings:
    """Return the settings of the application."""
    settings: Settings = request.app.state.settings
    return settings


async def refuse_unlisted(request: Request) -> None:
    """Refuse a route that is not in the table of routes: nobody is authorised for it."""
    rule = (request.method, request.scope["route"].path)
    if rule not in request.app.state.route_actions:
        _check(await run_in_threadpool(identify, request), None)


def _find_action(request: Request) -> Action | None:
    action: Action | None = request.app.state.route_actions[request.method, request.scope["route"].path]
    return action


def _names_anybody(request: Request) -> bool:
    header = settings_of(request).trusted_header
    return _read_cookie(request) is not None or (header is not None and header in request.headers)


def _identify(request: Request, connection: Connection, afterwards: ExitStack, *, is_free: bool) -> User | None:
    # The proxy's user precedes an earlier login of the browser.
    settings, token = settings_of(request), _read_cookie(request)
    user = find_proxy_user(request, settings.trusted_header, connection, is_free=is_free)
    if user is None and token is not None:
        user, is_to_note = find_user(connection, token, settings.idle_minutes)
        if is_to_note and request.url.path not in UNATTENDED:
            afterwards.callback(note_use, get_engine(request), token)
    request.state.user = user  # also for error pages
    return user


def _check(user: User | None, action: Action | None) -> User:
    if user is None:
        raise LoginNeeded("this page", "your session has ended or was never opened", "Log in and try again.")
    if action is None or not user.role.may(action):
        needed = f"it takes {LEAST_ROLES[action].with_article}" if action else "no role may use it"
        remedy = "Your pages begin at /portal." if user.role is Role.BRAND else "Ask an admin."
        raise Forbidden("this page", f"you are logged in as {user.role.with_article}; {needed}", remedy)
    return user


def _cookie(request: Request, name: str = "ipml", path: str = "/") -> dict[str, Any]:
    """Return name and attributes of a cookie that scripts and other sites cannot read."""
    # Browsers accept a name with this prefix only over https, from this host, for every path. A `strict` cookie would
    # be withheld when a provider sends the person here.
    is_https = request.url.scheme == "https"
    key, path = (f"__Host-{name}", "/") if is_https else (name, path)
    return {"key": key, "path": path, "httponly": True, "samesite": "lax", "secure": is_https}


def _read_cookie(request: Request) -> str | None:
    return request.cookies.get(_cookie(request)["key"])


_AT_THE_PROXY = "Your organisation's login in front of this page names you to it: log out there, or close the browser."
_log = logging.getLogger(__name__)


def show_login(request: Request, then: str = "/") -> Response:
    """Show the login form; afterwards the browser continues to `then`."""
    return _render_login(request, then)


def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Open a session for a right password; after too many attempts none is checked."""
    state, name, address = request.app.state, name[:64], find_address(request)
    with writing(state.engine) as connection:
        seconds = count_try(connection, name, address, state.limits)
    if seconds:
        _log.warning("login refused: too many tries from %s", address)
        minutes = -(-seconds // 60)
        message = f"Too many tries. Try again in {minutes} minute{'s' * (minutes > 1)}."
        return _render_login(request, then, HTTPStatus.TOO_MANY_REQUESTS, message, {"Retry-After": str(seconds)})
    with reading(state.engine) as connection:
        elsewhere = bool(state.provider and state.group_roles)
        user = check_password(connection, name, password, state.cost, are_roles_elsewhere=elsewhere)
        known = user or find_active_user(connection, name)  # an unknown name may be a password
    if user is None:
        _log.warning("login refused: %s from %s", f"user:{known.user_id}" if known else "unknown name", address)
        return _render_login(request, then, HTTPStatus.UNAUTHORIZED, "Name or password is wrong.", name=name)
    with writing(state.engine) as connection:
        forget_tries(connection, name, address)
        return _start_session(connection, request, user, then, "password")


def log_out(request: Request) -> Response:
    """End the session, in the browser and here."""
    header = settings_of(request).trusted_header
    with writing(get_engine(request)) as connection:
        named = request.state.user = find_proxy_user(request, header, connection, is_free=True)
        close_session(connection, _read_cookie(request))
    response: Response = redirect("/login")
    if named:
        notice = {"heading": "Not logged out", "message": _AT_THE_PROXY, "status": HTTPStatus.OK}
        response = render(request, "error.html", notice, HTTPStatus.OK)
    response.delete_cookie(**_cookie(request))
    return response


def go_on(request: Request) -> Response:
    """Extend a session that would end as unused."""
    with authorised(request):
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _start_session(connection: Connection, request: Request, user: User, then: str, by: str) -> Response:
    """Continue to `then` with a new session, after ending an earlier one of the browser."""
    close_session(connection, _read_cookie(request))
    response = redirect("/portal" if user.role is Role.BRAND else _own_path(then))
    token = open_session(connection, user, settings_of(request).session_hours)
    response.set_cookie(value=token, **_cookie(request))
    _log.info("login: user:%s by %s from %s", user.user_id, by, find_address(request))
    return response


def find_address(request: Request) -> str:
    """Return the address of the sender."""
    return request.client.host if request.client else "unknown"


def _own_path(path: str) -> str:
    """Return an address of the console unchanged, and anything else as "/": a login must not lead to another site.

    >>> _own_path("/cases/12?within=queue"), _own_path("//elsewhere.example"), _own_path("/logout")
    ('/cases/12?within=queue', '/', '/')
    """
    is_own = len(path) <= _LONGEST_PATH and ".." not in path and _OWN_PATH.fullmatch(path) and not _OF_LOGIN.match(path)
    return path if is_own else "/"


# Browsers read two slashes, or a slash and a backslash, as the start of another host.
_OWN_PATH = re.compile(r"/([A-Za-z0-9._~-][A-Za-z0-9._~/%:@!$&'()*+,;=-]*)?(\?[A-Za-z0-9._~/%:@!$&'()*+,;=?-]*)?")
_OF_LOGIN = re.compile(r"/(login|logout|session|password)([/?]|$)")
_LONGEST_PATH = 2_000


def _render_login(
    request: Request,
    then: str,
    status: int = HTTPStatus.OK,
    message: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    name: str = "",
) -> Response:
    identify(request)
    provider = request.app.state.provider
    label = provider.label if provider else None
    context = {"message": message, "name": name, "then": _own_path(then), "provider": label}
    return render(request, "login.html", context, status, headers)


_STATE_MINUTES = 10
_STATE = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]*)")  # the secret, and the page in base64

_Text = Annotated[str, Query(max_length=4096)]


def go_to_provider(request: Request, then: str = "/") -> Response:
    """Send a person to the provider; the browser keeps the secret that identifies the way back."""
    provider = _get_provider(request)
    if is_from_elsewhere(request):
        raise refuse_login("a login that another site began")
    secret = secrets.token_urlsafe(32)
    response = redirect(provider.start(secret))
    state = f"{secret}.{urlsafe_b64encode(_own_path(then).encode()).decode().rstrip('=')}"
    response.set_cookie(value=state, max_age=60 * _STATE_MINUTES, **_cookie(request, "ipml-login", BACK))
    return response


def come_back(
    request: Request, state: _Text = "", code: _Text = "", error: _Text = "", iss: _Text | None = None
) -> Response:
    """Log in the person whom the provider names; the browser's secret is used up."""
    provider = _get_provider(request)
    cookie = _cookie(request, "ipml-login", BACK)
    kept = _STATE.fullmatch(request.cookies.get(cookie["key"], ""))
    if kept is None:
        raise refuse_login("an answer to no login of this browser")
    if error or not code:
        _log.warning("login refused: the provider sent %.80r", error)
        raise refuse_login("the provider's refusal")
    settings = settings_of(request)
    claims = provider.finish(kept[1], state, code, iss)
    rules = ClaimRules(request.app.state.group_roles, settings.oidc_role_claim, settings.oidc_name_claim)
    user = admit(get_engine(request), provider.issuer, claims, rules)
    with writing(get_engine(request)) as connection:
        response = _start_session(connection, request, user, _read_page(kept[2]), "provider")
    response.delete_cookie(**cookie)
    return response


def _read_page(written: str) -> str:
    try:
        return urlsafe_b64decode(written + "=" * (-len(written) % 4)).decode()
    except ValueError:
        return "/"


def _get_provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return provider


def show_password(request: Request) -> Response:
    """Show the form; users who log in by a provider or a proxy alone have no password to change."""
    with authorised(request) as (connection, user):
        is_theirs = has_password(connection, user.user_id)
    return _render_password(request, HTTPStatus.OK, is_theirs=is_theirs)


def change_password(
    request: Request,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Change the user's password, given the current one; attempts count as login attempts."""
    engine, address, state = get_engine(request), find_address(request), request.app.state
    with authorised(request) as (connection, user):
        is_theirs = has_password(connection, user.user_id)
    if not is_theirs:
        return _render_password(request, HTTPStatus.CONFLICT, is_theirs=False)
    if new != again:
        return _render_password(request, HTTPStatus.BAD_REQUEST, "The new password was typed in two ways.")
    with writing(engine) as connection:
        seconds = count_try(connection, user.name, address, state.limits)
    if seconds:
        message, headers = "Too many tries. Try again later.", {"Retry-After": str(seconds)}
        return _render_password(request, HTTPStatus.TOO_MANY_REQUESTS, message, headers)
    with reading(engine) as connection:
        knows_it = check_password(connection, user.name, current, state.cost) is not None
    if not knows_it:
        _log.warning("password not changed: user:%s from %s", user.user_id, address)
        return _render_password(request, HTTPStatus.BAD_REQUEST, "That is not your password.")
    try:
        with writing(engine) as connection:
            set_password(connection, user.name, new, state.cost, actor=user.name)
            forget_tries(connection, user.name, address)
            return _start_session(connection, request, user, "/", "a new password")
    except Refused as error:
        return _render_password(request, HTTPStatus.BAD_REQUEST, str(error))


def _render_password(
    request: Request,
    status: int,
    message: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    is_theirs: bool = True,
) -> Response:
    lengths = {"least": LEAST_PASSWORD_LENGTH, "most": MOST_PASSWORD_LENGTH}
    return render(request, "password.html", {"message": message, "is_theirs": is_theirs} | lengths, status, headers)


_YEAR = 365 * 86_400  # seconds
_PATTERNS = {name: f"^({'|'.join(values)})$" for name, values in APPEARANCE_CHOICES.items()}


def show_appearance(request: Request) -> Response:
    """Show the choices of theme, density and text size, with those of this browser."""
    with authorised(request):
        return render(request, "appearance.html", {"choices": APPEARANCE_CHOICES})


def choose_appearance(
    request: Request,
    theme: Annotated[str, Form(pattern=_PATTERNS["theme"])],
    density: Annotated[str, Form(pattern=_PATTERNS["density"])],
    text: Annotated[str, Form(pattern=_PATTERNS["text"])],
) -> Response:
    """Set the cookie, so that pages are drawn right at once and without a script."""
    with authorised(request):
        response = redirect("/appearance")
        value, is_https = ".".join((theme, density, text)), request.url.scheme == "https"
        response.set_cookie(APPEARANCE, value, max_age=_YEAR, httponly=True, samesite="lax", secure=is_https)
        return response
