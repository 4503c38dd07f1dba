"""Killed between any two steps of a decision and what follows from it: all of it is there, or none."""

import os

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.mortal_reviewer import review_until_killed

from ipml.enforcement.overview import find_gaps
from ipml.records import Verdict
from ipml.review.queue import enqueue
from ipml.storage.database import reading
from ipml.storage.tables import decisions, evidence, measures, outbox, statements, strikes

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("IPML_TEST_KILLS", "6"))
STEPS = 60  # of a decision, its undoing, the one anew and what follows; the last kills come after all commits


@on_both
def test_a_decision_and_all_that_follows_are_one(engine: Engine, make_scored):
    """Whatever statement the process dies before, nothing is there in part, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{n}", 0.9, seller_id=f"s{n % 3}", country="DE") for n in range(3 * KILLS)])
    kept = [_die(engine, 1 + attempt * STEPS // KILLS) for attempt in range(KILLS)]
    assert len(set(kept)) > KILLS // 4  # some died before their commit, some after it


def _die(engine: Engine, steps: int) -> int:
    """Run a reviewer who dies before so many statements; return how many decisions there are."""
    review_until_killed(engine, steps)
    with reading(engine) as connection:
        assert list(find_gaps(connection)) == []
        made = select(func.count()).select_from(decisions)
        n_made = connection.scalar(made) or 0
        taken_down = connection.scalar(made.where(decisions.c.verdict == Verdict.COUNTERFEIT))
        assert connection.scalar(select(func.count()).select_from(evidence)) == n_made
        for table in (measures, strikes):
            assert connection.scalar(select(func.count()).select_from(table)) == taken_down
        letters = select(func.count()).select_from(outbox).where(outbox.c.kind == "statement")
        stated = connection.scalar(select(func.count()).select_from(statements))
        assert connection.scalar(letters.where(outbox.c.channel == "seller")) == stated
    return n_made
