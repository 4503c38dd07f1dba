"""Seller history: what was known at a moment, and nothing of the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, MissingColumns
from ipml.listings import seller_events as sellers_module
from ipml.listings.fields import COLUMNS
from ipml.listings.seller_events import (
    EVENT_KINDS,
    HISTORY_COLUMNS,
    history_as_of,
    read_events,
    validate_events,
    write_events,
)
from ipml.listings.writers import write_listings

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_COLUMNS = ["seller_id", "kind", "occurred_at", "known_at", "amount"]
EVENT = {"seller_id": "a", "occurred_at": "2026-01-01T00:00:00Z", "known_at": "2026-01-01T00:00:00Z"}
SUMS = {"sold": "sales", "returned": "returns", "complained": "complaints", "struck": "strikes", "listed": "listings"}

moments = st.integers(0, 6).map(lambda day: START + timedelta(days=day))
sellers = st.sampled_from(["a", "b", "c"])
event_rows = st.lists(
    st.tuples(sellers, st.sampled_from(EVENT_KINDS), moments, moments, st.floats(0, 1, width=16)), max_size=12
)
listing_rows = st.lists(st.tuples(sellers, moments), min_size=1, max_size=6)


def make_events(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return events as a frame."""
    return pd.DataFrame(rows, columns=EVENT_COLUMNS)


