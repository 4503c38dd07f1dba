"""Worker loop: leads, starts due jobs in threads, and records their results."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from ipml.errors import DatabaseBusy, IpmlError, UnusableDatabase, first_line
from ipml.settings import Settings
from ipml.storage.database import is_ahead, reading, writing
from ipml.storage.jobs import (
    LeaderLock,
    Outcome,
    Run,
    find_due,
    needs_planning,
    note_end,
    note_interrupted,
    note_start,
    plan_jobs,
    plan_runs,
    read_states,
)

_log = logging.getLogger(__name__)

_STEP_SECONDS = 1.0  # between checks for due jobs
_FOLLOWER_SECONDS = 5.0  # between attempts to lead
_TERM_SECONDS = 60.0  # a worker of an older release leads for this long before yielding to a newer one again
_STANDBY_SECONDS = 10.0  # followers wait this long after the database is back
_AWAY_SECONDS = 2.0  # between attempts to reach a missing database
_LAST_WORDS_SECONDS = 30.0  # a stopping worker tries this long to record its jobs' results


@dataclass(frozen=True, slots=True)
class JobRun:
    """Context of a job: database, settings, and whether the worker is stopping."""

    engine: Engine
    settings: Settings
    is_stopped: Callable[[], bool]


Task = Callable[[JobRun], str]
"""Does a job once and returns a summary, empty if there was nothing to do."""


class Worker:
    """Does the jobs of a database while it leads, and waits while another leads.

    Setting `stop` starts nothing new; `run` returns when all running jobs have finished their step. `say` gets lines
    for people.

    Raises UnusableSetting if a schedule cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        tasks: Mapping[str, Task],
        stop: Event,
        say: Callable[[str], None],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine, self._settings, self._tasks, self._stop = engine, settings, tasks, stop
        self._say, self._clock = say, clock
        self._schedules = plan_jobs(settings)
        self._lock = LeaderLock(engine)
        self._name = f"{socket.gethostname()[:60]}, process {os.getpid()}"
        self._running: dict[str, tuple[str, Thread]] = {}
        self._leads = False  # as of the last contact with the database
        self._is_sure = False  # that it leads and no other worker has started a job
        self._was_away = False
        self._follows = False
        self._gave_way, self._term_ends = False, 0.0
        self._trouble = ""
        self._told: dict[str, str] = {}
        self.n_failed = 0

    def run(self) -> None:
        """Do due jobs repeatedly until stopped."""
        try:
            while not self._stop.is_set():
                self._stop.wait(self._step())
        finally:
            self._end()

    def run_once(self) -> bool:
        """Do due jobs once; return False if another worker leads. Raises UnusableDatabase or DatabaseBusy."""
        try:
            if not self._lock.take():
                return False
            self._lead()
            self._begin_due()
            return True
        finally:
            self._end()

    def _step(self) -> float:
        """Take or keep the lead, and start due jobs; return the seconds to wait."""
        try:
            if self._was_away:
                with reading(self._engine):
                    self._was_away = False
                if not self._leads:  # the former leader goes first, since its jobs may still run
                    return _STANDBY_SECONDS
            if not self._lock.take():
                self._follow()
                self._forget_trouble()
                return _STANDBY_SECONDS if self._gave_way else _FOLLOWER_SECONDS
            if not self._is_sure:
                self._lead()
            if self._has_to_give_way():
                return self._give_way()
            self._begin_due()
        except DatabaseBusy as error:
            self._tell_trouble(str(error))
            return _AWAY_SECONDS
        except (UnusableDatabase, DBAPIError) as error:
            self._wait_for_database(error)
            return _AWAY_SECONDS
        self._forget_trouble()
        return _STEP_SECONDS

    def _has_to_give_way(self) -> bool:
        """Return whether a newer release has upgraded the tables and has had no recent chance to lead."""
        if time.monotonic() < self._term_ends:
            return False
        with reading(self._engine) as connection:
            return is_ahead(connection)

    def _give_way(self) -> float:
        """Start nothing more; once nothing runs, leave the lead to a worker of the newer release, if there is one."""
        self._collect()
        if self._running:
            return _STEP_SECONDS
        self._say("A newer release has brought the database up to date: this worker leaves the lead to that release's.")
        self._lock.release()
        self._gave_way, self._leads, self._is_sure = True, False, False
        self._term_ends = time.monotonic() + _TERM_SECONDS
        return _STANDBY_SECONDS

    def _wait_for_database(self, error: IpmlError | DBAPIError) -> None:
        self._tell_trouble(_describe(error))
        self._is_sure, self._was_away = False, True
        self._collect()
        if not self._running:  # another release may have upgraded the tables and lead
            self._lock.release()

    def _tell_trouble(self, words: str) -> None:
        if words != self._trouble:
            self._say(f"Waiting for the database: {words}")
            self._trouble = words

    def _forget_trouble(self) -> None:
        if self._trouble:
            self._say("The database answers again.")
            self._trouble = ""

    def _follow(self) -> None:
        if self._leads or not self._follows:
            self._say("Another worker leads; this one waits to take its place.")
        self._leads, self._is_sure, self._follows = False, False, True

    def _lead(self) -> None:
        own = [runner for runner, _ in self._running.values()]
        with writing(self._engine) as connection:
            interrupted = note_interrupted(connection, self._schedules, own, self._clock())
        for name in interrupted:
            self._say(f"{name}: was interrupted, and is done again.")
        if not self._leads:
            self._say(f"This worker leads ({self._name}).")
        self._leads, self._is_sure, self._follows = True, True, False

    def _begin_due(self) -> None:
        self._collect()
        with reading(self._engine) as connection:
            states = read_states(connection)
        now = self._clock()
        if needs_planning(self._schedules, states, now):
            with writing(self._engine) as connection:
                plan_runs(connection, self._schedules, states, now)
                states = read_states(connection)
        for name in find_due(self._schedules, states, now):
            if name not in self._running and not self._stop.is_set():
                self._begin(name)

    def _begin(self, name: str) -> None:
        runner = f"{self._name}, run {secrets.token_hex(4)}"
        with writing(self._engine) as connection:
            note_start(connection, name, runner, self._clock())
        thread = Thread(target=self._do, args=(name, runner), name=f"ipml-{name}")
        self._running[name] = runner, thread
        thread.start()

    def _do(self, name: str, runner: str) -> None:
        began = time.monotonic()
        outcome: Outcome = "done"
        try:
            words = self._tasks[name](JobRun(self._engine, self._settings, self._is_stopped))
        except Exception as error:
            outcome = "failed"
            words = _describe(error)
            if not isinstance(error, _CLEAR):
                _log.exception("job %s", name)
            self.n_failed += 1
        run = Run(name, runner, self._clock(), time.monotonic() - began, outcome, " ".join(words.split()))
        if words and (outcome == "done" or self._told.get(name) != words):
            self._say(f"{name}: {'' if outcome == 'done' else 'failed: '}{run.words}")
        self._told[name] = words
        self._note_end(run)

    def _is_stopped(self) -> bool:
        return self._stop.is_set() or self._follows

    def _note_end(self, run: Run) -> None:
        """Record the end of a run once the database is available; a stopping worker gives up after a while."""
        last_words, has_told = None, False
        while True:
            try:
                with writing(self._engine) as connection:
                    note_end(connection, run, self._schedules[run.name])
            except (IpmlError, DBAPIError) as error:
                if not has_told:
                    self._say(f"{run.name}: {run.outcome}, but that cannot be noted yet: {_describe(error)}")
                    has_told = True
                if self._stop.is_set():
                    last_words = last_words or time.monotonic() + _LAST_WORDS_SECONDS
                    if time.monotonic() > last_words:
                        return
                time.sleep(_STEP_SECONDS)
            else:
                return

    def _collect(self) -> None:
        self._running = {name: one for name, one in self._running.items() if one[1].is_alive()}

    def _end(self) -> None:
        for _, thread in self._running.values():
            thread.join()
        self._running.clear()
        self._lock.release()


_CLEAR = (IpmlError, OperationalError, OSError)
"""Errors whose first line is sufficient; others are logged in full."""


def _describe(error: Exception) -> str:
    """Return an error as one line; other libraries' messages may quote sellers' text, so they go to the log."""
    if isinstance(error, IpmlError):
        return str(error)
    if isinstance(error, OperationalError):
        return first_line(error.orig or error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}; the log says where"
