"""Networks on the page: the list, one of them, its members and links, and who may see them."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.browser import CHEAP
from support.planted_network import keep_planted

from ipml.cooperation.networks.detection import Networks
from ipml.enforcement.privacy.erasure import note_erased
from ipml.records import Verdict
from ipml.review import queue
from ipml.settings import Settings
from ipml.storage.database import writing
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
    queue.enqueue(engine, [replace(scored(20, seller_id=name), score=0.9)])
    with writing(engine) as connection:
        queue.decide(connection, queue.claim(connection, "ana", 8), Verdict.COUNTERFEIT, ground="known_goods")
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


def test_what_is_not_there_is_said(lead: TestClient):
    """By a page of its own, for networks, members and links that there are not."""
    for path in ("/2", "/0", "/1/members/99", "/1/members/0", "/1/ties/1/99"):
        answer = lead.get(f"/networks{path}")
        assert answer.status_code == 404, path
        assert "<h1>" in answer.text


def test_without_a_folder_it_is_said_how_to_make_one(app: FastAPI, lead: TestClient):
    """The list says so; no network can be opened."""
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
