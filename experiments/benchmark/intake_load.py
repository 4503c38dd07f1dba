"""Listings at a fixed rate over HTTP, while reviewers decide and the worker works: how long, how much, is any lost.

    ipml demo --listings 20000 --out out/market
    python -m experiments.benchmark.intake_load --model out/market/models/demo --seconds 600 --rate 300
    python -m experiments.benchmark.intake_load --model out/market/models/demo --database postgresql --rate 1000

A server, a worker, reviewers and clients, each a process of its own, share the machine and the database. Requests go
out when they are due, whether or not earlier ones were answered, and the time of an answer counts from when its request
was due: a server that stalls is not spared by clients that wait for it. Some listings come alone and
some in batches; some are sent again unchanged, and some changed. One that is turned away with 429 comes again when
`Retry-After` says so, and its time goes on.

At the end the database is read: each listing that was answered must be there, as it was observed last or later; and no
listing may have more cases than it had versions, nor two that wait.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from time import sleep, time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import Engine, select

from experiments.databases import own_database, url_of
from ipml.errors import Overtaken
from ipml.records import Verdict
from ipml.review.cases import PENDING
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading, writing
from ipml.storage.tables import cases, listings

START_SECONDS = 8.0  # until all processes have started, so that they begin together
EVERY_SECONDS = 5.0  # between two looks at the processes
GIVES_UP_SECONDS = 60.0
N_SELLERS = 500
SUSPICIOUS = 0.05  # share of titles that speak as counterfeiters do
REPEATED, CHANGED = 0.15, 0.15  # shares of listings that are sent again, as they were and changed
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
GOODS = ("tote bag", "diver watch", "running shoes", "headphones", "zip wallet", "silk scarf", "rain jacket", "lamp")
LOOKS = ("brown", "navy", "olive", "striped", "matt black", "cream", "faded red", "silver")
ADDED = (
    "worn twice",
    "with receipt",
    "size 42",
    "new with tags",
    "gift box",
    "bought in Lyon",
    "small scratch",
    "2019",
)
BRAGS = ("AAA quality 1:1 mirror", "replica, same factory", "mirror copy, best version", "1:1 super clone with box")


@dataclass
class Outcome:
    """Observations of one client.

    Attributes
    ----------
    alone, together : list of float
        Seconds until a request of one listing, or of several, was answered, from when it was due.
    answered : dict of str to int
        By listing, the last version that was answered.
    versions : dict of str to int
        By listing, how many versions were sent.
    refused, failed : int
        Answers with 429, and requests that were not answered at all.
    ended_at : float
        When the last was answered, in seconds since 1970.
    """

    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    failed: int = 0
    ended_at: float = 0.0


class Stock:
    """The listings of one client: new ones, and those it sent before, as they were or changed."""

    def __init__(self, client: int) -> None:
        self._client, self._random = client, random.Random(client)  # noqa: S311 - a simulation
        self.sent: list[str] = []
        self.versions: dict[str, int] = {}

    def take(self, n: int) -> list[tuple[str, int, dict[str, Any]]]:
        """Return some listings, each once: the id, the version, and all of it."""
        taken: dict[str, tuple[str, int, dict[str, Any]]] = {}
        while len(taken) < n:
            one = self._take_one(taken)
            taken[one[0]] = one
        return list(taken.values())

    def _take_one(self, without: Collection[str]) -> tuple[str, int, dict[str, Any]]:
        drawn = self._random.random()
        if len(self.sent) <= len(without) or drawn >= REPEATED + CHANGED:
            listing_id = f"{self._client}-{len(self.sent)}"
            self.sent.append(listing_id)
            self.versions[listing_id] = 1
        else:
            while (listing_id := self._random.choice(self.sent)) in without:
                pass
            self.versions[listing_id] += drawn >= REPEATED
        version = self.versions[listing_id]
        return listing_id, version, _make_listing(listing_id, version)


def _make_listing(listing_id: str, version: int) -> dict[str, Any]:
    """Return a version of a listing, the same whenever it is asked for."""
    chance = random.Random(f"{listing_id} {version}")  # noqa: S311 - a simulation
    words = [chance.choice(LOOKS), chance.choice(GOODS), f"no. {chance.randrange(10**6)}", chance.choice(ADDED)]
    if chance.random() < SUSPICIOUS:
        words.insert(0, chance.choice(BRAGS))
    return {
        "listing_id": listing_id,
        "seller_id": f"seller {hash_of(listing_id) % N_SELLERS}",
        "title": " ".join(words),
        "description": f"{chance.choice(ADDED)}, {chance.choice(LOOKS)}, sent within {chance.randrange(1, 9)} days.",
        "price": 20.0 + chance.randrange(300),
        "currency": "EUR",
        "observed_at": (BEGAN + timedelta(minutes=version)).isoformat(),
    }


def hash_of(text: str) -> int:
    """Return a number of a text, the same in every process."""
    return random.Random(text).randrange(2**31)  # noqa: S311 - a simulation


class Client:
    """Sends listings when they are due, over some connections at once.

    Parameters
    ----------
    number : int
    address : str
    rate : float
        Listings a second.
    alone : float
        Share of the listings that come alone.
    batch : int
        Listings of the other requests.
    """

    def __init__(self, number: int, address: str, rate: float, alone: float, batch: int) -> None:
        self._at, self._stock, self._guard = urlsplit(address), Stock(number), Lock()
        self._random = random.Random(-number)  # noqa: S311 - a simulation
        per_request = 1 / (alone + (1 - alone) / batch)
        self._gap = per_request / rate
        self._batch, self._are_alone = batch, alone * per_request
        self.outcome = Outcome()

    def send(self, start_at: float, seconds: float, n_connections: int) -> Outcome:
        """Send until the time is over; return what came of it."""
        requests = self._plan(start_at, seconds)
        with ThreadPoolExecutor(n_connections) as pool:
            for done in [pool.submit(self._work, requests) for _ in range(n_connections)]:
                done.result()
        self.outcome.ended_at = time()
        self.outcome.versions = self._stock.versions
        return self.outcome

    def _plan(self, start_at: float, seconds: float) -> Iterator[tuple[float, int]]:
        due = start_at
        while (due := due + self._random.expovariate(1 / self._gap)) < start_at + seconds:
            yield due, 1 if self._random.random() < self._are_alone else self._batch

    def _work(self, requests: Iterator[tuple[float, int]]) -> None:
        connection = HTTPConnection(self._at.hostname or "", self._at.port, timeout=GIVES_UP_SECONDS)
        while True:
            with self._guard:
                due, n = next(requests, (0.0, 0))
                some = self._stock.take(n)
            if not some:
                return
            content = [one for *_, one in some]
            body = json.dumps(content[0] if n == 1 else {"listings": content}).encode()
            sleep(max(0.0, due - time()))
            is_answered = self._post(connection, body)
            with self._guard:
                if not is_answered:
                    self.outcome.failed += 1
                    continue
                (self.outcome.alone if n == 1 else self.outcome.together).append(time() - due)
                for listing_id, version, _ in some:
                    self.outcome.answered[listing_id] = max(version, self.outcome.answered.get(listing_id, 0))

    def _post(self, connection: HTTPConnection, body: bytes) -> bool:
        while True:
            try:
                connection.request("POST", "/v1/listings", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
            except OSError:
                connection.close()
                return False
            if answer.status == 200:
                return True
            if answer.status != 429:
                raise RuntimeError(f"{answer.status}: {content[:300]!r}")
            with self._guard:
                self.outcome.refused += 1
            sleep(float(answer.getheader("Retry-After", "1")))


def run_client(number: int, address: str, rate: float, options: argparse.Namespace, start_at: float) -> Outcome:
    """Be a client in a process of its own."""
    client = Client(number, address, rate, options.alone, options.batch)
    return client.send(start_at, options.seconds, options.connections)


def review(url: str, name: str, rate: float, until: float) -> list[float]:
    """Claim and decide cases, so many a second; return the seconds that each took."""
    engine, chance = open_database(url), random.Random(name)  # noqa: S311 - a simulation
    taken: list[float] = []
    while time() < until:
        began = time()
        with writing(engine) as connection:
            case = claim(connection, name)
        if case is not None:
            verdict = chance.choice((Verdict.GENUINE, Verdict.COUNTERFEIT))
            ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
            with suppress(Overtaken), writing(engine) as connection:  # its listing may have been changed meanwhile
                decide(connection, DecisionRequest(case, verdict, ground))
            taken.append(time() - began)
        sleep(max(0.0, 1 / rate - (time() - began)))
    return taken


@dataclass(frozen=True)
class Usage:
    """Use of a process at a moment: seconds of processors, and MB of memory."""

    seconds: float
    megabytes: float


def look_at(process: int, *, with_children: bool = False) -> Usage:
    """Return what a process has used; of PostgreSQL that of all its children, whose memory is shared, as its own."""
    processes = [process, *(find_children(process) if with_children else ())]
    used = [_read_usage(one) for one in processes]
    ended = _read_fields(process)[13:15] if with_children else ()
    return Usage(sum(one.seconds for one in used) + _to_seconds(ended), used[0].megabytes)


def find_children(process: int) -> list[int]:
    """Return the children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(_read_fields(int(path.parent.name))[1]) == process:
                found.append(int(path.parent.name))
        except OSError:  # ended meanwhile
            continue
    return found


