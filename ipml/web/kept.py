"""An answer that takes long to find and changes slowly, kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """Keeps one answer; who asks while it is being found waits for it instead of finding it, too.

    Parameters
    ----------
    seconds : float
        How long an answer is good.
    clock : callable, default=time.monotonic
        Returns seconds.

    Examples
    --------
    >>> kept = Kept(seconds=60)
    >>> kept.get(lambda: "first"), kept.get(lambda: "second")
    ('first', 'first')
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._clock, self._lock = seconds, clock, Lock()
        self._found: tuple[float, Answer] | None = None

    def get(self, find: Callable[[], Answer]) -> Answer:
        """Return the answer that is kept, or find it anew where there is none or it is too old."""
        with self._lock:
            if self._found is None or self._clock() - self._found[0] >= self._seconds:
                self._found = (self._clock(), find())
            return self._found[1]
