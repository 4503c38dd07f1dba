"""Jobs: the jobs of `ipml worker`, their state and schedule, and the lock of the leading worker.

One worker per database leads and runs the jobs. Its lock ends with its process and needs no clock: a session's
advisory lock on PostgreSQL, the lock of a second, empty file beside a SQLite file. A job whose worker died is due at
once for the next leader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, insert, select, text, update
from sqlalchemy.exc import DatabaseError

from ipml.errors import Conflict, NotFound, UnusableDatabase, UnusableSetting, enumerate_names
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, lock_file_of, serialise
from ipml.storage.schedules import Schedule
from ipml.storage.tables import jobs

_LONGEST_WORDS = 300
_GLANCE_SECONDS = 0.2  # longer than a check of `has_leader` takes


@dataclass(frozen=True, slots=True)
class Job:
    """A repeated job; `usual` is the default schedule.

    `needs` are settings of which one must be set; otherwise the job is off.
    """

    name: str
    about: str
    usual: str
    needs: tuple[str, ...] = ()


JOBS = (
    Job(
        "deliver",
        "Deliver what platform, sellers and rights holders must know.",
        "5s",
        ("webhook_url", "webhook_urls"),
    ),
    Job("deadlines", "Let legal and agreed deadlines begin and run out.", "1m"),
    Job("notices", "Join notices to the listings that have come since.", "1m"),
    Job("ends", "End the measures and penalties whose time is over.", "15m"),
    Job(
        "score",
        "Score the files that came into the folder of incoming listings, and put them into the queue.",
        "1m",
        ("incoming",),
    ),
    Job(
        "rescore",
        "Score listings again that came over HTTP, where more is known of their seller or the model is another.",
        "1h",
    ),
    Job("pictures", "Fetch the pictures of cases that wait for people, and keep them.", "15s", ("pictures",)),
    Job(
        "screening",
        "Fetch and hash pictures of listings below the threshold, as the policy says, and compare them.",
        "1m",
        ("pictures",),
    ),
    Job("automatic", "Act without review on what the policy allows.", "1h"),
    Job("statements", "Send statements of reasons to the transparency database.", "1h", ("transparency_url",)),
    Job("anchor", "Add an anchor of the audit trail to its file.", "00:30", ("anchors",)),
    Job("backup", "Write the whole database into a file.", "01:30", ("backups",)),
    Job("retention", "Delete what was kept as long as the policy says.", "02:30"),
    Job("notifiers", "Look for misuse of notices; a lead decides on it.", "03:00"),
    Job("networks", "Add what sellers share to the networks found before.", "03:30", ("network_attributes",)),
    Job("labels", "Write what reviewers decided into a file to train from.", "04:30", ("labels",)),
    Job(
        "drift",
        "Compare the listings of the last days with those of the model's training.",
        "05:00",
        ("drift_reference",),
    ),
)
"""All of them, in the order in which those that are due at the same moment begin."""


def plan_jobs(settings: Settings) -> dict[str, Schedule]:
    """Return the schedule of each job by name; off if a needed setting is missing.

    Raises UnusableSetting if the setting `jobs` names an unknown job or an invalid schedule.
    """
    names = [job.name for job in JOBS]
    if unknown := [name for name in settings.jobs if name not in names]:
        raise UnusableSetting("IPML_JOBS", enumerate_names(unknown, names), f"some of {', '.join(names)}")
    schedules = {job.name: _read_schedule(job, settings) for job in JOBS}
    return schedules | {job.name: Schedule() for job in JOBS if missing_settings(job, settings)}


def _read_schedule(job: Job, settings: Settings) -> Schedule:
    return Schedule.parse(settings.jobs.get(job.name, job.usual), f"IPML_JOBS, {job.name}")


def missing_settings(job: Job, settings: Settings) -> tuple[str, ...]:
    """Return the environment variables of which a job needs one; empty if one is set."""
    if any(getattr(settings, name) for name in job.needs):
        return ()
    return tuple(f"IPML_{name.upper()}" for name in job.needs)


Outcome = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class JobState:
    """State of a job: its due time, its last run, and the result."""

    name: str
    schedule: str
    due_at: datetime
    runner: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    outcome: Outcome | None = None
    words: str | None = None
    runs: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    done_at: datetime | None = None


def read_states(connection: Connection) -> dict[str, JobState]:
    """Return the state of each planned job by name."""
    return {row.name: JobState(**row._mapping) for row in connection.execute(select(jobs))}


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job for display: its schedule, the reason why it is off, and its state."""

    job: Job
    schedule: Schedule
    why_off: str
    state: JobState | None

    @property
    def is_failing(self) -> bool:
        """Whether the job is on and its last run failed."""
        return bool(self.state and self.state.failures_in_a_row and not self.schedule.is_off)

    @property
    def words(self) -> str:
        """State in a word or two."""
        if self.state is not None and self.state.runner:
            return "running"
        if self.schedule.is_off:
            return "off"
        return "never ran" if self.state is None or self.state.outcome is None else self.state.outcome


