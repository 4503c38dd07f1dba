"""Pages of leads for lists of sellers, queues and the jobs of the worker."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine
from support.browser import check_pages, log_in, note_complaints, serve_page
from support.transactions import act, ask

from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry, list_entries
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.storage.jobs import Run, note_end, note_start, plan_jobs, plan_runs, read_states
from ipml.web.http_api.monitoring import JobFacts

SAID = {"kind": "denied", "seller": "kx_trade88", "why": "sold <fakes> in 2025", "source": "letter & call"}


def test_a_lead_puts_a_seller_on_a_list_and_takes_them_off(lead: TestClient, engine: Engine) -> None:
    """What is added is listed with reason, source and who added it, and gone from the page once removed."""
    added = lead.post("/lists", data={**SAID, "until": "2999-12-31"}, follow_redirects=True)
    assert added.url.path == "/lists"
    assert "kx_trade88" in added.text
    assert "sold &lt;fakes&gt; in 2025" in added.text
    assert "letter &amp; call" in added.text
    assert "Added by lea" in added.text
    (entry,) = ask(engine, list_entries, now=datetime.now(UTC))
    assert (entry.added_by, entry.origin, entry.until) == ("lea", "person", datetime(3000, 1, 1, tzinfo=UTC))
    assert (
        "No seller is on this list"
        in lead.post(f"/lists/{entry.entry_id}/remove", data={"why": "a mistake"}, follow_redirects=True).text
    )


def cut(text: str, mark: str) -> str:
    """Return the line in which a mark stands."""
    (line,) = [line for line in text.splitlines() if mark in line]
    return line


def test_the_list_and_the_case_show_it_beside_the_score(lead: TestClient, visitor: Callable) -> None:
    """In the list a mark, on the case a line with the reason, and a link to the form; the score is as it was."""
    assert "/lists?case=1" in lead.get("/cases/1").text
    form = lead.get("/lists?case=1").text
    assert 'value="harbour-outlet"' in form
    assert 'value="Vellmar"' in form
    before = lead.get("/cases/3").text
    lead.post("/lists", data=SAID)
    viewer = visitor("vic")
    assert "seller denied" in viewer.get("/").text
    shown = viewer.get("/cases/3").text
    assert "The seller is <b>denied</b> for all brands" in shown
    assert "sold &lt;fakes&gt; in 2025" in shown
    assert "before the others, as its seller is denied" in shown
    score = 'class="verdict-score"'
    assert cut(before, score) == cut(shown, score)
    assert "denied" not in viewer.get("/cases/1").text


def test_what_is_wrong_is_said_and_what_was_typed_stays(lead: TestClient, engine: Engine) -> None:
    """A mistake is named, and the form keeps what was written; an entry of the brand file is changed there."""
    for wrong, said in (
        ({"why": " "}, "reason of the list entry: found none"),
        ({"until": "2020-01-01"}, "expected a moment to come"),
        ({"until": "soon"}, "expected a day such as"),
        ({"until": "9999-12-31"}, "expected a day such as"),
        ({"seller": "x" * 201}, "found 201 characters"),
    ):
        text = lead.post("/lists", data=SAID | wrong).text
        assert said in text, wrong
        assert "letter &amp; call" in text
    listed = ListedSeller(ListKind.AUTHORISED, "anna_l", "contract", "brand file", "Vellmar", ("VLM",))
    entry, _ = act(engine, add_entry, listed, by="lea", now=datetime.now(UTC), origin="brand file")
    page = lead.get("/lists").text
    assert "from the brand file" in page
    assert "/remove" not in page
    assert "comes from the brand file" in lead.post(f"/lists/{entry.entry_id}/remove", data={"why": "a mistake"}).text
    lead.post("/lists", data=SAID)
    assert "found none" in lead.post(f"/lists/{entry.entry_id + 1}/remove").text


def test_a_long_list_is_searched(lead: TestClient) -> None:
    """By the whole id of a seller, and by brand; the next page is of what was searched for."""
    for number in range(3):
        lead.post("/lists", data={**SAID, "seller": f"seller-{number}", "brand": "Acme" if number else ""})
    found = lead.get("/lists", params={"seller": "seller-1"}).text
    assert ("seller-1" in found, "seller-2" in found) == (True, False)
    assert "seller-0" not in lead.get("/lists", params={"brand": "acme"}).text
    assert "No entry matches" in lead.get("/lists", params={"seller": "seller"}).text


def test_what_has_ended_is_shown_as_such_where_it_is_asked_for(lead: TestClient, engine: Engine) -> None:
    """What was removed with the reason, and what ended by itself; neither can be removed."""
    lead.post("/lists", data=SAID)
    lead.post("/lists/1/remove", data={"why": "a mistake"})
    past = datetime(2026, 1, 1, tzinfo=UTC)
    listed = ListedSeller(ListKind.WATCHED, "old", "a reason", "a letter", None, (), past + timedelta(days=1))
    act(engine, add_entry, listed, by="lea", now=past)
    assert "No seller is on a list" in lead.get("/lists").text
    shown = lead.get("/lists", params={"ended": "1"}).text
    assert "<b>removed</b>" in shown
    assert "a mistake" in shown
    assert '<b>ended</b> <time datetime="2026-01-02T00:00:00+00:00"' in shown
    assert "/remove" not in shown


RULE = {"name": "Watches", "brands": "Nordhale\r\n\r\n nordhale \r\n", "script": ["latin"], "person": ["bo", "ana"]}


def test_a_lead_defines_changes_and_removes_a_queue(visitor: Callable) -> None:
    """The page says which cases are in it and who works it; the list shows those cases."""
    lea = visitor("lea")
    assert "There are none" in lea.get("/queues").text
    assert lea.post("/queues", data=RULE).headers["location"] == "/queues?saved=1#queue-1"
    text = lea.get("/queues").text
    assert '<a href="/?queue=1">2 open</a>' in text
    assert "People: <bdi>bo</bdi>, <bdi>ana</bdi>." in text
    assert re.findall(r'id="case-(\d+)"', lea.get("/?queue=1").text) == ["3", "6"]
    assert visitor("bo").post("/next").headers["location"].startswith("/cases/3?")
    assert lea.post("/queues", data={**RULE, "queue": "1", "brands": "Aurivo"}).status_code == 303
    assert ">1 open<" in lea.get("/queues").text
    assert lea.post("/queues/1/remove").status_code == 303
    assert "There are none" in lea.get("/queues").text


def test_what_was_typed_stays_where_it_is_refused(visitor: Callable) -> None:
    """With the reason above it."""
    answer = visitor("lea").post("/queues", data={"name": "<i>Bags</i>", "person": ["vic"], "brands": "Acme"})
    assert answer.status_code == 409
    assert 'value="&lt;i&gt;Bags&lt;/i&gt;"' in answer.text
    assert "vic" in answer.text


def test_queues_are_counted_before_they_are_saved_moved_and_undone(visitor: Callable) -> None:
    """Without a script, too; a name that nothing has is named, with the one that was meant."""
    lea = visitor("lea")
    counted = lea.post("/queues", data={"brands": "Nordhale", "brand": "Velmar", "preview": "1"})
    assert counted.status_code == 200
    assert "Fits <b>2 of 7</b> open cases. Nothing here has the name “<bdi>Velmar</bdi>”; did you mean" in counted.text
    assert "Nordhale\nVelmar</textarea>" in counted.text
    assert '<option value="Vellmar" label="4 open">' in counted.text
    assert "There are none" in counted.text
    lea.post("/queues", data={**RULE, "brand": "Guci"})
    assert "“<bdi>Guci</bdi>”" in lea.get("/queues?saved=1").text
    lea.post("/queues", data={"name": "Second", "script": ["latin"]})
    moved = lea.post("/queues/2/move", data={"to": "up"}).headers["location"]
    text = lea.get(moved).text
    assert re.findall(r'id="queue-(\d+)"', text) == ["2", "1"]
    assert text.count("autofocus") == 1
    (undo,) = re.findall(r'action="(/changes/\d+/undo)"', text)
    assert lea.post(undo).headers["location"] == "/queues"
    assert re.findall(r'id="queue-(\d+)"', lea.get("/queues").text) == ["1", "2"]


def test_an_unknown_seller_is_named_and_a_list_entry_undone(lead: TestClient) -> None:
    """The count comes before saving, and the warning again after it."""
    counted = lead.post("/lists", data={**SAID, "preview": "1"})
    assert "Fits <b>2 of 7</b> open cases." in counted.text
    assert "No seller is on" in counted.text
    added = lead.post("/lists", data={**SAID, "seller": "kx_trade89"}, follow_redirects=True).text
    assert "Nothing here has the name “<bdi>kx_trade89</bdi>”" in added
    (undo,) = re.findall(r'action="(/changes/\d+/undo)"', added)
    assert "No seller is on" in lead.post(undo, follow_redirects=True).text


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


def test_page_and_monitor_show_how_each_job_stands(failed: Engine, visitor: Callable) -> None:
    """Its last run, how long it took, what it said, the next run and failures; why others are off."""
    shown = visitor("lea").get("/jobs").text
    for words in ("3 ended", "done in 2.5 s", "2026-05-01 12:00", "due now", "0 of 1", "1 of 1", "No worker leads"):
        assert words in shown
    for words in ("set IPML_BACKUPS to turn it on.", "1 job failed last time", "ipml worker --once --start retention"):
        assert words in shown
    assert "<b>no space" not in shown
    off = visitor("lea").post("/jobs", data={"name": "backup"}).text
    assert "job backup: is off: set IPML_BACKUPS to turn it on." in off
    registry = CollectorRegistry()
    registry.register(JobFacts(failed, Settings()))
    shown = generate_latest(registry).decode()
    assert 'ipml_job_runs_total{job="ends"} 1.0' in shown
    assert 'ipml_job_failures_total{job="retention"} 1.0' in shown
    assert 'ipml_job_seconds{job="ends"} 2.5' in shown
    assert "ipml_worker_leads 0.0" in shown
    assert 'job="backup"' not in shown


def test_a_lead_has_a_job_done_now(failed: Engine, visitor: Callable) -> None:
    """It is due at once, and the trail says who asked for it; those below a lead see neither page nor button."""
    lead = visitor("lea")
    assert "Start now: retention" in lead.get("/jobs").text
    assert "Start now: backup" not in lead.get("/jobs").text
    before = datetime.now(UTC)
    assert lead.post("/jobs", data={"name": "retention"}).status_code == HTTPStatus.SEE_OTHER
    assert before <= ask(failed, read_states)["retention"].due_at <= datetime.now(UTC)
    (row,) = ask(failed, audit.list_rows, "job:retention")
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


def test_a_template_fills_the_note(visitor: Callable) -> None:
    """A lead keeps it; without a script its button asks for the page again, with the note as written and the text."""
    form = {"ground": "known_goods", "text": "See <case> 4"}
    lead, ana = visitor("lea"), visitor("ana")
    assert ana.get("/note-templates").status_code == 403
    assert lead.post("/note-templates", data=form).headers["location"] == "/note-templates#template-1"
    assert "See &lt;case&gt; 4" in lead.get("/note-templates").text
    faulty = lead.post("/note-templates", data=form | {"ground": "unknown"})
    assert (faulty.status_code, "See &lt;case&gt; 4</textarea>" in faulty.text) == (409, True)
    assert 'data-text="See &lt;case&gt; 4" data-ground="known_goods" data-key="1"' in ana.get("/cases/1").text
    assert ">Asked\nSee &lt;case&gt; 4</textarea>" in ana.get("/cases/1?template=1&note=Asked").text
    assert lead.post("/note-templates/1/remove").headers["location"] == "/note-templates"
    assert "There are none" in lead.get("/note-templates").text
