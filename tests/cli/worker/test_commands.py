"""`ipml worker` at the terminal: how jobs stand, and one that is to be done now."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.staff import OPERATOR, add_staff

from ipml.storage.audit_trail import audit
from ipml.storage.database import reading


@pytest.fixture
def staffed(ipml, engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the database of the settings, with staff."""
    monkeypatch.setenv("IPML_DATABASE", database_url)
    add_staff(engine)
    return engine


@on_both
def test_a_job_is_started_by_hand(ipml, staffed: Engine) -> None:
    """It is due now, which the trail knows; whoever started it is told whether a worker leads."""
    told = ipml("worker --start retention")
    assert (told.exit_code, told.out) == (0, "retention is due now; no worker leads: start `ipml worker`.\n"), told.err
    with reading(staffed) as connection:
        assert [row.actor for row in audit.list_rows(connection, "job:retention")] == [OPERATOR]
    assert ipml("worker --once").exit_code == 0
    shown = ipml("worker --status")
    assert shown.exit_code == 1  # no worker leads
    (line,) = [line for line in shown.out.splitlines() if "retention" in line]
    assert "done" in line


def test_what_cannot_be_started_is_refused(ipml, staffed: Engine, subtests: pytest.Subtests) -> None:
    """In one line, with what would help."""
    for job, why in [("backup", "set IPML_BACKUPS to turn it on"), ("tea", "No job 'tea'")]:
        with subtests.test(job=job):
            told = ipml("worker --start", job)
            assert told.exit_code == 2
            assert why in told.err


def test_only_a_lead_starts_jobs(ipml, staffed: Engine) -> None:
    """Others are told who may."""
    told = ipml("worker --start retention --by ana")
    assert told.exit_code == 2
    assert "lead" in told.err


def test_a_schedule_that_cannot_be_read_stops_it_at_once(ipml, tmp_path: Path, monkeypatch) -> None:
    """With one line."""
    monkeypatch.setenv("IPML_JOBS", '{"backup": "often"}')
    told = ipml("worker --database", f"sqlite:///{tmp_path}/new.db")
    assert told.exit_code == 2
    assert told.err.count("\n") == 1
    assert "IPML_JOBS, backup: found 'often'" in told.err


@pytest.mark.slow
def test_what_no_two_threads_may_import_at_once_is_there_before_any_job_begins() -> None:
    """In a process that has imported nothing yet, as when a worker starts."""
    code = (
        "import sys; from threading import Event; from ipml.cli.worker.commands import _make_worker;"
        "from ipml.storage.database import open_database;"
        "assert 'scipy' not in sys.modules; _make_worker(open_database('sqlite://'), Event());"
        "assert 'scipy.stats' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
