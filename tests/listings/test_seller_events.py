"""Seller history: what was known at a moment, and nothing of the future."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
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


DAYS = [START + timedelta(days=day) for day in range(4)]
LATE = [("a", "sold", DAYS[0], DAYS[0], 1.0), ("a", "returned", DAYS[1], DAYS[3], 1.0)]  # a return known later


@example(LATE, [("a", DAYS[2]), ("a", DAYS[3]), ("b", DAYS[3])])
@given(event_rows, listing_rows)
@settings(max_examples=10)
def test_history_agrees_with_its_specification(events: list[tuple[Any, ...]], listings: list[tuple[Any, ...]]) -> None:
    """The history of every listing is what counting the known events one by one gives."""
    found = history_as_of(make_events(events), make_listings(listings))
    expected = [specify_history(make_events(events), *row) for row in listings]
    np.testing.assert_allclose(found.to_numpy(), np.array(expected, dtype=float), atol=1e-5, rtol=0)


@given(event_rows, event_rows, sellers, moments, st.randoms(use_true_random=False))
@settings(max_examples=8)
def test_the_future_changes_nothing(events, others, seller, as_of, chance):
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
    """The result can be put beside the listings as it is; a listing without a moment has no history."""
    listings = make_listings([("a", pd.NaT), ("a", START)])
    history = history_as_of(make_events([("a", "sold", START, START, 1.0)]), listings)
    assert tuple(history.columns) == HISTORY_COLUMNS
    assert set(HISTORY_COLUMNS) <= set(COLUMNS)
    assert history.index.equals(listings.index)
    assert history["seller_sales"].isna().tolist() == [True, False]


def test_an_event_without_amount_is_one_unit() -> None:
    """Beside events with amounts."""
    events = make_events([("a", "sold", START, START, None), ("a", "sold", START, START, 2)])
    assert history_as_of(events, make_listings([("a", START)]))["seller_sales"].item() == 3.0


def test_bad_events_and_moments_are_refused() -> None:
    """All bad cells of events are named together, and no history is counted from them or as of no known moment."""
    frame = make_events(
        [("a", "bought", START, START, 1), ("", "rated", START, "2026-01-01", 0.5), ("a", "rated", START, START, None)]
    )
    found = [(problem.row, problem.column) for problem in validate_events(frame).problems]
    assert found == [(1, "kind"), (2, "seller_id"), (2, "known_at"), (3, "amount")]
    with pytest.raises(MissingColumns, match="no column known_at"):
        validate_events(make_events([]).drop(columns="known_at"))
    with pytest.raises(InvalidListings, match="events: 1 bad row"):
        history_as_of(make_events([("a", "rated", START, START, 5)]), make_listings([("a", START)]))
    with pytest.raises(InvalidListings, match="observed_at"):
        history_as_of(make_events(LATE), make_listings([("a", pd.Timestamp("2026-01-02"))]))


def test_history_is_the_same_in_whatever_unit_and_zone_moments_are() -> None:
    """A moment is a moment, of an event as of a listing."""
    times = ["occurred_at", "known_at"]
    events = make_events([*LATE, ("a", "joined", DAYS[0], DAYS[1], 1.0), ("b", "rated", DAYS[2], DAYS[2], 0.5)])
    listings = make_listings([("a", DAYS[1]), ("a", DAYS[3]), ("b", DAYS[2]), ("c", DAYS[2])])
    events[times] = events[times].apply(pd.to_datetime, utc=True)
    listings["observed_at"] = pd.to_datetime(listings["observed_at"], utc=True)
    expected = history_as_of(events, listings)
    for unit in ("ns", "us", "ms", "s"):
        there = events.assign(**{name: events[name].dt.as_unit(unit) for name in times})
        here = listings.assign(observed_at=listings["observed_at"].dt.as_unit(unit).dt.tz_convert("Asia/Tokyo"))
        for known, asked in ((events, here), (there, listings), (there, here)):
            pd.testing.assert_frame_equal(history_as_of(known, asked), expected)


@given(event_rows, listing_rows, st.integers(0, 12), st.integers(1, 5))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_the_file_of_a_bad_event_is_named_with_its_row(tmp_path):
    """As the row stands in that file, whether events are read or written."""
    good, bad = {**EVENT, "kind": "sold"}, {**EVENT, "kind": "sould"}
    paths = [tmp_path / "sales.csv", tmp_path / "more.csv"]
    pd.DataFrame([good, good]).to_csv(paths[0], index=False)
    pd.DataFrame([good, bad]).to_csv(paths[1], index=False)
    for read in (read_events, partial(write_events, target=tmp_path / "all.parquet")):
        with pytest.raises(InvalidListings, match=r"more\.csv: 1 bad row: row 2, kind: found 'sould'"):
            read(paths)
