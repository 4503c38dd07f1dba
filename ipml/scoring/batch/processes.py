"""Processes that are to score parts: each with one thread, gone when their parent is, and quiet about Ctrl-C.

This file imports nothing heavy: processes can be started before their parent knows what they are to do, and load all
they need while it does the same.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS")
_SURROUNDINGS = dict.fromkeys(_THREADS, "1") | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
_BYTES_OF_A_PART = 2 << 20
"""Parts of real listings are larger than this in any kind of file."""


@contextmanager
def leaving_garbage() -> Iterator[None]:
    """Import and load without Python's search for garbage, now or later: it finds none, in a sixth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


class Processes:
    """Processes that wait for what they are told through a pipe.

    Parameters
    ----------
    n : int, default=0
        How many to start at once.
    model : str or Path, optional
        The model that they will be given, if that is known: they score with it once while they wait, so that what is
        built at first use is there.
    """

    def __init__(self, n: int = 0, model: str | Path | None = None) -> None:
        self._started: dict[Connection, BaseProcess] = {}
        self._model = model
        self.take(n)

    def take(self, n: int) -> dict[Connection, BaseProcess]:
        """Return so many of them by the pipes that lead to them, and start those that are missing."""
        while len(self._started) < n:
            pipe, process = _start(self._model)
            self._started[pipe] = process
        return dict(list(self._started.items())[:n])

    def close(self) -> None:
        """End the processes at once; what they were writing is no harm, for it has no name yet."""
        for process in self._started.values():
            process.kill()
        for process in self._started.values():
            process.join()
        # A pipe closes with its last user: closed here, its number could be that of another one already while a thread
        # that was about to hand on a task still writes to it.
        self._started = {}


def count_helpers(source: Path, jobs: int) -> int:
    """Return how many processes besides this one are sure to find work in a file: from its size, as it is not yet read.

    Examples
    --------
    >>> count_helpers(Path("no such file"), 8)
    0
    """
    files = source.rglob("*.parquet") if source.is_dir() else [source]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return max(0, min(jobs - 1, size // _BYTES_OF_A_PART))


def _start(model: str | Path | None) -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")  # a fork would copy the locks of threads, but not the threads
    here, there = context.Pipe()
    process = context.Process(target=_begin, args=(there, model), daemon=True)
    with _quiet_surroundings():
        process.start()
    there.close()
    return here, process


@contextmanager
def _quiet_surroundings() -> Iterator[None]:
    """Let a process begin with one thread for each library, and deaf to Ctrl-C: its parent ends it then."""
    before = {name: os.environ.get(name) for name in _SURROUNDINGS}
    os.environ.update(_SURROUNDINGS)
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin(pipe: Connection, model: str | Path | None) -> None:
    """Load what scoring needs, and do what comes through the pipe."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with leaving_garbage():
        from ipml.scoring.batch.workers import rehearse, serve

        if model is not None:
            rehearse(model)
    serve(pipe)


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
