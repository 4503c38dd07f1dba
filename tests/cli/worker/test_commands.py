"""`ipml worker` at the terminal: how jobs stand, and one that is to be done now."""

import subprocess
import sys

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


def test_what_cannot_be_started_is_refused(ipml, accepted, staffed: Engine, monkeypatch) -> None:
    """In one line, with what would help, or who may; a schedule that cannot be read stops the worker at once."""
    wrong = {
        "worker --start backup": "set IPML_BACKUPS to turn it on",
        "worker --start tea": "No job 'tea'",
        "worker --start retention --by ana": "lead",
    }
    assert accepted(wrong) == {}
    monkeypatch.setenv("IPML_JOBS", '{"backup": "often"}')
    assert ipml("worker").is_refusal("IPML_JOBS, backup: found 'often'")


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
