"""Server: trusted proxies, limits on slow and surplus connections, the log, and checks of risky settings.

Behind a trusted proxy, and only there, X-Forwarded headers give the sender and the scheme, and (if set) a header names
the user. uvicorn does not limit the time of a request's head, the time a client takes to read an answer, or the
connections of one address. So its protocol runs inside one of ours, which closes slow or surplus connections, the
longest-waiting first: clients who send at once are served even from an attacker's address. Log lines about them are
limited too.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import re
import resource
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, cast

from fastapi import Request
from sqlalchemy import Connection as SqlConnection
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from ipml.errors import Forbidden, UnusableSetting
from ipml.settings import Settings
from ipml.web.accounts.oidc import make_provider
from ipml.web.accounts.sessions import network_of
from ipml.web.accounts.users import User, find_active_user, parse_group_roles
from ipml.web.http_api.requests import is_loopback

Network = IPv4Network | IPv6Network
FROM_PROXY = "ipml.from_proxy"  # key in the scope of a request: whether a trusted proxy sent it
_log = logging.getLogger(__name__)
_PORT = re.compile(r"\[(.+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


class Forwarded:
    """Read X-Forwarded-For and X-Forwarded-Proto of requests from a trusted proxy.

    uvicorn's ProxyHeadersMiddleware (0.54) would accept a text that is no address as a sender, miss a proxy by IPv4 if
    the server also listens on IPv6, and ignore the scheme if several proxies each add theirs.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the sender and scheme, and pass the request on."""
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else ""
            scope[FROM_PROXY] = is_within(peer, self._proxies)
            if scope[FROM_PROXY]:
                self._believe(scope)
            elif _read_address(scope, b"x-forwarded-for"):
                _log.warning("X-Forwarded-For from %s passed over: not named in IPML_TRUSTED_PROXIES", peer)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        # In place, so that the outermost error page sees the same.
        passed = _read_address(scope, b"x-forwarded-for")
        if passed:
            scope["client"] = (find_sender(passed, self._proxies) or scope["client"][0], 0)
        scheme = _read_address(scope, b"x-forwarded-proto")[-1:]
        if scheme and scheme[0] in ("http", "https"):
            scope["scheme"] = scheme[0]


def find_sender(passed: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """Return the last address of a chain that is not a trusted proxy's; addresses before it may be forged.

    In a chain of trusted proxies alone it is the first; None if the last entry is no address.

    >>> find_sender(["198.51.100.1", "192.0.2.7", "10.0.0.2"], parse_networks("10.0.0.0/8"))
    '192.0.2.7'
    >>> find_sender(["198.51.100.1", "no address", "10.0.0.2"], parse_networks("10.0.0.0/8"))
    '10.0.0.2'
    """
    sender = None
    for entry in reversed(passed):
        try:
            address = str(ip_address(_PORT.sub(r"\1\2", entry)))
        except ValueError:
            break
        sender = address
        if not is_within(address, proxies):
            break
    return sender


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Report whether an address belongs to one of some networks."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list with commas; raises UnusableSetting. A single address is a network of one."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UnusableSetting("IPML_TRUSTED_PROXIES", str(error), "addresses or networks between commas") from None


def _read_address(scope: Scope, name: bytes) -> list[str]:
    lines = [value.decode("latin-1") for found, value in scope["headers"] if found == name]
    return [part.strip() for part in ",".join(lines).split(",") if part.strip()]


_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# Headers set by browsers and proxies cannot carry an identity.
_TAKEN_HEADERS = frozenset(
    {"host", "cookie", "origin", "referer", "user-agent", "via", "forwarded", "accept", "connection"}
)


def check_proxy_login(settings: Settings) -> None:
    """Refuse a header that any client could send; raises UnusableSetting."""
    header = settings.trusted_header
    if header is None:
        return
    if not _HEADER.fullmatch(header) or header.lower() in _TAKEN_HEADERS:
        raise UnusableSetting("IPML_TRUSTED_HEADER", repr(header), "the name of a header, such as X-Forwarded-User")
    if not settings.trusted_proxies.strip():
        expected = "IPML_TRUSTED_PROXIES with the addresses of the proxies that set it"
        raise UnusableSetting("IPML_TRUSTED_HEADER", "no trusted proxies", expected)


def find_proxy_user(request: Request, header: str | None, connection: SqlConnection, *, is_free: bool) -> User | None:
    """Return the user whom a trusted proxy names; None if no proxy names any.

    On a page for everyone (`is_free`) an unknown user counts as none. Otherwise it raises Forbidden for an unknown
    user, or for more than one name.
    """
    names = request.headers.getlist(header) if header else []
    if not names:
        return None
    if not request.scope.get(FROM_PROXY, False):
        address = request.client.host if request.client else "unknown"
        _log.warning("header %s from %s passed over: no trusted proxy", header, address)
        return None
    user = find_active_user(connection, names[0]) if len(names) == 1 else None
    if user is None and not is_free:
        _log.warning("login refused: a proxy names %.200r", names)
        raise Forbidden(
            "login",
            "you are logged in at the proxy in front of this page, but no user here has that name",
            "Ask an admin.",
        )
    return user


HEAD_SECONDS = 10.0
"""Limit for the head of a request, from the opening of the connection or from its first byte."""
BODY_SECONDS = 40.0
"""Limit for the body; the API gives up earlier."""
READ_SECONDS = 60.0
"""Limit for a client that does not read, each time that no more can be sent."""
MOST_WAITING = 1_000
"""Waiting connections at most; fewer if the process may open few files."""
MOST_OF_ADDRESS, MOST_BODIES_OF_ADDRESS = 100, 16
"""Waiting connections of one address that is no trusted proxy; and those waiting for a body."""
BACKLOG = 128
"""Connections accepted at once; more could use up the open files before any is closed."""

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LONGEST_LINE = 2_000
_QUIET_SECONDS = 60.0
_CAUSED_BY_STRANGERS = ("asyncio", "uvicorn.error", __name__)


class ConnectionLimits:
    """All waiting connections of a server by address, oldest first; trusted proxies may have more."""

    def __init__(self, proxies: Sequence[Network] = (), most: int = MOST_WAITING) -> None:
        self._proxies = proxies
        self._most = min(most, _find_most_files() // 2)
        self._all: dict[TimedConnection, None] = {}
        self._heads: dict[str, dict[TimedConnection, None]] = {}
        self._bodies: dict[str, dict[TimedConnection, None]] = {}

    def make_protocol(self, **given: Any) -> asyncio.Protocol:
        """Return a protocol for one client, as `uvicorn.Config(http=...)` expects it."""
        return TimedConnection(self, **given)

    def wait(self, connection: TimedConnection, *, for_body: bool) -> None:
        """Record that a connection waits; above a limit, close the one that has waited longest."""
        self.forget(connection)
        of_address = (self._bodies if for_body else self._heads).setdefault(connection.address, {})
        self._all[connection] = of_address[connection] = None
        is_proxy = is_within(connection.address, self._proxies)
        most = MOST_BODIES_OF_ADDRESS if for_body else MOST_OF_ADDRESS
        if len(of_address) > most and not is_proxy:
            _log.warning("too many requests that are not finished, from %s; the oldest closed", connection.address)
            next(iter(of_address)).close()
        elif len(self._all) > self._most:
            _log.warning("too many requests that are not finished; the oldest closed")
            next(iter(self._all)).close()

    def forget(self, connection: TimedConnection) -> None:
        """Record that a connection no longer waits."""
        self._all.pop(connection, None)
        for waiting in (self._heads, self._bodies):
            of_address = waiting.get(connection.address, {})
            of_address.pop(connection, None)
            if not of_address:
                waiting.pop(connection.address, None)


class TimedConnection(asyncio.Protocol):
    """One connection: passes data on to uvicorn's protocol, unless it takes too long."""

    def __init__(self, connections: ConnectionLimits, config: Config, **given: Any) -> None:
        own = copy.copy(config)
        own.loaded_app = self._answer
        self._app = config.loaded_app
        self._connections = connections
        self._inner = H11Protocol(config=own, **given)
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._answering = 0
        self._is_unread = False
        self._has_come = False  # data since the answer began, or since the end of the body
        self._is_idle = False  # kept alive for the next request, for uvicorn's `timeout_keep_alive`
        self.address = "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for the first request."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = network_of(str(peer[0])) if peer else "unknown"
        self._inner.connection_made(self._transport)
        self._wait_for_head_unless_answering()

    def data_received(self, data: bytes) -> None:
        """Pass on data; the head of a new request must be complete in time."""
        if self._is_idle:
            self._wait_for_head_unless_answering()
        self._has_come = True
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on that the client sends no more."""
        self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on that the client reads slowly, and limit the time for it."""
        self._inner.pause_writing()
        self._is_unread = True
        self._wait(READ_SECONDS, "left an answer unread for")

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._is_unread = False
        self._stop_waiting()
        self._inner.resume_writing()
        self._wait_for_next_unless_answering()

    def close(self) -> None:
        """Close at once, whatever is in progress."""
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def _has_to_wait(self) -> bool:
        is_over = self._transport is None or self._transport.is_closing()
        return not (self._answering or self._is_unread or is_over)

    def _wait_for_head_unless_answering(self) -> None:
        if self._has_to_wait():
            self._is_idle = False
            self._wait(HEAD_SECONDS, "its head took more than")

    def _wait_for_next_unless_answering(self) -> None:
        if self._has_come:  # the next request has begun
            self._wait_for_head_unless_answering()
        elif self._has_to_wait():
            self._stop_waiting()
            self._is_idle = True
            self._connections.wait(self, for_body=False)

    def _wait(self, seconds: float, why: str) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up, seconds, why)
        self._connections.wait(self, for_body=False)

    def _give_up(self, seconds: float, why: str) -> None:
        _log.warning("a request from %s closed: %s %.0f seconds", self.address, why, seconds)
        self.close()

    def _stop_waiting(self) -> None:
        self._connections.forget(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_unread:
            self._stop_waiting()
        self._has_come = False
        self._answering += 1  # more than one if a client pipelines requests
        try:
            if _is_ambiguous(scope):
                await _refuse_ambiguous(send)
            else:
                await self._app(scope, self._bound(receive) if scope["type"] == "http" else receive, send)
        finally:
            self._answering -= 1
            self._wait_for_next_unless_answering()

    def _bound(self, receive: Receive) -> Receive:
        deadline = time.monotonic() + BODY_SECONDS
        is_whole = False

        async def receive_in_time() -> Message:
            nonlocal is_whole
            if is_whole:  # only the end of the connection can follow
                return await receive()
            arriving = asyncio.ensure_future(receive())
            try:
                await asyncio.sleep(0)
                if arriving.done():  # complete requests do not count as waiting
                    message = arriving.result()
                else:
                    self._connections.wait(self, for_body=True)
                    message = await asyncio.wait_for(arriving, max(deadline - time.monotonic(), 0.0))
            except TimeoutError:
                words = f"The body did not arrive within {BODY_SECONDS:.0f} seconds."
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words, {"Connection": "close"}) from None
            finally:
                arriving.cancel()
                self._connections.forget(self)
            is_whole = not message.get("more_body", False)
            self._has_come = False
            return message

        return receive_in_time


