"""Cache: slow answers stored for a while, and the networks last shown, stored until their folder changes."""

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
    """Stores one answer for some seconds; concurrent callers wait for the one who finds it."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._clock, self._lock = seconds, clock, Lock()
        self._found: tuple[float, Answer] | None = None

    def get(self, find: Callable[[], Answer]) -> Answer:
        """Return the stored answer, or find a new one if it is missing or too old."""
        with self._lock:
            if self._found is None or self._clock() - self._found[0] >= self._seconds:
                self._found = (self._clock(), find())
            return self._found[1]


class CachedAhead(Generic[Answer]):
    """Stores one slow answer and finds it in a thread, so that callers wait at most `patience` seconds.

    An expired answer is given until there is a new one.
    """

    def __init__(self, seconds: float, patience: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._patience, self._clock, self._lock = seconds, patience, clock, Lock()
        self._found: tuple[float, Answer] | None = None
        self._finding: Future[Answer] | None = None

    def get(self, find: Callable[[], Answer]) -> Answer | None:
        """Return a fresh answer, else the last one, else None; raises whatever `find` raised."""
        finding = self.prepare(find)
        if finding is not None:
            with suppress(TimeoutError):
                return finding.result(self._patience)
        return self._found[1] if self._found else None

    def prepare(self, find: Callable[[], Answer]) -> Future[Answer] | None:
        """Begin to find an answer, unless a fresh one is stored; return its future, or None."""
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
    """Stores an answer for each of the `most` names asked for last; otherwise like `CachedAnswer`.

    >>> kept = CachedByName(seconds=60, most=1)
    >>> kept.get("a", lambda: 1), kept.get("a", lambda: 2), kept.get("b", lambda: 3), kept.get("a", lambda: 4)
    (1, 1, 3, 4)
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._seconds, self._most, self._clock, self._lock = seconds, most, clock, Lock()
        self._kept: OrderedDict[Hashable, CachedAnswer[Answer]] = OrderedDict()

    def get(self, name: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return the stored answer of a name, or find a new one if it is missing or too old."""
        with self._lock:
            kept = self._kept.setdefault(name, CachedAnswer(self._seconds, self._clock))
        try:
            answer = kept.get(find)
        except BaseException:
            with self._lock:
                self._kept.pop(name, None)  # a failed name must not displace others
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
    """The networks of a folder, read on demand and in parallel; None means no networks.

    `erased` is a file of erased sellers, who are not shown by name.
    """

    def __init__(self, folder: Path | None, erased: Path | None = None) -> None:
        self._folder, self._erased = folder, erased
        self._kept = CachedByName[NetworkView](math.inf, _MOST_NETWORKS)

    @property
    def is_there(self) -> bool:
        """Whether there is a folder of networks."""
        return self._folder is not None

    def list(
        self, order: str, most: int, *, is_descending: bool = True, skip: int = 0
    ) -> tuple[list[NetworkFigures], int]:
        """Return a page of networks and the number of all; raises NotFound without a folder."""
        return self._read(lambda folder: list_networks(folder, order, most, is_descending=is_descending, skip=skip))

    def find(self, number: int) -> Sequence[NetworkFigures]:
        """Return the figures of one network, or nothing."""
        return self._read(lambda folder: find_figures(folder, number))

    def find_number(self, seller_id: str) -> int | None:
        """Return the number of a seller's network, or None."""
        erased = self._read_erased()
        if self._folder is None or (erased is not None and erased.find(seller_id, seller_id)):
            return None
        return find_number(self._folder, seller_id)

    def add_up(self, counted: Mapping[str, int]) -> dict[int, int]:
        """Return the sum of a count by seller for each network; raises NotFound without a folder."""
        return self._read(lambda folder: add_up(folder, counted))

    def view(self, number: int) -> NetworkView:
        """Return a network to show; raises NotFound."""
        return self._read(
            lambda folder: self._kept.get(
                (_stamp(folder), _stamp(self._erased), number),
                lambda: view_network(folder, number, self._read_erased()),
            )
        )

    def load(self, number: int) -> Networks:
        """Return a network for calculations; raises NotFound."""
        return self._read(lambda folder: load_network(folder, number))

    def _read_erased(self) -> ErasedList | None:
        return read_erased(self._erased) if self._erased is not None and self._erased.exists() else None

    def _read(self, read: Callable[[Path], Answer]) -> Answer:
        """Read from the folder, again if it was replaced meanwhile."""
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
