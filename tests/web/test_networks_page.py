"""Networks on the page: the list, one of them, its members and links, and who may see them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.browser import check_fit, check_pages, log_in, press, serve_page, start_desk
from support.casework import judge
from support.planted_network import keep_planted
from support.staff import CHEAP

from ipml.cooperation.networks.detection import Networks
from ipml.enforcement.privacy.erased_list import note_erased
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.settings import Settings
from ipml.web.app import make_app
from ipml.web.cache import NetworkShelf


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Networks]:
    """Return a folder with a network of sixty, and what is in it."""
    folder = tmp_path_factory.mktemp("networks") / "networks"
    return folder, keep_planted(folder, 60, 200)


@pytest.fixture
def app(engine: Engine, kept: tuple[Path, Networks]) -> FastAPI:
    """Return the application with that folder."""
    return make_app(engine, Settings(networks=kept[0]), cost=CHEAP)


@pytest.fixture
def member(engine: Engine, kept: tuple[Path, Networks], scored: Callable) -> tuple[int, str]:
    """Return a member's place (from 1) and name, of whom a case was found counterfeit."""
    networks = kept[1]
    name = str(networks.holdings.seller_ids[networks.members_of(1)[4]])
    enqueue(engine, [replace(scored(20, seller_id=name), score=0.9)])
    judge(engine, 8, Verdict.COUNTERFEIT)
    return 5, name


def test_the_list_shows_networks_with_what_is_known_of_them(lead: TestClient, member: tuple[int, str]):
    """Members, links, what they share, and what was confirmed; every order can be asked for."""
    for order in ("members", "links", "growth", "-last"):
        page = lead.get("/networks", params={"sort": order}).text
        assert 'href="/networks/1"' in page
        assert "payout accounts" in page
        assert '<b>1</b> <span class="why">of 1 seller</span>' in page
    assert 'is in <a href="/networks/1">' in lead.get("/networks", params={"words": member[1]}).text
    assert "is in no network" in lead.get("/networks", params={"words": "nobody"}).text
    assert 'href="/networks/1"' in lead.get("/cases/8/seller").text
    assert 'href="/networks/1"' not in lead.get("/cases/1/seller").text


def test_every_member_and_link_is_on_the_page_of_a_network(lead: TestClient, kept: tuple[Path, Networks]):
    """In the picture and in the table, and each leads to what is known of it."""
    networks, page = kept[1], lead.get("/networks/1").text
    names = networks.holdings.seller_ids[networks.members_of(1)]
    assert page.count('<a class="member ') == page.count("<tr data-p=") == len(names)
    assert page.count("<line ") == len(networks.links_of(1).first)
    assert all(f"<bdi>{name}</bdi>" in page for name in names)
    for place in (1, len(names)):
        assert lead.get(f"/networks/1/members/{place}").status_code == 200
    for told in ("A hypothesis from what is seen here", "None of these", "A link is no proof"):
        assert told in page, told
    marked = re.findall(r'<a class="member [a-z ]*\bnew" href="(/networks/1/members/\d+)"', page)
    assert page.count('"held">newcomer</span>') == len(marked) > 0
    assert "Newcomer. With seller-" in lead.get(marked[0]).text
    one, other = map(int, re.findall(r'data-l="(\d+) (\d+)', page)[-1])
    assert "are needed" in lead.get(f"/networks/1/ties/{one + 1}/{other + 1}").text
    assert "Linked" not in lead.get("/networks/1/ties/1/1").text.partition('id="about"')[2].partition("<h2>")[0]


def test_a_member_shows_cases_and_the_strongest_links(lead: TestClient, member: tuple[int, str]):
    """What was confirmed leads to the cases and the seller's record; each link to its evidence."""
    page = lead.get(f"/networks/1/members/{member[0]}").text
    assert f'href="/?state=decided&amp;seller={member[1]}">1 counterfeit' in page
    assert 'href="/cases/8/seller"' in page
    ties = re.findall(r'href="(/networks/1/ties/\d+/\d+)"', page)
    assert "The same " in lead.get(ties[0]).text


