"""A lead's desk in a real browser: an appeal decided by keyboard, and pictures of the pages to look at."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.browser import check_pages, log_in, note_complaints, press, serve_page
from support.consequences import ENFORCEMENT
from support.databases import copy_sqlite, open_hasty
from support.staff import CHEAP, PASSWORD

from ipml.enforcement.actions import MeasureOrder, change_measure, confirm_penalty
from ipml.enforcement.appeals.appeal import list_appeals
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.links import Link, recommend_linked
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.delivery import note_answer
from ipml.enforcement.takedown.measures import find_measures
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage import tables
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

APPEALS = (
    "The bag is mine: I bought it in Lyon in 2019 and have the receipt.\n\nPlease look at the pictures again; the "
    "stitching is that of the 2019 series. I have sold here for four years and was never told of anything.",
    "I have a licence of the brand, number 4471, and have sent you a copy twice.",
    "<script>document.title='owned'</script> \u202egnihton dlos I {{ 7 * 7 }} <b data-key='1'>grant me</b>",
)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory, scored: Callable) -> bytes:
    """Return a database with decisions and all that followed: a changed measure, a strict penalty, three appeals."""
    folder = tmp_path_factory.mktemp("morning")
    engine = open_hasty(copy_sqlite(folder))
    for name, role in (("lea", Role.LEAD), ("ana", Role.REVIEWER)):
        with writing(engine) as connection:
            add_user(connection, name, PASSWORD, role, CHEAP)
    engine, policy = engine, load_enforcement_policy()
    now = datetime.now(UTC)
    listings = []
    for number in range(40):
        seen = now - timedelta(days=40 - number, hours=3)
        grave = {"seller_id": "kx_trade88"} if number % 7 == 3 else {}
        growing = {"seller_sales": 4.0 * number, "seller_complaints": number // 5, "listing_sales": number % 3}
        listings.append(
            scored(number, observed_at=seen, listed_at=seen - timedelta(days=2), country="GB", **grave, **growing)
        )
    queue.enqueue(engine, [replace(one, score=0.99) for one in listings])
    for number in range(1, 31):
        with writing(engine) as connection:
            claim = queue.claim(connection, "ana" if number % 5 else "lea", number)
        if claim is None or number % 7 in (6, 0):
            continue
        ground = list(queue.GROUNDS)[number % 3]
        with writing(engine) as connection:
            queue.decide(
                connection,
                claim,
                Verdict.COUNTERFEIT,
                ground=ground,
                note="see picture 3" if number == 1 else "",
                consequences=ENFORCEMENT,
            )
    with writing(engine) as connection:
        keys = connection.scalars(tables.outbox.select().with_only_columns(tables.outbox.c.key)).all()
        for number, key in enumerate(keys):
            if key.startswith("measure-") and key.split("-")[2] == "imposed":
                note_answer(connection, key, "refused" if number % 9 == 4 else "done", "platform", now, why="busy")
        told = tables.outbox.c.channel == "seller"
        connection.execute(tables.outbox.update().where(told).values(state="delivered", settled_at=now))
    run_appeal_deadlines(engine, consequences=ENFORCEMENT)
    with reading(engine) as connection:
        first = find_measures(connection, case_id=2)[0]
    order = MeasureOrder(MeasureKind.REMOVE_IN, "a licence for Spain", ("DE", "FR"))
    with writing(engine) as connection:
        change_measure(connection, first.measure_id, order, "lea", policy)
    for number, text in zip((1, 4, 5), APPEALS, strict=True):
        with writing(engine) as connection:
            file_appeal(connection, number, queue.get_case(connection, number).scored.listing.seller_id, text)
    with writing(engine) as connection:
        link = Link("harbour-outlet", "kx_trade88", "payout", 0.93, "the same account at a bank, ends in 41")
        proposed = find_penalties(connection, state="proposed")
        confirm_penalty(connection, proposed[0].penalty_id, "lea", "the third sweep in a month", policy)
        recommend_linked(connection, [link], policy, datetime.now(UTC))
    engine.dispose()
    return (folder / "ipml.db").read_bytes()


@pytest.fixture
def desk(morning: bytes, tmp_path: Path) -> Engine:
    """Return a copy of that database, open so that decisions have consequences."""
    return open_hasty(copy_sqlite(tmp_path, morning))


@pytest.fixture
def address(desk: Engine) -> Iterator[str]:
    """Serve the page on a free port of this machine, and give its address."""
    with serve_page(desk) as address:
        yield address


def test_an_appeal_by_keyboard(browser: playwright.Browser, address: str, desk: Engine) -> None:
    """A lead takes an appeal in hand, writes why and grants it, without a mouse; nothing comes to life."""
    page = browser.new_page()
    complaints = note_complaints(page)
    log_in(page, address, "lea")
    press(page, "g", "a")
    assert page.title() == "Appeals · ipml"
    press(page, "j", "j", "k", "Enter")
    assert page.title() == "Appeal 1 · ipml"
    press(page, "t")
    page.keyboard.press("n")
    page.keyboard.type("The receipt of 2019 is genuine: 1 bag, 2 pictures, 3 seams.")  # digits decide nothing
    page.keyboard.press("Escape")
    press(page, "1")
    assert "Granted" in page.locator("#outcome + p").inner_text()
    press(page, "l")
    assert page.locator("table.appeals tbody tr").count() == 2
    page.goto(f"{address}/appeals/2")
    page.keyboard.press("1")  # without reasons the browser asks for them
    assert page.title() == "Appeal 2 · ipml"
    page.goto(f"{address}/appeals/3")
    assert page.title() == "Appeal 3 · ipml"
    assert page.locator("script:not([src]), [data-key='1']:not(button)").count() == 0
    with reading(desk) as connection:
        assert [due.appeal.appeal_id for due in list_appeals(connection)] == [2, 3]
    assert complaints == []
    page.close()


def test_pictures(browser: playwright.Browser, address: str) -> None:
    """No page is wider than the window, at 200 % zoom or on a telephone; a picture of each is left in tests/output."""
    pages = {"appeals": "appeals", "appeals/1": "appeal", "appeals/2": "appeal-barred", "appeals/3": "appeal-hostile"}
    pages |= {"": "list", "cases/1/seller": "seller", "cases/3/seller": "seller-grave", "dashboard": "dashboard"}
    pages |= {f"cases/{number}": f"case-{number}" for number in (1, 2, 31)}
    check_pages(browser, address, "lea", {path: f"enforcement-{name}" for path, name in pages.items()})
