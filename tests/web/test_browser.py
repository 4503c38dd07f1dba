"""A reviewer's shift in a real browser, by keyboard only; and pictures of the pages to look at."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.browser import check_fit, check_pages, log_in, press, serve_page, start_desk
from support.casework import count_cases, judge, read_decisions
from support.databases import copy_sqlite, open_undurable

from ipml.records import Highlight, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import GROUNDS
from ipml.storage.database import writing

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

OWNED = "document.title='owned'"
HOSTILE = (
    f'Bag <img src=x onerror="{OWNED}"> \u202etxet',
    f"<script>{OWNED}</script>",
    f'"><svg onload="{OWNED}">',
    f"' autofocus onfocus='{OWNED}",
    f"</title></textarea></style><script>{OWNED}</script>",
    f"<iframe srcdoc='<script>parent.{OWNED}</script>'></iframe>",
    f"<a href='javascript:{OWNED}'>Bag</a> javascript:{OWNED}",
    f"{{{{ 7 * 7 }}}} {{% raw %}} ${{{OWNED}}} <b data-key='2' hx-get='/logout' hx-trigger='load'>Bag</b>",
    f"<form action='/logout' method='post'><button data-key='j 1 2'>{OWNED}</button>",
    f"<meta http-equiv='refresh' content='0;url=javascript:{OWNED}'><base href='//x.invalid'>\u2028{OWNED}//",
)


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory, scored: Callable) -> bytes:
    """Return a database with 60 cases, ten of them hostile in every field, and two reviewers."""
    folder = tmp_path_factory.mktemp("shift")
    engine = start_desk(folder)
    enqueue(engine, [*map(partial(make_hostile, scored), range(10)), *map(partial(make_seen, scored), range(10, 60))])
    engine.dispose()
    return (folder / "ipml.db").read_bytes()


@pytest.fixture
def queue_of_many(shift: bytes, tmp_path: Path) -> Engine:
    """Return a copy of that database, open."""
    return open_undurable(copy_sqlite(tmp_path, shift))


def make_hostile(scored: Callable, number: int) -> ScoredListing:
    """Return a listing that attacks the page in every field a seller writes."""
    text = HOSTILE[number]
    listing = scored(number, title=text, description=text, seller_id=text, brand=text, category=text, condition=text)
    return replace(listing, read_as=text, highlights=(Highlight(0, 4, 1.0),))


def make_seen(scored: Callable, number: int) -> ScoredListing:
    """Return a listing as seen on a day of its own, its seller's sales and complaints growing."""
    day = datetime.now(UTC) - timedelta(days=62 - number, hours=5 * number % 24)
    growing = {"seller_sales": 2.0 * number, "seller_complaints": number // 6, "seller_listings": 80.0 + number}
    return scored(number, observed_at=day, listed_at=day - timedelta(days=3), **growing)


@pytest.fixture
def address(queue_of_many: Engine) -> Iterator[str]:
    """Serve the page on a free port of this machine, and give its address."""
    with serve_page(queue_of_many) as address:
        yield address


def test_a_shift_by_keyboard(open_page: Callable, queue_of_many: Engine) -> None:
    """Fifty cases are worked without a mouse, ten of them hostile; what was decided wrongly is undone."""
    page = open_page()
    assert page.title() == "Open cases · ipml"
    press(page, "w")
    verdicts = [("1", "1"), ("2",), ("3",), ("e",), ("1", "4")]
    for number in range(1, 51):
        assert page.title().endswith(f" · case {number} · ipml")
        if number <= 10:
            assert page.locator("img, iframe, script:not([src]), [onload], [onfocus], [href^=javascript]").count() == 0
            assert page.locator("form[action='/logout']").count() == 1
            assert HOSTILE[number - 1][:4] in page.locator("h1").inner_text()
        if number == 7:
            page.keyboard.press("n")
            page.keyboard.type("ask for the invoice, 2 of 3")  # digits in a note decide nothing
            page.keyboard.press("Escape")
        press(page, *verdicts[number % 5])
        if number == 20:
            press(page, "u")  # back to the case just decided …
            assert "taken back" in page.locator("main [role=status]").first.inner_text()
            press(page, "1", "Escape", "2")  # … where a ground that was left decides nothing
    press(page, "j")  # case 51 is skipped …
    press(page, "k")  # … and opened again
    assert page.title().endswith(" · case 51 · ipml")
    press(page, "l")
    assert page.title() == "Open cases · ipml"
    decided = [read_decisions(queue_of_many, case_id) for case_id in range(1, 52)]
    said = [decisions[0].verdict if decisions else None for decisions in decided]
    expected = [[*list(Verdict)[1:], Verdict.COUNTERFEIT, Verdict.COUNTERFEIT][number % 5] for number in range(50)]
    expected[19] = Verdict.GENUINE
    assert said == [*expected, None]
    assert decided[4][0].ground == next(iter(GROUNDS))
    assert decided[6][0].note == "ask for the invoice, 2 of 3"


def test_the_last_verdict_is_given_again(open_page: Callable, queue_of_many: Engine) -> None:
    """A point repeats verdict and ground; Ctrl+Enter does so from the note; an escalation is not repeated."""
    page = open_page()
    press(page, "w")
    press(page, "1", "2")
    press(page, ".")
    press(page, "e")
    page.keyboard.press("n")
    page.keyboard.type("the same stitching, 3 of 3")
    press(page, "Control+Enter")
    assert page.title().endswith(" · case 5 · ipml")
    decided = [read_decisions(queue_of_many, case_id)[0] for case_id in range(1, 5)]
    ground = list(GROUNDS)[1]
    assert [(one.verdict, one.ground) for one in decided] == [
        *[(Verdict.COUNTERFEIT, ground)] * 2,
        (Verdict.ESCALATE, ""),
        (Verdict.COUNTERFEIT, ground),
    ]
    assert [one.note for one in decided] == ["", "", "", "the same stitching, 3 of 3"]


def test_the_verdicts_take_one_row_where_there_is_little_room(open_page: Callable) -> None:
    """On a phone and at 200 % zoom, with the note one key away; on a wide screen nothing unseen takes the focus."""
    page = open_page()
    press(page, "w")
    for width, height in ((360, 740), (640, 400)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator(".decide").bounding_box()["height"] < 60
        assert not page.locator("#note").is_visible()
    page.keyboard.press("n")
    page.keyboard.type("2 of 3")
    assert page.locator("#note").input_value() == "2 of 3"
    page.goto(f"{page.url.partition('/cases')[0]}/bulk?case=11&case=12")
    assert page.locator("#note").is_visible()  # there is no switch on that page
    page.go_back()
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator("#note").is_visible()
    assert not page.locator("#more-verdict").is_visible()


def test_many_at_once_by_keyboard(open_page: Callable, queue_of_many: Engine) -> None:
    """Rows are selected by x, decided together by b after a preview, and taken back by u."""
    page = open_page()
    for key in ("j", "x", "j", "x", "j", "x", "x", "j", "x"):  # the third is selected and then no longer
        page.keyboard.press(key)
    press(page, "b")
    assert page.locator("h1").inner_text() == "3 cases of 3 sellers to decide together"
    press(page, "1", "5")
    assert "3 cases recorded together: counterfeit" in page.locator("form.recorded").inner_text()
    assert count_cases(queue_of_many)["decided"] == 3
    press(page, "u")
    assert "3 decisions were taken back" in page.locator("main .recorded").inner_text()
    assert count_cases(queue_of_many)["open"] == 60


def test_the_list_by_keyboard(open_page: Callable) -> None:
    """On the list j and k move, Enter opens, J turns the page, / goes to the filter, ? shows the keys."""
    page = open_page()
    press(page, "j", "j", "j", "k", "Enter")
    assert page.title().endswith(" · case 2 · ipml")
    press(page, "l")
    press(page, "Shift+J")
    assert page.locator("td.rank").first.inner_text() == "51"
    page.keyboard.press("?")
    named = page.locator("#keys .here > div:visible kbd").all_inner_texts()
    assert "j" in named
    assert "u" not in named  # nothing was decided that could be undone
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("headphones")
    press(page, "Enter")
    assert set(page.locator("td[data-label=Brand]").all_inner_texts()) == {"Aurivo"}
    page.keyboard.press("f")
    assert page.locator("#brand").is_visible()


def test_without_script(open_page: Callable) -> None:
    """With scripts turned off a case can be decided by the mouse."""
    page = open_page(java_script_enabled=False)
    page.locator("td.what a").nth(1).click()
    page.locator("summary.counterfeit").click()
    page.locator(".grounds button").first.click()
    assert "counterfeit" in page.locator(".recorded").inner_text()


def test_pictures(browser: playwright.Browser, address: str, queue_of_many: Engine, scored: Callable) -> None:
    """No page is wider than the window, at 200 % zoom or on a telephone; a picture of each is left in tests/output."""
    for number, verdict in ((14, Verdict.COUNTERFEIT), (15, Verdict.COUNTERFEIT), (17, Verdict.GENUINE)):
        judge(queue_of_many, number, verdict, by="bo", ground="wrong_features" if verdict == "counterfeit" else "")
    with writing(queue_of_many) as connection:
        claim(connection, "bo", 3)
    seen = make_seen(scored, 29)
    copies = [replace(seen, listing=replace(seen.listing, listing_id=f"{n}", seller_id="copier")) for n in range(4)]
    enqueue(queue_of_many, copies, due_at=datetime.now(UTC) + timedelta(hours=7))
    pages = {"": "list-hostile", "?words=vellmar": "list", "bulk?case=11&case=12": "bulk", "dashboard": "dashboard"}
    pages |= {f"cases/{number}": f"case-{number}" for number in (1, 11, 18, 22, 61, 999)}
    check_pages(browser, address, "ana", pages)
    page = browser.new_page(viewport={"width": 360, "height": 900})
    log_in(page, address)
    page.goto(f"{address}/cases/61")
    press(page, "2")
    check_fit(page, "recorded")
    for key, name in (("1", "grounds"), ("Escape", "case"), ("?", "keys")):
        page.keyboard.press(key)
        check_fit(page, name)
    page.close()


def selected(page: playwright.Page) -> list[int]:
    """Return the places of the selected rows, from 0."""
    boxes = page.locator("input[name=case]")
    return [place for place in range(boxes.count()) if boxes.nth(place).is_checked()]


def test_what_is_typed_after_f_goes_into_the_first_filter(open_page: Callable) -> None:
    """No letter of it is a shortcut; the brand is suggested; f again neither folds the filters nor loses it."""
    page = open_page()
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


def test_ranges_are_selected_by_mouse_and_by_keyboard(open_page: Callable) -> None:
    """Shift with a click or with x takes all rows since the last; * takes the page, and again none."""
    page = open_page()
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


def test_all_that_match_are_decided_together(open_page: Callable, address: str) -> None:
    """Where a filter finds more than a page, all of them are taken at once, before a preview."""
    page = open_page()
    page.goto(f"{address}/?least=1")
    page.keyboard.press("*")
    with page.expect_navigation():
        page.get_by_role("button", name="All that match on all pages, 200 at most").click()
    assert page.locator("h1").inner_text().startswith("60 cases of")


def test_a_view_is_saved_and_opened_by_keyboard(open_page: Callable, address: str) -> None:
    """`s` saves the list under a name, `g` and a digit opens it, and the palette does so from any page."""
    page = open_page()
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
