"""A worker as a process of its own, whose one job takes a while and writes down when it begins and ends."""

import os
import sys
import time
from pathlib import Path

from ipml.cli.terminal import until_told_to_stop
from ipml.cli.worker.loop import JobRun, Worker
from ipml.settings import Settings
from ipml.storage.database import open_database
from ipml.storage.jobs import JOBS


def work(url: str, diary: str, seconds: str) -> None:
    """Do the job every second, until told to stop."""

    def note(what: str) -> None:
        with Path(diary).open("a", encoding="utf-8") as file:
            file.write(f"{what} {os.getpid()}\n")

    def end(run: JobRun) -> str:
        note("begins")
        until = time.monotonic() + float(seconds)
        while time.monotonic() < until and not run.is_stopped():
            time.sleep(0.02)
        note("ends")
        return ""

    settings = Settings(jobs={job.name: "off" for job in JOBS} | {"ends": "1s"})
    with until_told_to_stop() as stop:
        Worker(open_database(url), settings, {"ends": end}, stop, lambda line: print(line, flush=True)).run()


if __name__ == "__main__":
    work(*sys.argv[1:])
