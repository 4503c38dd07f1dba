"""Work that is not lost, keys and times as a reviewer has them, in a real browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select
from support.browser import log_in, note_complaints, press, serve_page, start_desk
from support.casework import judge, read_decisions
from support.staff import PASSWORD
from support.transactions import act, execute, read_rows

from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim as claim_case
from ipml.review.worklists.note_templates import save_template
from ipml.settings import Settings
from ipml.storage.tables import cases, decisions, sessions

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

DRAFTS = "Object.keys(sessionStorage).filter((name) => name.startsWith('ipml.draft:'))"


@pytest.fixture
def shift(tmp_path: Path, scored: Callable) -> Engine:
    """Return a queue of six cases, the first with two near-duplicates, and a reviewer and a lead."""
    engine = start_desk(tmp_path)
    seen = scored(1)
    copies = [
        replace(seen, listing=replace(seen.listing, listing_id=f"copy-{n}", seller_id="copier")) for n in range(3)
    ]
    enqueue(engine, [*copies, *(scored(number) for number in range(2, 7))])
    return engine


@pytest.fixture
def address(shift: Engine) -> Iterator[str]:
    """Serve the pages on a free port of this machine; own progress has a target."""
    with serve_page(shift, Settings(shift_target=40)) as address:
        yield address


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """Return a page of a reviewer in Berlin, logged in."""
    context = browser.new_context(timezone_id="Europe/Berlin")
    page = context.new_page()
    log_in(page, address)
    yield page
    context.close()


def read_verdicts(engine: Engine) -> list[tuple[int, str, str]]:
    """Return case, verdict and note of every decision, in order."""
    rows = read_rows(engine, select(decisions).order_by(decisions.c.decision_id))
    return [(row.case_id, row.verdict, row.note) for row in rows]


def test_a_session_that_ends_takes_nothing_along(page: playwright.Page, address: str, shift: Engine) -> None:
    """After the login one is on the same case, with note and verdict as given; once recorded nothing is kept."""
    page.goto(f"{address}/cases/4?within=queue")
    page.keyboard.press("n")
    page.keyboard.type("asked for the invoice")
    page.keyboard.press("Escape")
    execute(shift, delete(sessions))
    press(page, "2")
    assert page.locator("[data-kept]").is_visible()
    page.locator("#name").fill("ana")
    page.locator("#password").fill(PASSWORD)
    press(page, "Enter")
    assert page.url == f"{address}/cases/4?within=queue"
    assert page.locator("#note").input_value() == "asked for the invoice"
    assert "“Genuine” was not recorded yet" in page.locator(".unsent").inner_text()
    with page.expect_navigation():
        page.locator(".unsent button").click()
    assert read_verdicts(shift) == [(4, "genuine", "asked for the invoice")]
    assert page.evaluate(DRAFTS) == []


def test_a_connection_that_is_gone_loses_nothing(page: playwright.Page, address: str, shift: Engine) -> None:
    """The verdict is sent again by itself as soon as there is a connection, and recorded once."""
    page.goto(f"{address}/cases/4")
    page.context.set_offline(True)
    page.keyboard.press("3")
    page.locator(".unsent").wait_for()
    assert "Nothing is lost" in page.locator(".unsent").inner_text()
    assert read_verdicts(shift) == []
    with page.expect_navigation():
        page.context.set_offline(False)
    assert read_verdicts(shift) == [(4, "cannot tell", "")]


def test_work_beside_the_verdict_takes_nothing_of_it_along(page: playwright.Page, address: str, shift: Engine) -> None:
    """A comment, an assignment or a snooze loads the page anew; note and ticks are kept, up to the verdict."""
    page.goto(f"{address}/cases/1")
    page.locator("#note").fill("the label is wrong")
    page.locator("input[name=spread]").last.uncheck()
    said = page.locator("#decide .genuine").inner_text()
    assert "2 listings" in said
    page.locator("#comment").fill("asked the brand")
    with page.expect_event("load"):
        page.get_by_role("button", name="Add comment").click()
    page.locator("#assignee").select_option("ana")
    page.locator("#comment").fill("they answered")
    with page.expect_event("load"):
        page.get_by_role("button", name="Assign").click()
    assert page.locator("#comment").input_value() == "they answered"
    with page.expect_navigation():
        page.get_by_role("button", name="Snooze").click()
    page.goto(f"{address}/cases/1")
    assert page.locator("#note").input_value() == "the label is wrong"
    assert not page.locator("input[name=spread]").last.is_checked()
    assert page.locator("#decide .genuine").inner_text() == said
    page.locator("body").press("2")
    page.wait_for_url(lambda url: "/cases/1" not in url)
    assert sorted(read_verdicts(shift)) == [(1, "genuine", "the label is wrong"), (2, "genuine", "the label is wrong")]


def test_from_case_to_case_the_page_stays(page: playwright.Page, address: str, shift: Engine) -> None:
    """Its content, address, title and help are those of the next case, and reading begins at its top; so is undo's."""
    complaints = note_complaints(page)
    page.goto(f"{address}/cases/1?within=queue")
    page.evaluate("window.isThere = true; scrollTo(0, 9999)")
    for _ in range(2):
        last = page.url
        press(page, "2")
        number = page.url.partition("?")[0].rpartition("/")[2]
        assert page.url != last
        assert page.title().endswith(f" · case {number} · ipml")
        assert page.locator("#decide").get_attribute("action") == f"/cases/{number}/decide"
        assert page.evaluate("[document.activeElement.id, scrollY]") == ["main", 0]
    said = page.locator(".decide time").inner_text()
    assert len(said) == 5, "in the reader's zone"
    page.keyboard.press("n")
    page.keyboard.type("the label is wrong")
    page.keyboard.press("Escape")
    press(page, "u")
    assert page.url.startswith(last.partition("?")[0])
    assert "was taken back" in page.locator(".corner").inner_text()
    assert page.evaluate("window.isThere")
    page.goto(f"{address}/cases/{number}")
    assert page.locator("#note").input_value() == "the label is wrong"
    assert complaints == []


