"""Answers that take long to find and change slowly, kept for a while; and the networks that pages were asked for last.

Networks are read once and kept until others stand in their folder.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Generic, TypeVar

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.store import (
    NetworkFigures,
    add_up,
    find_figures,
    find_number,
    list_networks,
    load_network,
)
from ipml.cooperation.networks.view import NetworkView, view_network
from ipml.enforcement.privacy.erased_list import ErasedList, read_erased
from ipml.errors import NotFound

Answer = TypeVar("Answer")


class CachedAnswer(Generic[Answer]):
    """Keeps one answer; who asks while it is being found waits for it instead of finding it, too.

    Parameters
    ----------
    seconds : float
        How long an answer is good.
    clock : callable, default=time.monotonic
        Returns seconds.

    Examples
    --------
    >>> kept = CachedAnswer(seconds=60)
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


class CachedAhead(Generic[Answer]):
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
    >>> kept = CachedAhead(seconds=60, patience=5)
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


class CachedByName(Generic[Answer]):
    """Keeps an answer for each of some names, whatever they are, those asked for last; otherwise like `CachedAnswer`.

    Parameters
    ----------
    seconds : float
        How long an answer is good.
    most : int
        Of how many names.

    Examples
    --------
    >>> kept = CachedByName(seconds=60, most=1)
    >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2), kept.get("b", lambda: 3), kept.get("a", lambda: 4)
    (1, 1, 3, 4)
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._most, self._clock, self._lock = seconds, most, clock, Lock()
        self._kept: OrderedDict[Hashable, CachedAnswer[Answer]] = OrderedDict()

    def get(self, name: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return the answer that is kept for a name, or find it anew where there is none or it is too old."""
        with self._lock:
            kept = self._kept.setdefault(name, CachedAnswer(self._seconds, self._clock))
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


_Stamp = tuple[int, int] | None

_MOST_NETWORKS = 64  # networks; one of 300 members takes a megabyte
_TRIES, _PAUSE_SECONDS = 4, 0.05  # a folder is replaced within milliseconds


class NetworkShelf:
    """The networks of a folder, as they are asked for; one that is being read keeps nobody from reading another.

    Parameters
    ----------
    folder : Path or None
        As `ipml cooperate network find` wrote it; None: there are none.
    erased : Path, optional
        File that names who was erased; nobody of them is shown by name.
    """

    def __init__(self, folder: Path | None, erased: Path | None = None) -> None:
        self._folder, self._erased = folder, erased
        self._kept = CachedByName[NetworkView](math.inf, _MOST_NETWORKS)

    @property
    def is_there(self) -> bool:
        """Whether a folder of networks was named."""
        return self._folder is not None

    def list(
        self, order: str, most: int, *, is_descending: bool = True, skip: int = 0
    ) -> tuple[list[NetworkFigures], int]:
        """Return the networks in some order after the first few, and how many there are; NotFound without a folder."""
        return self._read(lambda folder: list_networks(folder, order, most, is_descending=is_descending, skip=skip))

    def find(self, number: int) -> Sequence[NetworkFigures]:
        """Return the figures of one network; nothing where there is none of that number."""
        return self._read(lambda folder: find_figures(folder, number))

    def find_number(self, seller_id: str) -> int | None:
        """Return the number of the network that a seller is in; None where in none, or where there are none."""
        erased = self._read_erased()
        if self._folder is None or (erased is not None and erased.find(seller_id, seller_id)):
            return None
        return find_number(self._folder, seller_id)

    def add_up(self, counted: Mapping[str, int]) -> dict[int, int]:
        """Return the sum of something counted by seller for each network; NotFound without a folder."""
        return self._read(lambda folder: add_up(folder, counted))

    def view(self, number: int) -> NetworkView:
        """Return a network; NotFound where there is none."""
        return self._read(
            lambda folder: self._kept.get(
                (_stamp(folder), _stamp(self._erased), number),
                lambda: view_network(folder, number, self._read_erased()),
            )
        )

    def load(self, number: int) -> Networks:
        """Return a network by itself, to be reckoned with and not shown; NotFound."""
        return self._read(lambda folder: load_network(folder, number))

    def _read_erased(self) -> ErasedList | None:
        return read_erased(self._erased) if self._erased is not None and self._erased.exists() else None

    def _read(self, read: Callable[[Path], Answer]) -> Answer:
        """Read something of the folder, again where another took its place meanwhile."""
        if self._folder is None:
            raise NotFound("networks", "IPML_NETWORKS", "Name a folder by it: `ipml cooperate network find` makes one.")
        for remaining in range(_TRIES, 0, -1):
            stamp = _stamp(self._folder)
            try:
                answer = read(self._folder)
            except NotFound:
                if remaining == 1 or stamp == _stamp(self._folder) is not None:
                    raise
            else:
                if remaining == 1 or stamp == _stamp(self._folder):
                    return answer
            sleep(_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")


def _stamp(path: Path | None) -> _Stamp:
    with suppress(OSError):
        if path is not None:
            found = path.stat()
            return found.st_ino, found.st_mtime_ns
    return None
