"""Pictures on the pages: what is shown, from where, to whom, and how they are looked at in a browser."""

import html
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from support.browser import check_fit, check_pages, log_in, note_complaints, serve_page, start_desk
from support.casework import judge
from support.picture_host import PictureHost, draw_goods, serve_pictures, write_picture
from support.staff import CHEAP
from support.transactions import ask, execute
from support.visitors import open_browser

from ipml.errors import UnusableSetting
from ipml.records import Listing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.reference import KnownGoods, add_references
from ipml.review.pictures.stored import path_of, read_pictures
from ipml.settings import Settings
from ipml.storage.tables import pictures
from ipml.web.app import make_app
from ipml.web.console.pictures import find_listing_host

NUMBER = 8  # of the case: seven are there before


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """A host of pictures."""
    with serve_pictures() as found:
        yield found


def visit(engine: Engine, settings: Settings, name: str | None = "ana") -> TestClient:
    """Return a browser at a page with these settings."""
    return open_browser(make_app(engine, settings, cost=CHEAP), name)


@pytest.fixture
def pictured(engine: Engine, scored: Callable, host: PictureHost) -> Engine:
    """Return the database with a case that has five pictures and an address."""
    addresses = [host.address(path) for path in ("/good.jpg", "/png", "/svg", "/missing", "/busy")]
    enqueue(engine, [scored(7, url="https://shop.example/itm/7", image_urls=" ".join(addresses))])
    return engine


@pytest.fixture
def kept(pictured: Engine, tmp_path: Path) -> Settings:
    """Return settings with a folder into which the pictures were fetched."""
    settings = Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    fetch_due(pictured, settings.pictures, PictureSources.read(settings))
    return settings


