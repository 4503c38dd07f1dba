"""Screening: the job that fetches and hashes the pictures the policy selects, within a daily budget.

The most that a request may cost is reserved before it, and the rest is returned with the result. A job killed in
between has spent its reservation, so no day exceeds its budget; the picture is fetched again. Pictures that wait too
long for the budget are left out and counted.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import Connection, Engine, exists, insert, select, update

from ipml.records import Verdict
from ipml.review.cases import PENDING
from ipml.review.pictures.addresses import FetchLimits, PictureSources
from ipml.review.pictures.collection import fetch_in_turns, note_file, note_refusal
from ipml.review.pictures.copies import PictureRefused
from ipml.review.pictures.fetching import FetchCost, FetchedPicture
from ipml.review.pictures.hashes import HashIndex, find_group
from ipml.review.pictures.picture_hash import hash_picture
from ipml.review.pictures.same_picture import measure_group
from ipml.review.pictures.screened import day_of, is_known_counterfeit
from ipml.review.pictures.stored import NO_GROUP, PictureCopies, store_files
from ipml.review.ranking.policy import ScreeningRules
from ipml.review.ranking.queue_order import current_ranking
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import (
    cases,
    decisions,
    listings,
    pictures,
    reference_pictures,
    screened_pictures,
    screening_days,
)

_MOST_DUE, _MOST_LEFT_OUT, _AT_ONCE = 200, 2_000, 500
_LEFT_OUT = "waited longer than the policy says"
_one = screened_pictures.c


@dataclass(slots=True)
class ScreeningTally:
    """Counts of pictures: hashed, of these matched, failed, to be retried, left out by the budget."""

    hashed: int = 0
    matched: int = 0
    failed: int = 0
    later: int = 0
    left_out: int = 0
    is_cut_off: bool = False

    @property
    def words(self) -> str:
        """The counts as a sentence; empty if all are 0."""
        counts = (
            (self.hashed, "hashed"),
            (self.matched, "like a known counterfeit"),
            (self.failed, "could not be had"),
            (self.later, "to be tried again"),
            (self.left_out, "left out by the budget"),
        )
        said = ", ".join(f"{count:,} {words}" for count, words in counts if count)
        cut = "the budget of the day is used up" if self.is_cut_off else ""
        return "; ".join(filter(None, (f"Screened pictures: {said}" if said else "", cut)))


@dataclass(slots=True)
class _ScreeningRun:
    engine: Engine
    folder: Path
    index: HashIndex
    rules: ScreeningRules
    limits: FetchLimits
    is_stopped: Callable[[], bool]
    clock: Callable[[], datetime]
    tally: ScreeningTally = field(default_factory=ScreeningTally)
    days: dict[int, str] = field(default_factory=dict)  # the day each picture is charged to

    def begin(self, row: Any) -> FetchCost | None:
        if self.is_stopped() or self.tally.is_cut_off:
            return None
        day = day_of(self.clock())
        with writing(self.engine) as connection:
            if not self._set_aside(connection, day):
                self.tally.is_cut_off = True
                return None
        self.days[row.picture_id] = day
        return FetchCost()

    def _set_aside(self, connection: Connection, day: str) -> bool:
        """Reserve the most a picture may cost from a day's budget; False if the budget is too small."""
        _open_day(connection, day)
        requests = screening_days.c.requests + self.limits.most_requests
        n_bytes = screening_days.c.n_bytes + self.limits.most_received
        is_left = (requests <= self.rules.requests_a_day) & (n_bytes <= int(self.rules.megabytes_a_day * 1e6))
        query = update(screening_days).where(screening_days.c.day == day, is_left)
        return connection.execute(query.values(requests=requests, n_bytes=n_bytes)).rowcount == 1

    def _give_back(self, connection: Connection, row: Any, cost: FetchCost) -> None:
        day = screening_days.c
        left = {
            "requests": day.requests - (self.limits.most_requests - cost.requests),
            "n_bytes": day.n_bytes - (self.limits.most_received - cost.n_bytes),
        }
        connection.execute(update(screening_days).where(day.day == self.days.pop(row.picture_id)).values(left))

    def store(self, row: Any, picture: FetchedPicture, copies: PictureCopies, cost: FetchCost) -> None:
        with Image.open(io.BytesIO(copies.thumbnail), formats=["WEBP"]) as image:
            found = hash_picture(image)

        def choose_group(connection: Connection, now: datetime) -> int:
            return NO_GROUP if found is None else find_group(connection, self.index, found, now)

        with self.index.lock:
            try:
                is_match = self._store(row, picture, copies, cost, choose_group)
            except Exception:
                self.index.clear()  # numbers of groups that were rolled back may be reused
                raise
        self.tally.hashed += 1
        self.tally.matched += is_match

    def _store(
        self,
        row: Any,
        picture: FetchedPicture,
        copies: PictureCopies,
        cost: FetchCost,
        choose_group: Callable[[Connection, datetime], int],
    ) -> bool:
        """Store a picture's group; on a match store its file too and have its listing scored again."""
        now = self.clock()
        with writing(self.engine) as connection:
            serialise(connection, Lock.ENQUEUE)  # a listing arriving now would lose this news
            serialise(connection, Lock.STORE_PICTURES)  # no file is swept before a row names it
            if not connection.scalar(select(exists().where(*_is_waiting(row)))):  # erased, or no longer shown
                self._give_back(connection, row, cost)
                return False
            group_id = choose_group(connection, now)
            values = {"state": "hashed", "group_id": group_id} | note_file(picture, copies, now)
            is_match = group_id != NO_GROUP and is_known_counterfeit(
                measure_group(connection, group_id, row.listing_id, row.seller_id)
            )
            if is_match:
                values |= {"matched_at": now, "digest": store_files(self.folder, picture.content, copies)}
                _have_scored_again(connection, [row.listing_id], now)
            connection.execute(update(screened_pictures).where(*_is_waiting(row)).values(values))
            self._give_back(connection, row, cost)
        return is_match

    def refuse(self, row: Any, error: PictureRefused, cost: FetchCost) -> None:
        values = note_refusal(row, error, self.clock())
        with writing(self.engine) as connection:
            connection.execute(update(screened_pictures).where(*_is_waiting(row)).values(values))
            self._give_back(connection, row, cost)
        if values["state"] == "failed":
            self.tally.failed += 1
        else:
            self.tally.later += 1


