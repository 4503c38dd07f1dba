"""Train: read, split, fit, evaluate beside baselines, save, record. One experiment in, one registered model out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ipml.errors import UnwritableFile
from ipml.features.brand import brand_table
from ipml.listings.brands import load_brands
from ipml.model.artifact import save_model
from ipml.model.curves import plot_curves
from ipml.model.evaluation import MODEL, Evaluation
from ipml.model.experiment import Experiment
from ipml.model.fitting import fit_classifier, rehearse
from ipml.model.model_card import ModelCard
from ipml.model.model_folder import check_replaceable
from ipml.model.run_facts import RunFacts
from ipml.model.tracking import RecordedRun, check_store, record_run
from ipml.model.training_data import digest_listings, read_training_listings
from ipml.model.unseen import Tested, measure, score_unseen
from ipml.settings import get_settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What came of a training run."""

    card: ModelCard
    folder: Path
    evaluation: Evaluation
    run: RecordedRun


def train(
    experiment: Experiment,
    *,
    models: Path = Path("models"),
    tracking_uri: str | None = None,
    say: Say = lambda _: None,
) -> Trained:
    """Run one experiment and register its model.

    The figures come from a model that saw only the training side of the split; the model that is saved is then fitted
    on all labelled listings.

    Parameters
    ----------
    experiment : Experiment
        What to do; `load_experiment` reads it from a file.
    models : Path, default="models"
        The model is saved in a folder of this folder, named after the experiment.
    tracking_uri : str, optional
        MLflow's store; that of the settings where none is given.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    InvalidListings, UnreadableFile, UnsplittableData, UnusableSetting
        The data cannot be read, cannot be split, or the experiment asks for what does not exist.
    NotAModelFolder, UnwritableFile, TrackingUnavailable
        The model or the run could not be kept; this is known before anything is learnt.
    """
    folder = models / experiment.name
    say("checking what is needed")
    experiment.find_all()
    brand_file = experiment.find(experiment.data.brands) if experiment.data.brands else get_settings().brands
    brands = brand_table(load_brands(brand_file))
    rehearse(experiment, brands)
    _check_destination(folder, tracking_uri)
    say("reading listings")
    listings = read_training_listings(experiment)
    say("fitting and testing on unseen sellers")
    tested = score_unseen(experiment, listings, brands)
    say("measuring")
    evaluation = measure(experiment, tested)
    say("fitting on all labelled listings")
    labelled = listings[listings["is_counterfeit"].notna()]
    classifier = fit_classifier(experiment, labelled, brands)
    say("saving and recording")
    digest = digest_listings(labelled)
    card = save_model(
        classifier,
        folder,
        name=experiment.record.model,
        data_digest=digest,
        experiment=experiment.model_dump(mode="json"),
        figures=evaluation.figures[MODEL],
        key_file=get_settings().model_key,
    )
    run = _record(experiment, evaluation, tested, folder, digest, tracking_uri)
    return Trained(card, folder, evaluation, run)


def _check_destination(folder: Path, tracking_uri: str | None) -> None:
    """Refuse early what would otherwise fail once everything has been learnt."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableFile(folder, error.strerror or str(error), "a folder that can be made") from error
    check_replaceable(folder)
    check_store(tracking_uri)


def _record(
    experiment: Experiment,
    evaluation: Evaluation,
    tested: Tested,
    folder: Path,
    digest: str,
    tracking_uri: str | None,
) -> RecordedRun:
    with tempfile.TemporaryDirectory() as pictures:
        curves = plot_curves(
            tested.y,
            tested.scores[MODEL][0],
            tested.listings["seller_id"],
            Path(pictures),
            baselines={name: scores[0] for name, scores in tested.scores.items() if name != MODEL},
        )
        facts = RunFacts(
            experiment=experiment.name,
            parameters={"seed": experiment.seed, **experiment.split.model_dump(), **experiment.model},
            figures=evaluation.figures[MODEL],
            data_name=", ".join(experiment.data.listings),
            data_digest=digest,
            pictures=curves,
            texts={
                **_written(experiment),
                "evaluation.json": evaluation.to_json(),
                "evaluation.txt": evaluation.table(),
                "slices.txt": evaluation.slice_table(),
            },
            tags={"leaks": str(experiment.split.kind == "leaking random").lower()},
        )
        record = experiment.record
        return record_run(facts, folder, model_name=record.model, alias=record.alias, tracking_uri=tracking_uri)


def _written(experiment: Experiment) -> dict[str, str]:
    """Return the experiment as its file has it, or as JSON where it was made without one."""
    if experiment.text:
        return {"experiment.toml": experiment.text}
    return {"experiment.json": experiment.model_dump_json(indent=2)}
