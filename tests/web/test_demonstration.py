"""The demonstration in a browser: every page is accessible, and looks as its picture in the documentation does."""

import re
from collections.abc import Iterator

import pytest
from PIL import Image, ImageChops
from support.demonstration import STATES, find_pages
from support.documentation import import_from_docs, read_pages

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")

from support.accessibility import find_faults  # noqa: E402

make_pictures = import_from_docs("make_pictures")
MOST_BYTES = 600_000


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Make and serve a demonstration; give its address, and the password of its people."""
    with make_pictures.serve_demonstration(tmp_path_factory.mktemp("demonstration")) as served:
        yield served


@pytest.mark.browser
@pytest.mark.parametrize("name", STATES)
def test_every_page_is_accessible(browser: playwright.Browser, demonstration: tuple[str, str], name: str) -> None:
    """Every page is reached by links; axe finds nothing; controls have names of their own; headings are in order."""
    address, password = demonstration
    if name:
        context = make_pictures.open_session(browser, address, name, password)
    else:
        context = browser.new_context(base_url=address)
    page = context.new_page()
    faults = {}
    pages = find_pages(context, name)
    assert [route for route, path in pages.items() if not path] == []
    for number, path in enumerate(pages.values()):
        page.goto(path)
        faults[path] = find_faults(page, "main details" if number else "details")  # the header is that of every page
    assert {path: found for path, found in faults.items() if found} == {}
    context.close()


@pytest.mark.browser
def test_pictures_show_the_pages_of_today(browser: playwright.Browser, demonstration: tuple[str, str]) -> None:
    """Each picture of the documentation can be taken, and differs in no more than what a day changes."""
    taken = dict(make_pictures.take_pictures(browser, *demonstration))
    changed = {name: measure_change(image, Image.open(make_pictures.FOLDER / name)) for name, image in taken.items()}
    old = {name: round(share, 3) for name, share in changed.items() if share > MOST_CHANGED}
    assert old == {}, "run `python docs/make_pictures.py`, look at what it made, and commit it"


def measure_change(image: Image.Image, former: Image.Image) -> float:
    """Return the share of a grid's cells, each of 20 pixels, that are visibly lighter or darker than before."""
    small = [one.convert("L").resize((64, 40), Image.Resampling.BOX) for one in (image, former)]
    steps = ImageChops.difference(*small).histogram()
    return sum(steps[20:]) / sum(steps)


def test_pictures_are_those_of_the_pages_and_small() -> None:
    """Each is shown somewhere in both schemes, none is left over, and all together stay small."""
    files = {file.name: file.stat().st_size for file in make_pictures.FOLDER.glob("*.webp")}
    assert files.keys() == {
        make_pictures.name_file(name, scheme) for name in make_pictures.PICTURES for scheme in make_pictures.SCHEMES
    }
    shown = {name for text in read_pages().values() for name in re.findall(r"pictures/([\w-]+)\.webp", text)}
    assert {f"{name}.webp" for name in shown} | {f"{name}-dark.webp" for name in shown} >= files.keys()
    assert sum(files.values()) < MOST_BYTES