def test_what_is_gone_back_to_is_as_it_is_now(page: playwright.Page, address: str, shift: Engine) -> None:
    """Back shows the case that was decided, as decided, and forward the one after it."""
    page.goto(f"{address}/cases/4?within=queue")
    press(page, "2")
    following = page.url
    with page.expect_event("load"):
        page.go_back()
    assert page.url == f"{address}/cases/4?within=queue"
    assert page.locator("article header .outcome").inner_text().startswith("Genuine by ana")
    page.wait_for_load_state()
    with page.expect_event("load"):
        page.go_forward()
    assert page.url == following
    assert page.locator("#decide").is_visible()


def test_a_newer_release_is_loaded_anew(page: playwright.Page, address: str, shift: Engine) -> None:
    """Scripts and style of a page are those that came with it."""
    page.goto(f"{address}/cases/4?within=queue")
    page.evaluate("window.isThere = true; document.querySelector('link[href*=case]').href = '/static/case.css?v=older'")
    with page.expect_event("load"):
        page.keyboard.press("2")
    assert page.evaluate("window.isThere") is None
    assert read_verdicts(shift) == [(4, "genuine", "")]


def test_log_out_leaves_nothing_behind(page: playwright.Page, address: str) -> None:
    """Who comes next to this tab finds no note of another."""
    page.goto(f"{address}/cases/4")
    page.locator("#note").fill("mine")
    assert len(page.evaluate("Object.keys(sessionStorage)")) == 1
    page.locator(".who summary").click()
    with page.expect_navigation():
        page.locator("button", has_text="Log out").click()
    assert page.evaluate(DRAFTS) == []


def test_the_end_of_a_session_is_announced(browser: playwright.Browser, shift: Engine) -> None:
    """Before a session ends for want of use there is a button to go on; the note stays where it is."""
    with serve_page(shift, Settings(idle_minutes=0.2)) as address:
        page = browser.new_page()
        log_in(page, address)
        page.goto(f"{address}/cases/4")
        page.locator("#note").fill("still here")
        button = page.locator(".ending button")
        button.wait_for()
        assert "You will be logged out at" in page.locator(".ending").inner_text()
        with page.expect_response("**/session") as answered:
            button.click()
        assert answered.value.status == 204
        page.locator(".ending").wait_for(state="hidden")
        assert page.locator("#note").input_value() == "still here"
        page.close()


