"""Pages tell of the days that their address names, and of a record only where there is one."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import writing
from ipml.storage.tables import cases, decisions
from ipml.web.console.dashboard import DateRange

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
    with writing(engine) as connection:
        queue.decide(connection, queue.claim(connection, "ana", 1), Verdict.COUNTERFEIT, ground="known_goods")
        connection.execute(update(decisions).values(decided_at=LONG_AGO))
        connection.execute(update(cases).where(cases.c.case_id == 1).values(enqueued_at=LONG_AGO))
    return engine


def test_brands_of_other_days_are_shown_and_stay_in_links(old: Engine, ana: TestClient):
    """The days are in the fields, and in the address of each brand."""
    assert "No brand decisions from" in ana.get("/brands").text
    page = ana.get("/brands", params={"from": "2024-05-01", "until": "2024-05-31"}).text
    assert 'value="2024-05-01"' in page
    (link,) = re.findall(r'href="(/brands/view[^"]*)" data-row', page)
    shown = ana.get(link.replace("&amp;", "&")).text
    assert "2024-05-01 to 2024-05-31" in shown
    assert "No brand decisions from" in ana.get("/brands", params={"until": "2024-05-09"}).text


def test_the_dashboard_counts_the_days_asked_for(old: Engine, visitor: Callable):
    """By day, and by reviewer; an empty field is none."""
    lea = visitor("lea")
    page = lea.get("/dashboard", params={"from": "2024-05-09", "until": "2024-05-11"}).text
    row = r'<th scope="row">(\d+) May</th><td class="number">(\d)</td><td class="number">(\d)</td>'
    assert re.findall(row, page.partition('id="title-backlog"')[0]) == [
        ("9", "0", "0"),
        ("10", "1", "1"),
        ("11", "0", "0"),
    ]
    assert '<th scope="row"><bdi>ana</bdi></th>' in page
    assert '<th scope="row"><bdi>ana</bdi></th>' not in lea.get("/dashboard", params={"from": "", "until": ""}).text


def test_what_is_no_day_is_refused(lead: TestClient):
    """With a page that says so, and no error of the server."""
    for page in ("/brands", "/dashboard", "/notifiers"):
        for asked in ({"from": "yesterday"}, {"until": "0001-01-01"}, {"from": "9999-12-31"}):
            assert lead.get(page, params=asked).status_code == 400, (page, asked)
