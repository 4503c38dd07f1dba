"""The ranked list: order, filters, tabs, pages, saved views, what was decided, and exports."""

import csv
import html
import io
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from support.actions import COOPERATION
from support.casework import GROUND, count_cases, judge, read_case
from support.databases import on_both
from support.transactions import act, ask

from ipml.records import Reason, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.claims import claim as claim_case
from ipml.review.decisions import GROUNDS, DecisionRequest
from ipml.review.decisions import decide as decide_case
from ipml.review.exports import CASE_COLUMNS, DECISION_COLUMNS, ExportFilter, export_cases, export_decisions
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.search import browse_cases
from ipml.storage.database import reading, writing


def case_numbers(text: str) -> list[int]:
    """Return the numbers of the cases that a list shows, in order."""
    return [int(number) for number in re.findall(r'href="/cases/(\d+)[^"]*" data-row', text)]


def next_link(text: str) -> str:
    """Return the address of the following page."""
    found = re.search(r'href="([^"]+)" rel="next"', text)
    return found[1].replace("&amp;", "&")


def test_the_list_is_in_the_order_of_the_queue(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """The most suspicious comes first, with rank, score, price, seller and reason."""
    text = ana.get("/").text
    assert ["Work the queue" in page for page in (text, visitor("vic").get("/").text)] == [True, False]
    assert case_numbers(text) == [case.case_id for case in ask(engine, browse_cases)]
    for told in ("98 %", "80.10 EUR", "harbour-outlet", "Price is 9 % of what Vellmar usually costs"):
        assert told in text


def test_the_reason_in_a_list_is_the_strongest_for_suspicion(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """In the list and before a decision on many: never the base rate, and never one that suggests genuine."""
    many = []
    for number, some in enumerate([*itertools.permutations((-2.5, -0.4, 0.3, 1.2)), (-1.0, -0.1), ()]):
        reasons, is_old = [Reason(f"sign.{weight}", f"Sign of {weight}", weight) for weight in some], number % 2
        if is_old and reasons:  # an older snapshot, with the base rate among its reasons
            reasons.insert(number % 3, Reason("baseline", "Where every listing starts", -5.0))
        title = sha256(bytes([number])).hexdigest()
        listing = scored(number, listing_id=f"N{number}", seller_id=f"n{number}", title=title)
        many.append(replace(listing, score=0.99, reasons=tuple(reasons), base_rate=None if is_old else -5.0))
    enqueue(engine, many)
    listed = {case.case_id: case.scored for case in ask(engine, browse_cases, limit=50)}
    new = [number for number, one in listed.items() if one.listing.listing_id.startswith("N")]
    for page in (ana.get("/"), ana.get("/bulk", params={"case": new})):
        said = re.findall(r'<span class="why">([^<]*)</span>', page.text)
        assert said.count("Sign of 1.2") == 24
        assert "No reason for suspicion" in said
        assert not any("Sign of" in one and one != "Sign of 1.2" for one in said)
        assert "Where every listing starts" not in page.text


@on_both
def test_filters_narrow_the_list(engine: Engine, ana: TestClient) -> None:
    """Alone and together; what was asked for stays in the fields, and empty ones do not narrow."""
    scores = {"least": "90", "most": "96", "category": "", "waiting": "", "brand": "", "words": ""}
    for asked, numbers in (
        *(({"brand": "Nordhale"}, [3, 6]), ({"seller": "kx_trade88"}, [3, 5]), ({"words": "l0005"}, [6])),
        *(({"words": "vellmar wallet"}, [4]), ({"category": "Audio"}, [5]), ({"waiting": "1"}, [])),
        *((scores, [2, 3]), ({"brand": "Nordhale", "seller": "kx_trade88", "words": "DIVER nordhale"}, [3])),
    ):
        text = ana.get("/", params=asked).text
        assert case_numbers(text) == numbers, asked
    assert 'value="Nordhale"' in text
    assert 'value="DIVER nordhale"' in text
    text = ana.get("/", params={"order": "first come"}).text
    assert case_numbers(text) == [1, 2, 3, 4, 5, 6, 7]
    assert '<option value="first come" selected>' in text
    for asked in ({"brand": "Nobody"}, {"words": "umbrella"}):
        assert "No open case matches" in ana.get("/", params=asked).text


def test_what_makes_no_sense_is_refused(ana: TestClient) -> None:
    """With 400 in an address; the whole list, no name and what is no list are not saved."""
    for asked in ("order=beauty", "least=x", "least=101", "waiting=-1", "most=nan", "words=%00", "after=1.", "state=x"):
        assert ana.get(f"/?{asked}").status_code == 400, asked
    for data in ({"name": "All"}, {"name": " ", "query": "brand=Acme"}, {"name": "Bad", "query": "least=many"}):
        assert ana.post("/views", data=data).status_code in (400, 409, 422), data
    assert ana.get("/views.json").json() == []


def test_the_cases_of_a_list_lead_through_that_list(ana: TestClient) -> None:
    """Who opens a case from a filtered list is led to the next of that list, and back to it."""
    text = ana.get("/", params={"brand": "Nordhale", "order": "first come"}).text
    first = re.search(r'href="(/cases/3[^"]*)" data-row', text)
    page = ana.get(first[1].replace("&amp;", "&")).text
    within = re.search(r'name="within" value="([^"]*)"', page)
    fields = {"within": within[1].replace("&amp;", "&"), "to": "next"}
    assert ana.post("/cases/3/leave", data=fields).headers["location"].startswith("/cases/6?")
    back = ana.post("/cases/6/leave", data={**fields, "to": "list"}).headers["location"]
    assert back == "/?brand=Nordhale&order=first+come#case-6"


def test_the_tab_counts_what_the_list_shows(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """A near-duplicate that waits for another case is in neither; the case says the same number."""
    title = "Nordhale field watch 38 mm automatic, sapphire glass"
    enqueue(engine, [scored(5, listing_id=f"A{number}", title=title, seller_id="alike") for number in (1, 2)])
    assert count_cases(engine)["open"] == 9
    text = ana.get("/").text
    assert len(case_numbers(text)) == 8
    numbers = re.findall(r'(\w+) <span class="number">([\d,]+)</span>', text)
    assert numbers == [("Open", "8"), ("Escalated", "0"), ("Decided", "0")]
    assert " of 8 by score" in ana.get("/cases/2").text


def test_the_rows_are_sent_again_only_if_they_changed(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A page that asks for them gets the content without its frame; ages alone change nothing; a claim does."""
    rows = ana.get("/rows?brand=Nordhale")
    assert ("<html" in rows.text, 'id="case-3"' in rows.text, 'id="case-1"' in rows.text) == (False, True, False)
    asked = {"If-None-Match": rows.headers["etag"]}
    assert ana.get("/rows?brand=Nordhale", headers=asked).status_code == 304
    visitor("bo").get("/cases/3")
    changed = ana.get("/rows?brand=Nordhale", headers=asked)
    assert (changed.status_code, "opened by bo" in changed.text) == (200, True)


def test_superseded_cases_have_a_tab_once_there_are_some(engine: Engine, scored: Callable, visitor: Callable) -> None:
    """Nobody works on them: where there are none, no tab is in the way; where there are, a lead can export them."""
    lea = visitor("lea")
    assert "Superseded" not in lea.get("/").text
    assert '>Superseded <span class="number">0<' in lea.get("/", params={"state": "superseded"}).text
    enqueue(engine, [scored(0)], due_at=datetime(2024, 5, 1, tzinfo=UTC))
    enqueue(engine, [scored(0, title="Something else")], joins_alike=False)
    text = lea.get("/", params={"state": "superseded"}).text
    assert '>Superseded <span class="number">1<' in lea.get("/").text
    assert case_numbers(text) == [1]
    assert "overdue" not in text
    assert "overdue" in lea.get("/").text
    link = re.search(r'href="(/export.csv[^"]*)"', text)
    rows = list(csv.DictReader(lea.get(html.unescape(link[1])).text.removeprefix("\ufeff").splitlines()))
    assert [row["state"] for row in rows] == ["superseded"]


def test_a_case_of_a_listing_that_was_changed_back_says_why_it_ended(engine, scored, ana):
    """It leads to the case with the decision, which knows of nothing that came after."""
    judge(engine, 1, Verdict.GENUINE, "bo")
    first = read_case(engine, 1).scored
    changed = replace(first, listing=replace(first.listing, title="Something else"))
    for one in (changed, first):
        enqueue(engine, [one], joins_alike=False)
    text = ana.get("/cases/8").text
    assert "Superseded: the listing was changed back before anybody decided." in text
    assert 'The listing was changed back to a version decided before, in <a href="/cases/1">case 1</a>.' in text
    assert "older version" not in ana.get("/cases/1").text


def test_pages_show_every_case_once(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Turning the pages shows each case once in order of rank, and back again the same."""
    enqueue(engine, [scored(number) for number in range(7, 120)], joins_alike=False)
    texts = [ana.get("/").text]
    while 'rel="next"' in texts[-1]:
        texts.append(ana.get(next_link(texts[-1])).text)
    shown = [number for text in texts for number in case_numbers(text)]
    assert [len(case_numbers(text)) for text in texts] == [50, 50, 20]
    assert shown == [case.case_id for case in ask(engine, browse_cases, limit=200)]
    ranks = [int(rank) for text in texts for rank in re.findall(r'rank">(\d+)<', text)]
    assert ranks == list(range(1, 121))
    back = re.search(r'href="([^"]+)" rel="prev"', texts[2])
    assert case_numbers(ana.get(back[1].replace("&amp;", "&")).text) == case_numbers(texts[1])


def test_work_begins_with_the_top_case_nobody_holds(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Two reviewers who start at once get different cases; an empty queue leads to the list."""
    assert ana.post("/next").headers["location"] == "/cases/1?within=queue"
    assert visitor("bo").post("/next").headers["location"] == "/cases/2?within=queue"
    for browser, path in ((ana, "/cases/1"), (visitor("bo"), "/cases/2")):
        browser.get(path)
    assert [f"opened by {name} until <time" in ana.get("/").text for name in ("you", "bo")] == [True, True]
    for case_id in range(1, 8):
        judge(engine, case_id, by="bo" if case_id == 2 else "ana")
    assert ana.post("/next").headers["location"] == "/?nothing=1"
    assert "The queue is empty" in ana.get("/").text


decide = partial(judge, actions=COOPERATION)


@pytest.fixture
def decided(engine: Engine) -> Engine:
    """Return a queue of which four cases were decided, one of them anew."""
    decide(engine, 3, Verdict.GENUINE, "bo")
    decide(engine, 1, Verdict.COUNTERFEIT, "ana")
    decide(engine, 2, Verdict.CANNOT_TELL, "bo")
    decide(engine, 4, Verdict.COUNTERFEIT, "ana")
    act(engine, undo, 4, UndoRequest("ana"))
    decide(engine, 4, Verdict.GENUINE, "ana")
    return engine


def rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the numbers of the cases, each with its cells by their names."""
    found = []
    for row in re.findall(r"<tr>\s*<td class=\"likely\".*?</tr>", text, re.DOTALL):
        cells = re.findall(r'<td data-label="(\w+)">(.*?)</td>', row, re.DOTALL)
        told = {name: " ".join(re.sub(r"<[^>]*>", " ", cell).split()) for name, cell in cells}
        found.append((int(re.findall(r"/cases/(\d+)", row)[0]), told))
    return found


def test_the_verdict_that_holds_is_told_with_all_about_it(decided: Engine, ana: TestClient) -> None:
    """Those decided last come first; neither rank nor waiting is shown."""
    text = ana.get("/?state=decided").text
    found = rows(text)
    assert [number for number, _ in found] == [4, 2, 1, 3]
    assert [told["Verdict"] for _, told in found] == ["Genuine", "Cannot tell", "Counterfeit", "Genuine"]
    assert [told["By"] for _, told in found] == ["ana", "bo", "ana", "bo"]
    counterfeit = dict(found)[1]
    assert counterfeit["Ground"] == GROUNDS[GROUND]
    assert counterfeit["Measure"].startswith("Removed Asked of the platform")
    assert counterfeit["When"].endswith("ago")
    assert dict(found)[3]["Measure"] == "–"
    assert ">Rank<" not in text
    assert ">Waiting<" not in text


@on_both
def test_verdict_and_reviewer_narrow_the_list(decided: Engine, ana: TestClient) -> None:
    """Only the verdict that holds counts, in every order, with any other filter; the fields stay filled in."""
    shown = {"verdict=genuine": [4, 3], "reviewer=bo": [2, 3], "verdict=genuine&reviewer=ana": [4]}
    shown |= {"verdict=counterfeit&brand=Vellmar": [1], "verdict=counterfeit&words=nordhale": []}
    shown |= {"reviewer=bo&order=score": [2, 3], "verdict=genuine&order=score": [3, 4], "words=vellmar": [4, 2, 1]}
    shown |= {"reviewer=nobody": []}
    pages = {asked: ana.get(f"/?state=decided&{asked}").text for asked in shown}
    assert {asked: [number for number, _ in rows(text)] for asked, text in pages.items()} == shown
    assert 'name="reviewer" value="bo"' in pages["reviewer=bo"]


def test_reviewers_are_suggested(engine: Engine, ana: TestClient) -> None:
    """By how their names begin, in any case."""
    assert ana.get("/suggestions.json?field=reviewer&text=A").json() == ["ana"]
    assert ana.get("/suggestions.json?field=brand&text=nor").json() == ["Nordhale"]
    assert ana.get("/suggestions.json?field=seller&text=KX").json() == ["kx_trade88"]
    assert ana.get("/suggestions.json?field=price&text=1").status_code == 400


WATCHES = {"name": "Watches", "query": "brand=Nordhale"}


def test_a_list_is_saved_under_a_name_and_opened(ana: TestClient) -> None:
    """Where it is shown it is marked; elsewhere it can be opened, by the palette too."""
    assert 'action="/views"' not in ana.get("/").text  # all open cases need no name
    assert 'action="/views"' in ana.get("/?brand=Nordhale").text
    assert ana.post("/views", data=WATCHES).headers["location"] == "/?brand=Nordhale"
    text = ana.get("/?brand=Nordhale").text
    assert 'href="/?brand=Nordhale" data-go="1" aria-current="page"' in text
    assert 'action="/views/1/remove"' in text
    assert 'href="/?brand=Nordhale" data-go="1" title' in ana.get("/").text
    assert ana.get("/views.json").json() == [{"name": "Watches", "address": "/?brand=Nordhale"}]
    assert ana.post("/views/1", data={"name": "<b>Time</b>"}).status_code == 303
    assert "&lt;b&gt;Time&lt;/b&gt;" in ana.get("/").text
    assert ana.post("/views/1/remove").headers["location"] == "/?brand=Nordhale"
    assert 'id="views"' not in ana.get("/").text


def test_the_list_begins_with_the_chosen_view(ana: TestClient) -> None:
    """All open cases stay one click away, and are what is worked through from there."""
    ana.post("/views", data={**WATCHES, "start": "1"})
    text = ana.get("/").text
    assert case_numbers(text) == [3, 6]
    assert 'href="/?state=open">Clear' in text
    whole = ana.get("/?state=open").text
    assert len(case_numbers(whole)) == 7
    assert 'href="/cases/1?within=state%3Dopen"' in whole
    answer = ana.post("/cases/1/leave", data={"to": "list", "within": "state=open"})
    assert answer.headers["location"] == "/?state=open#case-1"
    assert len(case_numbers(ana.get("/?order=score&words=").text)) == 7
    ana.post("/views/1/start", data={"start": "0"})
    assert len(case_numbers(ana.get("/").text)) == 7


def test_w_works_in_the_view_that_is_begun_with(ana: TestClient, engine: Engine) -> None:
    """It takes what is free there, goes on there, and says when nothing is left; the whole queue is one key away."""
    ana.post("/views", data={**WATCHES, "start": "1"})
    act(engine, claim, "bo", 3)
    assert ana.post("/next").headers["location"] == "/cases/6?within=brand%3DNordhale"
    assert ana.post("/next", data={"within": "queue"}).headers["location"] == "/cases/6?within=queue"  # it is held
    page = ana.get("/cases/6?within=brand%3DNordhale").text
    given = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("token", "until", "key")}
    answer = ana.post("/cases/6/decide", data={**given, "choice": "genuine", "within": "brand=Nordhale"})
    assert answer.headers["location"] == "/?brand=Nordhale"
    assert ana.post("/next").headers["location"] == "/?nothing=1"
    text = ana.get("/?nothing=1").text
    assert "No case of <b><bdi>Watches</bdi></b> is free to take." in text
    assert ana.post("/next", data={"within": "queue"}).headers["location"] == "/cases/1?within=queue"


def test_what_must_be_done_first_comes_before_a_view(ana: TestClient, engine: Engine) -> None:
    """A deadline is kept by whoever is there, whichever view they work in."""
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE cases SET due_at = enqueued_at, minutes = 3 WHERE case_id = 5")
    ana.post("/views", data={**WATCHES, "start": "1"})
    assert ana.post("/next").headers["location"].startswith("/cases/5?")


def test_views_are_shared_by_leads(ana: TestClient, visitor: Callable) -> None:
    """Everybody opens them and may begin with them; only leads change them."""
    lea, vic = visitor("lea"), visitor("vic")
    assert ana.post("/views", data={**WATCHES, "shared": "1"}).status_code == 403
    assert vic.post("/views", data={**WATCHES, "name": "Mine"}).status_code == 303
    assert lea.post("/views", data={**WATCHES, "shared": "1"}).status_code == 303
    text = ana.get("/?brand=Nordhale").text
    assert "Shared by <bdi>lea</bdi>" in text
    assert "Mine" not in text
    assert ana.post("/views/2/start", data={"start": "1"}).status_code == 303
    assert case_numbers(ana.get("/").text) == [3, 6]
    for path, data in (("/views/2", {"name": "Other"}), ("/views/2/remove", {}), ("/views/1", {"name": "Other"})):
        assert ana.post(path, data=data).status_code in (403, 404), path
    assert visitor("lea").post("/views/1/remove").status_code == 404  # what is not shared is its owner's
    assert lea.post("/views/2/remove").status_code == 303
    assert len(case_numbers(ana.get("/").text)) == 7


FORMULAE = (
    *("=1+1", '=HYPERLINK("//elsewhere.example")', "+1+1", "-1+1", "@SUM(1+1)", "\t=1+1", "\r=1+1", "  =1+1"),
    *("＝1+1", "＋1+1", "＠SUM(1)", 'x";=1+1;"', "x\r\n=1+1", "=cmd|' /C marker'!A0"),
)


def take(browser: TestClient, **wanted: str) -> list[dict[str, str]]:
    """Return the rows of an export as a program reads them."""
    answer = browser.get("/export.csv", params=wanted)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def record_verdict(engine, case_id, note="", reviewer="ana", now=None):
    """Decide a case."""
    claim = act(engine, claim_case, reviewer, case_id, now=now)
    act(engine, decide_case, DecisionRequest(claim, Verdict.GENUINE, note=note), now=now)


def test_fourteen_kinds_of_formula(engine: Engine, visitor: Callable, scored: Callable) -> None:
    """In every field of text, none is live; there is a row for each, of as many cells, with all that was written."""
    for number, text in enumerate(FORMULAE):
        item = scored(7)
        texts = {"title": text, "seller_id": text, "brand": text, "listing_id": f"{text} {number}"}
        enqueue(engine, [replace(item, listing=replace(item.listing, **texts), model_version=text, highlights=())])
    with reading(engine) as connection:
        hostile = [case.case_id for case in browse_cases(connection, limit=100) if case.case_id > 7]
        written = {case_id: get_case(connection, case_id).scored.listing.title for case_id in hostile}
    for case_id in hostile:
        record_verdict(engine, case_id, note=written[case_id])
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
        record_verdict(engine, case_id, note="because", reviewer="bo")
    lead = visitor("lea")
    rows = take(lead, what="cases")
    assert [int(row["case_id"]) for row in rows] == list(range(1, 8))
    for row in rows:
        case = read_case(engine, int(row["case_id"]))
        assert (float(row["score"]), row["state"]) == (case.scored.score, case.state)
        assert (row["title"], float(row["price"])) == (case.scored.listing.title, case.scored.listing.price)
        assert datetime.fromisoformat(row["enqueued_at"]) == case.enqueued_at
    made = take(lead)
    expected = [("3", "genuine", "bo", "because"), ("1", "genuine", "bo", "because")]
    assert [(row["case_id"], row["verdict"], row["reviewer"], row["note"]) for row in made] == expected


@on_both
def test_the_export_is_filtered_as_the_list_is(engine: Engine, visitor: Callable) -> None:
    """State, brand, seller and the span of time narrow it, alone and together."""
    lead, start = visitor("lea"), datetime(2026, 5, 1, tzinfo=UTC)
    for days, case_id in enumerate((1, 2, 3)):
        record_verdict(engine, case_id, now=start + timedelta(days=days))
    assert [row["case_id"] for row in take(lead, what="cases", brand="Nordhale")] == ["3", "6"]
    assert [row["case_id"] for row in take(lead, what="cases", state="open", seller="kx_trade88")] == ["5"]
    assert [row["case_id"] for row in take(lead, brand="Nordhale")] == ["3"]
    assert [row["case_id"] for row in take(lead, since="2026-05-02")] == ["2", "3"]
    assert [row["case_id"] for row in take(lead, since="2026-05-02T00:00:00Z", until="2026-05-03T00:00:00")] == ["2"]
    assert take(lead, brand="nobody") == []


def test_a_long_export_is_read_in_parts(engine: Engine, scored: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case comes once, read so many at a time, and between the parts others can write."""
    monkeypatch.setattr("ipml.review.exports._AT_ONCE", 20)
    enqueue(engine, [scored(number) for number in range(7, 50)])
    selects: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: selects.append(arguments[2]))
    rows = export_cases(engine, ExportFilter())
    first = next(rows)["case_id"]
    record_verdict(engine, 45)  # the database in memory has one connection: it is free
    assert [first, *(row["case_id"] for row in rows)] == list(range(1, 51))
    assert sum("LIMIT" in query and "snapshot" in query for query in selects if "ORDER BY cases.case_id" in query) >= 3
    assert [row["case_id"] for row in export_decisions(engine, ExportFilter())] == [45]
