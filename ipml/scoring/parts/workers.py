"""The processes that score parts: each with one thread, gone when their parent is, and quiet about Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import pyarrow as pa
from threadpoolctl import threadpool_limits

from ipml.errors import IpmlError, PartFailed, WorkerLost, first_line
from ipml.scoring.parts.changes import Change
from ipml.scoring.parts.folder import Record
from ipml.scoring.parts.part import Work
from ipml.scoring.parts.source import Part

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS")
_SURROUNDINGS = dict.fromkeys(_THREADS, "1") | {"ARROW_DEFAULT_MEMORY_POOL": "system"}

Task = TypeVar("Task", Part, Change)


@contextmanager
def limit_libraries() -> Iterator[None]:
    """Let the libraries use one thread each, and give memory back that they do not need.

    So many processes then take so many cores, and sums come out the same on every machine.
    """
    threads, pool = pa.cpu_count(), pa.default_memory_pool()
    pa.set_cpu_count(1)
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        with threadpool_limits(1):
            yield
    finally:
        pa.set_cpu_count(threads)
        pa.set_memory_pool(pool)


class Workers:
    """Processes that do tasks; or this process alone.

    Parameters
    ----------
    work : Work
        What every process has to know.
    n : int
        How many processes; 1 is this one.
    """

    def __init__(self, work: Work, n: int) -> None:
        self._work = work
        self._processes = dict(_start() for _ in range(n)) if n > 1 else {}
        for pipe in self._processes:  # once all of them are starting
            _send(pipe, work)

    def run(self, do: Callable[[Work, Task], Record], tasks: Iterable[Task]) -> Iterator[Record]:
        """Yield what is made of tasks, as it is done; tasks are begun in their order.

        Raises
        ------
        WorkerLost
            A process ended.
        PartFailed
            Something went wrong in another process that is no error of ipml's.
        Exception
            What a task raised: if several did, the first of them in the order of the tasks.
        """
        if not self._processes:
            yield from (do(self._work, task) for task in tasks)
            return
        queue, busy = _Queue(tasks), dict[Connection, tuple[int, Task]]()
        idle = list(self._processes)
        while True:
            while idle and not queue.is_over:
                if (found := queue.take()) is not None:
                    _send(idle[-1], (do, found[1]))
                    busy[idle.pop()] = found
            if not busy:
                break
            queue.fetch()  # while the others work
            for pipe in connection.wait(list(busy)):
                assert isinstance(pipe, Connection)
                number, task = busy.pop(pipe)
                is_done, answer = self._receive(pipe, task)
                idle.append(pipe)
                if is_done:
                    yield answer
                else:
                    queue.fail(number, answer)
        queue.raise_first()

    def close(self) -> None:
        """End the processes at once; what they were writing is no harm, for it has no name yet."""
        for process in self._processes.values():
            process.kill()
        for pipe, process in self._processes.items():
            process.join()
            pipe.close()
        self._processes = {}

    def _receive(self, pipe: Connection, task: Part | Change) -> tuple[bool, Any]:
        try:
            answer: tuple[bool, Any] = pipe.recv()
        except (EOFError, ConnectionError) as error:
            process = self._processes[pipe]
            process.join()
            raise WorkerLost(_name_rows(task), process.exitcode) from error
        return answer


class _Queue:
    """Tasks in their order, one fetched ahead; what went wrong ends it."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self._tasks = enumerate(tasks)
        self._ahead: tuple[int, Any] | None = None
        self._begun = 0
        self._failed: dict[int, BaseException] = {}
        self.is_over = False

    def take(self) -> tuple[int, Any] | None:
        """Return the next task and its number."""
        self.fetch()
        found, self._ahead = self._ahead, None
        return found

    def fetch(self) -> None:
        """Have the next task ready."""
        if self._ahead is not None or self.is_over:
            return
        try:
            self._ahead = next(self._tasks, None)
            self.is_over = self._ahead is None
            self._begun += 1
        except Exception as error:  # raised once those before are done, for one of them may have failed, too
            self.fail(self._begun, error)

    def fail(self, number: int, error: BaseException) -> None:
        """Begin no further task, because of this one."""
        self._failed[number] = error
        self.is_over, self._ahead = True, None

    def raise_first(self) -> None:
        """Raise what went wrong with the first of the tasks that failed."""
        if self._failed:
            raise self._failed[min(self._failed)]


def _start() -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")  # a fork would copy the locks of threads, but not the threads
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
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


def _serve(pipe: Connection) -> None:
    """Take the work that comes through a pipe, then do its tasks until the pipe ends."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with limit_libraries(), suppress(EOFError, ConnectionError):
        work: Work = pipe.recv()
        while True:
            do, task = pipe.recv()
            try:
                answer = (True, do(work, task))
            except (IpmlError, OSError, MemoryError) as error:
                answer = (False, error)
            except Exception as error:  # another one might not find its way through the pipe
                answer = (False, PartFailed(_name_rows(task), f"{type(error).__name__}: {first_line(error)}"))
            pipe.send(answer)


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _send(pipe: Connection, message: Any) -> None:
    with suppress(ConnectionError):  # the process has ended, which is found when its answer is awaited
        pipe.send(message)


def _name_rows(task: Part | Change) -> str:
    part = task.part if isinstance(task, Change) else task
    return f"rows {part.first_row:,} to {part.first_row + part.n_rows - 1:,}"
