"""`ipml worker`: all timed jobs in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context, parent_process
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ipml.cli.options import Database
from ipml.cli.terminal import (
    OPENED,
    open_for_command,
    printable,
    reading_from,
    show_minute,
    show_table,
    until_told_to_stop,
)

if TYPE_CHECKING:
    from ipml.cli.worker.loop import Worker

_PAUSE_SECONDS = 5.0


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Do nothing, but show each job and how it stands.")] = False,
    database: Database = None,
) -> None:
    """Do all timed jobs, each when it is due, until Ctrl-C or SIGTERM.

    Of any number of workers on a database one leads and does the jobs, the others wait to take its place. A worker can
    be killed at any moment: what it had begun is done again. IPML_JOBS names other schedules than the usual ones. What
    runs is finished before the worker ends; a second Ctrl-C ends it at once.

    Exit code 1 says, with --once, that a job failed; with --status, that one failed last time or that no worker leads.

    Example: ipml worker --once
    """
    if status:
        _show_status(database)
    with until_told_to_stop() as stop:
        made = _make_worker(database, stop)
        if not once:
            made.run()
        elif not made.run_once():
            typer.echo("Another worker leads; nothing was done here.")
    raise typer.Exit(1 if once and made.n_failed else 0)


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


def _make_worker(url: str | None, stop: Event) -> Worker:
    from ipml.cli.worker.loop import Worker
    from ipml.cli.worker.tasks import TASKS
    from ipml.settings import get_settings
    from ipml.storage.database import migrate
    from ipml.web.server import set_up_log

    set_up_log()
    engine = open_for_command(url, create=True)
    migrate(engine)
    return Worker(engine, get_settings(), TASKS, stop, _say)


def _say(words: str) -> None:
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {printable(words)}")


@contextmanager
def worker_beside(url: str) -> Iterator[None]:
    """Have a worker in a process beside this one within a block; one that dies is started again.

    It ends with this process, however that ends.
    """
    stop, spawn = Event(), get_context("spawn")
    process = spawn.Process(target=_work_beside, args=(url,), name="ipml worker")
    process.start()

    def look_after() -> None:
        nonlocal process
        while not stop.is_set():
            process.join()
            if process.exitcode == 0 or stop.wait(_PAUSE_SECONDS):  # it was told to end
                return
            _say("The worker ended; it is started again.")
            process = spawn.Process(target=_work_beside, args=(url,), name="ipml worker")
            process.start()

    watch = Thread(target=look_after, daemon=True)
    watch.start()
    try:
        yield
    finally:
        stop.set()
        process.terminate()
        process.join()
        watch.join()


def _work_beside(url: str) -> None:
    """Be the worker beside another process, until told to stop or that process is gone."""
    with until_told_to_stop() as stop:
        beside = parent_process()
        assert beside is not None

        def follow() -> None:
            beside.join()
            stop.set()

        Thread(target=follow, daemon=True).start()
        _make_worker(url, stop).run()
    OPENED.close()
