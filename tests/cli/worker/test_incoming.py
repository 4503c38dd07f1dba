"""Jobs of the worker on listings: files that come into a folder, and listings that are scored again."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, select
from support.reviewing import judge
from support.transactions import act, ask, count

from ipml.cli.worker.incoming import find_recent, remove_old
from ipml.cli.worker.loop import JobRun
from ipml.cli.worker.tasks import TASKS
from ipml.errors import Failed
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame
from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.marketplace import Submission, find_known, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.sellers.seller_history import SellerEvent, remove_history, store_events
from ipml.review.sellers.seller_record import RECORDED
from ipml.scoring.online_scoring import ServedModel
from ipml.scoring.portfolio_store import start_store
from ipml.scoring.scorer import load_model
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.database import migrate, open_database, writing
from ipml.storage.tables import cases


def take_in_files(engine: Engine, folder: Path, model: Path, **settings: Any) -> str:
    """Do the job once."""
    given = Settings(incoming=folder, incoming_top=20, model=str(model), explore=0, **settings)
    return TASKS["score"](JobRun(engine, given, lambda: False))


def make_intake_model(saved_model: Path) -> IntakeModel:
    """Return the model as the API scores with it."""
    model = ServedModel(str(saved_model), DEFAULT_SETTINGS).take()
    return IntakeModel(model.version, lambda some, earlier, explain: model.score_records(some, explain, earlier)[0])


@pytest.fixture
def folder(tmp_path: Path, market) -> Path:
    """Return a folder into which a file of listings came."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    market.listings[:80].to_parquet(folder / "night.parquet")
    return folder


def names(folder: Path) -> list[str]:
    """Return what is in a folder, without the moments before the names."""
    return sorted(path.name.partition("Z-")[2] or path.name for path in folder.iterdir())


def test_a_file_is_enqueued_once(engine: Engine, folder: Path, saved_model: Path) -> None:
    """It is moved away, its scores stay; the same file again opens no new case."""
    said = take_in_files(engine, folder, saved_model)
    assert "80 scored, 0 bad rows" in said
    assert names(folder) == ["done", "scored"]
    assert names(folder / "scored") == ["night.parquet.parquet", "night.parquet.parquet.rejects.csv"]
    n_cases = count(engine, cases)
    assert 0 < n_cases <= 20
    (done,) = (folder / "done").iterdir()
    (folder / "night.parquet").write_bytes(done.read_bytes())
    assert "0 new" in take_in_files(engine, folder, saved_model)
    assert count(engine, cases) == n_cases
    assert take_in_files(engine, folder, saved_model) == ""


