"""The processes that score parts, of which this one is the first: what each does is told to it by a thread here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import pyarrow as pa
from threadpoolctl import threadpool_limits

from ipml.errors import Failed, IpmlError, WorkerLost, first_line
from ipml.listings.schema import listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.scoring.batch.chunks import BatchJob
from ipml.scoring.batch.merge import ChunkChange
from ipml.scoring.batch.processes import Processes
from ipml.scoring.batch.source import Chunk
from ipml.scoring.batch.work_folder import Record
from ipml.scoring.scorer import load_model

Task = TypeVar("Task", Chunk, ChunkChange)
Do = Callable[[BatchJob, Any], Record]
Answer = tuple[bool, Any]
"""Whether a task is done, and what came of it: a record, or what went wrong."""


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
    """This process, and others that do tasks with it.

    Parameters
    ----------
    work : Work
        What every process has to know.
    n : int
        How many processes; 1 is this one alone.
    processes : Processes
        Where the others come from.
    """

    def __init__(self, work: BatchJob, n: int, processes: Processes) -> None:
        self._work = work
        self._others = processes.take(n - 1)
        self._untold = set(self._others)
        self._queue = _Queue(())
        self._thread: Thread | None = None

    def run(self, do: Callable[[BatchJob, Task], Record], tasks: Iterable[Task]) -> Iterator[Record]:
        """Yield what is made of tasks, as it is done; tasks are begun in their order.

        Raises
        ------
        WorkerLost
            A process ended.
        Failed
            Something went wrong that is no error of ipml's, where there are several processes.
        Exception
            What a task raised: if several did, the first of them in the order of the tasks.
        """
        if not self._others:
            yield from (do(self._work, task) for task in tasks)
            return
        self._queue, answers = _Queue(tasks), SimpleQueue[tuple[int, Answer] | None]()
        ways = [partial(_attempt, do, self._work), *(partial(self._ask, do, pipe) for pipe in self._others)]
        threads = [Thread(target=self._queue.work_off, args=(way, answers), daemon=True) for way in ways]
        self._thread = threads[0]
        for thread in threads:
            thread.start()
        for _ in threads:
            for number, (is_done, answer) in iter(answers.get, None):  # None is the end of a thread
                if is_done:
                    yield answer
                elif isinstance(answer, WorkerLost):
                    raise answer
                else:
                    self._queue.fail(number, answer)
        self._queue.raise_first()

    def close(self) -> None:
        """Begin no further task, and wait for the one that this process is at."""
        self._queue.end()
        if self._thread is not None:
            self._thread.join()

    def _ask(self, do: Do, pipe: Connection, task: Chunk | ChunkChange) -> Answer:
        """Have a task done by another process."""
        process = self._others[pipe]
        try:
            if pipe in self._untold:
                pipe.send(self._work)  # may fail without a byte sent, and then the other must not take a task for it
                self._untold.discard(pipe)
            pipe.send((do, task))
            self._queue.fetch()  # while the other works
            answer: Answer = pipe.recv()
        except (EOFError, OSError):
            process.join()
            return False, WorkerLost(_name_rows(task), process.exitcode)
        return answer


class _Queue:
    """Tasks in their order, one fetched ahead; what went wrong ends it. Threads share it."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self._tasks = enumerate(tasks)
        self._ahead: tuple[int, Any] | None = None
        self._begun = 0
        self._failed: dict[int, BaseException] = {}
        self._is_over = False
        self._lock = Lock()

    def work_off(self, way: Callable[[Any], Answer], answers: SimpleQueue[tuple[int, Answer] | None]) -> None:
        """Have one task after another done in some way, and put into a queue what came of each; None in the end."""
        while (found := self.take()) is not None:
            number, task = found
            try:
                answers.put((number, way(task)))
            except BaseException as error:  # whoever waits for the answer is to raise it
                answers.put((number, (False, error)))
        answers.put(None)

    def take(self) -> tuple[int, Any] | None:
        """Return the next task and its number; None where there is none."""
        with self._lock:
            self._fetch()
            found, self._ahead = self._ahead, None
            return found

    def fetch(self) -> None:
        """Have the next task ready."""
        with self._lock:
            self._fetch()

    def fail(self, number: int, error: BaseException) -> None:
        """Begin no further task, because of this one."""
        with self._lock:
            self._fail(number, error)

    def end(self) -> None:
        """Begin no further task."""
        with self._lock:
            self._is_over, self._ahead = True, None

    def raise_first(self) -> None:
        """Raise what went wrong with the first of the tasks that failed."""
        if self._failed:
            raise self._failed[min(self._failed)]

    def _fetch(self) -> None:
        if self._ahead is not None or self._is_over:
            return
        try:
            self._ahead = next(self._tasks, None)
            self._is_over = self._ahead is None
            self._begun += 1
        except Exception as error:  # raised once those before are done, for one of them may have failed, too
            self._fail(self._begun, error)

    def _fail(self, number: int, error: BaseException) -> None:
        self._failed[number] = error
        self._is_over, self._ahead = True, None


def rehearse(model: str | Path) -> None:
    """Score a few listings by a model folder, so that compiled functions are loaded; by another scorer is no harm."""
    if Path(model).is_dir():
        with limit_libraries(), suppress(Exception):  # what is wrong with the model is said by whoever needs it
            load_model(model).score_frame(listings_to_frame(GOLDEN_LISTINGS))


def serve(pipe: Connection) -> None:
    """Take the work that comes through a pipe, then do its tasks until the pipe ends."""
    with limit_libraries(), suppress(EOFError, ConnectionError):
        work: BatchJob = pipe.recv()
        while True:
            do, task = pipe.recv()
            pipe.send(_attempt(do, work, task))


def _attempt(do: Do, work: BatchJob, task: Chunk | ChunkChange) -> Answer:
    try:
        return True, do(work, task)
    except (IpmlError, OSError, MemoryError) as error:
        return False, error
    except Exception as error:  # another one might not find its way through a pipe
        return False, Failed(
            _name_rows(task),
            f"could not be scored, {type(error).__name__}: {first_line(error)}",
            "What is finished is kept; with --jobs 1 one sees where it fails.",
        )


def _name_rows(task: Chunk | ChunkChange) -> str:
    part = task.part if isinstance(task, ChunkChange) else task
    return f"rows {part.first_row:,} to {part.first_row + part.n_rows - 1:,}"
