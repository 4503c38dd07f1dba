"""What people take away as CSV: all of it, nothing else, and nothing alive."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from support.casework import read_case
from support.databases import on_both

from ipml.records import Verdict
from ipml.review import queue
from ipml.review.exports import CASE_COLUMNS, DECISION_COLUMNS, ExportFilter, export_cases, export_decisions
from ipml.storage.database import reading, writing

FORMULAE = (
    *("=1+1", '=HYPERLINK("//elsewhere.example")', "+1+1", "-1+1", "@SUM(1+1)", "\t=1+1", "\r=1+1", "  =1+1"),
    *("＝1+1", "＋1+1", "＠SUM(1)", 'x";=1+1;"', "x\r\n=1+1", "=cmd|' /C marker'!A0"),
)


def take(browser: TestClient, **wanted: str) -> list[dict[str, str]]:
    """Return the rows of an export as a program reads them."""
    answer = browser.get("/export.csv", params=wanted)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def decide(engine: Engine, case_id: int, note: str = "", reviewer: str = "ana", now: datetime | None = None) -> None:
    """Decide a case."""
    with writing(engine) as connection:
        claim = queue.claim(connection, reviewer, case_id, now=now)
    with writing(engine) as connection:
        queue.decide(connection, claim, Verdict.GENUINE, note=note, now=now)


def test_fourteen_kinds_of_formula(engine: Engine, visitor: Callable, scored: Callable) -> None:
    """In every field of text, none is live; there is a row for each, of as many cells, with all that was written."""
    for number, text in enumerate(FORMULAE):
        item = scored(7)
        texts = {"title": text, "seller_id": text, "brand": text, "listing_id": f"{text} {number}"}
        queue.enqueue(
            engine, [replace(item, listing=replace(item.listing, **texts), model_version=text, highlights=())]
        )
    with reading(engine) as connection:
        hostile = [case.case_id for case in queue.list_cases(connection, limit=100) if case.case_id > 7]
        written = {case_id: queue.get_case(connection, case_id).scored.listing.title for case_id in hostile}
    for case_id in hostile:
        decide(engine, case_id, note=written[case_id])
    lead = visitor("lea")
    for what, columns in (("cases", CASE_COLUMNS), ("decisions", DECISION_COLUMNS)):
        rows = [row for row in take(lead, what=what) if int(row["case_id"]) > 7]
        assert len(rows) == len(FORMULAE)
        assert all(tuple(row) == columns and None not in row.values() for row in rows)
        for row in rows:
            texts = [row[name] for name in ("listing_id", "seller_id", "brand", "title", "model_version")]
            texts += [row["note"]] if what == "decisions" else []
            assert all(text.startswith(("'", "x")) for text in texts)
            assert not any("=" in text and "'=" not in text.replace("' ", "'") for text in texts if text[0] == "x")
            title = written[int(row["case_id"])]
            assert row["title"].replace("'", "") == title.replace("'", "")


def test_the_file_is_one_to_save_by_leads(visitor: Callable, lead: TestClient, ana: TestClient) -> None:
    """Under a fixed name, as UTF-8; a filter that makes no sense gives none, and only leads see the link."""
    answer = visitor("lea").get("/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="decisions.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    for wanted in ({"what": "users"}, {"state": "x"}, {"since": "yesterday"}, {"brand": "a\0"}, {"seller": "x" * 201}):
        assert lead.get("/export.csv", params=wanted).status_code == 400, wanted
    assert ["/export.csv" in browser.get("/").text for browser in (lead, ana)] == [True, False]


def test_the_export_is_what_the_queue_holds(engine: Engine, visitor: Callable) -> None:
    """Cases and decisions come in the order in which they were made, with the figures as they are."""
    for case_id in (3, 1):
        decide(engine, case_id, note="because", reviewer="bo")
    lead = visitor("lea")
    rows = take(lead, what="cases")
    assert [int(row["case_id"]) for row in rows] == list(range(1, 8))
    for row in rows:
        case = read_case(engine, int(row["case_id"]))
        assert (float(row["score"]), row["state"]) == (case.scored.score, case.state)
        assert (row["title"], float(row["price"])) == (case.scored.listing.title, case.scored.listing.price)
        assert datetime.fromisoformat(row["enqueued_at"]) == case.enqueued_at
    made = take(lead)
    assert [(row["case_id"], row["verdict"], row["reviewer"], row["note"]) for row in made] == [
        ("3", "genuine", "bo", "because"),
        ("1", "genuine", "bo", "because"),
    ]


@on_both
def test_the_export_is_filtered_as_the_list_is(engine: Engine, visitor: Callable) -> None:
    """State, brand, seller and the span of time narrow it, alone and together."""
    lead, start = visitor("lea"), datetime(2026, 5, 1, tzinfo=UTC)
    for days, case_id in enumerate((1, 2, 3)):
        decide(engine, case_id, now=start + timedelta(days=days))
    assert [row["case_id"] for row in take(lead, what="cases", brand="Nordhale")] == ["3", "6"]
    assert [row["case_id"] for row in take(lead, what="cases", state="open", seller="kx_trade88")] == ["5"]
    assert [row["case_id"] for row in take(lead, brand="Nordhale")] == ["3"]
    assert [row["case_id"] for row in take(lead, since="2026-05-02")] == ["2", "3"]
    assert [row["case_id"] for row in take(lead, since="2026-05-02T00:00:00Z", until="2026-05-03T00:00:00")] == ["2"]
    assert take(lead, brand="nobody") == []


def test_a_long_export_is_read_in_parts(engine: Engine, scored: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case comes once, read so many at a time, and between the parts others can write."""
    monkeypatch.setattr("ipml.review.exports._AT_ONCE", 20)
    queue.enqueue(engine, [scored(number) for number in range(7, 50)])
    selects: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: selects.append(arguments[2]))
    rows = export_cases(engine, ExportFilter())
    first = next(rows)["case_id"]
    decide(engine, 45)  # the database in memory has one connection: it is free
    assert [first, *(row["case_id"] for row in rows)] == list(range(1, 51))
    assert sum("LIMIT" in query and "snapshot" in query for query in selects if "ORDER BY cases.case_id" in query) >= 3
    assert [row["case_id"] for row in export_decisions(engine, ExportFilter())] == [45]
