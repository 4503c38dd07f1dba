"""How much memory this process needed at most, and where the time of a year went."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_COLLECTED_AT = (100_000, 20, 50)


def peak_bytes() -> int:
    """Return how many bytes of memory this process held at most.

    Examples
    --------
    >>> peak_bytes() > 1_000_000
    True
    """
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def held_bytes() -> int:
    """Return how many bytes of memory this process holds now, where the system says so; else at most so far.

    Examples
    --------
    >>> 1_000_000 < held_bytes() <= peak_bytes() + 2**24
    True
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * resource.getpagesize()


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for garbage in circles seldom until the end of the block: queries make millions of objects, few in circles.

    Examples
    --------
    >>> with seldom_collecting():
    ...     gc.get_threshold()[0] > 700
    True
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECTED_AT)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(slots=True)
class Spent:
    """Seconds of processor time and of the clock on the wall, and how often."""

    processor: float = 0.0
    wall: float = 0.0
    times: int = 0


@dataclass(slots=True)
class Stations:
    """Where the time goes.

    Examples
    --------
    >>> stations = Stations()
    >>> with stations.at("review"):
    ...     pass
    >>> list(stations.spent)
    ['review']
    """

    spent: dict[str, Spent] = field(default_factory=dict)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Count the time until the end of the block as spent at a station."""
        processor, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.process_time() - processor, time.perf_counter() - wall)

    def add(self, name: str, processor: float, wall: float = 0.0) -> None:
        """Count time that was spent elsewhere."""
        spent = self.spent.setdefault(name, Spent())
        spent.processor += processor
        spent.wall += wall
        spent.times += 1
