"""Senders and receiver are killed again and again while messages come in: each arrives once by its key, in order.

    python -m experiments.enforcement.delivery_kills --kills 60              # SQLite
    python -m experiments.enforcement.delivery_kills --kills 60 --postgres   # a PostgreSQL of its own

Two senders run at a time. The receiver fails 20 % of the attempts before and 20 % after accepting, half of the latter
by hanging up; it keeps what it accepted in a file. Each kill (SIGKILL) hits one of the three at a random moment, and it
is started anew. At the end all that is left is delivered, and what the file holds is compared with what was put down.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from experiments.databases import own_database, url_of
from ipml.enforcement.takedown.delivery import Backoff, deliver_due
from ipml.enforcement.takedown.sinks import WebhookSink
from ipml.storage import outbox
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading, writing

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # they know how to listen
from support.receiver import SECRET, Receiver, listening

_BACKOFF = Backoff(base_seconds=0.05, cap_seconds=0.5, most_attempts=100_000)
_LEASE = timedelta(seconds=1)
_SUBJECTS = 15


def main() -> None:
    """Kill, drain, compare, and print what was found as JSON; or be one of those who are killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--send", nargs=2, metavar=("URL", "PORT"), help="be a sender")
    parser.add_argument("--receive", nargs=2, metavar=("FILE", "PORT"), help="be the receiver")
    options = parser.parse_args()
    if options.send:
        send(options.send[0], int(options.send[1]))
    elif options.receive:
        receive(Path(options.receive[0]), int(options.receive[1]))
    else:
        with own_database(options.postgres, is_lasting=True) as (engine, folder):
            print(json.dumps(measure(engine, folder, options.kills, options.seed)))


def send(url: str, port: int) -> None:
    """Deliver for ever."""
    engine, sink = open_database(url), WebhookSink({"": f"http://127.0.0.1:{port}/"}, [SECRET])
    while True:
        for _ in deliver_due(engine, sink, backoff=_BACKOFF, lease=_LEASE):
            pass
        time.sleep(0.02)


class Durable(Receiver):
    """A receiver that a kill makes forget nothing: what it has accepted is in a file before it says so."""

    def __init__(self, path: Path) -> None:
        draw = random.Random(os.getpid())  # noqa: S311 - only spreads the failures
        plans, odds = ("accept", "fail before", "fail after", "cut off"), (60, 20, 10, 10)
        super().__init__(lambda *_: draw.choices(plans, odds)[0])
        self._path = path
        if path.exists():
            whole = path.read_bytes().rpartition(b"\n")[0]
            path.write_bytes(whole + b"\n" if whole else b"")
            self.accepted = [json.loads(line)["message"] for line in whole.splitlines()]

    def keep(self, message: dict[str, Any]) -> None:
        """Accept a message once it is on the disk."""
        with self._path.open("ab") as file:
            file.write(json.dumps({"message": message}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        super().keep(message)


def receive(path: Path, port: int) -> None:
    """Listen for ever."""
    with listening(Durable(path), port):
        signal.pause()


def measure(engine: Engine, folder: Path, n_kills: int, seed: int) -> dict[str, Any]:
    """Return counts of what was put down and what arrived."""
    url, draw = url_of(engine), random.Random(seed)  # noqa: S311 - only spreads the kills
    file, port = folder / "accepted.jsonl", _free_port()
    orders = [("--send", url, str(port)), ("--send", url, str(port)), ("--receive", str(file), str(port))]
    running = [_start(order) for order in orders]
    put: list[str] = []
    hits: Counter[str] = Counter()
    try:
        for _ in range(n_kills):
            put += _put_some(engine, draw, len(put))
            time.sleep(draw.uniform(0.2, 2.5))  # a process needs about a second to begin
            at = draw.randrange(len(orders))
            running[at].kill()
            running[at].wait()
            hits[orders[at][0][2:]] += 1
            running[at] = _start(orders[at])
        _wait_until_quiet(engine)
    finally:
        for process in running:
            process.kill()
            process.wait()
    found = compare(engine, put, file)
    return {"database": engine.dialect.name, "kills": sum(hits.values()), "killed": dict(hits)} | found


def compare(engine: Engine, put: list[str], file: Path) -> dict[str, Any]:
    """Return how what arrived differs from what was put down; keys are numbered in the order of putting."""
    messages = [json.loads(line)["message"] for line in file.read_text().splitlines()]
    keys = [message["key"] for message in messages]
    by_subject: dict[str, list[str]] = {}
    for message in messages:
        by_subject.setdefault(message["subject"], []).append(message["key"])
    with reading(engine) as connection:
        table = outbox.outbox
        states = dict(connection.execute(select(table.c.state, func.count()).group_by(table.c.state)).all())
        attempts = int(connection.scalar(select(func.sum(table.c.attempts))) or 0)
        is_intact = verify(connection).is_intact
    return {
        "put": len(put),
        "arrived": len(set(keys)),
        "twice": len(keys) - len(set(keys)),
        "missing": len(set(put) - set(keys)),
        "out_of_order": sum(found != sorted(found) for found in by_subject.values()),
        "states": states,
        "attempts": attempts,
        "trail_is_intact": is_intact,
    }


def _put_some(engine: Engine, draw: random.Random, so_far: int) -> list[str]:
    keys = [f"message-{so_far + n:05}" for n in range(draw.randint(1, 12))]
    with writing(engine) as connection:
        for key in keys:
            subject = f"measure:{draw.randrange(_SUBJECTS)}"
            what = {"channel": "platform", "kind": "measure", "body": {"of": key}, "pseudonym": None}
            outbox.put_all(connection, [outbox.Draft(key=key, subject=subject, now=datetime.now(UTC), **what)])
    return keys


def _wait_until_quiet(engine: Engine) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with reading(engine) as connection:
            if outbox.next_due(connection) is None:
                return
        time.sleep(0.1)
    sys.exit("messages still wait after two minutes")


def _start(order: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "experiments.enforcement.delivery_kills", *order]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])  # noqa: S603


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
