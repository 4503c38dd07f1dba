"""A reviewer in a process of its own, who kills itself just before the n-th statement that changes something."""

import os
import signal
import subprocess
import sys

from sqlalchemy import Engine, event

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Verdict
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import open_database, reading, writing


def review_until_killed(engine: Engine, steps: int) -> None:
    """Let a reviewer die before so many statements; the trail must be whole then, and agree with all rows."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, __file__, url, str(steps)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with reading(engine) as connection:
        assert verify(connection).is_intact
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()


def main(url: str, steps: int) -> None:
    """Decide case after case, and undo and decide anew every other one, until the steps are over."""
    engine, left = open_database(url), steps
    cooperation = Cooperation(load_enforcement_policy(), load_cooperation_policy())

    @event.listens_for(engine, "before_cursor_execute")
    def count(connection, cursor, statement, *_):
        nonlocal left
        left -= statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    while True:
        with writing(engine) as connection:
            taken = claim(connection, "ana")
        if taken is None:
            return
        with writing(engine) as connection:
            request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
            decision = decide(connection, request, context=ReviewContext(actions=cooperation))
        if taken.case_id % 2:
            with writing(engine) as connection:
                undo(
                    connection,
                    decision.decision_id,
                    UndoRequest("ana", why="slip"),
                    context=ReviewContext(actions=cooperation),
                )
            with writing(engine) as connection:
                again = claim(connection, "ana", taken.case_id)
                decide(connection, DecisionRequest(again, Verdict.GENUINE), context=ReviewContext(actions=cooperation))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
