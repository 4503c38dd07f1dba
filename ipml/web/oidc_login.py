"""The two addresses of a login at a provider: away to it, and back from it."""

from __future__ import annotations

import logging
import re
import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ipml.errors import LoginRefused
from ipml.web.identities import admit
from ipml.web.login import own_path, start_session
from ipml.web.oidc import BACK, Provider
from ipml.web.protection import is_from_elsewhere

_MINUTES = 10
_KEPT = re.compile(r"([A-Za-z0-9_-]{43})\.(/[A-Za-z0-9/]{0,40})")
_log = logging.getLogger(__name__)

_Text = Annotated[str, Query(max_length=4096)]


def go_to_provider(request: Request, then: str = "/") -> Response:
    """Send a person to the provider; the browser keeps the secret by which the way back is known."""
    provider = _get_provider(request)
    if is_from_elsewhere(request):
        raise LoginRefused("a login that another site began")
    secret = secrets.token_urlsafe(32)
    response = RedirectResponse(provider.start(secret), HTTPStatus.SEE_OTHER)
    response.set_cookie(
        _cookie_name(request),
        f"{secret}.{own_path(then)}",
        max_age=60 * _MINUTES,
        path=_cookie_path(request),
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
    kept = _KEPT.fullmatch(request.cookies.get(_cookie_name(request), ""))
    if kept is None:
        raise LoginRefused("an answer to no login of this browser")
    if error or not code:
        _log.warning("login refused: the provider sent %.80r", error)
        raise LoginRefused("the provider's refusal")
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
    response = start_session(request, user, kept[2], "provider")
    response.delete_cookie(
        _cookie_name(request),
        path=_cookie_path(request),
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


def _cookie_name(request: Request) -> str:
    return "__Host-ipml-login" if request.url.scheme == "https" else "ipml-login"


def _cookie_path(request: Request) -> str:
    return "/" if request.url.scheme == "https" else BACK  # the prefix __Host- takes no other