def test_copies_are_shown_and_the_rest_is_said(pictured: Engine, kept: Settings):
    """From this server alone, with a line for each picture that could not be had."""
    client = visit(pictured, kept)
    page = client.get(f"/cases/{NUMBER}")
    sources = re.findall(r'<img src="(/pictures/[0-9a-f]{64})/thumbnail" alt="([^"]+)"', page.text)
    assert [alt for _, alt in sources] == ["Picture 1 of 5", "Picture 2 of 5"]
    for said in (
        "Picture 3 of 5 is an SVG, which may hold a program.",
        "Picture 4 of 5 is not there any more (status 404).",
        "Picture 5 of 5 cannot be had (status 503); it will be tried again.",
    ):
        assert said in page.text
    assert "img-src 'self';" in page.headers["content-security-policy"]
    for address in (sources[0][0], f"{sources[0][0]}/thumbnail"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        assert answer.headers["cache-control"] == "private, max-age=3600"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert f'class="thumbnail" src="{sources[0][0]}/thumbnail" alt="" width="48" height="48"' in client.get("/").text


def test_what_was_never_fetched_is_said_by_the_state_of_the_case(pictured: Engine, tmp_path: Path):
    """Of a decided case that it was too late; of an open one that it was not done."""
    settings = Settings(pictures=tmp_path / "pictures")
    execute(pictured, update(pictures).values(state="left"))
    client = visit(pictured, settings)
    assert "5 pictures were not fetched." in client.get(f"/cases/{NUMBER}").text
    judge(pictured, NUMBER, Verdict.GENUINE)
    assert "5 pictures had not been fetched when the case was decided." in client.get(f"/cases/{NUMBER}").text


def test_the_case_says_where_its_picture_was_seen(engine: Engine, scored: Callable, tmp_path: Path):
    """The first counterfeit that showed it, how often it was right since, and what a rights holder handed in."""
    settings = Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    handed_in = tmp_path / "acme.png"
    handed_in.write_bytes(write_picture(draw_goods(2), "PNG"))
    goods = KnownGoods(Verdict.GENUINE, "Acme", "catalogue <2026>")
    add_references(engine, settings.pictures, [handed_in], goods, "lea")
    with serve_pictures() as host:
        host.files = {f"/{seed}.jpg": write_picture(draw_goods(seed)) for seed in (1, 2)}
        addresses = {7: "/1.jpg", 8: "/1.jpg", 9: "/1.jpg", 10: "/2.jpg /1.jpg"}
        for number, paths in addresses.items():
            image_urls = " ".join(map(host.address, paths.split()))
            enqueue(engine, [scored(number, seller_id=f"s{number}", image_urls=image_urls)], joins_alike=False)
        fetch_due(engine, settings.pictures, PictureSources.read(settings))
    group_pictures(engine, settings.pictures, HashIndex())
    client = visit(engine, settings)
    assert client.get(f"/cases/{NUMBER + 3}").text.count('<span class="verdict-mark open">open</span></a>') == 3
    for number in (NUMBER, NUMBER + 1):
        judge(engine, number, Verdict.COUNTERFEIT, "cleo")
    page = " ".join(client.get(f"/cases/{NUMBER + 3}").text.split())
    said = html.unescape(re.sub("<[^>]+>", "", page[page.index('id="same-picture"') :]))
    for told in (
        "Picture of a confirmed counterfeit: of one listing with it decided since, 1 was counterfeit",
        f"case {NUMBER} counterfeit",
        "Picture of genuine goods of Acme (from catalogue <2026>): no listing with it was decided so far. Sellers of",
        "Shown by 3 other listings and 3 other sellers.",
    ):
        assert told in said


def test_pictures_are_for_those_who_may_look_and_of_cases_alone(pictured: Engine, kept: Settings):
    """Nobody else is told whether a picture is there; no path leads out of the folder, and no original is given."""
    digest = ask(pictured, read_pictures, [NUMBER])[NUMBER][0].digest
    assert visit(pictured, kept, None).get(f"/pictures/{digest}").status_code == 303
    client = visit(pictured, kept, "vic")
    assert client.get(f"/pictures/{digest}").status_code == 200
    stranger = path_of(kept.pictures, "ab" * 32, "view")
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_bytes(b"of no case")
    for name in (
        *("ab" * 32, "0" * 64, digest.upper(), f"{digest}.view.webp", "..%2f..%2fetc%2fpasswd"),
        f"{digest}/original",
    ):
        assert client.get(f"/pictures/{name}").status_code == 404
    path_of(kept.pictures, digest, "view").unlink()
    assert client.get(f"/pictures/{digest}").status_code == 404


def test_browsers_load_from_named_hosts_alone(pictured: Engine, host: PictureHost):
    """The policy names them; they learn neither who looks nor from where, and others are not asked."""
    named = f"http://127.0.0.1:{host.server_port}"
    client = visit(pictured, Settings(picture_hosts=f"{named}, img.example.com"))
    page = client.get(f"/cases/{NUMBER}")
    assert f"img-src 'self' {named} https://img.example.com;" in page.headers["content-security-policy"]
    shown = re.findall(r"<img [^>]+>", page.text)
    assert len(shown) == 5
    assert all('referrerpolicy="no-referrer"' in one and 'loading="lazy"' in one for one in shown)
    page = visit(pictured, Settings(picture_hosts="img.example.com")).get(f"/cases/{NUMBER}")
    assert "<img" not in page.text
    assert "5 pictures not loaded, as the host is not allowed: 127.0.0.1." in page.text


def test_without_settings_nothing_is_loaded_and_that_is_said(pictured: Engine) -> None:
    """The listing is found on the marketplace by its number, and by a link that tells nothing."""
    page = visit(pictured, Settings()).get(f"/cases/{NUMBER}")
    assert "<img" not in page.text
    assert "5 pictures named by the listing; this installation loads none." in page.text
    with pytest.raises(UnusableSetting):
        make_app(pictured, Settings(picture_hosts="a.example; script-src *"))
    page = html.unescape(visit(pictured, Settings()).get(f"/cases/{NUMBER}").text)
    assert '<bdi id="listing-number">L0007</bdi>' in page
    assert '<a href="https://shop.example/itm/7" target="_blank" rel="noreferrer noopener" data-key="v">' in page
    assert find_listing_host(Listing("1", "s", "Bag", url="https://shop.example:8443/1")) == "shop.example"


@pytest.mark.browser
def test_pictures_are_looked_at_by_keyboard(browser, scored: Callable, tmp_path: Path):
    """`z` opens the first, arrows go around, `z` or Escape closes; the verdict keys work again."""
    engine = start_desk(tmp_path)
    settings = Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    with serve_pictures() as host:
        addresses = [host.address(path) for path in ("/good.jpg", "/png", "/moved?again", "/svg")]
        enqueue(engine, [scored(0, image_urls=" ".join([*addresses, *[host.address(f"/png?{n}") for n in range(8)]]))])
        with ThreadPoolExecutor(1) as worker:  # Playwright has an event loop of its own in this thread
            worker.submit(fetch_due, engine, settings.pictures, PictureSources.read(settings)).result()
    with serve_page(engine, settings) as address:
        check_pages(browser, address, "ana", {"": "pictures-list", "cases/1": "pictures-case"})
        page = browser.new_page()
        complaints = note_complaints(page)
        log_in(page, address)
        page.goto(f"{address}/cases/1")
        for keys, name in (("z", "Picture 1 of 12"), ("ArrowRight", "Picture 2 of 12"), ("End", "Picture 12 of 12")):
            page.keyboard.press(keys)
            assert page.locator("#zoom-name").inner_text() == name
        page.keyboard.press("ArrowRight")
        sync_api = pytest.importorskip("playwright.sync_api")
        sync_api.expect(page.locator("#zoom .canvas img")).to_have_js_property("naturalWidth", 600)
        check_fit(page, "pictures-zoom", full_page=False)
        for keys in ("Escape", "z"):
            page.keyboard.press(keys)
            page.locator("#zoom").wait_for(state="hidden")
            page.keyboard.press("z")
            page.locator("#zoom").wait_for(state="visible")
        page.keyboard.press("z")
        page.keyboard.press("1")
        assert page.locator("details.grounds").get_attribute("open") is not None
        assert complaints == []
        page.close()
