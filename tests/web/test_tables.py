"""Tables that the address sorts, searches and pages, on the pages that have them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
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


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (TableQuery(), ["Bo", "ana", "Cy", "Di"]),
        (TableQuery("n"), ["Bo", "Di", "Cy", "ana"]),
        (TableQuery("-n"), ["Cy", "Bo", "Di", "ana"]),
        (TableQuery(words="AN"), ["ana"]),
        (TableQuery(words="nobody"), []),
    ],
)
def test_rows_are_sorted_and_searched(query: TableQuery, shown: list[str]) -> None:
    """Equal rows stay in their order, unknown values come last either way, words are found in any case."""
    assert names(query) == shown


def test_pages_are_cut() -> None:
    """The second page begins where the first ends; beyond the last there is nothing."""
    assert [names(TableQuery("name", page=page), size=3) for page in (1, 2, 3)] == [["Bo", "Cy", "Di"], ["ana"], []]


def test_addresses_keep_what_else_was_asked_for() -> None:
    """A head turns the order; it and a search lead to the first page; what else the address holds stays."""
    page = page_rows(ROWS, COLUMNS, TableQuery("-n", "a", 2), kept={"state": "all"})
    assert page.sort_address(COLUMNS[1]) == "?state=all&sort=n&words=a"
    assert page.sort_address(COLUMNS[0]) == "?state=all&sort=name&words=a"
    assert page.address(page=3) == "?state=all&sort=-n&words=a&page=3"
    assert page.address(words="") == "?state=all&sort=-n"
    assert [page.direction_of(one) for one in COLUMNS] == ["none", "descending", "none"]


@pytest.mark.parametrize("sort", ["note", "colour", "-"])
def test_what_cannot_be_sorted_by_is_refused(sort: str) -> None:
    """And the columns that can are named."""
    with pytest.raises(Refused, match="name, n"):
        page_rows(ROWS, COLUMNS, TableQuery(sort))


@pytest.fixture
def lead(visitor: Callable[..., TestClient], engine: Engine) -> TestClient:
    """Return a lead's browser, after three notices by two notifiers."""
    with writing(engine) as connection:
        for notice in (
            say("L0000", "nowhere", brand="Vellmar"),
            say("L0001", brand="Aurivo"),
            complain("L0000", "cem"),
        ):
            receive(connection, notice, policy=POLICY)
    return visitor("lea")


def listed(page: str, noun: str) -> list[int]:
    """Return the numbers of the rows of a page."""
    return [int(number) for number in re.findall(rf'href="/{noun}/(\d+)" data-row', page)]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("sort=notice", [1, 2, 3]),
        ("sort=-notice", [3, 2, 1]),
        ("sort=-listings", [1, 2, 3]),
        ("words=AURIVO", [2]),
        ("words=3", [3]),
        ("words=%25", []),
        ("page=2", []),
        ("state=settled&sort=brand", []),
    ],
)
def test_notices_are_sorted_and_searched(lead: TestClient, asked: str, shown: list[int]) -> None:
    """By the database; a sign that it would take for any word is one like others."""
    assert listed(lead.get(f"/notices?{asked}").text, "notices") == shown


def test_notifiers_without_a_record_have_none(lead: TestClient) -> None:
    """Nothing of theirs was judged: no share is shown, and whoever has one comes first."""
    page = lead.get("/notifiers?sort=-upheld").text
    assert page.count("No record yet") == 2
    assert 'aria-sort="descending"' in page
    assert len(listed(lead.get("/notifiers?words=cem").text, "notifiers")) == 1


@pytest.mark.parametrize(
    "address", ["notices?sort=colour", "notifiers?page=0", "networks?sort=brands", "notices?sort=A"]
)
def test_a_view_that_there_is_not_is_refused(lead: TestClient, address: str) -> None:
    """By an error page, and nothing else."""
    assert lead.get(f"/{address}").status_code == 400
