"""How quickly the pages answer when 100,000 cases wait: the real server, asked over one connection as a browser does.

    python -m experiments.review.pages sqlite:///pages.db
    python -m experiments.review.pages postgresql+psycopg://postgres@127.0.0.1/pages --archive 895000

The database is filled if it is empty, which takes some minutes, and found filled the next time. The time measured is
from the request's first byte to the answer's last on this machine, so a little more than the server's own time; beside
it stands how long the processors worked on it, those of PostgreSQL as well, which a busy machine changes less.

With a million cases, 100,000 of them open (`--archive 895000`), on two slow cores, the processors worked for 37 ms on
the first page of the list (PostgreSQL, overloaded: 54), 48 (81) on the next case, 65 (113) on a verdict with the next.
Rare words take 360 (167): all texts are looked through, those of decided cases, too.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from urllib.parse import urlencode, urlsplit

import numpy as np
from sqlalchemy import Engine, select

from experiments.review.filled import archive, fill, make_names
from ipml.review.cases import count_cases
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, list_users

USER, PASSWORD = "lea", "correct horse battery"
VERDICT_BAR_MS, PAGE_BAR_MS = 100.0, 300.0  # of 95 in 100


@dataclass
class Browser:
    """A connection that keeps its session, follows to the next page, and notes how long each answer took."""

    connection: HTTPConnection
    address: str
    servers: Sequence[int]
    cookie: str = ""
    taken: dict[str, list[float]] = field(default_factory=dict)
    worked: dict[str, list[float]] = field(default_factory=dict)

    def get(self, name: str, path: str) -> str:
        """Ask for a page."""
        return self._timed(name, "GET", path)

    def post(self, name: str, path: str, form: dict[str, str]) -> str:
        """Send a form, and ask for the page it leads to: both are in the time."""
        return self._timed(name, "POST", path, urlencode(form))

    def _timed(self, name: str, method: str, path: str, body: str | None = None) -> str:
        worked, began = processor_seconds(self.servers), perf_counter()
        text = self._ask(method, path, body)
        self.taken.setdefault(name, []).append(perf_counter() - began)
        self.worked.setdefault(name, []).append(processor_seconds(self.servers) - worked)
        return text

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        headers = {"Origin": self.address, "Sec-Fetch-Site": "same-origin", "Cookie": self.cookie}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if cookie := answer.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        if answer.status == 303:
            return self._ask("GET", answer.headers["Location"])
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status}: {text[-400:]}")
        return text


def processor_seconds(processes: Sequence[int]) -> float:
    """Return how long all threads of some processes have run, which hardly depends on what else the machine does."""
    threads = [thread for process in processes for thread in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def find_backends(engine: Engine) -> list[int]:
    """Return the processes of a PostgreSQL on this machine that work on this database; SQLite has none."""
    if engine.dialect.name != "postgresql":
        return []
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(query).scalars())


@contextmanager
def serving(url: str, **variables: str) -> Iterator[Browser]:
    """Start the real server on a database and some variables of the environment, log in, and end it again."""
    command = [sys.executable, "-m", "ipml", "serve", "--database", url, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables) as server:  # noqa: S603 - our own
        assert server.stdout is not None
        try:
            address = server.stdout.readline().split()[2]
            with closing(HTTPConnection(urlsplit(address).netloc, timeout=60)) as connection:
                browser = Browser(connection, address, [server.pid])
                browser.post("log in", "/login", {"name": USER, "password": PASSWORD})
                yield browser
        finally:
            server.terminate()


def fill_once(engine: Engine, n_open: int, n_decided: int, n_archived: int = 0, *, pictures: str = "") -> bool:
    """Fill the queue unless it is filled, and let somebody in; return whether it was filled just now."""
    with writing(engine) as connection:
        if not list_users(connection):
            add_user(connection, USER, PASSWORD, Role.LEAD)
        is_empty = count_cases(connection)["open"] == 0
    if is_empty:
        began = perf_counter()
        fill(engine, n_open, n_decided, pictures=pictures)
        if n_archived:
            archive(engine, n_archived)
        print(f"filled in {perf_counter() - began:.0f} s", flush=True)
    return is_empty


def find_trail(engine: Engine, place: int) -> str:
    """Return the number of the open case at a place of the list, as the link to the page after it has it."""
    query = select(cases.c.case_id).where(cases.c.state == "open").order_by(cases.c.rank, cases.c.case_id)
    with reading(engine) as connection:
        return str(connection.scalar(query.offset(place).limit(1)))


def measure(browser: Browser, engine: Engine, n_times: int) -> None:
    """Ask for every kind of page, in turn, so that none is measured while only its own rows are in memory."""
    names, rng = make_names(), np.random.default_rng(3)
    with reading(engine) as connection:
        n_open = count_cases(connection)["open"]
    deep = [find_trail(engine, place) for place in np.linspace(n_open // 10, n_open - 100, 8).astype(int)]
    asks: dict[str, Callable[[], dict[str, object]]] = {
        "list, first page": dict,
        "list, deep page": lambda: {"after": rng.choice(deep)},
        "list, decided": lambda: {"state": "decided"},
        "list, superseded": lambda: {"state": "superseded"},
        "list, common brand": lambda: {"brand": names.brands[rng.integers(3)]},
        "list, rare brand": lambda: {"brand": names.brands[-1 - rng.integers(50)]},
        "list, common seller": lambda: {"seller": names.sellers[rng.integers(3)]},
        "list, rare seller": lambda: {"seller": names.sellers[-1 - rng.integers(2_000)]},
        "list, unknown seller": lambda: {"seller": "nobody"},
        "list, brand and seller": lambda: {
            "brand": names.brands[rng.integers(20)],
            "seller": names.sellers[rng.integers(20)],
        },
        "list, category": lambda: {"category": names.categories[rng.integers(len(names.categories))]},
        "list, scores": lambda: {"least": 40, "most": 60},
        "list, rare brand, scores": lambda: {"brand": names.brands[-1 - rng.integers(50)], "least": 30},
        "list, waited a week": lambda: {"waiting": 7},
        "list, first come": lambda: {"order": "first come"},
        "words, common": lambda: {"words": names.words[rng.integers(3)]},
        "words, rare": lambda: {"words": names.words[-1 - rng.integers(500)]},
        "words, in no listing": lambda: {"words": "quixotry"},
        "words, id of a listing": lambda: {"words": f"L{rng.integers(n_open):06}"},
        "words, common with brand": lambda: {
            "words": names.words[rng.integers(3)],
            "brand": names.brands[rng.integers(20)],
        },
    }
    browser.taken.clear()
    browser.worked.clear()
    for _ in range(n_times):
        for name, ask in asks.items():
            browser.get(name, f"/?{urlencode(ask())}")
        work_one(browser)
        case = f"/cases/{rng.integers(1, n_open)}"
        browser.get("case", case)
        browser.get("seller of a case", f"{case}/seller")
        browser.get("dashboard", "/dashboard")


def work_one(browser: Browser) -> None:
    """Take the next case from the list, skip it, judge the one after it."""
    text = browser.post("next case from the list", "/next", {})
    path, form = find_form(text, "leave")
    text = browser.post("skip to the next case", path, form | {"to": "next"})
    path, form = find_form(text, "decide")
    browser.post("verdict to the next case", path, form | {"choice": "genuine"})


def find_form(text: str, audit_event: str) -> tuple[str, dict[str, str]]:
    """Return the address of a form on the page of a case, and what it sends unseen.

    Examples
    --------
    >>> find_form('<form action="/cases/7/leave"><input type="hidden" name="trail" value="4.5"></form>', "leave")
    ('/cases/7/leave', {'trail': '4.5'})
    """
    found = re.search(rf'action="(/cases/\d+/{audit_event})"[^>]*>(.*?)</form>', text, re.DOTALL)
    if found is None:
        raise RuntimeError(f"no form to {audit_event} in: {text[:300]}")
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[2])
    return found[1], {name: unescape(value) for name, value in hidden}


def tabulate(taken: dict[str, list[float]], worked: dict[str, list[float]]) -> str:
    """Return a table of percentiles in milliseconds, and of the median time that processors worked on it.

    Examples
    --------
    >>> print(tabulate({"list": [0.010, 0.020, 0.030]}, {"list": [0.009, 0.009, 0.009]}))
    page                         p50    p95    p99   most   processor
    list                        20.0   29.0   29.8   30.0         9.0
    """
    lines = [f"{'page':<26}{'p50':>6}{'p95':>7}{'p99':>7}{'most':>7}{'processor':>12}"]
    for name, seconds in taken.items():
        p50, p95, p99, most = np.percentile(np.array(seconds) * 1e3, [50, 95, 99, 100])
        bar = VERDICT_BAR_MS if name.startswith("verdict") else PAGE_BAR_MS
        missed = "  over the bar" if p95 > bar else ""
        processor = 1e3 * float(np.median(worked[name]))
        lines.append(f"{name:<26}{p50:>6.1f}{p95:>7.1f}{p99:>7.1f}{most:>7.1f}{processor:>12.1f}{missed}")
    return "\n".join(lines)


def main() -> None:
    """Fill, serve, ask, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="database to fill and to measure on")
    parser.add_argument("--cases", type=int, default=100_000, help="cases that wait")
    parser.add_argument("--decided", type=int, default=5_000, help="cases that are done with")
    parser.add_argument("--archive", type=int, default=0, help="cases more that are done with, copies of those")
    parser.add_argument("--times", type=int, default=100, help="how often each page is asked for")
    options = parser.parse_args()
    engine = open_database(options.url)
    migrate(engine)
    fill_once(engine, options.cases, options.decided, options.archive)
    with serving(options.url) as browser:
        measure(browser, engine, 3)  # a server that has just started reads its database for the first time
        browser.servers = [*browser.servers, *find_backends(engine)]
        measure(browser, engine, options.times)
    print(tabulate(browser.taken, browser.worked))
    with reading(engine) as connection:
        print(f"{engine.dialect.name}, {count_cases(connection)}")


if __name__ == "__main__":
    main()
