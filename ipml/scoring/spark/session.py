"""The session in which a job runs, what it keeps meanwhile, and what it says when it fails."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipml.errors import SparkJobFailed, first_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def keep_on_disk(judged: DataFrame) -> Iterator[DataFrame]:
    """Keep what was judged on the disks of the workers, so that it is judged once however often it is asked for."""
    from pyspark import StorageLevel

    # Scores hardly shrink, and trying to make them do so takes a third of the time.
    with use_setting(judged.sparkSession, "spark.sql.inMemoryColumnarStorage.compressed", "false"):
        kept = judged.persist(StorageLevel.DISK_ONLY)
    try:
        yield kept
    finally:
        kept.unpersist()


@contextmanager
def open_session(session: SparkSession | None) -> Iterator[SparkSession]:
    """Give the session, the active one, or a new one that is stopped at the end."""
    from pyspark.sql import SparkSession

    session = session or SparkSession.getActiveSession()
    if session is not None:
        yield session
        return
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # not started by spark-submit, which knows the workers' Python
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = SparkSession.builder.appName("ipml score").getOrCreate()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def use_setting(session: SparkSession, name: str, value: str) -> Iterator[None]:
    """Change a setting of a session for a while."""
    before = session.conf.get(name)
    session.conf.set(name, value)
    try:
        yield
    finally:
        session.conf.set(name, str(before))


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Say in a line why a job failed: the last line of a worker's traceback, or the first of what Spark says."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        ours = re.findall(r"^ipml\.errors\.(\w+: .+)$", str(error), re.MULTILINE)
        raise SparkJobFailed(ours[-1] if ours else f"{first_line(error)}.") from error
