"""The whole way: listings arrive, a model finds, a person decides, and the next model learns from it."""

import numpy as np
import pytest

from ipml.listings.schema import listings_to_frame, validate_listings
from ipml.listings.writers import write_listings
from ipml.model.tracking import resolve_model
from ipml.model.training import Experiment, train
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases, get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.exports import export_labels, label_listing
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import load_model
from ipml.storage.database import migrate, open_database, reading, writing


@pytest.mark.slow
def test_a_decision_changes_the_next_model(market, tmp_path):
    """Reviewers call the twenty most suspicious listings genuine; the model trained on that scores them lower."""
    market.write(tmp_path)
    data = {"listings": "listings.parquet", "brands": "brands.toml", "truth": "truth.parquet"}
    options = {"evaluation": {"n_resamples": 20}, "model": {"n_folds": 2, "C": 0.1}, "folder": tmp_path}
    tracking = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first = Experiment(name="street", data=data, **options)
    trained = train(first, models=tmp_path / "models", tracking_uri=tracking)
    model = load_model(resolve_model(trained.run.model_uri, tracking))
    assert model.version == trained.card.full_version
    write_listings(market.listings.tail(400), tmp_path / "newest.parquet")
    assert score_file(model, tmp_path / "newest.parquet", tmp_path / "scored.parquet").scored == 400
    engine = open_database(f"sqlite:///{tmp_path / 'ipml.db'}")
    migrate(engine)
    enqueue(engine, read_scored(tmp_path / "scored.parquet"))
    decided = []
    for _ in range(20):
        with writing(engine) as connection:
            taken = claim(connection, "ana")
            assert get_case(connection, taken.case_id).scored.reasons
            decided.append(decide(connection, DecisionRequest(taken, Verdict.GENUINE)).listing_id)
    with reading(engine) as connection:
        assert count_cases(connection)["decided"] == 20
        write_listings(listings_to_frame(map(label_listing, export_labels(connection))), tmp_path / "labels.parquet")
    second = Experiment(name="street", data=data | {"labels": "labels.parquet"}, **options)
    retrained = train(second, models=tmp_path / "retrained", tracking_uri=tracking)
    assert retrained.run.alias == "challenger"
    seen = validate_listings(market.listings[market.listings["listing_id"].isin(decided)]).listings
    after = load_model(retrained.folder).score_frame(seen)["log_odds"]
    assert np.mean(after) < np.mean(model.score_frame(seen)["log_odds"]) - 0.5