def _is_ambiguous(scope: Scope) -> bool:
    """Report whether a body has two lengths: a proxy in front may use the other one (RFC 9112, section 6.1)."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope.get("headers", ())}


async def _refuse_ambiguous(send: Send) -> None:
    status, detail = HTTPStatus.BAD_REQUEST, "Found Content-Length and Transfer-Encoding; expected one of them."
    body = json.dumps({"title": status.phrase, "status": int(status), "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


class SparseFilter(logging.Filter):
    """Pass one line a minute of each kind, by logger and first words; the next one reports the number left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Report whether a line is written."""
        kind = (record.name, str(record.msg)[:40])
        since, left_out = self._kinds.get(kind, (-_QUIET_SECONDS, 0))
        now = self._clock()
        if now - since < _QUIET_SECONDS:
            self._kinds[kind] = (since, left_out + 1)
            return False
        if len(self._kinds) > 1_000:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out:,} times more)", ()
        return True


class _CleanFormatter(logging.Formatter):
    r"""Format a message as one line of limited length without control characters, so that clients cannot forge lines.

    >>> line = logging.makeLogRecord({"msg": "from %s", "args": ("\x1b[31mroot\nlogin: ana",)})
    >>> _CleanFormatter("%(message)s").format(line)
    'from ?[31mroot?login: ana'
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line before an exception."""
        message = record.message.replace("\n", "?")
        record.message = message if len(message) <= _LONGEST_LINE else f"{message[:_LONGEST_LINE]}…"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and those of an exception."""
        return _CONTROLS.sub("?", super().format(record))


