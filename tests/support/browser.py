"""A real browser for tests of the page: started, logged in, worked by keyboard, and looked at."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import Engine

from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from ipml.web.app import make_app
from support.databases import copy_sqlite, open_undurable
from support.staff import CHEAP, PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
OPTIONS += ("--disable-sync", "--no-first-run")
PICTURES = Path(__file__).parents[1] / "output"
OVERHANGING = """
[...document.body.querySelectorAll("*")]
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80))
  .filter(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
"""
SIZES = [("light", 1440, 1), ("dark", 1440, 1), ("dark", 720, 2), ("light", 360, 1)]


@contextmanager
def start_browser() -> Iterator[Any]:
    """Start the system's browser; skip, saying so, where it is absent."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}: install Debian's package chromium")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


def start_desk(folder: Path) -> Engine:
    """Return a database in a folder, of two reviewers and a lead."""
    engine = open_undurable(copy_sqlite(folder))
    with writing(engine) as connection:
        for name, role in (("ana", Role.REVIEWER), ("bo", Role.REVIEWER), ("lea", Role.LEAD)):
            add_user(connection, name, PASSWORD, role, CHEAP)
    return engine


@contextmanager
def serve_page(engine: Engine, settings: Settings | None = None) -> Iterator[str]:
    """Serve the page on a free port of this machine, and give its address."""
    app = make_app(engine, settings or Settings(), cost=CHEAP)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    engine.dispose()


def note_complaints(page: Any) -> list[str]:
    """Return a list of what the browser complains of from now on."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def log_in(page: Any, address: str, name: str = "ana") -> None:
    """Log in by keyboard: the name has the focus."""
    page.goto(address)
    page.locator("#name:focus").wait_for()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.wait_for_load_state()  # keys do nothing before the page's script has run


def press(page: Any, *keys: str) -> None:
    """Press keys; the last of them leads to another page."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    with page.expect_navigation():
        page.keyboard.press(keys[-1])


def check_fit(page: Any, name: str, *, full_page: bool = True) -> None:
    """Check that a page is no wider than its window, and leave a picture to look at; in CI, where nobody does, none."""
    if "CI" not in os.environ:
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=full_page)
    assert page.evaluate(OVERHANGING) == [], name


def check_pages(browser: Any, address: str, name: str, pages: Mapping[str, str], *, full_page: bool = True) -> None:
    """Look at pages in windows of each size, as they open and with all that can be unfolded, as somebody logged in."""
    for scheme, width, scale in SIZES:
        size = {"viewport": {"width": width, "height": 900 // scale}, "device_scale_factor": scale}
        context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", **size)
        page = context.new_page()
        log_in(page, address, name)
        for path, picture in pages.items():
            page.goto(f"{address}/{path}")
            check_fit(page, f"{picture}-{scheme}-{width}", full_page=full_page)
            if page.locator("main details:not([open])").count():
                page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true })")
                check_fit(page, f"{picture}-unfolded-{scheme}-{width}", full_page=full_page)
        context.close()
