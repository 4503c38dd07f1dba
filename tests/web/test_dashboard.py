"""The dashboard and the brands: how the queue stands, what was decided of each brand, on the days asked for."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from support.actions import COOPERATION
from support.casework import judge
from support.databases import on_both
from support.given_notices import POLICY, say
from support.transactions import act, ask, execute
from support.visitors import plain

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import BrandFigures, list_brands, make_brand_report, measure_brand
from ipml.cooperation.reports.document import show, show_interval
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, outbox
from ipml.web.cache import CachedAnswer
from ipml.web.console.dashboard import DateRange


def measure(engine: Engine, brand: str, period: Period, rules: ReportRules) -> BrandFigures:
    """Return the figures of a brand as of now."""
    with reading(engine) as connection:
        return measure_brand(ReportScope(connection, period, datetime.now(UTC), brand), rules)


@on_both
def test_it_says_what_waits_and_what_was_decided(engine: Engine, ana: TestClient) -> None:
    """Seven cases came today; one was decided, one is in hand, and the figures say so."""
    judge(engine, verdict=Verdict.COUNTERFEIT, by="bo")
    act(engine, claim, "bo")
    text = ana.get("/dashboard").text
    tiles = {name: plain(figure) for name, figure in re.findall(r"<dt>([^<]+)</dt><dd>(.*?)</dd>", text)}
    assert (tiles["Open"], tiles["In review"], tiles["Verdicts today"]) == ("6", "1", "1 (yesterday: 0)")
    assert tiles["Came in 14 days"] == "7 (previous 14 days: 0)"
    assert "7 cases came and 1 were decided" in text
    assert "95 to 100 %" in text
    drawn = re.findall(r"<svg class=[^>]*>", text)  # each chart is hidden from a screen reader or has a text
    assert drawn
    assert all("aria-hidden" in tag or "aria-label" in tag for tag in drawn)


def test_figures_lead_to_the_cases_they_count(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Tiles, waiting times, days and reviewers open a list with as many cases as they say."""
    for case_id, by in ((1, "bo"), (2, "ana"), (3, "bo")):
        judge(engine, case_id, Verdict.COUNTERFEIT, by=by)
    judge(engine, 4, Verdict.ESCALATE)
    act(engine, claim, "bo")
    today, long_due = datetime.now(UTC), datetime.now(UTC) - timedelta(hours=5)
    execute(
        engine,
        update(cases).where(cases.c.case_id == 6).values(due_at=long_due),
        update(cases).where(cases.c.case_id == 7).values(enqueued_at=today - timedelta(days=2)),
    )
    page = visitor("lea").get("/dashboard").text
    shown = re.findall(r'<dd><a href="([^"]+)">(\d+)</a>', page)
    ages = page.partition('id="ages"')[2].partition("</table>")[0]
    shown += re.findall(r'row"><a href="([^"]+)">[^<]*</a></th><td class="wide">.*?</td><td class="number">(\d+)', ages)
    shown += re.findall(r'<td class="number"><a href="([^"]+reviewer=bo)">(\d+)', page)
    by_day = page.partition('id="title-flow"')[2].partition("</table>")[0]
    shown += re.findall(r'row"><a href="([^"]+)">[^<]*</a></th><td[^>]*>\d+</td><td[^>]*>(\d+)', by_day)
    assert len(shown) > 20
    counted = {unescape(link): int(n) for link, n in shown}
    listed = {link: ana.get(link).text.count("data-row") for link in counted}
    assert listed == counted
    assert sorted(set(counted.values())) == [0, 1, 2, 3]