def set_up_log() -> None:
    """Log to standard error, cleaned; lines that clients can cause at will come once a minute."""
    handler = logging.StreamHandler()
    handler.setFormatter(_CleanFormatter("%(asctime)s %(message)s"))
    sparse = SparseFilter()
    handler.addFilter(lambda record: record.name not in _CAUSED_BY_STRANGERS or sparse.filter(record))
    logging.basicConfig(handlers=[handler])


def _find_most_files() -> int:
    """Raise the limit of open files as far as allowed and useful, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4 * MOST_WAITING if hard == resource.RLIM_INFINITY else min(hard, 4 * MOST_WAITING)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


_WIDEST = {4: 8, 6: 32}  # shortest prefix that one organisation is likely to own


def find_exposure(settings: Settings, host: str) -> list[str]:
    """Return the settings that let others read or forge traffic, one sentence each."""
    found = []
    if not is_loopback(host) and not settings.trusted_proxies.strip():
        found.append(
            f"on {host} passwords, keys and cases go in the clear; put a proxy with https in front and name it "
            "in IPML_TRUSTED_PROXIES, or listen on 127.0.0.1"
        )
    proxies = parse_networks(settings.trusted_proxies)
    wide = [str(network) for network in proxies if network.prefixlen < _WIDEST[network.version]]
    if wide:
        found.append(f"IPML_TRUSTED_PROXIES takes the word of everybody in {', '.join(wide)}; name the proxies alone")
    if settings.public_url and settings.public_url.startswith("http://"):
        found.append(f"people reach the page under {settings.public_url}, without https")
    return found


def check_login_settings(settings: Settings) -> None:
    """Check the login settings as `ipml serve` does; raises UnusableSetting and Refused."""
    parse_networks(settings.trusted_proxies)
    check_proxy_login(settings)
    make_provider(settings)
    parse_group_roles(settings.oidc_roles)