def make_listings(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return sellers and moments as a frame of listings, its index in no order."""
    frame = pd.DataFrame(rows, columns=["seller_id", "observed_at"])
    return frame.set_axis(pd.Index(range(len(frame), 0, -1)))


def specify_history(events: pd.DataFrame, seller: str, moment: datetime) -> list[float]:
    """Say what the history is, slowly."""
    known = events[(events["seller_id"] == seller) & (events["known_at"] <= moment) & (events["occurred_at"] <= moment)]
    if known.empty:
        return [np.nan] * len(HISTORY_COLUMNS)
    joined = known.loc[known["kind"] == "joined", "occurred_at"]
    history = {f"seller_{noun}": known.loc[known["kind"] == kind, "amount"].sum() for kind, noun in SUMS.items()}
    history["seller_rating"] = known.loc[known["kind"] == "rated", "amount"].mean()
    history["seller_age_days"] = (moment - joined.min()) / timedelta(days=1) if len(joined) else np.nan
    return [float(history[name]) for name in HISTORY_COLUMNS]


@given(event_rows, listing_rows)
@settings(max_examples=15)
def test_history_agrees_with_its_specification(events: list[tuple[Any, ...]], listings: list[tuple[Any, ...]]) -> None:
    """The history of every listing is what counting the known events one by one gives."""
    found = history_as_of(make_events(events), make_listings(listings))
    expected = [specify_history(make_events(events), *row) for row in listings]
    np.testing.assert_allclose(found.to_numpy(), np.array(expected, dtype=float), atol=1e-5, rtol=0)


@given(event_rows, event_rows, sellers, moments, st.randoms(use_true_random=False))
@settings(max_examples=12)
def test_the_future_changes_nothing(
    events: list[tuple[Any, ...]], others: list[tuple[Any, ...]], seller: str, as_of: datetime, chance: Any
) -> None:
    """Adding, changing, dropping or shuffling what became known later changes no bit."""
    past = [event for event in events if event[3] <= as_of]
    future = [event for event in others if event[3] > as_of]
    shuffled = past + future
    chance.shuffle(shuffled)
    listings = make_listings([(seller, as_of)])
    before = history_as_of(make_events(events), listings)
    after = history_as_of(make_events(shuffled), listings)
    assert before.to_numpy().tobytes() == after.to_numpy().tobytes()


def test_history_has_columns_of_the_schema_and_the_index_of_the_listings() -> None:
    """The result can be put beside the listings as it is."""
    listings = make_listings([("a", START), ("b", START)])
    history = history_as_of(make_events([]), listings)
    assert tuple(history.columns) == HISTORY_COLUMNS
    assert set(HISTORY_COLUMNS) <= set(COLUMNS)
    assert history.index.equals(listings.index)


def test_an_unknown_seller_has_no_history() -> None:
    """Where nothing is known of a seller the history is missing, not 0."""
    events = make_events([("a", "sold", START, START, 1.0)])
    assert history_as_of(events, make_listings([("b", START)])).isna().all(axis=None)


def test_a_listing_without_moment_has_no_history() -> None:
    """Without observed_at there is no moment to look back from."""
    events = make_events([("a", "sold", START, START, 1.0)])
    history = history_as_of(events, make_listings([("a", pd.NaT), ("a", START)]))
    assert history["seller_sales"].isna().tolist() == [True, False]


def test_an_event_counts_once_without_amount() -> None:
    """An event without amount is one unit."""
    events = make_events([("a", "sold", START, START, None), ("a", "sold", START, START, 2)])
    assert history_as_of(events, make_listings([("a", START)]))["seller_sales"].item() == 3.0


def test_what_occurred_but_was_not_known_does_not_count() -> None:
    """A return that becomes known on the third day is no part of the history on the second."""
    days = [START + timedelta(days=day) for day in range(4)]
    events = make_events([("a", "sold", days[0], days[0], 1), ("a", "returned", days[1], days[3], 1)])
    history = history_as_of(events, make_listings([("a", days[2]), ("a", days[3])]))
    assert history["seller_returns"].tolist() == [0.0, 1.0]


def test_all_bad_cells_of_events_are_reported_together() -> None:
    """One check names every bad cell of every event."""
    frame = make_events(
        [("a", "bought", START, START, 1), ("", "rated", START, "2026-01-01", 0.5), ("a", "rated", START, START, None)]
    )
    found = [(problem.row, problem.column) for problem in validate_events(frame).problems]
    assert found == [(1, "kind"), (2, "seller_id"), (2, "known_at"), (3, "amount")]


def test_bad_events_raise() -> None:
    """History is not counted from bad events."""
    with pytest.raises(InvalidListings, match="events: 1 bad row"):
        history_as_of(make_events([("a", "rated", START, START, 5)]), make_listings([("a", START)]))


def test_a_missing_column_of_events_is_named() -> None:
    """Events without known_at raise, and say so."""
    with pytest.raises(MissingColumns, match="no column known_at"):
        validate_events(make_events([]).drop(columns="known_at"))


@pytest.mark.parametrize("unit", ["ns", "us", "ms", "s"])
@given(rows=event_rows, asked=listing_rows)
@settings(max_examples=5)
def test_history_is_the_same_in_whatever_unit_and_zone_moments_are(
    unit: str, rows: list[tuple[Any, ...]], asked: list[tuple[Any, ...]]
) -> None:
    """A moment is a moment, of an event as of a listing."""
    events, listings = make_events(rows), make_listings(asked)
    for name in ("occurred_at", "known_at"):
        events[name] = pd.to_datetime(events[name], utc=True)
    listings["observed_at"] = pd.to_datetime(listings["observed_at"], utc=True)
    expected = history_as_of(events, listings)
    there = events.assign(**{name: events[name].dt.as_unit(unit) for name in ("occurred_at", "known_at")})
    here = listings.assign(observed_at=listings["observed_at"].dt.as_unit(unit).dt.tz_convert("Asia/Tokyo"))
    for known, questions in ((events, here), (there, listings), (there, here)):
        pd.testing.assert_frame_equal(history_as_of(known, questions), expected)


def test_a_moment_without_a_zone_is_refused() -> None:
    """Nobody knows when it is."""
    listings = make_listings([("a", pd.Timestamp("2026-01-02"))])
    with pytest.raises(InvalidListings, match="observed_at"):
        history_as_of(make_events([("a", "sold", START, START, 1.0)]), listings)


# Files of events


@given(event_rows, listing_rows, st.integers(0, 12), st.integers(1, 5))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_history_from_files_is_that_of_their_events_together(tmp_path, monkeypatch, rows, asked, cut, chunk_rows):
    """To the bit: cut into two files of other kinds, checked in chunks of any size, and read back from one file."""
    monkeypatch.setattr(sellers_module, "CHUNK_ROWS", chunk_rows)
    events = make_events(rows)
    events[["occurred_at", "known_at"]] = events[["occurred_at", "known_at"]].apply(pd.to_datetime, utc=True)
    write_listings(events[:cut], tmp_path / "some.jsonl")
    write_listings(events[cut:], tmp_path / "others.parquet")
    paths = [tmp_path / "others.parquet", tmp_path / "some.jsonl"]
    expected = history_as_of(events, make_listings(asked))
    pd.testing.assert_frame_equal(history_as_of(read_events(paths), make_listings(asked)), expected, check_exact=True)
    write_events(paths, tmp_path / "all [1].parquet")
    found = history_as_of(tmp_path / "all [1].parquet", make_listings(asked))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("read", [read_events, lambda paths: write_events(paths, paths[0].with_name("all.parquet"))])
def test_the_file_of_a_bad_event_is_named_with_its_row(tmp_path, read):
    """As the row stands in that file."""
    good, bad = {**EVENT, "kind": "sold"}, {**EVENT, "kind": "sould"}
    pd.DataFrame([good, good]).to_csv(tmp_path / "sales.csv", index=False)
    pd.DataFrame([good, bad]).to_csv(tmp_path / "more.csv", index=False)
    with pytest.raises(InvalidListings, match=r"more\.csv: 1 bad row: row 2, kind: found 'sould'"):
        read([tmp_path / "sales.csv", tmp_path / "more.csv"])
