"""A network of three hundred sellers in a real browser: explored by mouse, keyboard and without a script."""

from collections.abc import Iterator

import pytest
from support.browser import check_fit, check_pages, log_in, note_complaints, press, serve_page
from support.planted_network import keep_planted
from support.staff import CHEAP, PASSWORD

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review import queue
from ipml.settings import Settings
from ipml.storage.database import migrate, open_database, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

MEMBERS = 300
LIT = "document.querySelectorAll('.member.near').length"
THERE = "document.querySelectorAll('.member:not(.off)').length"
DRAWN = "document.querySelectorAll('.lines line:not(.off)').length"
GOODS = (
    "Tote bag",
    "Diver watch",
    "Headphones",
    "Leather belt",
    "Running shoes",
    "Silk scarf",
    "Perfume",
    "Sunglasses",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a network of three hundred; of some members there are cases, of some of these decisions."""
    folder = tmp_path_factory.mktemp("large")
    networks = keep_planted(folder / "networks", MEMBERS, 3000)
    engine = open_database(f"sqlite:///{folder}/ipml.db")
    migrate(engine)
    for name, role in (("lea", Role.LEAD), ("ana", Role.REVIEWER)):
        with writing(engine) as connection:
            add_user(connection, name, PASSWORD, role, CHEAP)
    names = networks.holdings.seller_ids[networks.members_of(1)].tolist()
    listings = [
        Listing(
            f"L{place}", name, f"{GOODS[place % 8]} of {name} {place * 7919}", brand=("Vellmar", "Aurivo")[place % 2]
        )
        for place, name in enumerate(names)
        if place % 5 in (0, 3)
    ]
    queue.enqueue(engine, [ScoredListing(one, 0.9, 2.2, (), (), None, "1") for one in listings])
    for case_id in range(1, len(listings) + 1):
        with writing(engine) as connection:
            claim = queue.claim(connection, "ana", case_id) if case_id % 3 else None
        if claim:
            is_genuine = case_id % 8 == 0
            verdict, ground = (Verdict.GENUINE, "") if is_genuine else (Verdict.COUNTERFEIT, "known_goods")
            with writing(engine) as connection:
                queue.decide(connection, claim, verdict, ground=ground)
    with serve_page(engine, Settings(networks=folder / "networks")) as address:
        yield address


def open_network(page: playwright.Page, address: str) -> None:
    """Open the network, and wait until its picture answers."""
    page.goto(f"{address}/networks/1")
    wait_until_ready(page)


def wait_until_ready(page: playwright.Page) -> None:
    """Wait until the script has given a member the keyboard: the page's rules forbid a waiting script of our own."""
    page.locator(".member[tabindex='0']").wait_for(state="attached")


def test_it_is_explored_by_mouse(browser: playwright.Browser, address: str) -> None:
    """A member lights up with its links and is told of; a link too; kinds, strength, days filter; the table sorts."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = note_complaints(page)
    log_in(page, address, "lea")
    press(page, "g", "w")
    page.locator("[data-row]").first.click()
    wait_until_ready(page)
    members, links = page.evaluate(THERE), page.evaluate(DRAWN)
    page.locator(".member.confirmed.distributor").first.click()
    page.locator("#about .ties").wait_for()
    assert 1 < page.evaluate(LIT) < members
    page.locator("#about .bits").first.click()
    page.locator("#about .shared").wait_for()
    assert page.evaluate(LIT) == 2
    page.locator("#about button", has_text="Close").click()
    assert page.evaluate(LIT) == 0
    assert page.locator("#about .hypotheses").is_visible()
    page.locator(".kind", has_text="payout").locator("input").uncheck()
    assert page.evaluate(DRAWN) <= links
    for box in page.locator(".kind input").all():
        box.uncheck()
    assert page.evaluate(DRAWN) == 0
    page.locator("#until").fill(page.locator("#until").get_attribute("min"))
    assert 0 < page.evaluate(THERE) < members / 4
    page.locator("th button", has_text="Seller").click()
    names = page.locator("#members td.what bdi").all_inner_texts()
    assert names == sorted(names)
    assert complaints == []
    page.close()


def test_it_is_explored_by_keyboard(browser: playwright.Browser, address: str) -> None:
    """Arrows go from member to member, Enter tells of one, Escape forgets; rows of the table as on other pages."""
    page = browser.new_page()
    log_in(page, address, "lea")
    open_network(page, address)
    page.locator(".member[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.dataset.p")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator(".member[tabindex='0']").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.p") != first
    page.keyboard.press("Enter")
    page.locator("#about .ties").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#about .hypotheses").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.locator("#about .ties").wait_for()
    assert page.url.endswith("/networks/1")
    page.close()


def test_it_is_read_without_a_script(browser: playwright.Browser, address: str) -> None:
    """The picture stands, and members and links are pages of their own."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, address, "lea")
    page.goto(f"{address}/networks/1")
    assert page.locator("#until").is_hidden()
    page.locator("a.member.confirmed.distributor").first.click()
    page.locator(".bits").first.click()
    assert page.locator(".shared li").count() > 0
    context.close()


def test_pictures(browser: playwright.Browser, address: str) -> None:
    """No page is wider than the window, by day and by night; pictures are left in tests/output."""
    pages = {"networks": "networks", "networks/1": "network", "referrals": "referrals"}
    pages |= {"networks/1/members/7": "network-member", "networks/1/ties/7/8": "network-tie"}
    check_pages(browser, address, "lea", pages, full_page=False)
    page = browser.new_page(color_scheme="dark", viewport={"width": 390, "height": 900})
    log_in(page, address, "lea")
    open_network(page, address)
    page.locator(".member.confirmed.distributor").first.click()
    page.locator("#about .ties").wait_for()
    check_fit(page, "network-chosen-dark", full_page=False)
    page.close()
