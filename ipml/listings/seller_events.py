"""Seller events: checks events, and sums them up to the seller history known at a time.

An event occurs at one time and becomes known at another: a return when the parcel arrives, a strike when it is
decided. History counts only events known by then, so no feature knows the future.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ipml.errors import InvalidListings
from ipml.listings.fields import FIELDS, Field
from ipml.listings.frames import check_cells, check_columns, list_problems, number_rows, read_cells
from ipml.listings.kinds import Kind
from ipml.listings.tables import CHUNK_ROWS, RawTable, read_tables
from ipml.records import Problem

EVENT_KINDS: tuple[str, ...] = ("joined", "listed", "sold", "returned", "complained", "rated", "struck")

EVENT_FIELDS: tuple[Field, ...] = (
    Field("seller_id", Kind.TEXT, "whom it happened to", is_required=True, max_length=200),
    Field(
        "kind",
        Kind.TEXT,
        "what happened",
        is_required=True,
        max_length=20,
        pattern="|".join(EVENT_KINDS),
        shape=f"one of {', '.join(EVENT_KINDS)}",
    ),
    Field("occurred_at", Kind.MOMENT, "when it happened", is_required=True),
    Field("known_at", Kind.MOMENT, "when the marketplace knew of it", is_required=True),
    Field("amount", Kind.NUMBER, "how many (1 where missing), or the rating in 0-1", least=0, most=1e6),
)

HISTORY_COLUMNS: tuple[str, ...] = (
    "seller_age_days",
    "seller_sales",
    "seller_returns",
    "seller_complaints",
    "seller_rating",
    "seller_strikes",
    "seller_listings",
)

_OBSERVED = tuple(field for field in FIELDS if field.name == "observed_at")
_RATING = "a rating from 0 to 1"
_MEMORY = "2GB"
# Amounts are summed as whole millionths: unlike sums of floats, these do not depend on the order of rows.
_MILLIONTHS = 1_000_000

# One row for each time at which an event of a seller became known, with the sums up to then.
_HISTORY = f"""
WITH changes AS (
    SELECT
        seller,
        moment,
        min(joined) AS joined,
        sum(amount) FILTER (kind = 'sold')::BIGINT AS sales,
        sum(amount) FILTER (kind = 'returned')::BIGINT AS returns,
        sum(amount) FILTER (kind = 'complained')::BIGINT AS complaints,
        sum(amount) FILTER (kind = 'rated')::BIGINT AS stars,
        count(*) FILTER (kind = 'rated') AS ratings,
        sum(amount) FILTER (kind = 'struck')::BIGINT AS strikes,
        sum(amount) FILTER (kind = 'listed')::BIGINT AS listings
    FROM (
        SELECT
            seller_id AS seller,
            kind,
            greatest(occurred_at, known_at) AS moment,
            CASE kind WHEN 'joined' THEN occurred_at END AS joined,
            CAST(round(coalesce(amount, 1) * {_MILLIONTHS}) AS BIGINT) AS amount
        FROM events
    )
    GROUP BY seller, moment
),
known AS (
    SELECT
        seller,
        moment,
        min(joined) OVER so_far AS joined,
        sum(sales) OVER so_far AS sales,
        sum(returns) OVER so_far AS returns,
        sum(complaints) OVER so_far AS complaints,
        sum(stars) OVER so_far AS stars,
        sum(ratings) OVER so_far AS ratings,
        sum(strikes) OVER so_far AS strikes,
        sum(listings) OVER so_far AS listings
    FROM changes
    WINDOW so_far AS (PARTITION BY seller ORDER BY moment ROWS UNBOUNDED PRECEDING)
)
SELECT
    questions.place,
    (questions.moment - known.joined) / 86400e6 AS seller_age_days,
    coalesce(sales, 0) / {_MILLIONTHS} AS seller_sales,
    coalesce(returns, 0) / {_MILLIONTHS} AS seller_returns,
    coalesce(complaints, 0) / {_MILLIONTHS} AS seller_complaints,
    stars / ratings / {_MILLIONTHS} AS seller_rating,
    coalesce(strikes, 0) / {_MILLIONTHS} AS seller_strikes,
    coalesce(listings, 0) / {_MILLIONTHS} AS seller_listings
