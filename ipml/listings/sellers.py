"""Seller events, and what they add up to: the history of a seller as it was known at a moment.

An event occurs at one moment and becomes known at another: a return is seen when the parcel arrives, a strike when
it is decided. History counts what was known, so that no feature knows the future.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ipml.errors import InvalidListings
from ipml.listings.fields import FIELDS, Field
from ipml.listings.frames import check_cells, check_columns, list_problems, number_rows, read_cells
from ipml.listings.kinds import Kind
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
# Amounts are added up as whole millionths: such sums do not depend on the order of the rows, as sums of floats do.
_MILLIONTHS = 1_000_000

# One row for each moment at which something became known of a seller, with all that was known by then.
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


@dataclass(frozen=True)
class EventsValidation:
    """Events that keep every rule, in canonical form, and everything wrong with the others."""

    events: pd.DataFrame
    problems: tuple[Problem, ...]


def validate_events(frame: pd.DataFrame) -> EventsValidation:
    """Check a frame of seller events, all rows and all cells at once.

    Parameters
    ----------
    frame : DataFrame
        Columns seller_id, kind (one of `EVENT_KINDS`), occurred_at, known_at and, optional, amount: units (1 where
        missing), or the rating in 0-1 of an event "rated". Cells may be text, as in a CSV file.

    Raises
    ------
    MissingColumns, UnknownColumns
        If a required column is absent, or another column is there.

    Examples
    --------
    >>> event = {"seller_id": ["s"], "kind": ["rated"], "occurred_at": ["2026-03-01T09:30:00Z"], "amount": [5]}
    >>> print(validate_events(pd.DataFrame(event | {"known_at": event["occurred_at"]})).problems[0])
    row 1, amount: found '5', expected a rating from 0 to 1
    """
    check_columns(frame, EVENT_FIELDS, "events")
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


def history_as_of(events: pd.DataFrame, listings: pd.DataFrame, *, threads: int | None = None) -> pd.DataFrame:
    """Return each listing's seller history as it was known when the listing was observed.

    Parameters
    ----------
    events : DataFrame of shape (n_events, 5)
        As for `validate_events`, in any order.
    listings : DataFrame of shape (n_listings, ...)
        With seller_id and observed_at: moments with a zone, in whatever unit; read to the microsecond.
    threads : int, optional
        How many threads work it out; as many as there are cores, up to 4, where it is not given.

    Returns
    -------
    DataFrame of shape (n_listings, 7)
        Indexed like the listings, columns `HISTORY_COLUMNS`: sums of units known by then and the mean rating, both
        to a millionth, and the days since the seller joined. All are NaN where nothing was known of the seller or
        observed_at is missing; the rating is NaN without ratings, the age without a "joined".

    Raises
    ------
    InvalidListings
        If any event is bad, or an observed_at is no moment or one without a zone.

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
    validation = validate_events(events)
    if validation.problems:
        raise InvalidListings(validation.problems, "events")
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
        _ask(validation.events, questions, threads or min(4, os.cpu_count() or 1))
        .set_index("place")
        .reindex(range(len(listings)))
    )
    return answers[list(HISTORY_COLUMNS)].astype("float64").set_axis(listings.index)


def _ask(events: pd.DataFrame, questions: pd.DataFrame, threads: int) -> pd.DataFrame:
    """Let duckdb join and add up, in bounded memory; what does not fit goes to a folder that is removed after."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {
            "threads": threads,
            "memory_limit": _MEMORY,
            "temp_directory": folder,
        }
        with duckdb.connect(config=config) as connection:
            connection.register("events", _to_arrow(events))
            connection.register("questions", _to_arrow(questions))
            answers: pd.DataFrame = connection.sql(_HISTORY).df()
            return answers


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as duckdb reads it without copying, its moments as microseconds since 1970."""
    moments = {str(name): frame[name].astype("int64") for name in frame.select_dtypes("datetimetz")}
    return pa.Table.from_pandas(frame.assign(**moments), preserve_index=False)
