"""The guides: their receiver as a process to which messages are really delivered, and files of systemd and compose."""

import base64
import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from standardwebhooks import Webhook
from support.actions import TAKING_DOWN
from support.receiver import SECRET, wait_until

from ipml.enforcement.takedown.delivery import Tally, deliver_due, list_messages
from ipml.enforcement.takedown.measures import find_measures
from ipml.enforcement.takedown.sinks import WebhookSink, send_examples, write_envelope
from ipml.records import Decision, Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.undo import UndoRequest, undo
from ipml.settings import Settings
from ipml.storage.database import reading, writing
from ipml.storage.jobs import JOBS
from ipml.storage.message_kinds import MESSAGES
from ipml.storage.outbox import find_message
from ipml.web.http_api.monitoring import JobFacts

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "platform.md"
NAME = "receiver.py"
(CODE,) = re.findall(rf"```python\n# {NAME}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def find_port() -> int:
    """Return a port that is free just now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Shop:
    """The receiver's process, and what is in its database."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, find_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        (folder / NAME).write_text(CODE, encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        secret = f"whsec_{base64.b64encode(SECRET).decode()}"
        told = os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(self.port)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([sys.executable, NAME], cwd=self.folder, env=told, **quiet)  # type: ignore[call-overload]
        wait_until(lambda: self.process.poll() is None and self._is_listening())

    def kill(self) -> None:
        """Kill it on the spot."""
        self.process.kill()
        self.process.wait()

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Ask its database, or change it."""
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection, connection:
            return connection.execute(query, values).fetchall()

    def _is_listening(self) -> bool:
        with closing(socket.socket()) as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give a shop that offers the listing L1, and knows no L2."""
    shop = Shop(tmp_path)
    shop.ask("INSERT INTO offers VALUES ('L1', 1)")
    yield shop
    shop.kill()


@pytest.fixture
def decided(engine: Engine) -> list[Decision]:
    """Return the decisions by which the listings L1 and L2 are taken down."""
    bags = [Listing(f"L{number}", f"s{number}", "Bag") for number in (1, 2)]
    enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1") for bag in bags])
    made = []
    for number in (1, 2):
        with writing(engine) as connection:
            taken = claim(connection, "ana", number)
            assert taken
            verdict, ground = Verdict.COUNTERFEIT, "declared_replica"
            made.append(decide(connection, DecisionRequest(taken, verdict, ground), context=TAKING_DOWN))
    return made


def deliver(engine: Engine, shop: Shop) -> Tally:
    """Deliver to the shop all that is due."""
    return sum(deliver_due(engine, WebhookSink({"": shop.url}, [SECRET])), Tally())


@pytest.mark.slow
def test_the_shop_does_what_was_decided_and_says_so(engine: Engine, shop: Shop, decided: list[Decision]) -> None:
    """A listing goes, an unknown one is refused, and ipml knows both; taken back, the first is offered again."""
    assert deliver(engine, shop).dead == 0
    assert shop.ask("SELECT is_shown FROM offers") == [(0,)]
    with reading(engine) as connection:
        last, first = find_measures(connection)
    assert first.done_at
    assert (last.done_at, bool(last.refused_at)) == (None, True)
    with writing(engine) as connection:
        undo(connection, decided[0].decision_id, UndoRequest("ana"), context=TAKING_DOWN)
    deliver(engine, shop)
    assert shop.ask("SELECT is_shown FROM offers") == [(1,)]
    with reading(engine) as connection:
        assert find_measures(connection)[-1].undone_at


@pytest.mark.slow
def test_a_message_that_comes_twice_counts_once(engine: Engine, shop: Shop, decided: list[Decision]) -> None:
    """Killed and started again, it still knows the id: it gives the same answer and does nothing a second time."""
    deliver(engine, shop)
    ((key,),) = shop.ask("SELECT webhook_id FROM messages WHERE answer LIKE '%done%'")
    shop.ask("UPDATE offers SET is_shown = 1")  # to see that nothing is done again
    shop.kill()
    shop.start()
    with reading(engine) as connection:
        message = find_message(connection, str(key))
    assert message is not None
    (outcome,) = WebhookSink({"": shop.url}, [SECRET]).deliver([message])
    assert (outcome.is_accepted, outcome.status) == (True, "done")
    assert shop.ask("SELECT is_shown FROM offers") == [(1,)]


@pytest.mark.slow
def test_what_is_not_signed_is_refused(engine: Engine, shop: Shop, decided: list[Decision]) -> None:
    """With no signature, that of another secret or an old one: nothing is done."""
    with reading(engine) as connection:
        (message,) = list_messages(connection, find_measures(connection)[0].measure_id)
    body = write_envelope(message)
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    stolen = {
        "webhook-id": message.key,
        "webhook-timestamp": str(int(long_ago.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(message.key, long_ago, body.decode()),
    }
    assert [httpx.post(shop.url, content=body, headers=one).status_code for one in ({}, stolen)] == [401, 401]
    (outcome,) = WebhookSink({"": shop.url}, [b"a secret of somebody else here."]).deliver([message])
    assert outcome.why.startswith("HTTP 401")
    assert shop.ask("SELECT count(*) FROM messages") == [(0,)]


@pytest.mark.slow
def test_it_accepts_every_message_and_does_nothing_with_tests(shop: Shop) -> None:
    """As `ipml outbox test` sends them, even where a listing of the shop has the number of the example."""
    shop.ask("INSERT INTO offers VALUES ('1204', 1)")
    sent = list(send_examples(WebhookSink({"": shop.url}, [SECRET], is_test=True), datetime.now(UTC)))
    assert len(sent) == len(MESSAGES)
    assert {(one.outcome.is_accepted, one.outcome.status) for one in sent} == {(True, "accepted")}
    assert shop.ask("SELECT min(is_shown) FROM offers") == [(1,)]


OPERATORS = (Path(__file__).parents[1] / "docs/guides/operate.md").read_text(encoding="utf-8")


def block(language: str, first: str = "") -> str:
    """Return the one block of the guide in a language that begins with a word."""
    (found,) = re.findall(rf"```{language}\n({first}.*?)```", OPERATORS, re.DOTALL)
    return found


class Compose(yaml.SafeLoader):
    """Reads compose's own marks, too."""


Compose.add_constructor("!reset", lambda loader, node: [])


def test_the_unit_has_all_that_a_service_needs() -> None:
    """It starts the worker again however it ended, and leaves it time to stop."""
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini", "\\[Unit"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    assert shlex.split(unit["Service"]["ExecStart"]) == ["/opt/ipml/bin/ipml", "worker"]
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["TimeoutStopSec"]) >= 60


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Where there is a systemd to ask: every name in it is one that it knows."""
    if not (analyze := shutil.which("systemd-analyze")):
        return
    path = tmp_path / "ipml-worker.service"
    path.write_text(block("ini", "\\[Unit").replace("/opt/ipml/bin/ipml", "/bin/true"))
    said = subprocess.run([analyze, "verify", "--man=no", str(path)], capture_output=True, text=True).stderr
    assert not [line for line in said.splitlines() if path.name in line and "Unknown" in line]


def test_compose_reads_the_file() -> None:
    """Database, server and worker are there; what they refer to is defined."""
    # The loader is a safe one, which knows one mark more.
    file: dict[str, Any] = yaml.load(block("yaml", "services"), Compose)
    assert list(file["services"]) == ["database", "server", "worker"]
    worker = file["services"]["worker"]
    assert (worker["command"], worker["build"]) == ("ipml worker", file["services"]["server"]["build"])
    assert "/health/ready" in file["services"]["server"]["healthcheck"]["test"]
    assert worker["healthcheck"] == {"disable": True}
    used = {volume.partition(":")[0] for one in file["services"].values() for volume in one["volumes"]}
    assert used == set(file["volumes"])


def test_the_guide_names_each_job(subtests: pytest.Subtests) -> None:
    """With its usual schedule, and a setting that it needs."""
    for job in JOBS:
        with subtests.test(job.name):
            (row,) = re.findall(rf"^\| {job.name} \|.*$", OPERATORS, re.MULTILINE)
            assert f"`{job.usual}`" in row
            assert not job.needs or f"IPML_{job.needs[0].upper()}" in row


def test_the_alerts_ask_for_figures_that_there_are(engine: Engine) -> None:
    """Each rule has a name, words for whoever is woken, and no other figures than `/metrics` shows."""
    registry = CollectorRegistry()
    registry.register(JobFacts(engine, Settings()))
    (group,) = yaml.safe_load(block("yaml", "groups"))["groups"]
    for rule in group["rules"]:
        assert rule["alert"]
        assert rule["annotations"]["summary"]
        asked = set(re.findall(r"ipml_\w+", rule["expr"]))
        assert asked <= {metric.name for metric in registry.collect()}
