"""A shift at the keyboard: how long from the key of a verdict until the next case is seen, and how many keys it takes.

    python -m experiments.review.shift sqlite:///shift.db --pictures pictures
    python -m experiments.review.shift postgresql+psycopg://postgres@127.0.0.1/shift --pictures pictures

A real browser works through the queue of the real server while 100,000 cases wait, by keys alone: every other case is
counterfeit, on one ground after the other. Each listing has four pictures; those of the cases on top of the queue, and
the first of each listing that is shown beside them, are fetched by the worker's own job when the database is filled,
which is found filled the next time. Browser and server share the machine, so what else runs there is in the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from sqlalchemy import Engine, func, select, update

from experiments.review.pages import PASSWORD, Browser, fill_once, find_backends, processor_seconds, serving
from ipml.review.cases import count_cases
from ipml.review.decisions import GROUNDS
from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.settings import Settings
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases, pictures
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, list_users

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # they know how to start a browser and a host of pictures
from support.browser import start_browser
from support.picture_host import PictureHost, draw_goods, serve_pictures, write_picture

REVIEWER = "mia"
BAR_MS = 150.0  # of 95 in 100
_MOST_BESIDE = 8
_STEPS = {
    "answered": "verdict recorded, page there",
    "text": "text painted",
    "whole": "pictures in view painted, too",
}
_NOTE_WHEN_SEEN = """
if (location.pathname.startsWith("/cases/")) {
  const now = () => performance.timeOrigin + performance.now();
  const observe = (type, moment) => new Promise((tell) =>
    new PerformanceObserver((list) => {
      const found = list.getEntries().map(moment).find(Boolean);
      if (found) tell(performance.timeOrigin + found);
    }).observe({ type, buffered: true }),
  );
  let pressed = Number(sessionStorage.getItem("pressed"));
  addEventListener("keydown", () => sessionStorage.setItem("pressed", String(pressed = now())), true);
  const note = async (answer, painted) => {
    const own = [...document.querySelectorAll(".strip img")];
    const inView = own.filter((one) => one.getBoundingClientRect().top < innerHeight);
    const areBroken = await Promise.all(inView.map((one) => one.decode().then(() => false, () => true)));
    const whole = await new Promise((tell) => requestAnimationFrame(() => setTimeout(() => tell(now()))));
    const text = await painted;
    console.log("seen " + JSON.stringify({
      answered: performance.timeOrigin + answer.responseEnd - pressed,
      text: text - pressed,
      whole: Math.max(whole, text) - pressed,
      pictures: inView.length,
      broken: areBroken.filter(Boolean).length,
    }));
  };
  addEventListener("DOMContentLoaded", () => {
    const [answer] = performance.getEntriesByType("navigation");
    note(answer, observe("paint", (one) => one.name === "first-contentful-paint" && one.startTime));
    // From case to case the page stays, and its title is what is seen to be painted.
    document.addEventListener("ipml:shown", () => {
      const title = document.querySelector("h1");
      title.setAttribute("elementtiming", location.pathname);
      const answer = performance.getEntriesByType("resource").findLast((one) => one.initiatorType === "fetch");
      performance.clearResourceTimings();  // of which a browser keeps 250
      note(answer, observe("element", (one) => one.identifier === location.pathname && one.renderTime));
    });
  });
}
"""


@dataclass
class Shift:
    """Keys pressed, milliseconds from each verdict until the next case was seen, and seconds that the server worked."""

    n_keys: int = 0
    seen: list[dict[str, float]] = field(default_factory=list)
    worked: float = 0.0


def fill_shift(engine: Engine, folder: Path, n_open: int, n_decided: int, n_on_top: int) -> None:
    """Fill the queue unless it is filled, let a reviewer in, and fetch the pictures that a shift will show."""
    with serve_pictures() as host:
        is_new = fill_once(engine, n_open, n_decided, pictures=host.address(""))
        with writing(engine) as connection:
            if REVIEWER not in {user.name for user in list_users(connection)}:
                add_user(connection, REVIEWER, PASSWORD, Role.REVIEWER)
        if not is_new:
            return
        _draw_pictures(engine, host, n_on_top)
        sources = PictureSources.read(Settings(pictures=folder, picture_networks="127.0.0.1"))
        while fetch_due(engine, folder, sources).stored:
            pass
    group_pictures(engine, folder, HashIndex())


def _draw_pictures(engine: Engine, host: PictureHost, n_on_top: int) -> None:
    """Draw the pictures of the cases on top and of what is shown beside them; the others are never fetched."""
    is_open = cases.c.state == "open"
    top = select(cases.c.case_id, cases.c.seller_id).where(is_open).order_by(cases.c.rank, cases.c.case_id)
    place = func.row_number().over(partition_by=cases.c.seller_id, order_by=(cases.c.rank, cases.c.case_id))
    with writing(engine) as connection:
        on_top = connection.execute(top.limit(n_on_top)).all()
        sellers = {row.seller_id for row in on_top}
        beside = select(cases.c.case_id, place.label("place")).where(cases.c.seller_id.in_(sellers)).subquery()
        numbers = connection.scalars(select(beside.c.case_id).where(beside.c.place <= _MOST_BESIDE)).all()
        is_shown = pictures.c.case_id.in_([row.case_id for row in on_top]) | (
            (pictures.c.position == 0) & pictures.c.case_id.in_(numbers)
        )
        connection.execute(update(pictures).where(~is_shown).values(state="left"))
        addresses = connection.scalars(select(pictures.c.address).where(is_shown).distinct()).all()
    for address in addresses:
        path = "/" + address.rpartition("/")[2]
        host.files[path] = write_picture(draw_goods(crc32(path.encode())))


def work(server: Browser, n_cases: int) -> Shift:
    """Log in, take the next case, and judge one after another by keyboard alone."""
    shift, grounds = Shift(), cycle(str(place) for place in range(1, 1 + len(GROUNDS)))
    verdicts = islice(cycle([lambda: ["1", next(grounds)], lambda: ["2"]]), n_cases)
    with start_browser() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(f"{server.address}/login")
        page.locator("#name").fill(REVIEWER)
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        page.wait_for_selector("table.cases")
        page.wait_for_load_state()
        page.add_init_script(_NOTE_WHEN_SEEN)
        page.reload()
        _press(page, "w")
        page.wait_for_load_state("networkidle")
        worked = processor_seconds(server.servers)
        for verdict in verdicts:
            keys = verdict()
            shift.n_keys += len(keys)
            shift.seen.append(_press(page, *keys))
            page.wait_for_load_state("networkidle")  # a reviewer looks at a case for longer than it loads
        shift.worked = processor_seconds(server.servers) - worked
        context.close()
    return shift


def _press(page: Any, *keys: str) -> dict[str, float]:
    """Press keys, of which the last leads to the next case, and return when it was seen."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    with page.expect_console_message(lambda message: message.text.startswith("seen ")) as message:
        page.keyboard.press(keys[-1])
    if "/cases/" not in page.url:
        raise RuntimeError(f"no next case: {page.url}")
    seen: dict[str, float] = json.loads(message.value.text.removeprefix("seen "))
    return seen


