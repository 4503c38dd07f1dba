"""What people and monitors see of the worker's jobs."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine
from support.browser import check_pages, log_in, note_complaints, serve_page

from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.jobs import Run, note_end, note_start, plan_jobs, plan_runs, read_states
from ipml.web.http_api.monitoring import JobFacts

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def failed(engine: Engine) -> Engine:
    """Return a database in which one job was done and one failed."""
    schedules = plan_jobs(Settings())
    with writing(engine) as connection:
        plan_runs(connection, schedules, {}, NOW)
        for name, outcome, words in (("ends", "done", "3 ended"), ("retention", "failed", "<b>no space</b>")):
            note_start(connection, name, "one", NOW)
            note_end(connection, Run(name, "one", NOW, 2.5, outcome, words), schedules[name])
    return engine


def test_the_page_shows_how_each_job_stands(failed: Engine, visitor: Callable) -> None:
    """Its last run, how long it took, what it said, the next run and failures; why others are off."""
    shown = visitor("lea").get("/jobs").text
    for words in ("3 ended", "done in 2.5 s", "2026-05-01 12:00", "due now", "0 of 1", "1 of 1", "No worker leads"):
        assert words in shown
    for words in ("set IPML_BACKUPS to turn it on.", "1 job failed last time", "ipml seller retention"):
        assert words in shown
    assert "<b>no space" not in shown
    off = visitor("lea").post("/jobs", data={"name": "backup"}).text
    assert "job backup: is off: set IPML_BACKUPS to turn it on." in off


def test_a_lead_has_a_job_done_now(failed: Engine, visitor: Callable) -> None:
    """It is due at once, and the trail says who asked for it; those below a lead see neither page nor button."""
    lead = visitor("lea")
    assert "Start retention now" in lead.get("/jobs").text
    assert "Start backup now" not in lead.get("/jobs").text
    before = datetime.now(UTC)
    assert lead.post("/jobs", data={"name": "retention"}).status_code == HTTPStatus.SEE_OTHER
    with reading(failed) as connection:
        assert before <= read_states(connection)["retention"].due_at <= datetime.now(UTC)
        (row,) = audit.list_rows(connection, "job:retention")
    assert (row.actor, row.action) == ("lea", "started")
    assert visitor("ana").post("/jobs", data={"name": "retention"}).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.slow
def test_a_lead_starts_a_job_in_a_browser(failed: Engine, browser) -> None:
    """The page is no wider than its window; the button leads back to it, and the job is due."""
    with serve_page(failed) as address:
        check_pages(browser, address, "lea", {"jobs": "jobs"})
        page = browser.new_page()
        complaints = note_complaints(page)
        log_in(page, address, "lea")
        page.goto(f"{address}/jobs")
        with page.expect_navigation():
            page.click("button[value=retention]")
        assert "due now" in page.locator("#retention").inner_text()
        page.close()
    assert complaints == []


def test_a_monitor_sees_runs_and_failures(failed: Engine) -> None:
    """Of the jobs that are on."""
    registry = CollectorRegistry()
    registry.register(JobFacts(failed, Settings()))
    shown = generate_latest(registry).decode()
    assert 'ipml_job_runs_total{job="ends"} 1.0' in shown
    assert 'ipml_job_failures_total{job="retention"} 1.0' in shown
    assert 'ipml_job_seconds{job="ends"} 2.5' in shown
    assert "ipml_worker_leads 0.0" in shown
    assert 'job="backup"' not in shown