def test_what_is_not_there_is_said(lead: TestClient, app: FastAPI) -> None:
    """By a page of its own; without a folder it is said how to make one."""
    for path in ("/2", "/0", "/1/members/99", "/1/members/0", "/1/ties/1/99"):
        answer = lead.get(f"/networks{path}")
        assert answer.status_code == 404, path
        assert "<h1>" in answer.text
    app.state.networks = NetworkShelf(None)
    assert "IPML_NETWORKS" in lead.get("/networks").text
    assert lead.get("/networks/1").status_code == 404


def test_a_network_is_read_once_until_its_folder_is_replaced(tmp_path: Path):
    """The same object is given until then; after that the new one."""
    folder = tmp_path / "networks"
    keep_planted(folder, 12, 50)
    shelf = NetworkShelf(folder)
    first = shelf.view(1)
    assert shelf.view(1) is first
    after = keep_planted(folder, 30, 50)
    assert shelf.view(1).seller_ids == after.holdings.seller_ids[after.members_of(1)].tolist()


def test_who_was_erased_is_not_named(kept: tuple[Path, Networks], tmp_path: Path):
    """Though the folder still holds the name; from the moment on at which they are erased."""
    name = str(kept[1].holdings.seller_ids[kept[1].members_of(1)[4]])
    shelf = NetworkShelf(kept[0], tmp_path / "erased.jsonl")
    assert name in shelf.view(1).seller_ids
    note_erased(tmp_path / "erased.jsonl", name, "5f1c", datetime.now(UTC))
    view = shelf.view(1)
    assert name not in view.seller_ids
    assert view.seller_ids[4].startswith("(erased ")
    assert all(name not in (tie.first, tie.second) for tie in (view.tie(4, one) for one in view.neighbours_of(4)))
    assert shelf.find_number(name) is None


MEMBERS = 300
LIT = "document.querySelectorAll('.member.near').length"
THERE = "document.querySelectorAll('.member:not(.off)').length"
DRAWN = "document.querySelectorAll('.lines line:not(.off)').length"
GOODS = (
    *("Tote bag", "Diver watch", "Headphones", "Leather belt", "Running shoes", "Silk scarf", "Perfume"),
    "Sunglasses",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a network of three hundred; of some members there are cases, of some of these decisions."""
    folder = tmp_path_factory.mktemp("large")
    networks = keep_planted(folder / "networks", MEMBERS, 3000)
    engine = start_desk(folder)
    names = networks.holdings.seller_ids[networks.members_of(1)].tolist()
    listings = [
        Listing(
            f"L{place}", name, f"{GOODS[place % 8]} of {name} {place * 7919}", brand=("Vellmar", "Aurivo")[place % 2]
        )
        for place, name in enumerate(names)
        if place % 5 in (0, 3)
    ]
    enqueue(engine, [ScoredListing(one, 0.9, 2.2, (), (), None, "1") for one in listings])
    for case_id in range(1, len(listings) + 1):
        if case_id % 3:
            judge(engine, case_id, Verdict.COUNTERFEIT if case_id % 8 else Verdict.GENUINE)
    with serve_page(engine, Settings(networks=folder / "networks")) as address:
        yield address


def open_network(page: Any, address: str) -> None:
    """Open the network, and wait until its picture answers."""
    page.goto(f"{address}/networks/1")
    wait_until_ready(page)


def wait_until_ready(page: Any) -> None:
    """Wait until the script has given a member the keyboard: the page's rules forbid a waiting script of our own."""
    page.locator(".member[tabindex='0']").wait_for(state="attached")


@pytest.mark.browser
def test_it_is_explored_by_mouse(open_page: Callable) -> None:
    """A member lights up with its links and is told of; a link too; kinds, strength, days filter; the table sorts."""
    page = open_page("lea", viewport={"width": 1280, "height": 900})
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


@pytest.mark.browser
def test_it_is_explored_by_keyboard(open_page: Callable, address: str) -> None:
    """Arrows go from member to member, Enter tells of one, Escape forgets; rows of the table as on other pages."""
    page = open_page("lea")
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


@pytest.mark.browser
def test_pictures(browser: Any, address: str) -> None:
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
