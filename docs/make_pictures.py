"""Script: takes the pictures of `docs/pictures` from a demonstration, each in light and dark.

The demonstration is made by `ipml demo`, served by `ipml serve`, and visited by its people in the browser that the
system provides. A test takes them anew, and fails where a page has gone or no longer looks like its picture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).parent / "pictures"
SCHEMES = ("light", "dark")
SIZE = (1280, 800)
COLOURS = 96  # of a picture, which then takes some 30 kB
CHROMIUM = Path("/usr/bin/chromium")
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb")


@dataclass(frozen=True)
class Picture:
    """A picture of a page: who looks, where they start, the links they follow, and the keys they press there."""

    user: str
    start: str
    links: tuple[str, ...] = ()
    keys: str = ""


PICTURES: Mapping[str, Picture] = {
    "list": Picture("rita", "/"),
    "case": Picture("rita", "/", ("tr:has(img) .what a",)),
    "picture-first": Picture("rita", "/", ("tr:has(img) .what a",), "p"),
    "appeal": Picture("lena", "/appeals", ("a[href^='/appeals/']",)),
    "dashboard": Picture("lena", "/dashboard"),
    "notice": Picture("lena", "/notices", ("a[href^='/notices/']",)),
    "network": Picture("lena", "/networks", ("a[href^='/networks/']",)),
    "portal": Picture("brand", "/portal"),
    "report": Picture("brand", "/portal/report"),
}


@contextmanager
def serve_demonstration(folder: Path) -> Iterator[tuple[str, str]]:
    """Make a small demonstration in a folder and serve it; give its address, and the password of its people."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IPML_")}
    ipml = [sys.executable, "-m", "ipml"]
    made = subprocess.run(  # noqa: S603
        [*ipml, "demo", "--listings", "2000", "--out", folder],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    if (folder / "networks").is_dir():
        environment["IPML_NETWORKS"] = str(folder / "networks")
    password = re.search(r"the password (\S+)", made.stdout)
    where = ["--database", f"sqlite:///{folder / 'ipml.db'}", "--pictures", folder / "pictures", "--port", "0"]
    with subprocess.Popen([*ipml, "serve", *where], env=environment, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            address = next(filter(None, (re.search(r"http://[\d.:]+", line) for line in server.stdout or ())), None)
            if password is None or address is None:
                raise RuntimeError(made.stdout)
            yield address[0], password[1]
        finally:
            server.terminate()


def open_session(browser: Browser, address: str, name: str, password: str, **options: Any) -> Any:
    """Return a context of a browser in which somebody is logged in."""
    context = browser.new_context(base_url=address, reduced_motion="reduce", **options)
    form = {"name": name, "password": password}
    answer = context.request.post("/login", form=form, headers={"Sec-Fetch-Site": "same-origin"})
    if "/login" in answer.url:
        raise RuntimeError(answer.text())
    return context


def take_pictures(browser: Browser, address: str, password: str) -> Iterator[tuple[str, Image.Image]]:
    """Yield the name of each file and what it shows; raise TimeoutError where a page has gone."""
    for name, picture in PICTURES.items():
        size = {"width": SIZE[0], "height": SIZE[1]}
        context = open_session(browser, address, picture.user, password, viewport=size)
        context.set_default_timeout(10_000)
        page = context.new_page()
        answer = page.goto(picture.start)
        for link in picture.links:
            with page.expect_navigation() as navigation:
                page.locator(link).first.click()
            answer = navigation.value
        if answer is None or not answer.ok:
            raise RuntimeError(f"{name}: {page.url} answers {answer and answer.status}")
        for key in picture.keys:
            page.keyboard.press(key)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            image = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
            few = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
            yield name_file(name, scheme), few.convert("RGB")
        context.close()


def name_file(name: str, scheme: str) -> str:
    """Return the name of the file of a picture: `list.webp`, `list-dark.webp`."""
    return f"{name}{'' if scheme == 'light' else f'-{scheme}'}.webp"


def main() -> None:
    """Take all pictures anew, and remove the others."""
    from playwright.sync_api import sync_playwright

    with ExitStack() as until_end:
        folder = until_end.enter_context(tempfile.TemporaryDirectory())
        served = until_end.enter_context(serve_demonstration(Path(folder)))
        player = until_end.enter_context(sync_playwright())
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(_OPTIONS))
        taken = dict(take_pictures(browser, *served))
        browser.close()
    for file in FOLDER.glob("*.webp"):
        file.unlink()
    for name, image in taken.items():
        image.save(FOLDER / name, lossless=True, method=6)
        print(f"{(FOLDER / name).stat().st_size / 1000:5.0f} kB  {name}")


if __name__ == "__main__":
    main()
