"""Logging in at a proxy: it has checked who the person is, and says so in a header. Off unless it is set.

The header is worth something only from the proxy; from any other address it is passed over, and the log says so.
"""

from __future__ import annotations

import logging
import re

from fastapi import Request
from sqlalchemy import Engine

from ipml.errors import UnknownToUs, UnusableSetting
from ipml.settings import Settings
from ipml.web.forwarded import FROM_PROXY
from ipml.web.users import User, find_active_user

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# What browsers and proxies send of themselves names nobody.
_TAKEN = frozenset({"host", "cookie", "origin", "referer", "user-agent", "via", "forwarded", "accept", "connection"})
_log = logging.getLogger(__name__)


def check_proxy_login(settings: Settings) -> None:
    """Refuse a header that everybody could send.

    Raises
    ------
    UnusableSetting
    """
    header = settings.trusted_header
    if header is None:
        return
    if not _HEADER.fullmatch(header) or header.lower() in _TAKEN:
        raise UnusableSetting("IPML_TRUSTED_HEADER", repr(header), "the name of a header, such as X-Forwarded-User")
    if not settings.trusted_proxies.strip():
        expected = "IPML_TRUSTED_PROXIES with the addresses of the proxies that set it"
        raise UnusableSetting("IPML_TRUSTED_HEADER", "no trusted proxies", expected)


def find_proxy_user(request: Request, header: str | None, engine: Engine, *, is_free: bool) -> User | None:
    """Return the user whom a trusted proxy names, or None where no proxy says anything.

    Parameters
    ----------
    header : str or None
        Its name; None where no proxy logs people in.
    is_free : bool
        Whether the page is for everybody: then who is unknown here is nobody, and no error.

    Raises
    ------
    UnknownToUs
        The proxy names somebody who may not log in here, or more than one person.
    """
    names = request.headers.getlist(header) if header else []
    if not names:
        return None
    if not request.scope.get(FROM_PROXY, False):
        address = request.client.host if request.client else "unknown"
        _log.warning("header %s from %s passed over: no trusted proxy", header, address)
        return None
    user = find_active_user(engine, names[0]) if len(names) == 1 else None
    if user is None and not is_free:
        _log.warning("login refused: a proxy names %.200r", names)
        raise UnknownToUs("the proxy in front of this page")
    return user
