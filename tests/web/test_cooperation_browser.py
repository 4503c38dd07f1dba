"""Notices, notifiers and brands in a real browser: by keyboard, and by day and night on screens of two widths."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.browser import check_pages, log_in, note_complaints, press, serve_page
from support.consequences import COOPERATION
from support.databases import copy_sqlite, open_hasty
from support.given_notices import POLICY, complain, offer, say
from support.staff import CHEAP, PASSWORD

from ipml.cooperation.notices.intake import receive
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

WORDS = "The zip of this bag is of a kind that we have never used, and the lining bears a logo of 2011. " * 3
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenmanufaktur" * 2


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a desk with notices of four notifiers, half of them decided, and hostile names among the brands."""
    engine = open_hasty(copy_sqlite(tmp_path_factory.mktemp("desk")))
    for name, role in (("lea", Role.LEAD), ("ana", Role.REVIEWER)):
        with writing(engine) as connection:
            add_user(connection, name, PASSWORD, role, CHEAP)
    brands = ("Vellmar", "Nordhale", LONG, "Aurivo", "<b>Vell</b>\u202emar")
    queue.enqueue(engine, [offer(f"L{n}", f"s{n % 7}", brand=brands[n % 5], price=20.0 + n) for n in range(20)])
    now = datetime.now(UTC)
    for hours, notice in (
        (90, say("L0", "L5", "L10", brand="Vellmar", explanation=WORDS)),
        (80, say("L1", "L6", f"https-{LONG}", brand="Nordhale", email=f"{'legal.department' * 3}@nordhale.test")),
        (30, complain("L0", "cem", explanation=f"{LONG} <script>alert(1)</script>")),
        (5, say("L2", brand=LONG, email="m@m.test", explanation=WORDS * 4)),
    ):
        with writing(engine) as connection:
            receive(connection, notice, policy=POLICY, now=now - timedelta(hours=hours))
    for case_id in (1, 2, 3, 5, 6, 8, 9, 10, 12):
        with writing(engine) as connection:
            claim = queue.claim(connection, "ana", case_id)
        is_fake = case_id % 4 != 0
        verdict, ground = (Verdict.COUNTERFEIT, "declared_replica") if is_fake else (Verdict.GENUINE, "")
        with writing(engine) as connection:
            queue.decide(connection, claim, verdict, ground=ground, consequences=COOPERATION)
    with serve_page(engine) as address:
        yield address


def test_a_notifier_is_warned_by_keyboard(browser: playwright.Browser, address: str) -> None:
    """From the list to notices, one of them, who gives it, a warning; then brands, and one of them; all in peace."""
    page = browser.new_page()
    page.set_default_timeout(5_000)
    complaints = note_complaints(page)
    log_in(page, address, "lea")
    press(page, "g", "n")
    assert page.title() == "Notices · ipml"
    press(page, "j", "Enter")
    assert page.title().startswith("Notice ")
    press(page, "s")
    assert page.title().startswith("Reporter ")
    page.locator("summary", has_text="Warn, suspend").click()
    page.keyboard.press("n")
    page.keyboard.type("Three notices name goods that are not yours.")  # letters lead nowhere
    page.keyboard.press("Escape")
    with page.expect_navigation():
        page.locator("button", has_text="Warn").click()
    assert "Warned until" in page.locator("#steps + ol").inner_text()
    press(page, "g", "i")
    assert page.locator(".held", has_text="warned").count() == 1
    press(page, "g", "n")
    with page.expect_navigation():
        page.locator("main a", has_text="Brands").click()
    press(page, "j", "j", "Enter")  # the first is the one with a name like a tag
    assert page.locator("h1").inner_text() == "Vellmar"
    press(page, "l")
    page.keyboard.press("/")
    page.keyboard.type("Nordhale")
    press(page, "Enter")
    assert page.title() == "Nordhale · ipml"
    assert complaints == []
    page.close()


def test_pictures(browser: playwright.Browser, address: str) -> None:
    """No page is wider than the window, by day and by night; pictures are left in tests/output."""
    pages = {"notices?state=all": "notices", "notices/2": "notice", "notifiers": "notifiers", "notifiers/2": "notifier"}
    pages |= {"brands": "brands", "brands/view?name=Vellmar": "brand", "cases/1": "case"}
    check_pages(browser, address, "lea", {path: f"cooperation-{name}" for path, name in pages.items()})
