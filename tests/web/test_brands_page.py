"""Brands on the page: those found counterfeit lately, and of each what its owner is told."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from support.consequences import COOPERATION
from support.given_notices import POLICY, say

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import list_brands, make_brand_report, measure_brand
from ipml.cooperation.reports.document import show, show_interval
from ipml.cooperation.reports.period import Period
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Verdict
from ipml.review import queue
from ipml.review.reversals import undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, outbox


@pytest.fixture
def viewer(visitor: Callable) -> TestClient:
    """Return a viewer's browser."""
    return visitor("vic")


@pytest.fixture
def decided(app: FastAPI) -> Engine:
    """Decide most cases: of Vellmar three counterfeit of two sellers and one genuine, of Nordhale one of each."""
    engine: Engine = app.state.engine
    with writing(engine) as connection:
        receive(connection, say("L0000", "L0006", brand="Vellmar"), policy=POLICY, now=datetime.now(UTC))
    for case_id, is_fake in ((1, True), (2, True), (4, True), (7, False), (3, True), (6, False)):
        with writing(engine) as connection:
            claim = queue.claim(connection, "ana", case_id)
        verdict, ground = (Verdict.COUNTERFEIT, "declared_replica") if is_fake else (Verdict.GENUINE, "")
        with writing(engine) as connection:
            queue.decide(connection, claim, verdict, ground=ground, consequences=COOPERATION)
    return engine


def plain(html: str) -> str:
    """Return what can be read of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_brands_with_most_counterfeits_come_first(decided: Engine, viewer: TestClient) -> None:
    """Each with what was decided, and how many sellers had the counterfeits."""
    rows = re.findall(r"<tr>.*?</tr>", viewer.get("/brands").text, re.DOTALL)[1:]
    found = [re.sub(r" Last .*", "", plain(row)) for row in rows]
    assert [row.split(" a moment")[0] for row in found] == ["Vellmar 3 4 2", "Nordhale 1 2 1"]


def test_what_is_old_or_taken_back_is_not_counted_but_what_is_erased_is(decided: Engine) -> None:
    """A brand is listed by the standing decisions of the time asked for, as in the report of the brand."""
    since = datetime.now(UTC) - timedelta(days=90)
    with writing(decided) as connection:
        undo(connection, 1, "lea", may_undo_others=True)
        old = update(decisions).where(decisions.c.case_id == 2)
        connection.execute(old.values(decided_at=since - timedelta(days=1)))
        connection.execute(update(outbox).values(state="delivered", settled_at=datetime.now(UTC)))
    erase_sellers(decided, ["kx_trade88"], why="request 7", by="lea")
    with reading(decided) as connection:
        found = {one.name: (one.decided, one.counterfeit, one.sellers) for one in list_brands(connection, since, 9)}
    assert found == {"Vellmar": (2, 1, 1), "Nordhale": (2, 1, 1)}
    with reading(decided) as connection:
        assert len(list_brands(connection, since, 1)) == 1
    for name, (_, counterfeit, sellers) in found.items():
        period = Period.between(since.date(), datetime.now(UTC).date())
        with reading(decided) as connection:
            figures = measure_brand(connection, name, period, ReportRules())
        assert (figures.decided.count(verdict=Verdict.COUNTERFEIT, stands=True), figures.sellers.n) == (
            counterfeit,
            sellers,
        )


def test_a_brand_shows_what_its_owner_is_told(decided: Engine, app: FastAPI, viewer: TestClient) -> None:
    """Every figure with its name and interval, every table with its rows, as the report of the last year has them."""
    page = viewer.get("/brands/view", params={"name": "Vellmar"}).text
    text, now = plain(page), datetime.now(UTC)
    rules = app.state.cooperation.reports
    period = Period.between((now - timedelta(days=364)).date(), now.date())
    with reading(decided) as connection:
        report = make_brand_report(measure_brand(connection, "Vellmar", period, rules), rules)
    assert len(report.headline) == 6
    for one in [*report.headline, *(each for _, each in report.quantities())]:
        assert one.value != "Vellmar"
        interval = f" ({show_interval(one)})" if show_interval(one) else ""
        assert f"{one.name} {show(one.value, one.unit)}{interval}" in text, one.key
    for table in report.tables():
        for row in table.rows:
            cells = " ".join(show(value, unit) for value, (_, unit) in zip(row, table.columns, strict=True))
            assert " ".join(cells.split()) in text, (table.key, row)
    assert page.count("<svg") == sum(len(section.charts) for section in report.sections)
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


def test_any_name_can_be_followed(app: FastAPI, viewer: TestClient, scored: Callable) -> None:
    """The links of the list lead to the brand of that very name, and from there to its cases."""
    engine: Engine = app.state.engine
    names = ("100%", "a&b=c#d", "Ωmega / Söhne", "<b>", "\u202eevil")
    queue.enqueue(engine, [scored(number, brand=name) for number, name in enumerate(names, start=8)], joins_alike=False)
    for case_id in range(8, 13):
        with writing(engine) as connection:
            held = queue.claim(connection, "ana", case_id)
            queue.decide(connection, held, Verdict.COUNTERFEIT, ground="known_goods", consequences=COOPERATION)
    links = re.findall(r'href="(/brands/view[^"]*)"', viewer.get("/brands").text)
    assert len(links) == len(names)
    for link in links:
        page = viewer.get(unescape(link))
        assert page.status_code == 200
        (link,) = re.findall(r'href="(/\?brand=[^"]*)"', page.text)
        assert viewer.get(unescape(link)).text.count("data-row") == 0
