"""The list of cases in a real browser: filters by keyboard, names suggested, many rows selected at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.browser import log_in, note_complaints, press, serve_page
from support.databases import copy_sqlite, open_hasty
from support.staff import CHEAP, PASSWORD

from ipml.review import queue
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


@pytest.fixture
def address(tmp_path: Path, scored: Callable) -> Iterator[str]:
    """Serve a queue of 60 cases of three brands to a reviewer."""
    engine = open_hasty(copy_sqlite(tmp_path))
    with writing(engine) as connection:
        add_user(connection, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    queue.enqueue(engine, map(scored, range(60)))
    with serve_page(engine) as address:
        yield address
    with reading(engine) as connection:
        assert queue.history(connection, 1)[-1].action == "enqueued"  # typing claimed nothing


def selected(page: playwright.Page) -> list[int]:
    """Return the places of the selected rows, from 0."""
    boxes = page.locator("input[name=case]")
    return [place for place in range(boxes.count()) if boxes.nth(place).is_checked()]


def test_what_is_typed_after_f_goes_into_the_first_filter(browser: playwright.Browser, address: str) -> None:
    """No letter of it is a shortcut; the brand is suggested; f again neither folds the filters nor loses it."""
    page = browser.new_page()
    complaints = note_complaints(page)
    log_in(page, address)
    page.keyboard.press("f")
    page.keyboard.type("nor")
    page.locator("#brands option[value=Nordhale]").wait_for(state="attached")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.keyboard.type("dhale")
    assert page.locator("#brand").input_value() == "nordhale"
    page.locator("#brand").fill("Nordhale")
    press(page, "Enter")
    assert set(page.locator("td[data-label=Brand]").all_inner_texts()) == {"Nordhale"}
    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.id") == "brand"
    assert complaints == []
    page.close()


def test_ranges_are_selected_by_mouse_and_by_keyboard(browser: playwright.Browser, address: str) -> None:
    """Shift with a click or with x takes all rows since the last; * takes the page, and again none."""
    page = browser.new_page()
    log_in(page, address)
    boxes = page.locator("input[name=case]")
    boxes.nth(2).click()
    boxes.nth(5).click(modifiers=["Shift"])
    assert selected(page) == [2, 3, 4, 5]
    assert page.locator("[data-all]").evaluate("(all) => all.indeterminate")
    boxes.nth(4).click(modifiers=["Shift"])
    assert selected(page) == [2, 3]
    page.locator("[data-row]").nth(8).focus()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    assert selected(page) == [2, 3, 8, 9, 10]
    page.keyboard.press("*")
    assert selected(page) == list(range(50))
    page.keyboard.press("*")
    assert selected(page) == []
    page.close()


def test_all_that_match_are_decided_together(browser: playwright.Browser, address: str) -> None:
    """Where a filter finds more than a page, all of them are taken at once, before a preview."""
    page = browser.new_page()
    log_in(page, address)
    page.goto(f"{address}/?least=1")
    page.keyboard.press("*")
    with page.expect_navigation():
        page.get_by_role("button", name="All that match on all pages, 200 at most").click()
    assert page.locator("h1").inner_text().startswith("60 cases of")
    page.close()


def test_a_view_is_saved_and_opened_by_keyboard(browser: playwright.Browser, address: str) -> None:
    """`s` saves the list under a name, `g` and a digit opens it, and the palette does so from any page."""
    page = browser.new_page()
    complaints = note_complaints(page)
    log_in(page, address)
    page.goto(f"{address}/?brand=Nordhale")
    page.wait_for_load_state()
    page.keyboard.press("s")
    page.keyboard.type("All watches")
    press(page, "Enter")
    page.get_by_role("link", name="All watches").wait_for()
    page.goto(f"{address}/?order=score")
    page.wait_for_load_state()
    press(page, "g", "1")
    assert page.url == f"{address}/?brand=Nordhale"
    page.goto(f"{address}/verdicts")
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type("watch")
    page.get_by_role("option", name="All watches").wait_for()
    press(page, "Enter")
    assert page.url == f"{address}/?brand=Nordhale"
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    assert not page.locator("#view-name").is_visible()
    assert complaints == []
    page.close()