def list_jobs(connection: Connection, settings: Settings) -> list[ListedJob]:
    """Return all jobs with their states, in the order of `JOBS`."""
    schedules, states = plan_jobs(settings), read_states(connection)
    return [
        ListedJob(job, schedules[job.name], _why_off(job, schedules[job.name], settings), states.get(job.name))
        for job in JOBS
    ]


def _why_off(job: Job, schedule: Schedule, settings: Settings) -> str:
    if not schedule.is_off:
        return ""
    missing = missing_settings(job, settings)
    return f"set {' or '.join(missing)} to turn it on" if missing else "IPML_JOBS says so; a schedule there turns it on"


def start_job(connection: Connection, name: str, settings: Settings, by: str, now: datetime) -> None:
    """Make a job due now; the leading worker starts it at its next check.

    `by` is the user, for the audit trail. Raises NotFound, or Conflict if the job is off or running.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    listed = next((listed_job for listed_job in list_jobs(connection, settings) if listed_job.job.name == name), None)
    if listed is None:
        raise NotFound("job", name, f"There are {', '.join(job.name for job in JOBS)}.")
    if listed.schedule.is_off:
        raise Conflict(f"job {name}", f"is off: {listed.why_off}")
    if listed.state is None:
        connection.execute(insert(jobs).values(name=name, schedule=str(listed.schedule), due_at=now))
    elif listed.state.runner:
        raise Conflict(f"job {name}", f"runs since {listed.state.started_at:%H:%M} UTC", "Wait for its end.")
    else:
        connection.execute(update(jobs).where(jobs.c.name == name).values(due_at=now))
    audit.append(connection, by, "started", f"job:{name}", {}, at=now)


def plan_runs(
    connection: Connection, schedules: Mapping[str, Schedule], states: Mapping[str, JobState], now: datetime
) -> None:
    """Store due times of jobs that are new, have a changed schedule, or were planned before the clock was set back."""
    for name, schedule in schedules.items():
        state = states.get(name)
        due_at = _find_due(state, schedule, now)
        if state is None:
            connection.execute(insert(jobs).values(name=name, schedule=str(schedule), due_at=due_at))
        elif (state.schedule, state.due_at) != (str(schedule), due_at):
            changed = update(jobs).where(jobs.c.name == name)
            connection.execute(changed.values(schedule=str(schedule), due_at=due_at))


def needs_planning(schedules: Mapping[str, Schedule], states: Mapping[str, JobState], now: datetime) -> bool:
    """Return whether `plan_runs` would change anything."""
    return any(
        name not in states
        or (states[name].schedule, states[name].due_at) != (str(schedule), _find_due(states[name], schedule, now))
        for name, schedule in schedules.items()
    )


def _find_due(state: JobState | None, schedule: Schedule, now: datetime) -> datetime:
    if schedule.is_off:
        return state.due_at if state else now
    if state is None or (state.schedule == "off" and state.runs == 0):
        return schedule.first_due(now)
    if state.schedule != str(schedule):
        return schedule.next_after(now)
    return schedule.hold_to_clock(state.due_at, now)


def find_due(schedules: Mapping[str, Schedule], states: Mapping[str, JobState], now: datetime) -> list[str]:
    """Return the jobs that are due and not running, in the order of `JOBS`."""
    return [
        name
        for name, schedule in schedules.items()
        if not schedule.is_off and name in states and states[name].due_at <= now and states[name].runner is None
    ]


def note_start(connection: Connection, name: str, runner: str, now: datetime) -> None:
    """Record the start of a job by a worker."""
    connection.execute(update(jobs).where(jobs.c.name == name).values(runner=runner, started_at=now))


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of a job, with its outcome."""

    name: str
    runner: str
    finished_at: datetime
    seconds: float
    outcome: Outcome
    words: str