FROM questions ASOF JOIN known ON questions.seller = known.seller AND questions.moment >= known.moment
"""  # noqa: S608  nothing but a constant of ours is put in


_EVENTS_OF_SELLERS = """
CREATE TEMP VIEW events AS SELECT * FROM all_events WHERE seller_id IN (SELECT seller FROM questions)
"""


@dataclass(frozen=True)
class EventsValidation:
    """Events that keep every rule, in canonical form, and the problems of the others."""

    events: pd.DataFrame
    problems: tuple[Problem, ...]


def validate_events(frame: pd.DataFrame, source: str = "events") -> EventsValidation:
    """Check a frame of seller events, all rows and all cells at once.

    Parameters
    ----------
    frame : DataFrame
        Columns seller_id, kind (one of `EVENT_KINDS`), occurred_at, known_at and optionally amount: units (1 where
        missing), or the rating in 0-1 of an event "rated". Cells may be text, as in a CSV file.
    source : str, default="events"
        Name of the events in messages.

    Raises
    ------
    MissingColumns, Refused
        If a required column is absent, or another column is there.

    Examples
    --------
    >>> event = {"seller_id": ["s"], "kind": ["rated"], "occurred_at": ["2026-03-01T09:30:00Z"], "amount": [5]}
    >>> print(validate_events(pd.DataFrame(event | {"known_at": event["occurred_at"]})).problems[0])
    row 1, amount: found '5', expected a rating from 0 to 1
    """
    check_columns(frame, EVENT_FIELDS, source)
    events, is_bad = check_cells(frame, EVENT_FIELDS)
    problems = list_problems(frame, is_bad, EVENT_FIELDS)
    is_rating = (events["kind"] == "rated").to_numpy(dtype=bool)
    is_wrong = is_rating & ~is_bad["amount"] & ~(events["amount"] <= 1.0).to_numpy()
    problems += [
        Problem(int(row), "amount", f"{amount:g}" if amount == amount else "", _RATING)
        for row, amount in zip(number_rows(frame)[is_wrong], events.loc[is_wrong, "amount"], strict=True)
    ]
    problems.sort(key=lambda problem: problem.row)
    if problems:
        events = events[~np.isin(number_rows(frame), [problem.row for problem in problems])]
    return EventsValidation(events, tuple(problems))


def check_events(table: RawTable, source: str) -> EventsValidation:
    """Check events of a file; rows that could not be read are among the problems.

    Raises
    ------
    MissingColumns, Refused
        As for `validate_events`.
    """
    frame = table.frame
    if table.is_sparse:  # a column that no line has is absent: its lines are at fault
        required = [field.name for field in EVENT_FIELDS if field.is_required and field.name not in frame]
        frame = frame.reindex(columns=[*frame.columns, *required])
    validation = validate_events(frame, source)
    return replace(validation, problems=(*table.problems, *validation.problems))


def read_events(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the events of several files in canonical form, as one frame.

    Parameters
    ----------
    paths : sequence of Path
        CSV, JSON lines or Parquet, each with the columns of `validate_events`.

    Raises
    ------
    UnreadableFile, MissingColumns, Refused
        A file is not of its type, or does not hold events.
    InvalidListings
        A file has bad rows.
    """
    return pd.concat([events for path in paths for events in _read_checked(path, None)], ignore_index=True)


def write_events(paths: Sequence[Path], target: Path) -> None:
    """Write the events of several files to one Parquet file for `history_as_of`, in bounded memory.

    Parameters
    ----------
    paths : sequence of Path
        At least one, as for `read_events`.

    Raises
    ------
    UnreadableFile, MissingColumns, Refused, InvalidListings
        As in `read_events`; the bad rows of the first 50,000 with any are reported.
    """
    chunks = (_to_arrow(events) for path in paths for events in _read_checked(path, CHUNK_ROWS))
    first = next(chunks)
    with pq.ParquetWriter(target, first.schema) as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk)


