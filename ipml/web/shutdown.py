"""Shutdown: a server first reports that it is not ready, serves a while longer, and finishes open requests.

Load balancers can then send requests elsewhere.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from threading import Timer
from types import FrameType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config, Server

from ipml.web.server import BODY_SECONDS

SHUTDOWN = "ipml.shutdown"  # key in the scope of a request: the `Shutdown` of its server
ENDING_SECONDS = BODY_SECONDS + 5.0
"""Limit for finishing open requests."""
_WATCHED_SECONDS = 60.0


class Shutdown:
    """State of a server's shutdown, shared by threads.

    After SIGTERM the server answers for `seconds` more, if anyone has asked for its readiness within a minute.

    >>> Shutdown(10).begin()
    0.0
    >>> watched = Shutdown(10)
    >>> watched.note_asked()
    >>> watched.begin(), watched.has_begun
    (10.0, True)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = float(seconds), clock
        self._asked_at: float | None = None
        self.has_begun = False

    def note_asked(self) -> None:
        """Record a question for readiness."""
        self._asked_at = self._clock()

    def begin(self) -> float:
        """Begin to shut down; return the seconds to go on answering, 0 if nobody asked within a minute."""
        self.has_begun = True
        is_watched = self._asked_at is not None and self._clock() - self._asked_at < _WATCHED_SECONDS
        return self._seconds if is_watched else 0.0

    def known_to(self, app: ASGIApp) -> ASGIApp:
        """Return the application with access to this, which closes connections once shutdown has begun."""

        async def knowing(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_on(message: Message) -> None:
                if self.has_begun and message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)

            await app({**scope, SHUTDOWN: self}, receive, send_on)

        return knowing


class GracefulServer(Server):
    """uvicorn's server, which reports for a while that it is not ready after SIGTERM.

    A second signal, or Ctrl-C, ends it at once, after open requests.
    """

    def __init__(self, config: Config, shutdown: Shutdown) -> None:
        super().__init__(config)
        self._shutdown = shutdown

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, or end."""
        is_first, seconds = not self._shutdown.has_begun, self._shutdown.begin()
        if sig != signal.SIGTERM or not is_first or seconds == 0:
            super().handle_exit(sig, frame)
            return
        later = Timer(seconds, super().handle_exit, (sig, frame))
        later.daemon = True
        later.start()
