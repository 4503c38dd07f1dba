"""How fast the scoring API answers: some clients that each keep one connection and ask again as soon as they hear.

    ipml serve --api-only --model MODEL
    python -m experiments.benchmark.http_load http://127.0.0.1:8765 --clients 8 --seconds 20

Each client is a process of its own, so that they do not wait for one another; they and the server share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from http.client import HTTPConnection
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np

WARM_UP_SECONDS = 2.0
TITLES = (
    "AAA quality tote bag 1:1 mirror, with box and card",
    "Diver watch 41 mm automatic, worn twice, papers of 2019",
    "Running shoes size 42 white, new with tags",
    "Wireless headphones sealed, wholesale price 10 pcs",
    "Leather wallet zip around, bought in Lyon, receipt included",
)


def ask(address: str, path: str, seconds: float, per_request: int, seed: int) -> list[float]:
    """Send requests one after another over one connection; return the seconds that each answer took."""
    at = urlsplit(address)
    connection = HTTPConnection(at.hostname or "", at.port, timeout=60)
    headers = {"Content-Type": "application/json", **_read_key()}
    taken: list[float] = []
    began = perf_counter()
    for number in count():
        body = _make_body(seed, number, per_request)
        sent = perf_counter()
        if sent - began > WARM_UP_SECONDS + seconds:
            break
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content[:300]!r}")
        if sent - began > WARM_UP_SECONDS:
            taken.append(perf_counter() - sent)
    return taken


def _make_body(seed: int, number: int, per_request: int) -> bytes:
    """Return a request of listings that differ from one to the next, so that nothing is answered from memory."""
    listings = [
        {
            "listing_id": f"{seed}-{number}-{row}",
            "seller_id": f"seller {(number + row) % 997}",
            "title": f"{TITLES[(seed + number + row) % len(TITLES)]} no. {number * per_request + row}",
            "price": 20.0 + (number + row) % 300,
            "currency": "EUR",
        }
        for row in range(per_request)
    ]
    return json.dumps(listings[0] if per_request == 1 else {"listings": listings}).encode()


def _read_key() -> dict[str, str]:
    file = os.environ.get("IPML_API_KEY")
    return {"Authorization": f"Bearer {Path(file).read_text().split()[0]}"} if file else {}


def describe(taken: Sequence[float], seconds: float, per_request: int) -> str:
    """Return the percentiles in milliseconds, and the rate.

    Examples
    --------
    >>> describe([0.001, 0.002, 0.003], seconds=1.0, per_request=10)
    'p50 2.00 ms, p95 2.90 ms, p99 2.98 ms, most 3.00 ms; 3 requests and 30 listings a second'
    """
    p50, p95, p99, most = np.percentile(np.array(taken) * 1e3, [50, 95, 99, 100])
    rate = len(taken) / seconds
    return (
        f"p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms, most {most:.2f} ms; "
        f"{rate:,.0f} requests and {rate * per_request:,.0f} listings a second"
    )


def main() -> None:
    """Run the clients and print what they saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8765")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--listings", type=int, default=1, help="listings in each request")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    path = "/v1/score?explain=true" if options.explain else "/v1/score"
    with ProcessPoolExecutor(options.clients, mp_context=get_context("spawn")) as pool:
        asked = [
            pool.submit(ask, options.address, path, options.seconds, options.listings, seed)
            for seed in range(options.clients)
        ]
        taken = [one for client in asked for one in client.result()]
    print(f"{options.clients} clients: {describe(taken, options.seconds, options.listings)}")


if __name__ == "__main__":
    main()
