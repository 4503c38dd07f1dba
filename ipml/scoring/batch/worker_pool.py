"""Processes that score chunks: each on one core, gone when their parent is, and deaf to Ctrl-C.

Nothing heavy is imported at the top, so that a process limits the threads of its libraries before it loads them.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ipml.errors import Failed, IpmlError, WorkerLost, first_line

if TYPE_CHECKING:
    from ipml.scoring.batch.chunks import BatchJob, MergePlan
    from ipml.scoring.batch.source import Chunk
    from ipml.scoring.batch.work_folder import Record

Task = TypeVar("Task", "Chunk", "MergePlan")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")
_QUEUED = 2
"""Tasks given to each process at a time, so that it has one left while this one is at another."""

_BYTES_EACH = 8 << 20
"""With less of a file for each, a process takes longer to start than its share takes to score."""

_job: BatchJob
"""The job of this process, if it is one of a pool."""


class WorkerPool:
    """Does the tasks of a job: this process alone, or with others, which load what they need from now on.

    Parameters
    ----------
    n : int
        How many processes; 1 is this one alone.
    """

    def __init__(self, n: int) -> None:
        self.n = max(n, 1)
        context = get_context("spawn")  # a fork would copy the locks of threads, but not the threads
        end, self._life = context.Pipe(duplex=False)
        self._jobs = context.SimpleQueue()
        self._pool = None
        if n > 1:
            self._pool = ProcessPoolExecutor(n - 1, context, _start_worker, (self._jobs, end))
            for _ in range(n - 1):
                self._submit(_begin)  # the pool starts a process where there is none for a task

    def take(self, job: BatchJob) -> None:
        """Give all processes the job; before `run`."""
        self._job = job
        if self._pool is not None:
            # Packed already, and by a thread: this process does not wait for the imports of those that still start.
            packed = bytes(ForkingPickler.dumps(job))
            Thread(target=_put_each, args=(self._jobs, packed, self.n - 1), daemon=True).start()

    def run(self, do: Callable[[BatchJob, Task], Record], tasks: Iterable[Task]) -> Iterator[Record]:
        """Yield what is made of tasks, in their order.

        Raises
        ------
        WorkerLost
            A process ended.
        Failed
            Something went wrong that is no error of ipml's, where there are several processes.
        Exception
            A task raised it: the first in the order of the tasks, if several did.
        """
        if self._pool is None:
            yield from (do(self._job, task) for task in tasks)
            return
        begun: deque[Future[Record]] = deque()
        try:
            for future in self._begin(do, tasks):
                begun.append(future)
                while begun and begun[0].done():
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        except BrokenProcessPool:
            raise WorkerLost from None

    def close(self) -> None:
        """End the processes at once; what they were writing is no harm, for it has no name yet."""
        self._life.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, do: Callable[[BatchJob, Task], Record], tasks: Iterable[Task]) -> Iterator[Future[Record]]:
        """Yield the future of each task, done here where the others have enough; no further one after a failure."""
        given: list[Future[Record]] = []
        try:
            for task in tasks:
                given = [future for future in given if not future.done()]
                if len(given) < _QUEUED * (self.n - 1):
                    given.append(self._submit(_attempt_in_worker, do, task))
                    yield given[-1]
                else:
                    done: Future[Record] = Future()
                    done.set_result(_attempt(do, self._job, task))
                    yield done
        except Exception as error:  # raised once the tasks before are done, for one of them may have failed, too
            failed: Future[Record] = Future()
            failed.set_exception(error)
            yield failed

    def _submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        assert self._pool is not None
        # A process that is started here is deaf to Ctrl-C for good: this one ends it then.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *args)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_early(source: Path, n: int) -> WorkerPool:
    """Return a pool of as many processes as a file is surely large enough for, before anything of it is looked at."""
    paths = source.rglob("*.parquet") if source.is_dir() else [source] if source.is_file() else []
    return WorkerPool(min(n, sum(path.stat().st_size for path in paths) // _BYTES_EACH))


def _put_each(jobs: SimpleQueue[bytes], packed: bytes, n: int) -> None:
    for _ in range(n):
        jobs.put(packed)


def _start_worker(jobs: SimpleQueue[bytes], end: Connection) -> None:
    """Prepare a process of a pool, which ends when the other side of a connection does."""
    Thread(target=_end_with, args=(end,), daemon=True).start()
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    global _job
    with gc_disabled():
        import ipml.scoring.batch.chunks  # noqa: F401  while the process that started this one loads the model

        _job = ForkingPickler.loads(jobs.get())


def _begin() -> None:
    """Do nothing, in a process that starts for it."""


def _end_with(end: Connection) -> None:
    end.poll(None)
    os._exit(1)


def _attempt_in_worker(do: Callable[[BatchJob, Task], Record], task: Task) -> Record:
    with limit_libraries():
        return _attempt(do, _job, task)


def _attempt(do: Callable[[BatchJob, Task], Record], job: BatchJob, task: Task) -> Record:
    try:
        return do(job, task)
    except (IpmlError, OSError, MemoryError):
        raise
    except Exception as error:  # another one might not find its way out of a worker
        raise Failed(
            _name_rows(task),
            f"could not be scored, {type(error).__name__}: {first_line(error)}",
            "Finished parts are stored; --jobs 1 shows where it fails.",
        ) from None


def _name_rows(task: Chunk | MergePlan) -> str:
    from ipml.scoring.batch.chunks import MergePlan

    chunk = task.chunk if isinstance(task, MergePlan) else task
    return f"rows {chunk.first_row:,} to {chunk.first_row + chunk.n_rows - 1:,}"


@contextmanager
def limit_libraries() -> Iterator[None]:
    """Let the libraries use one thread each, and give memory back that they do not need.

    So many processes then take so many cores, and sums come out the same on every machine.
    """
    import pyarrow as pa
    from threadpoolctl import threadpool_limits

    threads, pool = pa.cpu_count(), pa.default_memory_pool()
    pa.set_cpu_count(1)
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        with threadpool_limits(1):
            yield
    finally:
        pa.set_cpu_count(threads)
        pa.set_memory_pool(pool)


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Import and load without Python's garbage collection, now or later: it finds none, in a sixth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()
