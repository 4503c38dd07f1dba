"""A reviewer's shift in a real browser, by keyboard only; and pictures of the pages to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import Engine

from ipml.records import Verdict
from ipml.review import queue
from ipml.settings import Settings
from ipml.storage.database import migrate, open_database
from ipml.web.app import make_app
from ipml.web.users import PasswordCost, Role, add_user

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PICTURES = Path(__file__).parents[1] / "output"
OVERHANGING = """
[...document.body.querySelectorAll("*")]
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80))
  .filter(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
"""
HOSTILE = "Bag <img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> \u202etxet"
CHEAP = PasswordCost(passes=1, memory_kib=8, lanes=1)
PASSWORD = "correct horse battery"


@pytest.fixture
def queue_of_many(tmp_path: Path, scored: Callable) -> Engine:
    """Return a database with 60 cases, the first of them hostile, and a reviewer."""
    engine = open_database(f"sqlite:///{tmp_path}/shift.db")
    migrate(engine)
    add_user(engine, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    add_user(engine, "bo", PASSWORD, Role.REVIEWER, CHEAP)
    hostile = scored(0, title=HOSTILE, description=HOSTILE, seller_id=HOSTILE, brand=HOSTILE)
    queue.enqueue(engine, [hostile, *(scored(number) for number in range(1, 60))])
    return engine


@pytest.fixture
def address(queue_of_many: Engine) -> Iterator[str]:
    """Serve the page on a free port of this machine, and give its address."""
    app = make_app(queue_of_many, Settings(), cost=CHEAP)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    queue_of_many.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    """Start the system's browser; skip, saying so, where it is absent."""
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


def log_in(page: playwright.Page, address: str) -> None:
    """Log in by keyboard: the name has the focus."""
    page.goto(address)
    page.locator("#name:focus").wait_for()
    page.keyboard.type("ana")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("table.cases")
    page.wait_for_load_state()  # keys do nothing before the page's script has run


def press(page: playwright.Page, *keys: str) -> None:
    """Press keys; the last of them leads to another page."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    with page.expect_navigation():
        page.keyboard.press(keys[-1])


def test_five_cases_by_keyboard(browser: playwright.Browser, address: str, queue_of_many: Engine) -> None:
    """Five cases are worked without a mouse; hostile text does nothing; all is in the database."""
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    log_in(page, address)
    assert page.title() == "Open cases · ipml"
    press(page, "w")
    assert page.title() == "Case 1 · ipml"
    assert page.locator("img, script:not([src])").count() == 0
    assert "⟦U+202E⟧" in page.locator(".description").inner_text()
    press(page, "1", "1")  # case 1: counterfeit, first ground
    press(page, "2")  # case 2: genuine
    press(page, "3")  # case 3: cannot tell
    page.keyboard.press("n")
    page.keyboard.type("ask for the invoice, 2 of 3")  # digits in a note decide nothing
    page.keyboard.press("Escape")
    press(page, "e")  # case 4: escalate
    press(page, "j")  # case 5 is skipped …
    press(page, "1", "Escape", "k")  # … case 6 is not decided by a ground that was left, and back
    assert page.title() == "Case 5 · ipml"
    press(page, "2")
    press(page, "l")
    assert page.title() == "Open cases · ipml"
    decided = [queue.list_decisions(queue_of_many, case_id) for case_id in range(1, 7)]
    assert [decisions[0].verdict if decisions else None for decisions in decided] == [
        Verdict.COUNTERFEIT,
        Verdict.GENUINE,
        Verdict.CANNOT_TELL,
        Verdict.ESCALATE,
        Verdict.GENUINE,
        None,
    ]
    assert decided[0][0].ground == next(iter(queue.GROUNDS))
    assert decided[3][0].note == "ask for the invoice, 2 of 3"
    assert complaints == []
    page.close()


def test_the_list_by_keyboard(browser: playwright.Browser, address: str) -> None:
    """On the list j and k move, Enter opens, n turns the page, / goes to the filter, ? shows the keys."""
    page = browser.new_page()
    log_in(page, address)
    press(page, "j", "j", "j", "k", "Enter")
    assert page.title() == "Case 2 · ipml"
    press(page, "l")
    press(page, "n")
    assert page.locator("td.rank").first.inner_text() == "51"
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("Aurivo")
    press(page, "Enter")
    assert set(page.locator("td[data-label=Brand]").all_inner_texts()) == {"Aurivo"}
    page.close()


def test_without_script(browser: playwright.Browser, address: str) -> None:
    """With scripts turned off a case can be decided by the mouse."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, address)
    page.locator("td.what a").nth(1).click()
    page.locator("summary.counterfeit").click()
    page.locator(".grounds button").first.click()
    assert "counterfeit" in page.locator(".recorded").inner_text()
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("dark", 720), ("light", 360)])
def test_pictures(browser: playwright.Browser, address: str, queue_of_many: Engine, scheme: str, width: int) -> None:
    """No page is wider than the window; a picture of each is left in tests/output."""
    PICTURES.mkdir(exist_ok=True)
    queue.claim(queue_of_many, "bo", 3)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()

    def take(name: str) -> None:
        page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=name.startswith("case"))
        assert page.evaluate(OVERHANGING) == [], name

    page.goto(address)
    take("login")
    log_in(page, address)
    page.keyboard.press("j")
    take("list")
    press(page, "d")
    take("dashboard")
    for case_id in (1, 2, 4, 6):
        page.goto(f"{address}/cases/{case_id}")
        take(f"case-{case_id}")
    page.keyboard.press("1")
    take("grounds")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    take("keys")
    page.goto(f"{address}/cases/999")
    take("error")
    context.close()