def screen_due(
    engine: Engine,
    folder: Path,
    sources: PictureSources,
    index: HashIndex,
    *,
    since: datetime | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ScreeningTally:
    """Fetch and hash the pictures that the policy selects, for about a minute at most, and record their matches.

    Listings with a match are scored again and become cases (`ipml.review.arrivals.marketplace.rescore_changed`).
    Earlier hashes also match once a listing with the same picture is found counterfeit. `folder` holds matching files
    and is created if missing. Decisions and reference pictures since `since` are compared again; all without it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = clock()
    with reading(engine) as connection:
        rules = current_ranking(connection).policy.pictures
    run = _ScreeningRun(engine, folder, index, rules, sources.limits, is_stopped, clock)
    run.tally.matched += _match_again(engine, since, now)
    run.tally.left_out = _leave_out(engine, rules, now)
    fetch_in_turns(run, _find_due(engine, rules, now), sources)
    return run.tally


def _is_waiting(row: Any) -> tuple[Any, ...]:
    return _one.picture_id == row.picture_id, _one.state == "waiting"


def _find_due(engine: Engine, rules: ScreeningRules, now: datetime) -> Sequence[Any]:
    """Return the pictures to fetch next, after dropping those of listings that are gone or have a case now."""
    columns = _one.picture_id, _one.listing_id, _one.seller_id, _one.address, _one.tries
    is_pending = exists().where(cases.c.listing_id == _one.listing_id, cases.c.state.in_(PENDING))
    is_offered = exists().where(
        listings.c.listing_id == _one.listing_id,
        listings.c.withdrawn_at.is_(None) | (listings.c.withdrawn_at < listings.c.seen_at),
    )
    order = (_one.harm.desc(), _one.picture_id) if rules.order == "value" else (_one.picture_id,)
    query = select(*columns, (is_pending | ~is_offered).label("is_over")).where(
        _one.state == "waiting", _one.due_at <= now
    )
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(*order).limit(_MOST_DUE)).all()
    if over := [row.picture_id for row in rows if row.is_over]:
        with writing(engine) as connection:
            is_left = _one.picture_id.in_(over), _one.state == "waiting"
            connection.execute(update(screened_pictures).where(*is_left).values(state="left"))
    return [row for row in rows if not row.is_over]


def _leave_out(engine: Engine, rules: ScreeningRules, now: datetime) -> int:
    """Give up pictures that waited longer than the policy allows; count them for the day."""
    is_late = _one.state == "waiting", _one.noted_at <= now - timedelta(days=rules.wait_days)
    with reading(engine) as connection:
        if not connection.scalar(select(exists().where(*is_late))):
            return 0
    with writing(engine) as connection:
        values = {"state": "left", "why": _LEFT_OUT}
        some = select(_one.picture_id).where(*is_late).order_by(_one.picture_id).limit(_MOST_LEFT_OUT)
        query = update(screened_pictures).where(_one.picture_id.in_(some))
        count = connection.execute(query.values(values)).rowcount
        _open_day(connection, day_of(now))
        total = screening_days.c.left_out + count
        connection.execute(update(screening_days).where(screening_days.c.day == day_of(now)).values(left_out=total))
    return count


def _open_day(connection: Connection, day: str) -> None:
    """Create a day's account if missing; only one worker writes it."""
    if connection.scalar(select(screening_days.c.day).where(screening_days.c.day == day)) is None:
        connection.execute(insert(screening_days).values(day=day, requests=0, n_bytes=0, left_out=0))


def _match_again(engine: Engine, since: datetime | None, now: datetime) -> int:
    """Match earlier hashes with counterfeits known only since then."""
    was_decided = decisions.c.decided_at >= since if since else decisions.c.decided_at.is_not(None)
    was_added = reference_pictures.c.added_at >= since if since else reference_pictures.c.added_at.is_not(None)
    decided = (
        select(pictures.c.group_id)
        .join_from(decisions, pictures, pictures.c.case_id == decisions.c.case_id)
        .where(was_decided, decisions.c.verdict == Verdict.COUNTERFEIT, pictures.c.group_id > NO_GROUP)
    )
    added = select(reference_pictures.c.group_id).where(
        was_added, reference_pictures.c.kind == Verdict.COUNTERFEIT, reference_pictures.c.group_id > NO_GROUP
    )
    columns = _one.picture_id, _one.listing_id, _one.seller_id, _one.group_id
    query = select(*columns).where(_one.matched_at.is_(None), _one.group_id.in_(decided.union(added)))
    query, count, last = query.order_by(_one.picture_id).limit(_AT_ONCE), 0, 0
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(_one.picture_id > last)).all()
            matched = [
                row
                for row in rows
                if is_known_counterfeit(measure_group(connection, row.group_id, row.listing_id, row.seller_id))
            ]
        if matched:
            with writing(engine) as connection:
                serialise(connection, Lock.ENQUEUE)
                _have_scored_again(connection, [row.listing_id for row in matched], now)
                is_it = _one.picture_id.in_([row.picture_id for row in matched])
                connection.execute(update(screened_pictures).where(is_it).values(matched_at=now))
        count += len(matched)
        if len(rows) < _AT_ONCE:
            return count
        last = rows[-1].picture_id


def _have_scored_again(connection: Connection, listing_ids: Sequence[str], now: datetime) -> None:
    connection.execute(update(listings).where(listings.c.listing_id.in_(listing_ids)).values(news_at=now))
