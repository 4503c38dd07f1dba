"""Several processes at one queue, and some that die: nothing twice, nothing lost."""

import os
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import Make, ask

from ipml.review.queue import count_cases, enqueue
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading
from ipml.storage.tables import audit, decisions

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("IPML_TEST_CASES", "400"))
KILLS = int(os.environ.get("IPML_TEST_KILLS", "5"))


@on_both
def test_eight_reviewers_drain_a_queue_without_doubles_or_gaps(engine: Engine, make_scored: Make):
    """Each case is decided once, every reviewer gets some, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(CASES)])
    reviewers = [_start(engine, f"r{number}") for number in range(8)]
    shares = [[int(line) for line in reviewer.communicate()[0].split()] for reviewer in reviewers]
    assert [reviewer.returncode for reviewer in reviewers] == [0] * 8
    assert sorted(chain.from_iterable(shares)) == list(range(1, CASES + 1))
    assert min(len(share) for share in shares) > 0
    assert _check_trail(engine) == CASES
    assert ask(engine, count_cases)["decided"] == CASES


@on_both
def test_a_reviewer_killed_at_any_moment_loses_no_acknowledged_decision(engine: Engine, make_scored: Make):
    """After each kill what was acknowledged is there, nothing is there in part, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(60 * KILLS)])
    acknowledged: list[int] = []
    for attempt in range(KILLS):
        reviewer = _start(engine, f"r{attempt}")
        assert reviewer.stdout is not None
        acknowledged += [int(line) for line in islice(reviewer.stdout, 5 + 3 * (attempt % 8))]
        reviewer.kill()
        acknowledged += [int(line) for line in reviewer.communicate()[0].splitlines() if line]
        kept = _check_trail(engine)
        assert ask(engine, count_cases)["decided"] == kept
        # At most the decision that was being made at each kill is kept without having been acknowledged.
        assert len(acknowledged) <= kept <= len(acknowledged) + attempt + 1
    with reading(engine) as connection:
        assert set(acknowledged) <= set(connection.scalars(select(decisions.c.case_id)))


def _start(engine: Engine, name: str) -> subprocess.Popen[str]:
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, str(Path(__file__).with_name("reviewer.py")), url, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _check_trail(engine: Engine) -> int:
    """Return the number of decisions, of which the trail must hold each."""
    with reading(engine) as connection:
        assert verify(connection).is_intact
        count = connection.scalar(select(func.count()).select_from(decisions))
        noted = connection.scalar(select(func.count()).where(audit.c.action == "decided"))
    assert noted == count
    return int(count or 0)
