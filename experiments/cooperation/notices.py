"""Whether any of 1,000 notices that come at once is lost or doubled, through a real server.

    python -m experiments.cooperation.notices                # SQLite
    python -m experiments.cooperation.notices --postgres     # a PostgreSQL of its own

Each is sent at the same moment as all others, once more while the first may be under way, and again, later and later,
for as long as the server says that it is too busy or hangs up. A quarter of the notifiers give several notices; most of
these name listings of the queue, of which others give notice, too. Bar: none lost, none doubled, one receipt each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import Any

from sqlalchemy import Engine, func, select

from experiments.databases import own_database, url_of
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import open_database, reading
from ipml.storage.tables import notice_items, notices, outbox

CASES = 2_000
_SEED = 7


class NoModels:
    """A service that has no model: what comes is judged by people, unscored."""

    n_reloads = n_failures = 0

    def current(self) -> None:
        """Return no model."""


def main() -> None:
    """Send, count, and print what was kept of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notices", type=int, default=1_000)
    parser.add_argument("--listings", type=int, default=3, help="in each")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with own_database(options.postgres) as (engine, _), ExitStack() as until_end:
        listed = [Listing(f"L{number}", f"s{number % 500}", f"Bag no {number}") for number in range(CASES)]
        enqueue(engine, [ScoredListing(one, 0.5, 0.0, (), (), None, "m") for one in listed], joins_alike=False)
        engine.dispose()
        listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
        server = multiprocessing.get_context("fork").Process(target=serve, args=(url_of(engine), listener), daemon=True)
        server.start()
        until_end.callback(server.join)
        until_end.callback(server.terminate)
        given = make_notices(options.notices, options.listings)
        start = time.perf_counter()
        answers = asyncio.run(send_all(listener.getsockname()[1], given))
        seconds = time.perf_counter() - start
        print(
            json.dumps({"database": engine.dialect.name, "seconds": round(seconds, 1)} | count(engine, given, answers))
        )


def serve(url: str, listener: socket.socket) -> None:
    """Serve the API beside a database, as `ipml serve` does."""
    import uvicorn

    from ipml.settings import get_settings
    from ipml.web.http_api.api import make_api
    from ipml.web.http_api.monitoring import Metrics
    from ipml.web.http_api.requests import Access, make_desk

    models = NoModels()
    api = make_api(models, Metrics(models), Access(), {}, make_desk(open_database(url), get_settings()))
    uvicorn.Server(uvicorn.Config(api, access_log=False, log_level="error")).run(sockets=[listener])


def make_notices(count: int, listings: int) -> list[dict[str, Any]]:
    """Return notices of several notifiers about the listings of the queue, and about some unknown ones."""
    draw = random.Random(_SEED)  # noqa: S311 - only spreads them
    return [
        {
            "explanation": f"We never made a bag like that, and the seams are not ours (letter {number}).",
            "listings": [{"listing_id": f"L{one}"} for one in draw.sample(range(CASES + 200), listings)],
            "name": "Ann Lee",
            "email": f"ann{draw.randrange(count * 3 // 4)}@brand.example",
            "good_faith": True,
            "brand": "Acme",
            "rights": "EUTM 018123456",
            "key": f"letter-{number}",
        }
        for number in range(count)
    ]


async def send_all(port: int, given: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Send all notices at once, each twice; return the two receipts of each."""
    pairs = [asyncio.gather(*(send(port, notice) for _ in range(2))) for notice in given]
    return list(await asyncio.gather(*pairs))


async def send(port: int, notice: dict[str, Any]) -> dict[str, Any]:
    """Send a notice for as long as the server is too busy or hangs up; return the receipt and how often it was sent."""
    tries = 0
    while True:
        tries += 1
        with suppress(OSError, ValueError):  # whether it arrived the sender cannot know
            status, answer = await post(port, json.dumps(notice).encode())
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                return {"status": status, "tries": tries, **answer}
        await asyncio.sleep(random.uniform(0.2, min(2.0**tries, 30.0)))  # noqa: S311 - only spreads the attempts


async def post(port: int, body: bytes) -> tuple[int, dict[str, Any]]:
    """Send a request on a connection of its own; a client that keeps thousands of them is slower than the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = "POST /v1/notices HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, _, rest = (await reader.read()).partition(b" ")[2].partition(b" ")
        return int(status), json.loads(rest.partition(b"\r\n\r\n")[2])
    finally:
        writer.close()


def count(engine: Engine, given: list[dict[str, Any]], answers: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Compare what was sent with what is kept, and with the receipts."""
    statuses = Counter(str(answer["status"]) for pair in answers for answer in pair)
    references = [{answer.get("reference") for answer in pair} for pair in answers]
    with reading(engine) as connection:
        kept = connection.scalar(select(func.count()).select_from(notices)) or 0
        receipts = connection.scalar(select(func.count()).where(outbox.c.kind == "notice_receipt")) or 0
        items = connection.scalar(select(func.count()).select_from(notice_items)) or 0
        is_sound = audit.verify(connection).is_intact and not list(find_disagreements(connection))
    return {
        "sent": len(given),
        "kept": kept,
        "lost": len(given) - len(set().union(*references) - {None}),
        "doubled": sum(len(pair) > 1 for pair in references) + max(0, kept - len(given)),
        "receipts": receipts,
        "listings": items,
        "answers": dict(statuses),
        "most_tries": max(answer["tries"] for pair in answers for answer in pair),
        "sound": is_sound,
    }


if __name__ == "__main__":
    sys.exit(main())
