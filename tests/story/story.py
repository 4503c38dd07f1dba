"""Sixty days in which a marketplace lives with ipml: processes, people, accidents, and the days one after another."""

import json
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Thread

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError
from support.staff import CHEAP, PASSWORD

from ipml.errors import IpmlError
from ipml.review.ranking import policy as ranking_policy
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.jobs import read_states
from ipml.storage.tables import outbox
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from story.people import Browser, Street, answer_appeals, ask, give_notice, put_on_list, review
from story.processes import HERE, Clock, Process, find_port, pause

PEOPLE = {"ana": Role.REVIEWER, "lea": Role.LEAD, "cleo": Role.LEAD, "olga": Role.ADMIN}
KEYS = {"market": "m" * 40, "holder": "h" * 40}
LAG_SECONDS = 0.05
PATIENCE_SECONDS = 90.0


class Story:
    """A marketplace, ipml and their people, in an empty folder; the exact moments of kills depend on no seed."""

    def __init__(self, folder, url, model, seed, *, n_days=60, postgres=None, is_one_process=False):
        self.folder, self.url, self.n_days, self._postgres = folder, url, n_days, postgres
        self._dice, self._fate = random.Random(seed), random.Random(seed + 1)
        self.engine = open_database(url)
        self.clock = Clock(folder / "clock")
        self.n_decided = self.n_appeals = 0
        port, market_port = find_port(), find_port()
        self.address, self.market_address = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{market_port}"
        settings = self._make_settings(model)
        serve = ["-m", "ipml", "serve", "--model", str(model), "--port", str(port)]
        self.server = Process(
            "server", [*serve, *["--with-worker"] * is_one_process], folder, self.clock, LAG_SECONDS, settings
        )
        self.worker = Process("worker", ["-m", "ipml", "worker"], folder, self.clock, LAG_SECONDS, settings)
        secret = (folder / "webhook.secret").read_text().strip()
        told = {"IPML_ADDRESS": self.address, "IPML_KEY": KEYS["market"], "WEBHOOK_SECRET": secret}
        self.market = Process("market", [str(HERE / "marketplace.py"), str(market_port)], folder, self.clock, 0.0, told)
        self.processes = [self.server, self.market, *[self.worker] * (not is_one_process)]
        self.client = httpx.Client(base_url=self.address, headers=_bear("market"), timeout=30)
        self._holder = httpx.Client(base_url=self.address, headers=_bear("holder"), timeout=30)
        self._market_client = httpx.Client(base_url=self.market_address, timeout=30)
        self._browsers = {name: Browser(self.address, name) for name in PEOPLE}
        self.street = Street(self._market_client, folder / "shop.db", self._dice)

    def _make_settings(self, model: Path) -> dict[str, str]:
        """Do what the operator does once, and return the settings of ipml's processes."""
        purposes = {"market": "listings,appeals,notices notifier=*", "holder": "notices notifier=ann@brand.example"}
        lines = [f"{KEYS[name]} {purpose}\n" for name, purpose in purposes.items()]
        (self.folder / "keys").write_text("".join(lines))
        usual = Path(ranking_policy.__file__).with_name("policy.toml").read_text(encoding="utf-8")
        drawn = usual.replace("sampling_probability = 0.002", "sampling_probability = 0.3")
        assert drawn != usual
        (self.folder / "review.toml").write_text(drawn, encoding="utf-8")
        settings = {"DATABASE": self.url, "MODEL": str(model), "API_KEY": "keys"}
        settings |= {"WEBHOOK_URL": f"{self.market_address}/ipml", "WEBHOOK_SECRET": "webhook.secret"}
        settings |= {"POLICY_REVIEW": "review.toml", "BACKUPS": "backups", "ANCHORS": "anchors.jsonl"}
        settings |= {"JOBS": '{"backup": "5d"}', "ERASED": "erased.jsonl"}
        settings = {f"IPML_{name}": value for name, value in settings.items()}
        made = Process("operator", [], self.folder, self.clock, 0.0, settings)
        done = made.run("outbox", "secret", "--out", "webhook.secret")
        assert done.returncode == 0, done.stderr
        migrate(self.engine)
        with writing(self.engine) as connection:
            for name, role in PEOPLE.items():
                add_user(connection, name, PASSWORD, role, cost=CHEAP)
        return settings

    def live(self) -> None:
        """Live through all the days, and a few quiet ones at the end, until everything has been heard and answered.

        Each process is killed three times in sixty days, once in twenty.
        """
        for process in self.processes:
            process.start()
        others = [process for process in (self.worker, self.server, self.market) if process in self.processes]
        n_kills = 3 * max(1, self.n_days // 20)
        days = self._fate.sample(range(3, self.n_days - 3), n_kills + 4)
        kills = {day: others[n % len(others)] for n, day in enumerate(days[:n_kills])}
        closed, *listed, stopped = days[n_kills:]
        for day in range(self.n_days):
            self._move_to_next_day()
            accidents: list[Callable[[], None]] = [self._plan_kill(kills[day])] if day in kills else []
            if day == stopped and self._postgres is not None:
                accidents.append(self._stop_database)
            threads = [Thread(target=one) for one in accidents]
            for thread in threads:
                thread.start()
            if day == closed:
                self.market.kill()
            else:
                self.street.live_a_day()
            self._work(day, is_listing=day in listed)
            for thread in threads:
                thread.join()
            self._wait_for_worker()
            if day == closed:
                self.market.start()
            elif day % 9 == 5:
                self._give_notice(day)
        for day in range(self.n_days, self.n_days + 4):
            self._move_to_next_day()
            self._work(day, is_listing=False, is_last=True)
            self._wait_for_worker()
        self._wait(self._is_all_delivered)

    def end(self) -> None:
        """End all processes, in order where they still run."""
        codes = {process.name: process.stop() for process in self.processes if process.handle is not None}
        for browser in self._browsers.values():
            browser.close()
        for client in (self.client, self._holder, self._market_client):
            client.close()
        in_order = {0, -signal.SIGTERM}  # uvicorn ends by the signal that it was sent, once all is closed
        assert {code for name, code in codes.items() if name != "market"} <= in_order, codes

    def kill_all(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            process.kill()
        self.engine.dispose()

    def _work(self, day: int, *, is_listing: bool, is_last: bool = False) -> None:
        """Let those who work at ipml do so, from Monday to Friday."""
        if self.clock.now().weekday() >= 5 and not is_last:
            return
        if self.market.handle is not None:
            self._wait(self._has_sent)
        self.n_decided += review(self._browsers["ana"])
        self.n_decided += review(self._browsers["lea"], "escalated")
        if day % 3 == 0 or is_last:
            self.n_appeals += answer_appeals(self._browsers["cleo"])
        if is_listing:
            kind = self._fate.choice(("denied", "watched", "authorised"))
            put_on_list(self._browsers["lea"], kind, self._fate.choice((*self.street.honest, *self.street.crooked)))

    def _give_notice(self, day: int) -> None:
        with closing(sqlite3.connect(self.folder / "shop.db", timeout=30)) as shop:
            query = "SELECT listing_id, content FROM offers WHERE is_shown AND NOT is_withdrawn ORDER BY listing_id"
            rows = shop.execute(query).fetchall()
        listing_id, content = self._dice.choice([row for row in rows if row[0] in self.street.fakes] or rows)
        give_notice(self._holder, listing_id, json.loads(content)["brand"], f"notice-{day}")

    def _move_to_next_day(self) -> None:
        """Go on to the next morning, once nothing is on its way that would be there a day after it was signed."""
        self._wait(self._is_quiet)
        today = self.clock.now()
        morning = today.replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.clock.move_to(morning, self.processes)
        self._moved_at = self.clock.now()

    def _plan_kill(self, process: Process) -> Callable[[], None]:
        seconds = self._fate.uniform(0.0, 1.5)

        def kill() -> None:
            time.sleep(seconds)
            process.kill()
            process.start()

        return kill

    def _stop_database(self) -> None:
        assert self._postgres is not None
        time.sleep(self._fate.uniform(0.0, 1.0))
        self._postgres.stop("immediate")
        time.sleep(1.5)
        self._postgres.start({"fsync": "on"})

    def _wait(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < end, f"{is_so.__name__}: it took too long, on {self.clock.now()}"
            pause()

    def _wait_for_worker(self) -> None:
        self._wait(self._has_delivered)

    def _has_delivered(self) -> bool:
        """Say whether the worker has looked for messages today, and does not do so just now."""
        state = self._find_delivery()
        return bool(state and state.runner is None and state.started_at and state.started_at >= self._moved_at)

    def _is_quiet(self) -> bool:
        """Say whether the worker will not look for messages within the next second."""
        state = self._find_delivery()
        return bool(state and state.runner is None and state.due_at > self.clock.now() + timedelta(seconds=1))

    def _find_delivery(self):  # type: ignore[no-untyped-def]
        try:
            with reading(self.engine) as connection:
                return read_states(connection).get("deliver")
        except (IpmlError, DatabaseError):
            return None

    def _has_sent(self) -> bool:
        return self.ask_shop("SELECT count(*) FROM outbox WHERE status IS NULL") == [(0,)]

    def _is_all_delivered(self) -> bool:
        with reading(self.engine) as connection:
            waiting = select(func.count()).where(outbox.c.state == "waiting", outbox.c.channel != "transparency")
            return self._has_sent() and connection.scalar(waiting) == 0

    def ask_shop(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the marketplace's database."""
        with closing(sqlite3.connect(self.folder / "shop.db", timeout=30)) as shop:
            return shop.execute(query, values).fetchall()

    def ask_ipml(self, path: str) -> httpx.Response:
        """Ask ipml, as the marketplace."""
        return ask(self.client, "GET", path)


def _bear(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[name]}"}