def history_as_of(events: pd.DataFrame | Path, listings: pd.DataFrame, *, threads: int | None = None) -> pd.DataFrame:
    """Return each listing's seller history as known when the listing was observed.

    Parameters
    ----------
    events : DataFrame of shape (n_events, 5), or Path
        As for `validate_events`, in any order; or a file from `write_events`, of which only the events of these
        sellers are read.
    listings : DataFrame of shape (n_listings, ...)
        With seller_id and observed_at: times with a zone, in any unit, read to the microsecond.
    threads : int, optional
        Number of threads; by default the number of cores, up to 4.

    Returns
    -------
    DataFrame of shape (n_listings, 7)
        Indexed like the listings, columns `HISTORY_COLUMNS`: sums of units and the mean rating known by then, rounded
        to a millionth, and the days since the seller joined. All are NaN for an unknown seller or a missing
        observed_at; the rating is NaN without ratings, the age without a "joined".

    Raises
    ------
    InvalidListings
        If any event is bad, or an observed_at is not a time with a zone.

    Examples
    --------
    >>> moment = pd.Timestamp("2026-03-01", tz="UTC")
    >>> day = pd.Timedelta(days=1)
    >>> events = pd.DataFrame(
    ...     {"seller_id": "s", "kind": ["joined", "sold", "returned"], "amount": [1.0, 2.0, 1.0],
    ...      "occurred_at": [moment, moment, moment], "known_at": [moment, moment, moment + 9 * day]}
    ... )
    >>> listings = pd.DataFrame({"seller_id": ["s"], "observed_at": [moment + 3 * day]})
    >>> history_as_of(events, listings)[["seller_age_days", "seller_sales", "seller_returns"]].iloc[0].tolist()
    [3.0, 2.0, 0.0]
    """
    if not isinstance(events, Path):
        validation = validate_events(events)
        if validation.problems:
            raise InvalidListings(validation.problems, "events")
        events = validation.events
    observed, is_bad = read_cells(listings[["observed_at"]], _OBSERVED)
    if problems := list_problems(listings, is_bad, _OBSERVED):
        raise InvalidListings(problems, "listings")
    questions = pd.DataFrame(
        {
            "place": np.arange(len(listings)),
            "seller": listings["seller_id"].array,
            "moment": observed["observed_at"].array,
        }
    ).dropna()
    answers = (
        _ask(events, questions, threads or min(4, os.cpu_count() or 1)).set_index("place").reindex(range(len(listings)))
    )
    return answers[list(HISTORY_COLUMNS)].astype("float64").set_axis(listings.index)


def _read_checked(path: Path, rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the events of a file in canonical form, in chunks of at most so many rows."""
    for table in read_tables(path, rows):
        validation = check_events(table, str(path))
        if validation.problems:
            raise InvalidListings(validation.problems, str(path))
        yield validation.events


def _ask(events: pd.DataFrame | Path, questions: pd.DataFrame, threads: int) -> pd.DataFrame:
    """Join and sum up in duckdb, in bounded memory; the rest spills to a folder that is removed afterwards."""
    import duckdb
    from pyarrow.dataset import dataset

    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {
            "threads": threads,
            "memory_limit": _MEMORY,
            "temp_directory": folder,
        }
        with duckdb.connect(config=config) as connection:
            connection.register("questions", _to_arrow(questions))
            if isinstance(events, Path):
                connection.register("all_events", dataset(events, format="parquet"))
                connection.execute(_EVENTS_OF_SELLERS)
            else:
                connection.register("events", _to_arrow(events))
            answers: pd.DataFrame = connection.sql(_HISTORY).df()
            return answers


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame that duckdb reads without copying, its times as microseconds since 1970."""
    moments = {str(name): frame[name].astype("int64") for name in frame.select_dtypes("datetimetz")}
    return pa.Table.from_pandas(frame.assign(**moments), preserve_index=False)
