"""Script: writes `ipml/storage/message_examples.json`, one message of each kind as ipml sends it.

Invented listings are decided, appealed and noticed by commands and on the web console, as people do it, so that the
examples are what a receiver gets. The page on webhooks, the API's document and `ipml outbox test` show them.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from typer.testing import CliRunner

from ipml.cli import app as commands
from ipml.enforcement.takedown.sinks import write_envelope
from ipml.settings import Settings, get_settings
from ipml.storage.database import open_database, reading
from ipml.storage.message_kinds import EXAMPLES_FILE
from ipml.storage.outbox import make_messages
from ipml.storage.tables import outbox
from ipml.web.app import make_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette asks for httpx2 where only httpx is installed
    from fastapi.testclient import TestClient

Messages = dict[str, dict[str, Any]]
"""By kind and channel."""

_PASSWORD = "correct horse battery"  # noqa: S105  of a database that lives for a second
_CHANNELS = ("platform", "seller", "holder", "transparency")
_NOTIFIER = "ann@vellmar.example"
_SUBJECTS = ("tote bag", "trail shoes", "wrist watch", "wool scarf")
_LISTINGS = [
    {
        "listing_id": f"120{number}",
        "seller_id": "harbour-outlet",
        "title": f"Vellmar {subject}, AAA quality",
        "brand": "Vellmar",
        "price": 79.9 + 10 * number,
        "currency": "EUR",
        "country": "IE",
        "observed_at": "2026-03-01T09:30:00Z",
        "listing_sales": 3,
        "score": 0.95 - number / 100,
        "log_odds": 2.7,
        "model_version": "ipml/3f2a90c1b2d4",
        "reasons": json.dumps([{"feature": "words.grade", "sentence": "Names a quality grade", "weight": 1.4}]),
    }
    for number, subject in enumerate(_SUBJECTS, start=4)
]
_NOTICE = {
    "explanation": "We make no goods in this colour, and the logo is printed backwards.",
    "listings": [{"listing_id": _LISTINGS[0]["listing_id"]}],
    "name": "Ann Lee",
    "email": _NOTIFIER,
    "good_faith": True,
    "brand": "Vellmar",
    "rights": "EUTM 018123456",
}


def write_examples() -> str:
    """Return the content of `ipml/storage/message_examples.json`."""
    return json.dumps(make_examples(), indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def make_examples() -> Messages:
    """Return one message of each kind and channel that can be had, by kind, as it is delivered."""
    with tempfile.TemporaryDirectory() as name, _settings(Path(name)) as url:
        _prepare(Path(name), url)
        engine = open_database(url)
        try:
            lead = _log_in(engine, "lea")
            _post(lead, "/documents/1", accepted="true")
            _decide(engine)
            _follow(lead, Path(name), url)
            return _read(engine)
        finally:
            engine.dispose()


@contextmanager
def _settings(folder: Path) -> Iterator[str]:
    """Set what the settings are within a block, whatever they are outside, and give the URL of the database."""
    policy = folder / "cooperation.toml"
    hasty = re.sub(
        r"least_warning_days = \d+",
        "least_warning_days = 0",
        (files("ipml") / "cooperation/policy.toml").read_text("utf-8"),
    )  # suspend at once
    policy.write_text(hasty, "utf-8")
    outside = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("IPML_")}
    os.environ["IPML_POLICY_COOPERATION"] = str(policy)
    get_settings.cache_clear()
    try:
        yield f"sqlite:///{folder / 'ipml.db'}"
    finally:
        del os.environ["IPML_POLICY_COOPERATION"]
        os.environ.update(outside)
        get_settings.cache_clear()


def _run(url: str, *arguments: str, given: str | None = None) -> None:
    """Run a command on the database."""
    result = CliRunner().invoke(commands, [*arguments, "--database", url], input=given, catch_exceptions=False)
    if result.exit_code:
        raise RuntimeError(f"ipml {' '.join(arguments)}: {result.output}")


def _prepare(folder: Path, url: str) -> None:
    """Make a queue of some listings, users, and a notice of the first listing."""
    scored, notice = folder / "scored.jsonl", folder / "notice.jsonl"
    scored.write_text("".join(f"{json.dumps(listing)}\n" for listing in _LISTINGS), "utf-8")
    notice.write_text(f"{json.dumps(_NOTICE)}\n", "utf-8")
    _run(url, "enqueue", str(scored))
    for name, role in (("lea", "lead"), ("ana", "reviewer")):
        _run(url, "admin", "user", "add", name, "--role", role, "--password-stdin", given=f"{_PASSWORD}\n")
    _run(url, "cooperate", "notice", "import", str(notice))


def _log_in(engine: Engine, name: str) -> TestClient:
    """Return a browser in which a user is logged in to the web console."""
    client = TestClient(make_app(engine, Settings()), follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
    client.post("/login", data={"name": name, "password": _PASSWORD})
    return client


def _post(client: TestClient, path: str, **fields: str) -> str:
    """Send a form of the console; return the address that it leads to."""
    answer = client.post(path, data=fields)
    if answer.status_code != HTTPStatus.SEE_OTHER:
        raise RuntimeError(f"{path}: {answer.text}")
    return answer.headers["location"]


def _decide(engine: Engine) -> None:
    """Let a reviewer find each listing counterfeit on the web console."""
    client = _log_in(engine, "ana")
    place = _post(client, "/next")
    while case := re.match(r"/cases/(\d+)", place):
        fields = dict(re.findall(r'name="(token|until)" value="([^"]*)"', client.get(place).text))
        fields |= {"choice": "counterfeit/declared_replica", "key": f"{int(case[1]):032x}"}
        place = _post(client, f"{case[0]}/decide", **fields)


def _follow(lead: TestClient, folder: Path, url: str) -> None:
    """Let the seller appeal, a lead grant it, and a lead answer misuse of notices."""
    _run(url, "outbox", "deliver", "--out", str(folder / "delivered.jsonl"))  # so that an outcome has to be corrected
    letter = folder / "letter.txt"
    letter.write_text("I bought these goods from the brand itself; the invoice is attached.", "utf-8")
    appeal = ("--seller", "harbour-outlet", "--text", str(letter))
    _run(url, "enforce", "appeal", "file", "measure:1", *appeal)
    _post(lead, "/appeals/1/decide", outcome="granted", why="The invoice is genuine.")
    _run(url, "enforce", "appeal", "file", "measure:2", *appeal, "--kind", "counter-notice", "--profile", "us")
    for step in ("warn", "suspend", "lift"):
        _post(lead, "/notifiers/1/step", kind=step, why="Notices of genuine goods.")


def _read(engine: Engine) -> Messages:
    """Return the first message of each kind and channel, as it is sent."""
    with reading(engine) as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.message_id)).all()
        messages = make_messages(connection, rows)
    found: Messages = {}
    for message in sorted(messages, key=lambda one: (one.kind, _CHANNELS.index(one.channel))):
        if message.channel not in found.setdefault(message.kind, {}):
            envelope = _settle(json.loads(write_envelope(message)), message.put_at)
            is_bare = message.channel == "transparency"
            found[message.kind][message.channel] = envelope["data"] if is_bare else envelope
    return found


def _settle(value: Any, put_at: datetime) -> Any:
    """Return a message with random values and times replaced by constants."""
    if isinstance(value, Mapping):
        return {name: _settle(one, put_at) for name, one in value.items()}
    if isinstance(value, list):
        return [_settle(one, put_at) for one in value]
    if not isinstance(value, str):
        return value
    if _MOMENT.fullmatch(value):  # as many hours from the message as it was
        hours = round((datetime.fromisoformat(value) - put_at) / timedelta(hours=1))
        return (_NOON + timedelta(hours=hours)).isoformat()
    for pattern, instead in _DRAWN.items():
        value = re.sub(pattern, instead, value)
    return value


_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")
_DRAWN: Mapping[str, str] = {
    r"^\d{4}-\d\d-\d\d$": "2026-03-02",
    r"\b\d{1,2} [A-Z][a-z]+ \d{4}\b": "2 March 2026",
    r"-[0-9a-f]{8}$": "-5f0c2a9e",  # the end of a key
    r"\b[0-9a-f]{32}\b": "7f3a91c25d0e4b68a1c9f2e07b5d3846",  # the reference of a notice
    r"\b[a-z]{30}\b": "bcdfghjkmnpqrstvwxzbcdfghjkmnp",  # the reference of a statement
}
"""Patterns of random values and times, with their replacements."""


if __name__ == "__main__":
    EXAMPLES_FILE.write_text(write_examples(), "utf-8")
