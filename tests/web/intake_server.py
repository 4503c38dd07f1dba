"""A server that takes in listings, as a process of its own: `python intake_server.py URL`; it prints its port."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import uvicorn

from ipml.listings.schema import check_records
from ipml.records import Listing, ScoredListing
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage.database import open_database
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access, make_desk


class EveryTenth:
    """A model without learning, and the source of it: every tenth listing, by the number in its id, is suspicious."""

    version, n_reloads, n_failures = "tenth/1", 0, 0
    loaded_at = datetime(2026, 3, 1, tzinfo=UTC)

    def current(self) -> EveryTenth:
        """Return the model of the moment."""
        return self

    def check(self, listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
        """Return listings as records."""
        return check_records(listings)

    def score_records(self, records, explain, others=None):
        """Return checked listings with their scores."""
        scores = [0.9 if one.listing_id.endswith("0") else 0.01 for one in records]
        pairs = zip(records, scores, strict=True)
        return [ScoredListing(one, score, 0.0, (), (), None, self.version, suspicion=score) for one, score in pairs], ()

    def explain_again(self, scored: ScoredListing) -> ScoredListing:
        """Return a listing as it is, as there are no reasons."""
        return scored


def start(url: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server of a database, and return it with its address."""
    server = subprocess.Popen([sys.executable, __file__, url], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, f"http://127.0.0.1:{int(server.stdout.readline())}"


if __name__ == "__main__":
    model: Any = EveryTenth()
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_api(model, Metrics(model), Access(), {}, make_desk(open_database(sys.argv[1]), DEFAULT_SETTINGS))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])