def test_what_was_interrupted_goes_on(engine: Engine, folder: Path, saved_model: Path) -> None:
    """Killed after it was enqueued and before it was moved, it is moved, and nothing is doubled."""
    before, copy = (folder / "night.parquet").stat(), (folder / "night.parquet").read_bytes()
    take_in_files(engine, folder, saved_model)
    n_cases = count(engine, cases)
    (folder / "night.parquet").write_bytes(copy)
    os.utime(folder / "night.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))
    take_in_files(engine, folder, saved_model)
    assert names(folder / "done") == ["night.parquet"]
    assert count(engine, cases) == n_cases


def test_a_file_that_cannot_be_read_holds_up_no_other(engine: Engine, folder: Path, saved_model: Path) -> None:
    """It lies apart, beside what was wrong with it; what is still written is left alone."""
    (folder / "bad.csv").write_text("nothing,of,this\n1,2,3\n")
    (folder / "later.csv.part").write_text("listing_id")
    with pytest.raises(Failed, match=r"bad\.csv cannot be read"):
        take_in_files(engine, folder, saved_model)
    assert names(folder / "failed") == ["bad.csv", "bad.csv.txt"]
    assert names(folder / "done") == ["night.parquet"]
    assert (folder / "later.csv.part").exists()


def test_drift_is_measured_of_what_came_until_it_is_deleted(engine, folder: Path, saved_model: Path, market) -> None:
    """The files of the last days, with the reference of the model; recent ones stay."""
    from ipml.model.drift import reference_of

    listings: pd.DataFrame = market.listings[:80]
    take_in_files(engine, folder, saved_model)
    reference = folder.parent / "reference.json"
    reference.write_text(reference_of(listings, None, listings["is_counterfeit"]).to_json(), encoding="utf-8")
    settings = Settings(incoming=folder, incoming_days=3, model=str(saved_model), drift_reference=str(reference))
    assert TASKS["drift"](JobRun(engine, settings, lambda: False)).startswith("80 listings, ")
    assert remove_old(settings) == 0
    (done,) = find_recent(settings)
    os.utime(done, (time.time() - 4 * 86_400,) * 2)
    assert remove_old(settings) == 1
    assert find_recent(settings) == []


def test_what_a_file_holds_counts_for_the_next(engine: Engine, folder: Path, saved_model: Path, market) -> None:
    """Each listing once; the next file is scored as `ipml score` does with a store that has taken the first one in."""
    listings = check_listings(market.listings[:80])
    listings["seller_id"] = "new " + listings["seller_id"]  # whom the model does not remember
    later = listings[:30].assign(observed_at=listings["observed_at"].max() + pd.Timedelta(days=1), listed_at=None)
    later["listing_id"] = "later " + later["listing_id"]
    scorer = load_model(saved_model)
    store = start_store(scorer)
    store.take_in(scorer, listings)
    for number in range(2):
        listings.to_parquet(folder / "night.parquet")
        assert f"{(80, 0)[number]} added to portfolios" in take_in_files(engine, folder, saved_model)
    later.to_parquet(folder / "later.parquet")
    take_in_files(engine, folder, saved_model)
    (scored,) = (folder / "scored").glob("*later.parquet.parquet")
    found, expected = pd.read_parquet(scored), scorer.score_frame(check_listings(later), store.portfolios)
    assert found["earlier_listings"].tolist() == expected["earlier_listings"].tolist()
    assert found["earlier_listings"].min() > 0
    np.testing.assert_allclose(found["score"].astype(float), expected["score"], rtol=0, atol=1e-9)


def test_a_file_is_judged_as_if_it_were_submitted(engine: Engine, folder: Path, saved_model: Path, market) -> None:
    """By what is known of its sellers, and by what was found counterfeit: the same scores, the same matches."""
    earlier, twin = datetime.now(UTC) - timedelta(days=1), open_database("sqlite://")
    migrate(twin)
    given = frame_to_listings(check_listings(market.listings[:40].drop(columns="image_urls", errors="ignore")))
    listings = [replace(remove_history(one, ()), observed_at=earlier) for one in given]
    sellers = {one.seller_id for one in listings[::2]}
    events = [SellerEvent(f"{kind} {one}", one, kind, earlier, earlier, 9.0) for one in sellers for kind in RECORDED]
    bad = ScoredListing(replace(listings[0], listing_id="bad", seller_id="bad"), 0.9, None, (), (), None, "m")
    for one in (engine, twin):
        act(one, store_events, events, earlier)
        enqueue(one, [bad], now=earlier)
        judge(one, None, Verdict.COUNTERFEIT, now=earlier)
    take_in(twin, [Submission(tuple(listings))], make_intake_model(saved_model), earlier)
    listings_to_frame(listings).to_parquet(folder / "night.parquet")
    take_in_files(engine, folder, saved_model)
    (path,) = (folder / "scored").glob("*.parquet")
    known, found = ask(twin, find_known, [one.listing_id for one in listings]), pd.read_parquet(path)
    for row in found.itertuples():
        scored = known[row.listing_id].scored
        assert row.score == pytest.approx(scored.score, abs=1e-9)
        assert row.seller_strikes == scored.listing.seller_strikes or row.seller_id not in sellers
    query = select(cases.c.match_kind, cases.c.match_precision, cases.c.relisting_of).order_by(cases.c.listing_id)
    matches = [
        ask(one, lambda c: c.execute(query.where(cases.c.match_kind.is_not(None))).all()) for one in (engine, twin)
    ]
    assert matches[0] == matches[1] != []


# Listings that came over HTTP are scored again by the worker, with the model that the API scores with
def test_more_is_known_of_a_seller(engine: Engine, saved_model: Path, market) -> None:
    """Their listings are scored with it, as they would be if they were submitted now; then nothing is left to do."""
    run = JobRun(engine, Settings(model=str(saved_model)), lambda: False)
    assert TASKS["rescore"](run) == ""
    earlier = datetime.now(UTC) - timedelta(days=1)
    given = frame_to_listings(check_listings(market.listings[:20]))
    listings = [replace(remove_history(one, ()), observed_at=earlier) for one in given]
    take_in(engine, [Submission(tuple(listings))], make_intake_model(saved_model), earlier)
    assert TASKS["rescore"](run) == ""
    seller = listings[0].seller_id
    with writing(engine) as connection:
        events = [SellerEvent(f"e{at}", seller, "complained", earlier, datetime.now(UTC)) for at in range(30)]
        store_events(connection, events, datetime.now(UTC))
    n_theirs = sum(one.seller_id == seller for one in listings)
    assert (TASKS["rescore"](run), TASKS["rescore"](run)) == (f"{n_theirs} listings scored again.", "")
    scored = ask(engine, find_known, [listings[0].listing_id])[listings[0].listing_id].scored
    assert scored.listing.seller_complaints == 30
    assert scored.score == pytest.approx(
        ServedModel(str(saved_model), DEFAULT_SETTINGS).take().explain_again(scored).score, abs=1e-9
    )