def note_end(connection: Connection, run: Run, schedule: Schedule) -> None:
    """Record the end of a run and the next due time, unless the job has passed to another worker."""
    state = read_states(connection).get(run.name)
    if state is None or state.runner != run.runner or state.started_at is None:
        return
    in_a_row = 0 if run.outcome == "done" else state.failures_in_a_row + 1
    fields = {
        "runner": None,
        "finished_at": run.finished_at,
        "seconds": run.seconds,
        "outcome": run.outcome,
        "words": run.words[:_LONGEST_WORDS],
        "runs": state.runs + 1,
        "failures": state.failures + (run.outcome != "done"),
        "failures_in_a_row": in_a_row,
        "due_at": schedule.due_after(state.started_at, run.finished_at, in_a_row),
    } | ({"done_at": run.finished_at} if run.outcome == "done" else {})
    connection.execute(update(jobs).where(jobs.c.name == run.name).values(fields))


def note_interrupted(
    connection: Connection, schedules: Mapping[str, Schedule], own: Iterable[str], now: datetime
) -> list[str]:
    """Record the runs of dead workers as interrupted, and return their jobs; a new leader calls it first.

    A job interrupted once is due at once. One interrupted repeatedly, perhaps because it kills its worker, waits as
    after a failure. `own` are runners known to be alive.
    """
    begun = [state for state in read_states(connection).values() if state.runner and state.runner not in {*own}]
    for state in begun:
        schedule, in_a_row = schedules.get(state.name, Schedule()), state.failures_in_a_row + 1
        due_at = now if in_a_row == 1 or schedule.is_off else schedule.due_after(now, now, in_a_row - 1)
        fields = {
            "runner": None,
            "finished_at": None,
            "seconds": None,
            "outcome": "interrupted",
            "words": f"its worker ({state.runner}) ended before it did",
            "runs": state.runs + 1,
            "failures": state.failures + 1,
            "failures_in_a_row": in_a_row,
            "due_at": due_at,
        }
        connection.execute(update(jobs).where(jobs.c.name == state.name).values(fields))
    return [state.name for state in begun]


class LeaderLock:
    """Lock of the leading worker, or with `Lock.UPGRADE` of the upgrading process; it ends with the process.

    For a database in memory the lock is always free.
    """

    def __init__(self, engine: Engine, lock: Lock = Lock.LEAD_WORKERS) -> None:
        self._engine, self._lock = engine, lock
        self._file: sqlite3.Connection | None = None
        self._session: Connection | None = None
        self._is_held = False

    def take(self) -> bool:
        """Try to take the lock, and return whether it is held; a held lock is checked anew.

        Raises DatabaseError or UnusableDatabase if the database cannot be reached or the file cannot be locked.
        """
        if self._is_held and self._is_alive():
            return True
        self.release()
        self._is_held = self._take_session() if self._engine.dialect.name == "postgresql" else self._take_file()
        if not self._is_held:
            self.release()
        return self._is_held

    def release(self) -> None:
        """Release the lock."""
        file, session, self._file, self._session, self._is_held = self._file, self._session, None, None, False
        if file is not None:
            file.close()
        if session is not None:
            with suppress(Exception):  # it may be gone
                session.invalidate()
            session.close()

    def _is_alive(self) -> bool:
        if self._session is None:
            return True
        try:
            self._session.execute(text("SELECT 1"))
        except DatabaseError:
            return False
        return True

    def _take_file(self) -> bool:
        path = lock_file_of(self._engine, "worker" if self._lock is Lock.LEAD_WORKERS else self._lock.name.lower())
        if path is None:
            return True
        try:
            self._file = sqlite3.connect(path, timeout=_GLANCE_SECONDS, isolation_level=None, check_same_thread=False)
            self._file.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise UnusableDatabase(str(path), str(error), "a file that can be made and locked") from error
        return True

    def _take_session(self) -> bool:
        self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # A worker on a lost machine is replaced after half a minute, one whose process ends at once.
        for name, seconds in (("idle", 10), ("interval", 5), ("count", 4)):
            self._session.execute(text(f"SET tcp_keepalives_{name} = {seconds}"))
        is_free = self._session.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": self._lock.value})
        return bool(is_free)


_HELD = """
    SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND classid = 0 AND objid = :lock AND granted)
"""


def has_leader(engine: Engine) -> bool:
    """Return whether a worker leads, without taking the lock."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            return bool(connection.scalar(text(_HELD), {"lock": Lock.LEAD_WORKERS.value}))
    path = lock_file_of(engine, "worker")
    if path is None or not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=0)) as file:
        try:
            file.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False
