"""Short transactions: split large changes so that nobody waits long.

A job finds due rows without a lock, and changes them in transactions of about a tenth of a second, between which
others write. Each change checks the rows again. A killed job is continued by its next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ipml.storage.database import Lock, serialise, writing

_Thing = TypeVar("_Thing")
_Done = TypeVar("_Done")

_SECONDS = 0.1  # of one transaction
_FIRST, _LEAST, _MOST = 10, 5, 500  # items per transaction; at most as many as one query may name


def change_in_turns(
    engine: Engine,
    things: Sequence[_Thing],
    change: Callable[[Connection, Sequence[_Thing]], _Done],
    *,
    lock: Lock | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[_Done]:
    """Change items in several short transactions, and yield the result of each.

    Each takes as many items as the last one had time for, at most twice as many. Waiting for `lock` does not count.
    `is_stopped` is called before each transaction.

    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> [*change_in_turns(engine, range(25), lambda connection, some: len(some))]
    [10, 15]
    """
    start, size = 0, _FIRST
    while start < len(things) and not is_stopped():
        some = things[start : start + size]
        with writing(engine) as connection:
            if lock is not None:
                serialise(connection, lock)
            began = monotonic()
            done = change(connection, some)
        seconds = max(monotonic() - began, 1e-6)
        start, size = start + len(some), max(_LEAST, min(2 * size, int(size * _SECONDS / seconds), _MOST))
        yield done
