"""A reviewer as a process of its own: decides case after case, and prints each once it is acknowledged."""

import sys

from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.storage.database import open_database, writing


def drain(url: str, name: str) -> None:
    """Decide until no case is left."""
    engine = open_database(url)
    with writing(engine) as connection:
        while taken := claim(connection, name):
            if (decision := decide(connection, taken, Verdict.GENUINE)).decision_id:  # a further look decides no case
                print(decision.case_id, flush=True)


if __name__ == "__main__":
    drain(*sys.argv[1:])