def test_the_verdict_buttons_follow_what_is_ticked(page: playwright.Page, address: str) -> None:
    """They say how many listings they decide; an undecided verdict holds for one."""
    page.goto(f"{address}/cases/1")
    said = [button.inner_text() for button in page.locator("#decide > button, #decide > details > summary").all()]
    expected = ["Counterfeit, 3 listings …", "Genuine, 3 listings", "Cannot tell", "Escalate"]
    assert [words.split(" ", 1)[1] for words in said] == expected
    page.locator("input[name=spread]").first.uncheck()
    assert page.locator(".verdict.genuine").inner_text().endswith("Genuine, 2 listings")


def test_the_message_of_undo_moves_nothing_and_fades(page: playwright.Page, address: str, shift: Engine) -> None:
    """Buttons are where they were on the case before; faded it is still undone by its key."""
    page.goto(f"{address}/cases/4")
    before = page.locator(".verdict.genuine").bounding_box()
    press(page, "2")
    assert "recorded: genuine" in page.locator("form.recorded").inner_text()
    assert page.locator(".verdict.genuine").bounding_box() == before
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    assert page.locator("form.recorded").evaluate("(one) => getComputedStyle(one).opacity") == "0"
    press(page, "u")
    assert read_decisions(shift, 4) == []


def test_own_verdicts_are_taken_back(page: playwright.Page, address: str, shift: Engine) -> None:
    """Their page lists them and counts the shift; each has a button of its own."""
    for case_id in (4, 5):
        page.goto(f"{address}/cases/{case_id}")
        press(page, "2")
    assert page.locator(".progress").inner_text().startswith("2 of 40")
    press(page, "g", "v")
    assert page.title() == "Your verdicts · ipml"
    with page.expect_navigation():
        page.get_by_role("button", name="Take back genuine on case 4").click()
    assert [bool(read_decisions(shift, case_id)) for case_id in (4, 5)] == [False, True]


def test_times_are_those_of_the_reader(page: playwright.Page, address: str, shift: Engine) -> None:
    """The page says until when another holds a case in Berlin's time, and in its title in UTC."""
    claim = act(shift, claim_case, "lea", 4)
    page.goto(f"{address}/cases/4")
    time = page.locator(".decide time")
    assert time.get_attribute("title") == f"{claim.expires_at:%Y-%m-%d %H:%M} UTC"
    shown = page.evaluate(
        "(at) => new Date(at).toLocaleTimeString('en-GB', {timeZone: 'Europe/Berlin', timeStyle: 'short'})",
        claim.expires_at.isoformat(),
    )
    assert time.inner_text() == shown != f"{claim.expires_at:%H:%M}"


CYRILLIC = """([key, code]) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key, code, bubbles: true, cancelable: true}))"""


def test_keys_by_place(page: playwright.Page, address: str, shift: Engine) -> None:
    """On a Russian layout the key of j moves down and that of k up; on a French one the key of 2 needs no shift."""
    for key, code in (("о", "KeyJ"), ("о", "KeyJ"), ("л", "KeyK")):
        page.evaluate(CYRILLIC, [key, code])
    assert page.evaluate("document.activeElement.id") == "case-1"
    page.goto(f"{address}/cases/4")
    with page.expect_navigation():
        page.evaluate(CYRILLIC, ["é", "Digit2"])
    assert read_verdicts(shift) == [(4, "genuine", "")]


def test_single_letters_can_be_turned_off(page: playwright.Page, address: str, shift: Engine) -> None:
    """Whoever dictates decides nothing by a word; the switch stands in the help, and holds on every page."""
    page.keyboard.press("?")
    page.locator("#letters").uncheck()
    page.keyboard.press("Escape")
    page.goto(f"{address}/cases/4")
    for key in "2je3":
        page.keyboard.press(key)
    assert page.title().endswith(" · case 4 · ipml")
    assert read_verdicts(shift) == []
    page.keyboard.press("Control+k")
    assert page.locator("#palette").is_visible()


