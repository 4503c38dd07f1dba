"""Pictures in a real browser: large by keyboard, one after another, and gone again; nothing moves while they load."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.browser import SIZE_NAMES, SIZES, check_fit, log_in, note_complaints, serve_page
from support.databases import copy_sqlite
from support.picture_host import serve_pictures
from support.staff import CHEAP, PASSWORD

from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.collection import fetch_due
from ipml.review.queue import enqueue
from ipml.settings import Settings
from ipml.storage.database import open_database, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "width", "scale"), SIZES, ids=SIZE_NAMES)
def test_pictures_are_looked_at_by_keyboard(
    browser, scored: Callable, tmp_path: Path, scheme: str, width: int, scale: int
):
    """`z` opens the first, arrows go around, `z` or Escape closes; the verdict keys work again."""
    engine = open_database(copy_sqlite(tmp_path))
    settings = Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    with writing(engine) as connection:
        add_user(connection, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    with serve_pictures() as host:
        addresses = [host.address(path) for path in ("/good.jpg", "/png", "/moved?again", "/svg")]
        enqueue(engine, [scored(0, image_urls=" ".join([*addresses, *[host.address(f"/png?{n}") for n in range(8)]]))])
        with ThreadPoolExecutor(1) as worker:  # Playwright has an event loop of its own in this thread
            worker.submit(fetch_due, engine, settings.pictures, PictureSources.read(settings)).result()
    with serve_page(engine, settings) as address:
        page = browser.new_page(
            viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=scale
        )
        complaints = note_complaints(page)
        log_in(page, address)
        check_fit(page, f"pictures-list-{scheme}-{width}")
        page.goto(f"{address}/cases/1")
        check_fit(page, f"pictures-case-{scheme}-{width}")
        for keys, name in (("z", "Picture 1 of 12"), ("ArrowRight", "Picture 2 of 12"), ("End", "Picture 12 of 12")):
            page.keyboard.press(keys)
            assert page.locator("#zoom-name").inner_text() == name
        page.keyboard.press("ArrowRight")
        sync_api.expect(page.locator("#zoom .canvas img")).to_have_js_property("naturalWidth", 600)
        check_fit(page, f"pictures-zoom-{scheme}-{width}", full_page=False)
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
