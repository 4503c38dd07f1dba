"""The story, told once: listings come in, a model finds, a person decides, and the next model has learnt from it."""

import numpy as np
import pandas as pd
import pytest

from ipml.listings.schema import listings_to_frame, validate_listings
from ipml.listings.writers import write_listings
from ipml.model.tracking import resolve_model
from ipml.model.training import Experiment, train
from ipml.model.training.experiment import read_training_listings
from ipml.records import Verdict
from ipml.review.exports import export_labels, label_listing
from ipml.review.queue import claim, count_cases, decide, enqueue, get_case, list_cases, release
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import load_model
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import migrate, open_database, reading, writing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def street(tmp_path_factory, market):
    """Walk the street from simulated listings to a filled queue, all in one folder."""
    folder = tmp_path_factory.mktemp("street")
    market.write(folder)
    listings = pd.read_parquet(folder / "listings.parquet")
    assert validate_listings(listings).problems == ()
    trained = train(experiment(folder), models=folder / "models", tracking_uri=tracking(folder))
    newest = market.listings.tail(400)
    write_listings(newest, folder / "newest.parquet")
    counts = score_file(load_model(trained.folder), folder / "newest.parquet", folder / "scored.parquet")
    assert counts.scored == 400
    engine = open_database(f"sqlite:///{folder / 'ipml.db'}")
    migrate(engine)
    enqueue(engine, read_scored(folder / "scored.parquet"))
    return folder, trained, engine


def experiment(folder, **data):
    """Return an experiment on the simulated files."""
    files = {"listings": "listings.parquet", "brands": "brands.toml", "truth": "truth.parquet", **data}
    return Experiment(
        name="street",
        data=files,
        folder=folder,
        evaluation={"n_resamples": 20},
        model={"n_folds": 2, "C": 0.1},
    )


def tracking(folder):
    """Return the MLflow store of the story."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def expect(case):
    """Return how many counterfeits are to be expected of a case and the copies that wait for it."""
    return (case.scored.score or 0) * (1 + case.n_alike)


def test_the_most_suspicious_case_is_claimed_first_and_its_reasons_came_along(street):
    """A reviewer who asks for work gets the most counterfeits to be expected, with the reasons the model gave."""
    _, _, engine = street
    with writing(engine) as connection:
        taken = claim(connection, "ana")
        case = get_case(connection, taken.case_id)
        assert expect(case) == max(expect(one) for one in list_cases(connection, limit=500))
    assert case.scored.reasons
    with writing(engine) as connection:
        release(connection, taken)


def test_a_decision_changes_the_next_model(street, market):
    """Reviewers call the twenty most suspicious listings genuine; the model trained on that scores them lower."""
    folder, trained, engine = street
    decided = []
    for _ in range(20):
        with writing(engine) as connection:
            taken = claim(connection, "ana")
            decided.append(decide(connection, taken, Verdict.GENUINE).listing_id)
    with reading(engine) as connection:
        assert count_cases(connection)["decided"] == 20
        assert not verify(connection).problems

    with reading(engine) as connection:
        write_listings(listings_to_frame(map(label_listing, export_labels(connection))), folder / "labels.parquet")

    plan = experiment(folder, labels="labels.parquet")
    learnt_from = read_training_listings(plan).set_index("listing_id")
    assert not learnt_from.loc[decided, "is_counterfeit"].any()
    retrained = train(plan, models=folder / "retrained", tracking_uri=tracking(folder))
    assert retrained.run.alias == "challenger"

    seen = market.listings[market.listings["listing_id"].isin(decided)]
    before = load_model(trained.folder).score_frame(validate_listings(seen).listings)["log_odds"]
    after = load_model(retrained.folder).score_frame(validate_listings(seen).listings)["log_odds"]
    assert np.mean(after) < np.mean(before) - 0.5


def test_the_registered_model_is_the_one_that_was_trained(street):
    """What the registry gives out under its alias scores as the saved folder does."""
    folder, trained, _ = street
    registered = load_model(resolve_model(trained.run.model_uri, tracking(folder)))
    assert registered.version == trained.card.full_version
