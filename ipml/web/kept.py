"""Answers that take long to find and change slowly, kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
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


class KeptAhead(Generic[Answer]):
    """Keeps one answer that takes long to find, and finds it in a thread of its own: nobody waits longer than a moment.

    Parameters
    ----------
    seconds : float
        How long an answer is good; one that is not is given until there is another.
    patience : float
        For how many seconds who asks waits for a good one.
    clock : callable, default=time.monotonic
        Returns seconds.

    Examples
    --------
    >>> kept = KeptAhead(seconds=60, patience=5)
    >>> kept.get(lambda: "first"), kept.get(lambda: "second")
    ('first', 'first')
    """

    def __init__(self, seconds: float, patience: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._patience, self._clock, self._lock = seconds, patience, clock, Lock()
        self._found: tuple[float, Answer] | None = None
        self._finding: Future[Answer] | None = None

    def get(self, find: Callable[[], Answer]) -> Answer | None:
        """Return a good answer, or the last one while another is being found, or None where there is none yet.

        Raises
        ------
        Exception
            What `find` raised.
        """
        finding = self.prepare(find)
        if finding is not None:
            with suppress(TimeoutError):
                return finding.result(self._patience)
        return self._found[1] if self._found else None

    def prepare(self, find: Callable[[], Answer]) -> Future[Answer] | None:
        """Begin to find an answer, unless a good one is kept; return what becomes of it, or None."""
        with self._lock:
            if self._found and self._clock() - self._found[0] < self._seconds:
                return None
            if self._finding is None:
                self._finding = Future()
                Thread(target=self._find, args=(find, self._finding), daemon=True).start()
            return self._finding

    def _find(self, find: Callable[[], Answer], finding: Future[Answer]) -> None:
        begun = self._clock()
        try:
            answer = find()
        except BaseException as error:
            with self._lock:
                self._finding = None
            finding.set_exception(error)
            return
        with self._lock:
            self._found, self._finding = (begun, answer), None
        finding.set_result(answer)


class KeptByName(Generic[Answer]):
    """Keeps an answer for each of some names, those asked for last; otherwise like `Kept`.

    Parameters
    ----------
    seconds : float
        How long an answer is good.
    most : int
        Of how many names.

    Examples
    --------
    >>> kept = KeptByName(seconds=60, most=1)
    >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2), kept.get("b", lambda: 3), kept.get("a", lambda: 4)
    (1, 1, 3, 4)
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._most, self._clock, self._lock = seconds, most, clock, Lock()
        self._kept: OrderedDict[str, Kept[Answer]] = OrderedDict()

    def get(self, name: str, find: Callable[[], Answer]) -> Answer:
        """Return the answer that is kept for a name, or find it anew where there is none or it is too old."""
        with self._lock:
            kept = self._kept.setdefault(name, Kept(self._seconds, self._clock))
        try:
            answer = kept.get(find)
        except BaseException:
            with self._lock:
                self._kept.pop(name, None)  # names of which nothing can be found push none out
            raise
        with self._lock:
            self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return answer
