"""Who is asking: the one check that every request passes, and the cookie by which a browser is known."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response
from sqlalchemy import Engine

from ipml.enforcement.policy import EnforcementPolicy
from ipml.errors import LoginNeeded, RoleTooLow
from ipml.settings import Settings
from ipml.web.permissions import LEAST_ROLES, Action
from ipml.web.proxy_login import find_proxy_user
from ipml.web.sessions import find_user
from ipml.web.users import User


def authorise(request: Request) -> None:
    """Let a request pass if its route is in the table of routes and the person's role suffices.

    Raises
    ------
    LoginNeeded, RoleTooLow, UnknownToUs
    """
    actions: Mapping[tuple[str, str], Action | None] = request.app.state.actions
    rule = (request.method, request.scope["route"].path)
    is_free = rule in actions and actions[rule] is None
    user = request.state.user = _identify(request, is_free=is_free)
    if is_free:
        return
    if user is None:
        raise LoginNeeded
    action = actions.get(rule)
    if action is None or not user.role.may(action):
        raise RoleTooLow(user.role, action and LEAST_ROLES[action])


def get_engine(request: Request) -> Engine:
    """Return the review database."""
    engine: Engine = request.app.state.engine
    return engine


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
