"""A reviewer who decides, undoes, and kills itself just before the n-th statement that changes something."""

import os
import signal
import sys

from sqlalchemy import event

from ipml.enforcement.actions import Enforcement
from ipml.records import Verdict
from ipml.review.queue import claim, decide, undo
from ipml.storage.database import open_database, writing


def main(url: str, steps: int) -> None:
    """Decide and undo until the steps are over."""
    engine, enforcement, left = open_database(url), Enforcement(), steps

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
            said = {"ground": "declared_replica", "consequences": enforcement}
            decision = decide(connection, taken, Verdict.COUNTERFEIT, **said)
        with writing(engine) as connection:
            undo(connection, decision.decision_id, "ana", why="slip", consequences=enforcement)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
