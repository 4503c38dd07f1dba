"""Connections that never finish what they ask, and what of them is logged: bounded, so that others are answered.

uvicorn limits neither the time that the head of a request may take nor the connections of an address. So its protocol
is made within one of ours, which passes all on to it and closes connections that wait too long, or of which there are
too many: the one that has waited longest goes, so that whoever sends their request at once is answered even from the
address of an attacker.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import re
import resource
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ipml.web.forwarded import Network, is_within
from ipml.web.tries import network_of

HEAD_SECONDS = 10.0
"""How long the head of a request may take, from the opening of the connection or the end of the answer before."""
BODY_SECONDS = 40.0
"""How long the body may take; the API gives up before."""
MOST_WAITING = 1_000
"""Connections that may wait for a request or the rest of one; fewer where the system allows few open files."""
MOST_OF_ADDRESS, MOST_BODIES_OF_ADDRESS = 100, 16
"""The same from one address that is no trusted proxy; and those of them of which the head is there."""
BACKLOG = 128
"""Connections that are taken up at once; more could use up the open files before any is closed."""

_log = logging.getLogger(__name__)
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LONGEST_LINE = 2_000
_QUIET_SECONDS = 60.0
_CAUSED_BY_STRANGERS = ("asyncio", "uvicorn.error", __name__, "ipml.web.forwarded", "ipml.web.proxy_login")


class Connections:
    """All connections of a server that wait, by address, the oldest first.

    Parameters
    ----------
    proxies : sequence of IPv4Network or IPv6Network
        Trusted proxies, which may have more than others: they speak for many.
    most : int, default=MOST_WAITING
    """

    def __init__(self, proxies: Sequence[Network] = (), most: int = MOST_WAITING) -> None:
        self._proxies = proxies
        self._most = min(most, _find_most_files() // 2)
        self._all: dict[Connection, None] = {}
        self._heads: dict[str, dict[Connection, None]] = {}
        self._bodies: dict[str, dict[Connection, None]] = {}

    def make_protocol(self, **given: Any) -> asyncio.Protocol:
        """Make what speaks with one client, as `uvicorn.Config(http=...)` wants it."""
        return Connection(self, **given)

    def wait(self, connection: Connection, *, for_body: bool) -> None:
        """Note that a connection waits; if one too many does, close that which has waited longest."""
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

    def forget(self, connection: Connection) -> None:
        """Note that a connection waits no longer."""
        self._all.pop(connection, None)
        for waiting in (self._heads, self._bodies):
            of_address = waiting.get(connection.address, {})
            of_address.pop(connection, None)
            if not of_address:
                waiting.pop(connection.address, None)


class Connection(asyncio.Protocol):
    """One connection: what comes in goes on to uvicorn's protocol, unless it takes too long.

    Parameters
    ----------
    connections : Connections
    config : Config
        uvicorn's; the rest of what it hands over goes to its own protocol.
    """

    def __init__(self, connections: Connections, config: Config, **given: Any) -> None:
        own = copy.copy(config)
        own.loaded_app = self._answer
        self._app = config.loaded_app
        self._connections = connections
        self._inner = AutoHTTPProtocol(config=own, **given)  # type: ignore[call-arg]
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._answering = 0
        self.address = "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = network_of(str(peer[0])) if peer else "unknown"
        self._inner.connection_made(self._transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on that the client sends no more."""
        self._inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """End all waiting."""
        self._stop_waiting()
        self._inner.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on that the client reads slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._inner.resume_writing()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up)
        self._connections.wait(self, for_body=False)

    def _give_up(self) -> None:
        _log.warning("a request from %s closed: its head took more than %.0f seconds", self.address, HEAD_SECONDS)
        self.close()

    def _stop_waiting(self) -> None:
        self._connections.forget(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered, the head of which is there."""
        self._stop_waiting()
        self._answering += 1  # more than one where a client sends the next request before it has the answer
        try:
            await self._app(scope, self._bound(receive) if scope["type"] == "http" else receive, send)
        finally:
            self._answering -= 1
            if not self._answering and self._transport is not None and not self._transport.is_closing():
                self._wait_for_head()

    def _bound(self, receive: Receive) -> Receive:
        """Return what reads the body, with a limit of time."""
        deadline = time.monotonic() + BODY_SECONDS
        is_whole = False

        async def receive_in_time() -> Message:
            nonlocal is_whole
            if is_whole:  # nothing comes any more but the end of the connection
                return await receive()
            self._connections.wait(self, for_body=True)
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.0))
            except TimeoutError:
                words = f"The body did not arrive within {BODY_SECONDS:.0f} seconds."
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words, {"Connection": "close"}) from None
            finally:
                self._connections.forget(self)
            is_whole = not message.get("more_body", False)
            return message

        return receive_in_time


class SparseFilter(logging.Filter):
    """Let one line a minute of each kind through; the next one says how many were left out.

    A kind is a logger and the first words of its message, before anything is filled in.

    Parameters
    ----------
    clock : callable, default=time.monotonic
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written."""
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


class CleanFormatter(logging.Formatter):
    r"""Write a message as one line of bounded length, without controls: nobody writes lines, or colours, of their own.

    Examples
    --------
    >>> line = logging.makeLogRecord({"msg": "from %s", "args": ("\x1b[31mroot\nlogin: ana",)})
    >>> CleanFormatter("%(message)s").format(line)
    'from ?[31mroot?login: ana'
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line before what is said of an exception."""
        message = record.message.replace("\n", "?")
        record.message = message if len(message) <= _LONGEST_LINE else f"{message[:_LONGEST_LINE]}…"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the lines on an exception."""
        return _CONTROLS.sub("?", super().format(record))


def set_up_log() -> None:
    """Send the log of a server to standard error, cleaned; what strangers cause at will comes once a minute."""
    handler = logging.StreamHandler()
    handler.setFormatter(CleanFormatter("%(asctime)s %(message)s"))
    sparse = SparseFilter()
    handler.addFilter(lambda record: record.name not in _CAUSED_BY_STRANGERS or sparse.filter(record))
    logging.basicConfig(handlers=[handler])


def _find_most_files() -> int:
    """Return how many files a process may have open, once it has asked for as many as it may get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MOST_WAITING if hard == resource.RLIM_INFINITY else min(hard, 4 * MOST_WAITING)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