def describe(shift: Shift) -> str:
    """Return what was measured of a shift, a line each.

    Examples
    --------
    >>> seen = {"answered": 70.0, "text": 110.0, "whole": 130.0, "pictures": 4, "broken": 0}
    >>> print(describe(Shift(3, [seen, seen], worked=0.12)))
    2 cases, 8 pictures, 0 broken; 1.50 keys a case, 60 ms of the server's processor time
    from the key to the next case        least    p50    p95   most
    verdict recorded, page there            70     70     70     70
    text painted                           110    110    110    110
    pictures in view painted, too          130    130    130    130
    """
    n, n_pictures, broken = len(shift.seen), *(sum(one[name] for one in shift.seen) for name in ("pictures", "broken"))
    each = f"{shift.n_keys / n:.2f} keys a case, {1e3 * shift.worked / n:.0f} ms of the server's processor time"
    lines = [f"{n} cases, {n_pictures:.0f} pictures, {broken:.0f} broken; {each}"]
    lines.append(f"{'from the key to the next case':<36}{'least':>6}{'p50':>7}{'p95':>7}{'most':>7}")
    for name, words in _STEPS.items():
        least, p50, p95, most = np.percentile([one[name] for one in shift.seen], [0, 50, 95, 100])
        missed = "  over the bar" if name == "whole" and p95 > BAR_MS else ""
        lines.append(f"{words:<36}{least:>6.0f}{p50:>7.0f}{p95:>7.0f}{most:>7.0f}{missed}")
    return "\n".join(lines)


def main() -> None:
    """Fill, serve, work some shifts, and print what was measured of each, and how busy the machine was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="database to fill and to work in")
    parser.add_argument("--pictures", type=Path, required=True, help="folder for its pictures")
    parser.add_argument("--cases", type=int, default=100_000, help="cases that wait")
    parser.add_argument("--decided", type=int, default=5_000, help="cases that are done with")
    parser.add_argument("--on-top", type=int, default=400, help="cases whose pictures are fetched")
    parser.add_argument("--shifts", type=int, default=3)
    parser.add_argument("--length", type=int, default=100, help="cases of a shift")
    options = parser.parse_args()
    engine = open_database(options.url)
    migrate(engine)
    fill_shift(engine, options.pictures, options.cases, options.decided, options.on_top)
    with serving(options.url, IPML_PICTURES=str(options.pictures)) as server:
        work(server, 3)  # a server that has just started reads its database for the first time
        server.servers = [*server.servers, *find_backends(engine)]
        for _ in range(options.shifts):
            shift = work(server, options.length)
            print(f"{describe(shift)}\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n", flush=True)
    with reading(engine) as connection:
        print(f"{engine.dialect.name}, {count_cases(connection)}")


if __name__ == "__main__":
    main()
