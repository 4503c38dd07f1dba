"""Listings that came over HTTP are scored again by the worker, with the model that the API scores with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ipml.cli.worker.loop import JobRun
from ipml.cli.worker.tasks import TASKS
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.review.arrivals.marketplace import Submission, find_known, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.sellers.seller_history import SellerEvent, remove_history, store_events
from ipml.scoring.online_scoring import ServedModel
from ipml.settings import Settings
from ipml.storage.database import reading, writing


def test_more_is_known_of_a_seller(engine: Engine, saved_model: Path, market) -> None:
    """Their listings are scored with it, as they would be if they were submitted now; then nothing is left to do."""
    run = JobRun(engine, Settings(model=str(saved_model)), lambda: False)
    assert TASKS["rescore"](run) == ""
    earlier = datetime.now(UTC) - timedelta(days=1)
    given = frame_to_listings(check_listings(market.listings[:20]))
    listings = [replace(remove_history(one, ()), observed_at=earlier) for one in given]
    model = ServedModel(str(saved_model)).take()
    asked = IntakeModel(model.version, lambda some, earlier, explain: model.score_records(some, explain, earlier)[0])
    take_in(engine, [Submission(tuple(listings))], asked, earlier)
    assert TASKS["rescore"](run) == ""
    seller = listings[0].seller_id
    with writing(engine) as connection:
        events = [SellerEvent(f"e{at}", seller, "complained", earlier, datetime.now(UTC)) for at in range(30)]
        store_events(connection, events, datetime.now(UTC))
    n_theirs = sum(one.seller_id == seller for one in listings)
    assert TASKS["rescore"](run) == f"{n_theirs} listings scored again."
    assert TASKS["rescore"](run) == ""
    with reading(engine) as connection:
        scored = find_known(connection, [listings[0].listing_id])[listings[0].listing_id].scored
    assert scored.listing.seller_complaints == 30
    assert scored.score == pytest.approx(model.explain_again(scored).score, abs=1e-9)
