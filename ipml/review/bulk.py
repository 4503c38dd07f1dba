"""Deciding many cases at once: looked at together first, each with a decision of its own, undone as one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, select

from ipml.errors import KeyReused, PreviewOutdated, TooManyCases
from ipml.records import Case, Decision, Verdict
from ipml.review.cases import find_cases, is_held, make_case
from ipml.review.clusters.clusters import lock_clusters
from ipml.review.decisions import Origin, check_decision, make_decision, record_all
from ipml.review.quality.second_person import find_scruples
from ipml.review.snapshot import digest
from ipml.settings import Settings, get_settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions

MOST_CASES = 200
"""More than a person can have looked at in one preview would be signed unseen."""


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What deciding a group of cases would do.

    Attributes
    ----------
    cases : tuple of Case
        Those that would be decided, by number.
    refused : tuple of (int, str)
        The others, each with why, as a phrase.
    digest : str
        Stands for the cases, their content and the verdict as they were looked at; `decide_bulk` asks for it.
    """

    verdict: Verdict
    cases: tuple[Case, ...]
    refused: tuple[tuple[int, str], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class BulkDecision:
    """What was decided at once; `undo_group` takes all of it back under its `group_key`."""

    group_key: str
    decisions: tuple[Decision, ...]
    refused: tuple[tuple[int, str], ...]


def preview_bulk(
    engine: Engine,
    case_ids: Sequence[int],
    reviewer: str,
    verdict: Verdict,
    *,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> BulkPreview:
    """Return what deciding these cases at once would do; nothing changes.

    Parameters
    ----------
    case_ids : sequence of int
        At most 200.
    reviewer : str
        Who would decide; cases that others hold are left out.
    settings : Settings, default=those of the process
        Which verdicts need a second person.

    Raises
    ------
    TooManyCases
    """
    wanted = _distinct(case_ids)
    now, settings = now or datetime.now(UTC), settings or get_settings()
    with reading(engine) as connection:
        seen = _look_through(connection, find_cases(connection, wanted), wanted, reviewer, verdict, now, settings)
        return BulkPreview(verdict, tuple(make_case(row, now) for row in seen.rows), seen.refused, seen.digest)


def decide_bulk(
    engine: Engine,
    case_ids: Sequence[int],
    reviewer: str,
    verdict: Verdict,
    *,
    ground: str = "",
    note: str = "",
    key: str | None = None,
    token: str,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> BulkDecision:
    """Decide the cases of a preview in one transaction: all of them, or none.

    Parameters
    ----------
    ground, note, key
        As for `decide`, alike for all; the key sent again gives the same answer and decides nothing.
    token : str
        The `digest` of the preview that was looked at.
    now : datetime, default=the clock
    settings : Settings, default=those of the process
        Which verdicts need a second person, and how many are looked at again.

    Raises
    ------
    PreviewOutdated
        One of the cases is no longer as the preview showed it.
    TooManyCases, UnknownGround, UnstorableValue, KeyReused

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bags = [ScoredListing(Listing(f"A{i}", "s1", f"Bag {i}"), 0.9, 2.2, (), (), None, "2024-05") for i in range(3)]
    >>> _ = enqueue(engine, bags)
    >>> preview = preview_bulk(engine, [1, 2, 9], "ana", Verdict.GENUINE)
    >>> [case.case_id for case in preview.cases], preview.refused
    ([1, 2], ((9, 'there is no such case'),))
    >>> len(decide_bulk(engine, [1, 2, 9], "ana", Verdict.GENUINE, token=preview.digest).decisions)
    2
    """
    check_decision(verdict, ground, note, key)
    wanted = _distinct(case_ids)
    now, settings = now or datetime.now(UTC), settings or get_settings()
    content = [key or uuid4().hex, wanted, reviewer, verdict, ground, note]
    group_key = f"bulk:{digest(json.dumps(content))}"
    with writing(engine) as connection:
        rows = lock_clusters(connection, find_cases(connection, wanted))
        if key and (earlier := _find_keyed(connection, key)):
            if earlier.group_key != group_key:
                raise KeyReused(key, earlier.case_id)
            return _repeat(connection, group_key, wanted)
        seen = _look_through(connection, rows, wanted, reviewer, verdict, now, settings)
        if seen.digest != token:
            raise PreviewOutdated(len(wanted))
        said = (verdict, ground, note, reviewer, now)
        asked = [(row, Decision(0, row.case_id, row.listing_id, *said)) for row in seen.rows]
        made = record_all(connection, asked, key or None, settings, Origin("bulk", group_key))
    return BulkDecision(group_key, tuple(made), seen.refused)


def _distinct(case_ids: Sequence[int]) -> list[int]:
    wanted = sorted(set(case_ids))
    if len(wanted) > MOST_CASES:
        raise TooManyCases(len(wanted), MOST_CASES)
    return wanted


@dataclass(frozen=True, slots=True)
class _Seen:
    """The cases that can be decided together, those that cannot, and what stands for what was looked at."""

    rows: tuple[Row[Any], ...]
    refused: tuple[tuple[int, str], ...]
    digest: str


def _look_through(
    connection: Connection,
    rows: Mapping[int, Row[Any]],
    wanted: Sequence[int],
    reviewer: str,
    verdict: Verdict,
    now: datetime,
    settings: Settings,
) -> _Seen:
    obstacles = {case_id: find_obstacle(rows.get(case_id), reviewer, now) for case_id in wanted}
    free = [rows[case_id] for case_id, why in obstacles.items() if not why]
    obstacles |= find_scruples(connection, free, reviewer, verdict, settings.second_person)
    refused = tuple((case_id, why) for case_id, why in obstacles.items() if why)
    shown = tuple(row for row in free if not obstacles[row.case_id])
    seen = [[row.case_id, row.state, row.token, digest(row.snapshot)] for row in shown]
    text = json.dumps([verdict, reviewer, seen, refused])
    return _Seen(shown, refused, digest(text))


def find_obstacle(row: Row[Any] | None, reviewer: str, now: datetime) -> str | None:
    """Return why a case cannot be decided together with others, as a phrase, or None."""
    if row is None:
        return "there is no such case"
    if row.state == "decided":
        return "it has been decided"
    if row.state == "superseded":
        return "its listing was changed since"
    if row.state == "escalated":
        return "it was passed on to a lead, who looks at it by itself"
    if is_held(row, now) and row.holder != reviewer:
        return f"{row.holder} is at it"
    return None


def _find_keyed(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(select(decisions).where(decisions.c.key == key)).first()


def _repeat(connection: Connection, group_key: str, wanted: Sequence[int]) -> BulkDecision:
    """Return what was decided when the request came first."""
    query = select(decisions).where(decisions.c.group_key == group_key).order_by(decisions.c.decision_id)
    made = tuple(make_decision(row) for row in connection.execute(query))
    decided = {decision.case_id for decision in made}
    refused = tuple((case_id, "it was left out") for case_id in wanted if case_id not in decided)
    return BulkDecision(group_key, made, refused)
