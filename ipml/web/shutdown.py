"""How a server ends: it goes on for a while, and says that it is no longer ready.

So whoever distributes requests can send them elsewhere; what is under way is finished.
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

SHUTDOWN = "ipml.shutdown"  # in the scope of a request: the `Shutdown` of its server
ENDING_SECONDS = BODY_SECONDS + 5.0
"""How long requests that are under way have to be finished."""
_WATCHED_SECONDS = 60.0


class Shutdown:
    """Whether a server is shutting down, and whether anybody wants to be told so. Threads may share it.

    Parameters
    ----------
    seconds : float
        How long the server goes on answering once it was told to end, where somebody watches whether it is ready.

    Examples
    --------
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
        """Note that somebody asked whether the server is ready."""
        self._asked_at = self._clock()

    def begin(self) -> float:
        """Begin to shut down, and return how many seconds to go on answering: none where nobody asked in a minute."""
        self.has_begun = True
        is_watched = self._asked_at is not None and self._clock() - self._asked_at < _WATCHED_SECONDS
        return self._seconds if is_watched else 0.0

    def known_to(self, app: ASGIApp) -> ASGIApp:
        """Return an application that does as the given one, knows of this, and ends connections once it has begun."""

        async def knowing(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_on(message: Message) -> None:
                if self.has_begun and message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)

            await app({**scope, SHUTDOWN: self}, receive, send_on)

        return knowing


class GracefulServer(Server):
    """uvicorn's server, which first says for a while that it is no longer ready when SIGTERM tells it to end.

    A second signal, and Ctrl-C, end it at once, after what is under way.

    Parameters
    ----------
    config : Config
    shutdown : Shutdown
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
