"""A reviewer as a process of its own: decides case after case, and prints each once it is acknowledged."""

import sys

from ipml.records import Verdict
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import open_database, writing


def drain(url: str, name: str) -> None:
    """Decide until no case is left."""
    engine = open_database(url)
    while True:
        with writing(engine) as connection:
            taken = claim(connection, name)
        if taken is None:
            return
        with writing(engine) as connection:
            decision = decide(connection, DecisionRequest(taken, Verdict.GENUINE))
        if decision.decision_id:  # a second review decides no case
            print(decision.case_id, flush=True)


if __name__ == "__main__":
    drain(*sys.argv[1:])
