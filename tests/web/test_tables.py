"""Tables that the address sorts, searches and pages, on the pages that have them."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.databases import on_both
from support.given_notices import POLICY, complain, say

from ipml.cooperation.notices.intake import receive
from ipml.errors import Refused
from ipml.storage.database import writing
from ipml.web.console.drawing.tables import Column, TableQuery, page_rows

Named = tuple[str, int | None]
COLUMNS: tuple[Column[Named], ...] = (
    Column("name", "Name", lambda row: row[0]),
    Column("n", "Cases", lambda row: row[1], is_number=True),
    Column("note", "Note", is_sortable=False),
)
ROWS: list[Named] = [("Bo", 3), ("ana", None), ("Cy", 9), ("Di", 3)]


def names(query: TableQuery, size: int = 50) -> list[str]:
    """Return the first column of a page."""
    return [name for name, _ in page_rows(ROWS, COLUMNS, query, size=size).rows]


def test_rows_are_sorted_and_searched() -> None:
    """Equal rows stay in their order, unknown values come last either way, words are found in any case."""
    shown = {
        TableQuery(): ["Bo", "ana", "Cy", "Di"],
        TableQuery("n"): ["Bo", "Di", "Cy", "ana"],
        TableQuery("-n"): ["Cy", "Bo", "Di", "ana"],
        TableQuery(words="AN"): ["ana"],
        TableQuery(words="nobody"): [],
    }
    assert {query: names(query) for query in shown} == shown
    assert [names(TableQuery("name", page=page), size=3) for page in (1, 2, 3)] == [["Bo", "Cy", "Di"], ["ana"], []]
    for sort in ("note", "colour", "-"):
        with pytest.raises(Refused, match="name, n"):
            page_rows(ROWS, COLUMNS, TableQuery(sort))


def test_addresses_keep_what_else_was_asked_for() -> None:
    """A head turns the order; it and a search lead to the first page; what else the address holds stays."""
    page = page_rows(ROWS, COLUMNS, TableQuery("-n", "a", 2), kept={"state": "all"})
    assert page.sort_address(COLUMNS[1]) == "?state=all&sort=n&words=a"
    assert page.sort_address(COLUMNS[0]) == "?state=all&sort=name&words=a"
    assert page.address(page=3) == "?state=all&sort=-n&words=a&page=3"
    assert page.address(words="") == "?state=all&sort=-n"
    assert [page.direction_of(one) for one in COLUMNS] == ["none", "descending", "none"]


def listed(page: str, noun: str) -> list[int]:
    """Return the numbers of the rows of a page."""
    return [int(number) for number in re.findall(rf'href="/{noun}/(\d+)" data-row', page)]


@on_both
def test_notices_and_notifiers_are_sorted_and_searched(engine: Engine, lead: TestClient) -> None:
    """By the database; a sign that it would take for any word is one like others, and another view is refused.

    Notifiers of whom nothing was judged have no share yet, and come last.
    """
    for notice in (say("L0000", "nowhere", brand="Vellmar"), say("L0001", brand="Aurivo"), complain("L0000", "cem")):
        with writing(engine) as connection:
            receive(connection, notice, policy=POLICY)
    shown = {
        "sort=notice": [1, 2, 3],
        "sort=-notice": [3, 2, 1],
        "sort=-listings": [1, 2, 3],
        "words=AURIVO": [2],
        "words=3": [3],
        "words=%25": [],
        "page=2": [],
        "state=settled&sort=brand": [],
    }
    assert {asked: listed(lead.get(f"/notices?{asked}").text, "notices") for asked in shown} == shown
    page = lead.get("/notifiers?sort=-upheld").text
    assert page.count("No record yet") == 2
    assert 'aria-sort="descending"' in page
    assert "0 of 0" not in page + lead.get("/notifiers/1").text
    assert len(listed(lead.get("/notifiers?words=cem").text, "notifiers")) == 1
    for address in ("notices?sort=colour", "notifiers?page=0", "networks?sort=brands", "notices?sort=A"):
        assert lead.get(f"/{address}").status_code == 400, address