def test_the_palette(page: playwright.Page, address: str) -> None:
    """Pages, cases by number and brands are reached from anywhere; a screen reader hears which one is chosen."""
    complaints = note_complaints(page)
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Go to")
    field.wait_for()
    page.keyboard.press("ArrowDown")
    chosen = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    assert chosen.get_attribute("aria-selected") == "true"
    assert chosen.inner_text().startswith("Inbox")
    page.keyboard.type("4")
    press(page, "Enter")
    assert page.url == f"{address}/cases/4"
    page.keyboard.press("Control+k")
    page.keyboard.type("vell")
    page.get_by_role("option", name="Open cases of Vellmar").wait_for()
    with page.expect_navigation():
        page.get_by_role("option", name="Open cases of Vellmar").click()
    assert page.url == f"{address}/?brand=Vellmar"
    assert complaints == []


def test_one_bar_on_every_page(open_page: Callable, address: str) -> None:
    """The same pages under the same keys wherever one is, as far as the role goes."""
    page, seen = open_page("lea"), set()
    for path in ("", "cases/4", "cases/4/seller", "dashboard", "appeals", "notices", "lists", "jobs", "verdicts"):
        page.goto(f"{address}/{path}")
        links = page.locator("[data-go]").evaluate_all(
            "(all) => all.map((one) => one.dataset.go + one.pathname).join()"
        )
        seen.add(links)
    assert len(seen) == 1
    press(page, "g", "o")
    assert page.title() == "Deliveries · ipml"


def test_the_list_shows_what_changes(page: playwright.Page, address: str, shift: Engine, scored: Callable) -> None:
    """New rows come, decided ones go, a colleague's is marked; selection and focus stay, and one line says so."""
    page.goto(address)
    page.keyboard.press("j")
    page.keyboard.press("x")
    focused = page.evaluate("document.activeElement.id")
    numbers = page.locator("[data-row]").evaluate_all("(all) => all.map((one) => one.id.slice(5))")
    decided, opened = int(numbers[1]), int(numbers[2])
    judge(shift, decided, by="bo")
    act(shift, claim_case, "bo", opened)
    enqueue(shift, [scored(0, title="Plain canvas belt", listing_id="new")])
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".live:not(:empty)").wait_for()
    assert page.locator(".live").inner_text() == "1 new case, 1 no longer in this list."
    assert page.locator(f"#case-{decided}").count() == 0
    assert "opened by bo" in page.locator("tr", has=page.locator(f"#case-{opened}")).inner_text()
    assert page.locator(".pick input:checked").count() == 1
    assert page.evaluate("document.activeElement.id") == focused


def test_a_template_is_filled_in_by_keyboard(page: playwright.Page, address: str, shift: Engine) -> None:
    """With what the note has; the ground of the template is the verdict that is offered."""
    act(shift, save_template, "known_goods", "See case 4", by="lea")
    page.goto(f"{address}/cases/4?within=queue")
    page.locator("#note").fill("Asked.")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.press("1")
    assert page.locator("#note").input_value() == "Asked.\nSee case 4"
    press(page, ".")
    assert read_verdicts(shift) == [(4, "counterfeit", "Asked.\nSee case 4")]


def test_a_reason_opens_in_its_place(page: playwright.Page, address: str, shift: Engine) -> None:
    """The key opens the strongest, and closes it again."""
    judge(shift, 5, by="bo")
    page.goto(f"{address}/cases/4")
    page.keyboard.press("r")
    page.locator(".sharing .quiet", has_text="compared").wait_for()
    page.keyboard.press("r")
    assert page.locator(".sharing").count() == 0


def test_the_pictures_of_the_next_case_are_asked_for_ahead(page: playwright.Page, address: str, shift: Engine) -> None:
    """Of the case that follows; nobody holds it for that."""
    with page.expect_response(lambda answer: "/ahead.json" in answer.url) as answer:
        page.goto(f"{address}/cases/4?within=queue")
    assert answer.value.json() == []
    held = read_rows(shift, select(cases.c.case_id).where(cases.c.holder.is_not(None)))
    assert [row.case_id for row in held] == [4]