def test_nobody_is_measured_by_colleagues(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A lead sees how much each reviewer decided; a reviewer sees only their own."""
    for name in ("ana", "bo"):
        judge(engine, verdict=Verdict.GENUINE, by=name)

    def shown(text: str) -> list[str]:
        return re.findall(r'scope="row"><bdi>(\w+)</bdi>', text)

    assert shown(visitor("lea").get("/dashboard").text) == ["ana", "bo"]
    assert shown(ana.get("/dashboard").text) == ["ana"]
    assert shown(visitor("vic").get("/dashboard").text) == []


def test_an_empty_queue_has_a_page(engine: Engine, ana: TestClient) -> None:
    """Where nothing was judged and nothing waits, that is said."""
    for case_id in range(1, 8):
        judge(engine, case_id, Verdict.CANNOT_TELL)
    text = ana.get("/dashboard").text
    assert "precision by score (no verdicts yet)" in text
    assert "<dt>Oldest open</dt><dd>–</dd>" in text


def test_what_is_said_of_all_listings_waits_for_draws(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Without reviews of what was drawn nothing is estimated; afterwards prevalence stands there, beside the naive."""
    assert "too few sampled listings have been reviewed" in ana.get("/dashboard").text
    file = [replace(scored(number), score=number / 200) for number in range(7, 200)]
    enqueue_batch(engine, lambda: file, IntakeSelection(top=20, explore=0.7))
    with writing(engine) as connection:
        while taken := claim(connection, "bo"):
            verdict, ground = (Verdict.GENUINE, "") if taken.case_id % 3 else (Verdict.COUNTERFEIT, "test_purchase")
            decide(connection, DecisionRequest(taken, verdict, ground))
    ana.app.state.estimates = CachedAnswer(0.0)
    text = ana.get("/dashboard").text
    assert re.search(r'scope="row">Prevalence</th>.*?class="number">[\d.]+ %</td>', text, re.DOTALL)


def test_the_page_tells_from_when_its_figures_are(engine: Engine, ana: TestClient) -> None:
    """Asked again at once it shows the same figures with the moment they are from; later, those of then."""
    before = ana.get("/dashboard").text
    judge(engine, verdict=Verdict.GENUINE, by="bo")
    at = re.search(r'<time datetime="([^"]+)" [^>]*data-as="clock">', before)
    assert at[0] in ana.get("/dashboard").text
    ana.app.state.stand = CachedAnswer(0.0)
    after = ana.get("/dashboard").text
    assert at[0] not in after
    assert '<dt>Open</dt><dd><a href="/?state=open">6</a></dd>' in after


DAYS = st.none() | st.dates(date(2000, 1, 1), date(2199, 12, 31))
LONG_AGO = datetime(2024, 5, 10, 12, tzinfo=UTC)


@given(DAYS, DAYS, st.integers(1, 400), st.integers(400, 4_000))
def test_a_range_has_the_days_that_were_asked_for(first: date | None, last: date | None, usual: int, most: int):
    """In whichever order; as many as usual where an end is missing; never more than are shown."""
    span = DateRange.of(first, last, usual, most)
    assert span.first <= span.last
    assert span.end - span.start == timedelta(days=span.n_days) <= timedelta(days=most)
    assert span.is_usual == (first is last is None)
    if first and last:
        assert span.last == max(first, last)
        assert span.first == max(min(first, last), span.last - timedelta(days=most - 1))
    elif first or last:
        assert span.n_days == usual


@pytest.fixture
def old(engine: Engine) -> Engine:
    """Decide a case, long ago."""
    judge(engine, 1, Verdict.COUNTERFEIT)
    execute(
        engine,
        update(decisions).values(decided_at=LONG_AGO),
        update(cases).where(cases.c.case_id == 1).values(enqueued_at=LONG_AGO),
    )
    return engine


def test_other_days_are_shown_and_stay_in_links(old: Engine, ana: TestClient, visitor: Callable) -> None:
    """On the dashboard by day and by reviewer; of brands in the fields and in the address of each."""
    assert "No brand decisions from" in ana.get("/brands").text
    page = ana.get("/brands", params={"from": "2024-05-01", "until": "2024-05-31"}).text
    assert 'value="2024-05-01"' in page
    (link,) = re.findall(r'href="(/brands/view[^"]*)" data-row', page)
    shown = ana.get(link.replace("&amp;", "&")).text
    assert "2024-05-01 to 2024-05-31" in shown
    assert "No brand decisions from" in ana.get("/brands", params={"until": "2024-05-09"}).text
    lea = visitor("lea")
    page = lea.get("/dashboard", params={"from": "2024-05-09", "until": "2024-05-11"}).text
    row = r'<th scope="row"><a [^>]*>(\d+) May</a></th><td class="number">(\d)</td><td class="number">(\d)</td>'
    shown = re.findall(row, page.partition('id="title-backlog"')[0])
    assert shown == [("9", "0", "0"), ("10", "1", "1"), ("11", "0", "0")]
    assert '<th scope="row"><bdi>ana</bdi></th>' in page
    assert '<th scope="row"><bdi>ana</bdi></th>' not in lea.get("/dashboard", params={"from": "", "until": ""}).text


def test_what_is_no_day_is_refused(lead: TestClient):
    """With a page that says so, and no error of the server."""
    for page in ("/brands", "/dashboard", "/notifiers"):
        for asked in ({"from": "yesterday"}, {"until": "0001-01-01"}, {"from": "9999-12-31"}):
            assert lead.get(page, params=asked).status_code == 400, (page, asked)


@pytest.fixture
def viewer(visitor: Callable) -> TestClient:
    """Return a viewer's browser."""
    return visitor("vic")


@pytest.fixture
def decided(engine: Engine) -> Engine:
    """Decide most cases: of Vellmar three counterfeit of two sellers and one genuine, of Nordhale one of each."""
    act(engine, receive, say("L0000", "L0006", brand="Vellmar"), policy=POLICY, now=datetime.now(UTC))
    for case_id, is_fake in ((1, True), (2, True), (4, True), (7, False), (3, True), (6, False)):
        judge(engine, case_id, Verdict.COUNTERFEIT if is_fake else Verdict.GENUINE, actions=COOPERATION)
    return engine


def test_brands_with_most_counterfeits_come_first(decided: Engine, viewer: TestClient) -> None:
    """Each with what was decided, and how many sellers had the counterfeits."""
    rows = re.findall(r"<tr>.*?</tr>", viewer.get("/brands").text, re.DOTALL)[1:]
    found = [re.sub(r" Last .*", "", unescape(plain(row))) for row in rows]
    assert [row.split(" a moment")[0] for row in found] == ["Vellmar 3 4 2", "Nordhale 1 2 1"]


def test_what_is_old_or_taken_back_is_not_counted_but_what_is_erased_is(decided: Engine) -> None:
    """A brand is listed by the standing decisions of the time asked for, as in the report of the brand."""
    since = datetime.now(UTC) - timedelta(days=90)
    with writing(decided) as connection:
        undo(connection, 1, UndoRequest("lea", may_undo_others=True))
        old = update(decisions).where(decisions.c.case_id == 2)
        connection.execute(old.values(decided_at=since - timedelta(days=1)))
        connection.execute(update(outbox).values(state="delivered", settled_at=datetime.now(UTC)))
    erase_sellers(decided, ["kx_trade88"], why="request 7", by="lea")
    found = {one.name: (one.decided, one.counterfeit, one.sellers) for one in ask(decided, list_brands, since, 9)}
    assert found == {"Vellmar": (2, 1, 1), "Nordhale": (2, 1, 1)}
    assert len(ask(decided, list_brands, since, 1)) == 1
    for name, (_, counterfeit, sellers) in found.items():
        period = Period.between(since.date(), datetime.now(UTC).date())
        figures = measure(decided, name, period, ReportRules())
        expected = (counterfeit, sellers)
        assert (figures.decided.count(verdict=Verdict.COUNTERFEIT, stands=True), figures.sellers.n) == expected


def test_a_brand_shows_what_its_owner_is_told(decided: Engine, app: FastAPI, viewer: TestClient) -> None:
    """Every figure with its name and interval, every table with its rows, as the report of the last year has them."""
    page = viewer.get("/brands/view", params={"name": "Vellmar"}).text
    text, now = unescape(plain(page)), datetime.now(UTC)
    rules = app.state.cooperation.reports
    period = Period.between((now - timedelta(days=364)).date(), now.date())
    report = make_brand_report(measure(decided, "Vellmar", period, rules), rules)
    assert len(report.headline) == 6
    for one in [*report.headline, *(each for _, each in report.quantities())]:
        assert one.value != "Vellmar"
        interval = f" ({show_interval(one)})" if show_interval(one) else ""
        assert f"{one.name} {show(one.value, one.unit)}{interval}" in text, one.key
    for table in report.tables():
        for row in table.rows:
            cells = " ".join(show(value, unit) for value, (_, unit) in zip(row, table.columns, strict=True))
            assert " ".join(cells.split()) in text, (table.key, row)
    assert page.count('<svg class="plot') == sum(len(section.charts) for section in report.sections)
    assert "harbour-outlet" not in page  # sellers are counted, not named


def test_a_brand_nobody_knows_is_not_found(engine: Engine, viewer: TestClient) -> None:
    """Those that begin alike are named; an empty or endless name is not understood; nothing was decided yet."""
    page = viewer.get("/brands").text
    assert "No brand decisions from" in page
    assert 'name="name"' in page
    answer = viewer.get("/brands/view", params={"name": "Vellmer"})
    assert answer.status_code == 404
    assert "Vellmar" in answer.text
    for name in ("", "x" * 201):
        assert viewer.get("/brands/view", params={"name": name}).status_code == 400


def test_any_name_can_be_followed(engine: Engine, viewer: TestClient, scored: Callable) -> None:
    """The links of the list lead to the brand of that very name, and from there to its cases."""
    names = ("100%", "a&b=c#d", "Ωmega / Söhne", "<b>", "\u202eevil")
    enqueue(engine, [scored(number, brand=name) for number, name in enumerate(names, start=8)], joins_alike=False)
    for case_id in range(8, 13):
        judge(engine, case_id, Verdict.COUNTERFEIT, actions=COOPERATION)
    links = re.findall(r'href="(/brands/view[^"]*)"', viewer.get("/brands").text)
    assert len(links) == len(names)
    for link in links:
        page = viewer.get(unescape(link))
        assert page.status_code == 200
        (link,) = re.findall(r'href="(/\?brand=[^"]*)"', page.text)
        assert viewer.get(unescape(link)).text.count("data-row") == 0
