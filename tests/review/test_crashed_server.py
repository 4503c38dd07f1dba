"""PostgreSQL itself crashes under the reviewers: what was acknowledged is there when it comes back."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import select
from support.postgres import LASTING, Server, own_server
from support.reviewing import Make, act

from ipml.review.queue import claim, enqueue
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import decisions

pytestmark = pytest.mark.slow

REVIEWERS = 3


@pytest.fixture
def lasting_server() -> Iterator[Server]:
    """Give a server that waits for its disk."""
    with own_server(LASTING) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        yield server


def test_no_acknowledged_decision_is_lost_in_a_crash(lasting_server: Server, make_scored: Make):
    """Twice, with reviewers at work: every decision they were told of is there, and nothing in part."""
    url = lasting_server.url("postgres")
    engine = open_database(url)
    migrate(engine)
    enqueue(engine, [make_scored(f"L{number}") for number in range(400)])
    acknowledged: list[int] = []
    for crash in range(2):
        program = str(Path(__file__).with_name("reviewer.py"))
        crew = [
            subprocess.Popen(
                [sys.executable, program, url, f"r{crash}{number}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for number in range(REVIEWERS)
        ]
        for reviewer in crew:
            assert reviewer.stdout is not None
            acknowledged += [int(line) for line in islice(reviewer.stdout, 5)]
        lasting_server.stop("immediate")
        for reviewer in crew:
            acknowledged += [int(line) for line in reviewer.communicate()[0].splitlines()]
        lasting_server.start(LASTING)
        # The same engine finds the server again, though its connections are gone.
        with reading(engine) as connection:
            assert verify(connection).is_intact
            assert list(find_disagreements(connection)) == []
            assert check_rows(connection).problems == ()
            kept = list(connection.scalars(select(decisions.c.case_id)))
        assert len(kept) == len(set(kept))
        assert set(acknowledged) <= set(kept)
        assert len(kept) <= len(acknowledged) + REVIEWERS * (crash + 1)  # each may have been about to be told of one
    assert act(engine, claim, "ana") is not None
    engine.dispose()
