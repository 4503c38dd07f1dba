"""Short transactions: jobs change many rows some at a time, so that nobody waits long for them.

A job looks for what is due while nobody waits, and changes it in transactions of about a tenth of a second: reviewers,
intake and deliveries get their turn in between. What is due may have changed meanwhile, so each change looks again.
Killed at any moment, the next run goes on where this one was.
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
_FIRST, _LEAST, _MOST = 10, 5, 500  # things in one; at most as many as one query asks for


def change_in_turns(
    engine: Engine,
    things: Sequence[_Thing],
    change: Callable[[Connection, Sequence[_Thing]], _Done],
    *,
    lock: Lock | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[_Done]:
    """Change things in as many short transactions as it takes; give what each transaction came to.

    Each has as many things as the one before it had time for, and at most twice as many.

    Parameters
    ----------
    change : callable
        Changes some things in a transaction.
    lock : Lock, optional
        What only one transaction may do at a time; to wait for it is not counted.
    is_stopped : callable, optional
        Asked before each transaction.

    Examples
    --------
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
