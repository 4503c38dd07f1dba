"""A process of its own that lets terms run out, by moments that it is told, and prints each: to be killed anywhere."""

import sys
from datetime import datetime, timedelta

from ipml.enforcement.actions import Enforcement
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.storage.database import open_database


def tick_often(url: str, since: str) -> None:
    """Tick at a moment and ten hours later, again and again, until the moments are three days on."""
    engine, enforcement, now = open_database(url), Enforcement(), datetime.fromisoformat(since)
    print("ready", flush=True)
    for hours in range(0, 72, 10):
        run_appeal_deadlines(engine, now=now + timedelta(hours=hours), consequences=enforcement)
        print(hours, flush=True)


if __name__ == "__main__":
    tick_often(*sys.argv[1:])
