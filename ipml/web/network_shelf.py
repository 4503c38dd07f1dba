"""The networks that pages were asked for last, read once and kept until others stand in their folder."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from time import sleep
from typing import TypeVar

from ipml.cooperation.network.catalogue import NetworkFigures, add_up, find_number, list_networks
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.portraits import load_network
from ipml.cooperation.network.viewing import NetworkView, view_network
from ipml.enforcement.privacy.erased_list import ErasedList, read_erased
from ipml.errors import NoNetworks
from ipml.web.kept import Kept

Answer = TypeVar("Answer")
_Stamp = tuple[int, int] | None

_MOST = 64  # networks; one of 300 members takes a megabyte
_TRIES, _PAUSE_SECONDS = 4, 0.05  # a folder is replaced within milliseconds


class NetworkShelf:
    """The networks of a folder, as they are asked for; one that is being read keeps nobody from reading another.

    Parameters
    ----------
    folder : Path or None
        As `ipml network find` wrote it; None: there are none.
    erased : Path, optional
        File that names who was erased; nobody of them is shown by name.
    """

    def __init__(self, folder: Path | None, erased: Path | None = None) -> None:
        self._folder, self._erased = folder, erased
        self._kept: OrderedDict[tuple[_Stamp, _Stamp, int], Kept[NetworkView]] = OrderedDict()
        self._lock = Lock()

    @property
    def is_there(self) -> bool:
        """Whether a folder of networks was named."""
        return self._folder is not None

    def list(self, order: str, most: int) -> tuple[list[NetworkFigures], int]:
        """Return the first networks in some order, and how many there are; NoNetworks without a folder."""
        return self._read(lambda folder: list_networks(folder, order, most))

    def find_number(self, seller_id: str) -> int | None:
        """Return the number of the network that a seller is in; None where in none, or where there are none."""
        erased = self._read_erased()
        if self._folder is None or (erased is not None and erased.find(seller_id, seller_id)):
            return None
        return find_number(self._folder, seller_id)

    def add_up(self, counted: Mapping[str, int]) -> dict[int, int]:
        """Return the sum of something counted by seller for each network; NoNetworks without a folder."""
        return self._read(lambda folder: add_up(folder, counted))

    def view(self, number: int) -> NetworkView:
        """Return a network; NoNetworks, NetworkNotFound where there is none."""
        return self._read(
            lambda folder: self._keep(folder, number).get(lambda: view_network(folder, number, self._read_erased()))
        )

    def load(self, number: int) -> Networks:
        """Return a network by itself, to be reckoned with and not shown; NoNetworks, NetworkNotFound."""
        return self._read(lambda folder: load_network(folder, number))

    def _read_erased(self) -> ErasedList | None:
        return read_erased(self._erased) if self._erased is not None and self._erased.exists() else None

    def _keep(self, folder: Path, number: int) -> Kept[NetworkView]:
        key = _stamp(folder), _stamp(self._erased), number
        with self._lock:
            kept = self._kept.setdefault(key, Kept(math.inf))
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return kept

    def _read(self, read: Callable[[Path], Answer]) -> Answer:
        """Read something of the folder, again where another took its place meanwhile."""
        if self._folder is None:
            raise NoNetworks(Path("IPML_NETWORKS"), "no folder named by it")
        for remaining in range(_TRIES, 0, -1):
            stamp = _stamp(self._folder)
            try:
                answer = read(self._folder)
            except NoNetworks:
                if remaining == 1 or stamp == _stamp(self._folder) is not None:
                    raise
            else:
                if remaining == 1 or stamp == _stamp(self._folder):
                    return answer
            sleep(_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")


def _stamp(path: Path | None) -> _Stamp:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    if found is None:
        return None
    return found.st_ino, found.st_mtime_ns