def _read_usage(process: int) -> Usage:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return Usage(_to_seconds(_read_fields(process)[11:13]), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    except OSError:  # ended meanwhile
        return Usage(0.0, 0.0)


def _read_fields(process: int) -> list[str]:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _to_seconds(ticks: Sequence[str]) -> float:
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(url: str, model: Path, n_servers: int, log: Path) -> Iterator[tuple[list[str], list[int], int]]:
    """Start servers and a worker; give the addresses of the servers, their processes, and that of the worker."""
    command = [sys.executable, "-m", "ipml"]
    with log.open("w") as output:
        begun = [
            subprocess.Popen(  # noqa: S603 - ours
                [*command, "serve", "--database", url, "--port", "0", "--model", str(model)],
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
            for _ in range(n_servers)
        ]
        worker = subprocess.Popen([*command, "worker", "--database", url], stdout=output, stderr=output)  # noqa: S603
        try:
            yield [_read_address(one) for one in begun], [one.pid for one in begun], worker.pid
        finally:
            processes: list[subprocess.Popen[Any]] = [*begun, worker]
            for one in processes:
                one.terminate()
            for one in processes:
                one.communicate()


def _read_address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("Listening on "):
            return line.split()[2]
    raise RuntimeError("the server did not start")


def add_events(address: str) -> None:
    """Give each seller a history."""
    at = urlsplit(address)
    connection = HTTPConnection(at.hostname or "", at.port, timeout=GIVES_UP_SECONDS)
    kinds = ("joined", *("sold",) * 12, "returned", "complained", *("rated",) * 5)
    events = (
        {
            "event_id": f"{seller} {place}",
            "seller_id": f"seller {seller}",
            "kind": kind,
            "occurred_at": (BEGAN - timedelta(days=place + 1)).isoformat(),
            "known_at": (BEGAN - timedelta(days=place + 1)).isoformat(),
            "amount": 0.8 if kind == "rated" else 1.0,
        }
        for seller in range(N_SELLERS)
        for place, kind in enumerate(kinds)
    )
    while some := list(islice(events, 1_000)):
        body = json.dumps({"events": some}).encode()
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}")


@dataclass(frozen=True)
class Count:
    """State of the database for the listings sent."""

    listings: int
    cases: int
    lost: int
    doubled: int


def count(engine: Engine, outcomes: Sequence[Outcome]) -> Count:
    """Return how many listings are missing or older than was answered, and how many have a case too many."""
    with reading(engine) as connection:
        seen = {
            row.listing_id: row.seen_at for row in connection.execute(select(listings.c.listing_id, listings.c.seen_at))
        }
        rows = connection.execute(select(cases.c.listing_id, cases.c.state)).all()
        if not verify(connection).is_intact:
            raise RuntimeError("the audit trail is not whole")
    made = Counter(row.listing_id for row in rows)
    waiting = Counter(row.listing_id for row in rows if row.state in PENDING)
    versions: Mapping[str, int] = {key: n for one in outcomes for key, n in one.versions.items()}
    lost = sum(
        key not in seen or seen[key] < BEGAN + timedelta(minutes=version)
        for one in outcomes
        for key, version in one.answered.items()
    )
    doubled = sum(n > versions.get(key, 0) or waiting[key] > 1 for key, n in made.items())
    return Count(len(seen), len(rows), lost, doubled)


def describe_seconds(taken: Sequence[float]) -> str:
    """Return the percentiles of some waits in milliseconds.

    Examples
    --------
    >>> describe_seconds([0.001, 0.002, 0.003])
    'p50 2, p95 3, p99 3, most 3 ms'
    """
    if not taken:
        return "none"
    p50, p95, p99, most = np.percentile(np.array(taken) * 1e3, [50, 95, 99, 100])
    return f"p50 {p50:,.0f}, p95 {p95:,.0f}, p99 {p99:,.0f}, most {most:,.0f} ms"


def measure(engine: Engine, folder: Path, options: argparse.Namespace) -> None:
    """Run everything and print what was measured."""
    url = url_of(engine)
    database = _find_postmaster(engine)
    with serving(url, options.model, options.servers, folder / "log") as (addresses, servers, worker):
        add_events(addresses[0])
        start_at = time() + START_SECONDS
        with ProcessPoolExecutor(options.clients + options.reviewers, mp_context=get_context("spawn")) as pool:
            rate = options.rate / options.clients
            sending = [
                pool.submit(run_client, number, addresses[number % len(addresses)], rate, options, start_at)
                for number in range(options.clients)
            ]
            reviewing = [
                pool.submit(
                    review, url, f"reviewer{number}", options.decisions / options.reviewers, start_at + options.seconds
                )
                for number in range(options.reviewers)
            ]
            sleep(max(0.0, start_at - time()))
            before = _look_at_all(servers, worker, database)
            memory = [before["server"].megabytes]
            while not all(one.done() for one in sending):
                sleep(min(EVERY_SECONDS, options.seconds / 10))
                memory.append(_look_at_all(servers, worker, database)["server"].megabytes)
            after = _look_at_all(servers, worker, database)
            outcomes = [one.result() for one in sending]
            decided = [wait for one in reviewing for wait in one.result()]
    seconds = max(one.ended_at for one in outcomes) - start_at
    alone = [wait for one in outcomes for wait in one.alone]
    together = [wait for one in outcomes for wait in one.together]
    sent = len(alone) + len(together) * options.batch
    found = count(engine, outcomes)
    print(f"{engine.dialect.name}, servers: {options.servers}, asked for: {options.rate:,.0f} a second")
    print(f"  {sent:,} listings in {seconds:.1f} s, {sent / seconds:,.0f} a second")
    print(f"  one listing: {describe_seconds(alone)}")
    print(f"  batches of {options.batch}: {describe_seconds(together)}")
    print(f"  429: {sum(one.refused for one in outcomes)}, not answered: {sum(one.failed for one in outcomes)}")
    print(f"  in the database: {found.listings:,} listings, {found.cases:,} cases")
    print(f"  lost: {found.lost}, doubled: {found.doubled}")
    print(f"  decided: {len(decided):,}, {describe_seconds(decided)}")
    for name in after:
        used = after[name].seconds - before[name].seconds
        print(f"  {name}: {used:.1f} s of a processor, {used / max(sent, 1) * 1e3:.2f} ms a listing")
    tenths = [f"{one:.0f}" for one in memory[:: max(1, len(memory) // 10)]]
    print(f"  memory of the server, from its start to its end: {' '.join(tenths)} MB, most {max(memory):.0f}")


def _look_at_all(servers: Sequence[int], worker: int, database: int | None) -> dict[str, Usage]:
    used = [look_at(one) for one in servers]
    looked = {
        "server": Usage(sum(one.seconds for one in used), max(one.megabytes for one in used)),
        "worker": look_at(worker),
    }
    return looked if database is None else looked | {"database": look_at(database, with_children=True)}


def _find_postmaster(engine: Engine) -> int | None:
    folder = engine.url.query.get("host")
    return int((Path(str(folder)) / "data" / "postmaster.pid").read_text().split()[0]) if folder else None


def main() -> None:
    """Measure with one database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=300.0, help="listings a second")
    parser.add_argument("--alone", type=float, default=0.5, help="share of the listings that come alone")
    parser.add_argument("--batch", type=int, default=50, help="listings in each of the other requests")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--connections", type=int, default=16, help="of each client")
    parser.add_argument("--servers", type=int, default=1, help="processes of `ipml serve` on one database")
    parser.add_argument("--reviewers", type=int, default=2)
    parser.add_argument("--decisions", type=float, default=2.0, help="decisions a second, of all reviewers together")
    options = parser.parse_args()
    with own_database(options.database == "postgresql", is_lasting=True) as (engine, folder):
        measure(engine, folder, options)


if __name__ == "__main__":
    main()
