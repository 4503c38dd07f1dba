"""A reviewer who decides, undoes, and kills itself just before the n-th statement that changes something."""

import os
import signal
import sys

from sqlalchemy import event

from ipml.enforcement.consequences import enforcing
from ipml.records import Verdict
from ipml.review.queue import claim, decide, undo
from ipml.storage.database import open_database

url, left = sys.argv[1], int(sys.argv[2])
engine = enforcing(open_database(url))


@event.listens_for(engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    """Count down, and die at 0."""
    global left
    left -= statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


while taken := claim(engine, "ana"):
    decision = decide(engine, taken, Verdict.COUNTERFEIT, ground="declared_replica")
    undo(engine, decision.decision_id, "ana", why="slip")
