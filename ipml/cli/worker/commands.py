"""Worker command: starts, queries or runs the worker."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context, parent_process
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ipml.cli.options import take_records
from ipml.cli.terminal import (
    OPENED,
    ActingUser,
    open_for_cases,
    open_for_command,
    open_patiently,
    reading_from,
    say_when,
    show_minute,
    show_table,
    until_told_to_stop,
)
from ipml.errors import IpmlError
from ipml.web.accounts.permissions import Action

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from sqlalchemy import Engine

    from ipml.cli.worker.loop import Worker

_PAUSE_SECONDS = 5.0


@take_records
def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Do nothing, but show each job and its state.")] = False,
    start: Annotated[
        str | None, typer.Option(metavar="JOB", help="Have a job done now, by the worker that leads, and end.")
    ] = None,
    *,
    user: ActingUser,
) -> None:
    """Do all timed jobs, each when it is due, until Ctrl-C or SIGTERM.

    One of several workers on a database leads and does the jobs; the others wait to replace it. A worker can be killed
    at any moment: unfinished work is repeated. A database that does not answer is waited for, except with --once.
    IPML_JOBS changes the schedules. Running jobs are finished before the worker ends; a second Ctrl-C ends it at once.

    Exit code 1: with --once, a job failed; with --status, a job failed last time or no worker leads.

    Example: ipml worker --start backup
    """
    from ipml.cli.configuration import check_at_start
    from ipml.settings import get_settings
    from ipml.web.server import set_up_log

    if status:
        _show_status(user.database)
    if start:
        _start_job(start, user)
        if not once:
            raise typer.Exit
    set_up_log()
    check_at_start(get_settings(), ["worker"], os.environ)
    with until_told_to_stop() as stop:
        if not once:
            _work(user.database, stop)
            raise typer.Exit
        made = _make_worker(open_for_cases(user.database), stop)
        if not made.run_once():
            typer.echo("Another worker leads; nothing was done here.")
    raise typer.Exit(1 if made.n_failed else 0)


def _start_job(name: str, user: ActingUser) -> None:
    from ipml.settings import get_settings
    from ipml.storage.jobs import has_leader, start_job

    with user.acting(Action.START_JOBS) as (connection, actor):
        start_job(connection, name, get_settings(), actor, datetime.now(UTC))
        is_led = has_leader(connection.engine)
    remedy = "the worker that leads begins it within seconds" if is_led else "no worker leads: start `ipml worker`"
    typer.echo(f"{name} is due now; {remedy}.")


def _show_status(database: str | None) -> NoReturn:
    from ipml.settings import get_settings
    from ipml.storage.jobs import has_leader, list_jobs

    with reading_from(database) as connection:
        listed = list_jobs(connection, get_settings())
    rows = []
    for one in listed:
        state = one.state
        took = "" if state is None or state.seconds is None else f"{state.seconds:,.1f} s"
        ran, due = (show_minute(state.started_at), show_minute(state.due_at)) if state else ("", "")
        words = one.why_off or (state.words if state else "") or ""
        rows.append((one.job.name, str(one.schedule), one.words, ran, took, "" if one.schedule.is_off else due, words))
    show_table(("job", "schedule", "last run", "at", "took", "next", "words"), rows)
    is_led = has_leader(open_for_command(database))
    typer.echo("A worker leads." if is_led else "No worker leads: start `ipml worker`.")
    raise typer.Exit(0 if is_led and not any(one.is_failing for one in listed) else 1)


def _work(url: str | None, stop: Event, model: str | None = None) -> None:
    """Do all jobs until stopped."""
    from ipml.settings import get_settings
    from ipml.storage.jobs import plan_jobs

    plan_jobs(get_settings())  # report faulty settings before waiting for a database
    engine = open_patiently(url, stop)
    if engine is not None:
        _make_worker(engine, stop, model).run()


def _make_worker(engine: Engine, stop: Event, model: str | None = None) -> Worker:
    # Jobs import lazily in their own threads, and SciPy breaks for good if two threads import it at once. This import
    # loads all its parts.
    import scipy.stats  # noqa: F401

    from ipml.cli.worker.loop import Worker
    from ipml.cli.worker.tasks import TASKS
    from ipml.settings import get_settings

    settings = get_settings()
    return Worker(engine, settings.model_copy(update={"model": model or settings.model}), TASKS, stop, say_when)


@contextmanager
def worker_beside(url: str, model: str | None = None) -> Iterator[None]:
    """Run a worker in a child process during a block; if it dies it is restarted, and it ends with this process.

    `model` defaults to the setting `model`.

    Raises UnusableSetting if a schedule cannot be read.
    """
    from ipml.settings import get_settings
    from ipml.storage.jobs import plan_jobs

    plan_jobs(get_settings())
    stop, spawn = Event(), get_context("spawn")

    def start() -> SpawnProcess:
        process = spawn.Process(target=_work_beside, args=(url, model), name="ipml worker")
        process.start()
        return process

    process = start()

    def look_after() -> None:
        nonlocal process
        while not stop.is_set():
            process.join()
            if process.exitcode == 0 or stop.wait(_PAUSE_SECONDS):  # it was stopped
                return
            say_when("The worker ended; it is started again.")
            process = start()

    watch = Thread(target=look_after, daemon=True)
    watch.start()
    try:
        yield
    finally:
        stop.set()
        process.terminate()
        process.join()
        watch.join()


def _work_beside(url: str, model: str | None) -> None:
    """Run the worker beside another process, until stopped or until that process is gone."""
    from ipml.web.server import set_up_log

    set_up_log()
    with until_told_to_stop() as stop:
        beside = parent_process()
        assert beside is not None

        def follow() -> None:
            beside.join()
            stop.set()

        Thread(target=follow, daemon=True).start()
        try:
            _work(url, stop, model)
        except IpmlError as error:
            say_when(f"The worker cannot go on: {error}")
            sys.exit(2)
    OPENED.close()
