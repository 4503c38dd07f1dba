"""Collection: the job that fetches pictures of waiting cases, a few at a time; each file is stored before its row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, exists, select, update

from ipml.review.cases import PENDING
from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.copies import PictureRefused, make_copies
from ipml.review.pictures.fetching import (
    FetchCost,
    FetchedPicture,
    fetch_picture,
    make_client,
)
from ipml.review.pictures.stored import PictureCopies, path_of, store_files
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import cases, pictures

_WAITS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
_MOST_AT_ONCE, _MOST_PER_HOST, _MOST_DUE = 8, 3, 200
_LAST_START_SECONDS = 60.0  # a run starts no fetch after that, so that other jobs get their turn


@dataclass(slots=True)
class PictureTally:
    """Counts of pictures stored, failed for good, and to be retried later."""

    stored: int = 0
    failed: int = 0
    later: int = 0


class PictureRun(Protocol):
    """Steps for pictures fetched in turns; one thread calls them."""

    def begin(self, row: Any) -> FetchCost | None:
        """Return the cost record for a picture; None if it is not fetched now."""

    def store(self, row: Any, picture: FetchedPicture, copies: PictureCopies, cost: FetchCost) -> None:
        """Store a fetched and decoded picture."""

    def refuse(self, row: Any, error: PictureRefused, cost: FetchCost) -> None:
        """Record that a picture is unavailable."""


def fetch_in_turns(run: PictureRun, rows: Sequence[Any], sources: PictureSources) -> None:
    """Fetch pictures for up to a minute: eight at once, three per host, decoding one at a time."""
    if not rows:
        return
    try:
        asyncio.run(_fetch_all(run, rows, sources))
    except ExceptionGroup as group:  # a full disk or an unreachable database: all errors are alike
        raise group.exceptions[0] from None


async def _fetch_all(run: PictureRun, rows: Sequence[Any], sources: PictureSources) -> None:
    loop = asyncio.get_running_loop()
    until, hosts = loop.time() + _LAST_START_SECONDS, dict[str, asyncio.Semaphore]()
    slots, decoder = asyncio.Semaphore(_MOST_AT_ONCE), asyncio.Lock()  # a decoded picture may take 200 MB
    async with make_client(sources) as client:

        async def fetch_one(row: Any) -> None:
            host = hosts.setdefault(row.address.split("/")[2], asyncio.Semaphore(_MOST_PER_HOST))
            async with host, slots:
                if loop.time() > until or (cost := run.begin(row)) is None:
                    return
                try:
                    found = await fetch_picture(client, row.address, sources, cost)
                    async with decoder:
                        copies = await asyncio.to_thread(make_copies, found.content)
                except PictureRefused as error:
                    run.refuse(row, error, cost)
                else:
                    run.store(row, found, copies, cost)

        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(fetch_one(row))


def note_refusal(row: Any, error: PictureRefused, now: datetime) -> dict[str, Any]:
    """Return the columns of an unavailable picture: it is retried after 1, 10 and 60 minutes."""
    is_over = not error.may_retry or row.tries >= len(_WAITS)
    values = {"tries": row.tries + 1, "why": error.why, "state": "failed" if is_over else "waiting"}
    return values if is_over else values | {"due_at": now + _WAITS[row.tries]}


def note_file(picture: FetchedPicture, copies: PictureCopies, now: datetime) -> dict[str, Any]:
    """Return the columns of a fetched file."""
    return {
        "found_at": picture.address,
        "kind": copies.kind,
        "width": copies.width,
        "height": copies.height,
        "n_bytes": len(picture.content),
        "fetched_at": now,
        "why": None,
    }


@dataclass(slots=True)
class _CaseRun:
    engine: Engine
    folder: Path
    is_stopped: Callable[[], bool]
    clock: Callable[[], datetime]
    tally: PictureTally = field(default_factory=PictureTally)

    def begin(self, row: Any) -> FetchCost | None:  # noqa: ARG002
        return None if self.is_stopped() else FetchCost()

    def store(self, row: Any, picture: FetchedPicture, copies: PictureCopies, cost: FetchCost) -> None:  # noqa: ARG002
        digest = store_files(self.folder, picture.content, copies)
        values = {"state": "stored", "digest": digest} | note_file(picture, copies, self.clock())
        with writing(self.engine) as connection:
            serialise(connection, Lock.STORE_PICTURES)
            if not path_of(self.folder, digest).exists():
                return  # swept meanwhile as unused: it is fetched again
            connection.execute(_change(row).values(values))
        self.tally.stored += 1

    def refuse(self, row: Any, error: PictureRefused, cost: FetchCost) -> None:  # noqa: ARG002
        values = note_refusal(row, error, self.clock())
        with writing(self.engine) as connection:
            connection.execute(_change(row).values(values))
        if values["state"] == "failed":
            self.tally.failed += 1
        else:
            self.tally.later += 1


def fetch_due(
    engine: Engine,
    folder: Path,
    sources: PictureSources,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> PictureTally:
    """Fetch and store pictures of waiting cases, for about a minute at most.

    `folder` is created if missing. Each picture may take 10 MB, 20 seconds and three redirects.
    Temporary failures are retried after 1, 10 and 60 minutes.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows = _find_due(engine, clock())
    run = _CaseRun(engine, folder, is_stopped, clock)
    fetch_in_turns(run, rows, sources)
    return run.tally


def _find_due(engine: Engine, now: datetime) -> Sequence[Any]:
    """Return the pictures to fetch next; pictures of cases that no longer wait are marked "left"."""
    is_waiting = pictures.c.state == "waiting", pictures.c.due_at <= now
    columns = (pictures.c.case_id, pictures.c.position, pictures.c.address, pictures.c.tries)
    with reading(engine) as connection:
        query = select(*columns, cases.c.state).join(cases, cases.c.case_id == pictures.c.case_id).where(*is_waiting)
        order = pictures.c.due_at, pictures.c.case_id, pictures.c.position
        rows = connection.execute(query.order_by(*order).limit(_MOST_DUE)).all()
    if left := [row for row in rows if row.state not in PENDING]:
        with writing(engine) as connection:
            for row in left:  # its decision may have been taken back meanwhile
                is_done = exists().where(cases.c.case_id == row.case_id, cases.c.state.not_in(PENDING))
                connection.execute(_change(row).where(is_done).values(state="left"))
    return [row for row in rows if row.state in PENDING]


def _change(row: Any) -> Any:
    """Return the update of a picture that still waits; its case may have been erased."""
    key = pictures.c.case_id == row.case_id, pictures.c.position == row.position
    return update(pictures).where(*key, pictures.c.state == "waiting")
