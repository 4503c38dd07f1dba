"""Killed between any two steps of a decision and what follows from it: all of it is there, or none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ipml.enforcement.overview import find_gaps
from ipml.review.queue import enqueue
from ipml.storage.audit import verify
from ipml.storage.consistency import find_disagreements
from ipml.storage.database import reading
from ipml.storage.row_digests import check_rows
from ipml.storage.tables import decisions, evidence, measures, outbox, statements, strikes

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("IPML_TEST_KILLS", "6"))
STEPS = 46  # of one decision, its undoing and what follows from both; the last kills come after the commit


def test_a_decision_and_all_that_follows_are_one(engine: Engine, make_scored):
    """Whatever statement the process dies before, nothing is there in part, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{n}", 0.9, seller_id=f"s{n % 3}", country="DE") for n in range(3 * KILLS)])
    kept = [_die(engine, 1 + attempt * STEPS // KILLS) for attempt in range(KILLS)]
    assert len(set(kept)) > KILLS // 4  # some died before their commit, some after it


def _die(engine: Engine, steps: int) -> int:
    """Run a reviewer who dies before so many statements; return how many decisions there are."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, str(Path(__file__).with_name("mortal.py")), url, str(steps)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with reading(engine) as connection:
        assert verify(connection).is_intact
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()
        assert list(find_gaps(connection)) == []
        made = connection.scalar(select(func.count()).select_from(decisions)) or 0
        for table in (evidence, measures, strikes):
            assert connection.scalar(select(func.count()).select_from(table)) == made
        letters = select(func.count()).select_from(outbox).where(outbox.c.kind == "statement")
        stated = connection.scalar(select(func.count()).select_from(statements))
        assert connection.scalar(letters.where(outbox.c.channel == "seller")) == stated
    return made
