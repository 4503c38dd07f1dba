"""How quickly the pages of enforcement answer beside 100,000 cases: the real server, asked as a browser does.

    python -m experiments.enforcement.pages sqlite:///pages.db

Fills the database if it is empty, as `experiments.review.pages` does, then decides some thousand cases with all that
follows, and files appeals on some of them; found so, it is not filled again. What is measured, and how, is said there.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from itertools import count
from urllib.parse import urlencode

import numpy as np
from sqlalchemy import Engine, func, select, update

from experiments.review.pages import Browser, fill_once, find_backends, serving, tabulate
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.appeals.filings import file_appeal
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import appeals, cases, measures, outbox


def decide_some(engine: Engine, n_decided: int, n_appeals: int) -> None:
    """Decide open cases counterfeit, with consequences, and appeal on the first of them, unless that was done."""
    enforcement, grounds = Enforcement(), list(queue.GROUNDS)
    done = find_struck(engine)
    for number in range(len(done), n_decided):
        said = {"ground": grounds[number % len(grounds)], "consequences": enforcement}
        with writing(engine) as connection:
            queue.decide(connection, queue.claim(connection, "ana"), Verdict.COUNTERFEIT, **said)
    with writing(engine) as connection:
        told = outbox.c.channel == "seller"
        connection.execute(update(outbox).where(told).values(state="delivered", settled_at=datetime.now(UTC)))
    with reading(engine) as connection:
        filed = connection.scalar(select(func.count()).select_from(appeals)) or 0
        rows = connection.execute(
            select(measures.c.case_id, cases.c.seller_id)
            .join(cases, cases.c.case_id == measures.c.case_id)
            .order_by(measures.c.measure_id)
            .offset(filed)
            .limit(max(n_appeals - filed, 0))
        ).all()
    for row in rows:
        with writing(engine) as connection:
            file_appeal(connection, row.case_id, row.seller_id, "I bought it in Lyon and have the receipt. " * 20)


def find_struck(engine: Engine) -> list[int]:
    """Return the cases on which there is a measure."""
    with reading(engine) as connection:
        return list(connection.scalars(select(measures.c.case_id).order_by(measures.c.measure_id)))


def measure(browser: Browser, engine: Engine, n_times: int) -> None:
    """Ask for every kind of page in turn."""
    rng, struck = np.random.default_rng(5), find_struck(engine)
    with reading(engine) as connection:
        numbers = list(connection.scalars(select(appeals.c.appeal_id)))
        pending = list(connection.scalars(select(appeals.c.appeal_id).where(appeals.c.state == "open")))
        most = select(cases.c.seller_id).join(measures, measures.c.case_id == cases.c.case_id)
        most = most.group_by(cases.c.seller_id).order_by(func.count().desc()).limit(1)
        largest = connection.scalars(select(cases.c.case_id).where(cases.c.seller_id == connection.scalar(most))).all()
        waiting = connection.scalars(select(cases.c.case_id).where(cases.c.state == "open").limit(2_000)).all()
    browser.taken.clear()
    browser.worked.clear()
    rejected = count()
    for _ in range(n_times):
        browser.get("case, decided", f"/cases/{rng.choice(struck)}")
        browser.get("case, outlook", f"/cases/{rng.choice(waiting)}")
        browser.get("seller", f"/cases/{rng.choice(struck)}/seller")
        browser.get("seller, the largest", f"/cases/{rng.choice(largest)}/seller")
        browser.get("appeals", "/appeals")
        browser.get("appeals, all", f"/appeals?{urlencode({'state': 'all'})}")
        browser.get("appeal", f"/appeals/{rng.choice(numbers)}")
        browser.get("dashboard", "/dashboard")
        form = {"outcome": "rejected", "why": f"nothing new was shown, {next(rejected)}"}
        browser.post("appeal, decided", f"/appeals/{pending.pop()}/decide", form)


def main() -> None:
    """Fill, decide, serve, ask, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="database to fill and to measure on")
    parser.add_argument("--cases", type=int, default=100_000, help="cases that wait")
    parser.add_argument("--struck", type=int, default=5_000, help="cases that are decided counterfeit")
    parser.add_argument("--appeals", type=int, default=1_000, help="of which so many are appealed against")
    parser.add_argument("--times", type=int, default=100, help="how often each page is asked for")
    options = parser.parse_args()
    engine = open_database(options.url)
    migrate(engine)
    fill_once(engine, options.cases, 0)
    decide_some(engine, options.struck, options.appeals)
    with serving(options.url) as browser:
        measure(browser, engine, 3)
        browser.servers = [*browser.servers, *find_backends(engine)]
        measure(browser, engine, options.times)
    print(tabulate(browser.taken, browser.worked))
    with reading(engine) as connection:
        n_appeals = connection.scalar(select(func.count()).select_from(appeals))
        counts = queue.count_cases(connection)
    print(f"{engine.dialect.name}, {counts}, {len(find_struck(engine)):,} measures, {n_appeals:,} appeals")


if __name__ == "__main__":
    main()
