"""Processes in which things are timed: each on one core, with one thread for each library, and its own memory."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class PinnedProcess:
    """A process of its own that stays on one core and does one thing after another; it remembers what it loaded.

    Examples
    --------
    >>> with PinnedProcess() as process:
    ...     process.run(abs, -1)
    1
    """

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))  # a fork would begin with our memory
        before = dict(os.environ)
        os.environ.update(ONE_THREAD)
        try:
            self.run(stay_on_one_core)  # the process starts here
        finally:
            os.environ.clear()
            os.environ.update(before)

    def run(self, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Do something there and return what comes of it."""
        return self._pool.submit(work, *args, **kwargs).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def stay_on_one_core() -> None:
    """Keep this process on the last core it may use; the first ones serve the devices."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def peak_memory() -> int:
    """Return the most memory this process has had, in bytes.

    The kernel's count of a program begins with the program; that of `getrusage` with the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
