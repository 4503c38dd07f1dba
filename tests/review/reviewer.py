"""A reviewer as a process of its own: decides case after case, and prints each once it is acknowledged."""

import sys

from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.storage.database import open_database

engine, name = open_database(sys.argv[1]), sys.argv[2]
while taken := claim(engine, name):
    decision = decide(engine, taken, Verdict.GENUINE)
    print(decision.case_id, flush=True)
