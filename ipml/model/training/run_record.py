"""Run record: stores a training run for MLflow, and trains a recorded model again.

Reproduction takes everything from the model's card, which the registry vouches for; only the folder of the experiment's
files is a tag of the run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ipml.features.goods import brand_table
from ipml.model.evaluation.evaluation import MODEL, TESTED_FILE, write_tested
from ipml.model.external import ExternalClassifier
from ipml.model.model_file import ModelCard, manifest_sha256, read_card
from ipml.model.model_file.folder import check_replaceable
from ipml.model.model_file.model_file import running_versions
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.promotion.gate import GATE_FILE, GateFacts, make_gate_facts
from ipml.model.report import ReportFacts
from ipml.model.report.report import render_pictures
from ipml.model.tracking import (
    RegisteredModel,
    RunFacts,
    fetch_run_tags,
    find_model,
    resolve_model,
    select_shown,
    store_run,
)
from ipml.model.training.classifier import TrainingTask, fetch_source_model, settable_parameters
from ipml.model.training.experiment import (
    Experiment,
    digest_training,
    read_recorded,
    read_training_listings,
    read_unlabelled,
)
from ipml.model.training.result import TrainingResult, count_found, learn, listings_per_second, prepare, save_learnt
from ipml.settings import Settings

EXPERIMENT_FILE, EXPERIMENT_TEXT = "experiment/experiment.json", "experiment/experiment.toml"
EVALUATION_FILE = "evaluation/evaluation.json"
REPORT_FILE = "report.html"
FOLDER_TAG = "ipml.experiment_folder"
_GATE_FIGURES = (
    "recall_kept_mean",
    "recall_kept_worst",
    "false_positive_ratio_small",
    "false_positive_ratio_new",
    "listings_per_second",
)


def store_training(
    experiment: Experiment,
    learnt: TrainingResult,
    report: ReportFacts,
    folder: Path,
    page: Path,
) -> None:
    """Write a training run beside its model, to be recorded: its test, report, figures and speed.

    `folder` is that of the model, `page` the report on it.
    """
    gate = _gate_facts_of(learnt, report)
    measured = {name: value for name in _GATE_FIGURES if (value := getattr(gate, name)) is not None}
    with tempfile.TemporaryDirectory() as workplace:
        tested = Path(workplace, TESTED_FILE)
        write_tested(learnt.tested, tested)
        facts = RunFacts(
            experiment=experiment.name,
            parameters={**parameters_of(experiment), **_source_of(experiment), **chosen_of(learnt)},
            figures={**learnt.evaluation.figures[MODEL], **measured},
            data_name=", ".join(experiment.data.listings),
            data_digest=learnt.data_digest,
            pictures=_write_pictures(report, Path(workplace)),
            files=[tested],
            texts={
                **_texts_of(experiment, learnt, report),
                GATE_FILE: gate.to_json(),
                REPORT_FILE: page.read_text(encoding="utf-8"),
            },
            tags={"leaks": str(report.head.is_leaking).lower(), FOLDER_TAG: str(experiment.folder.resolve())},
            curves=_curves_of(report),
            description="\n\n".join((f"**{report.summary}**", *report.headline[:2])),
            inputs=experiment.digest_files(),
        )
        record = experiment.record
        store_run(facts, folder, model_name=record.model, alias=record.alias)


def parameters_of(experiment: Experiment) -> dict[str, object]:
    """Return the parameters that were set: seed, split and classifier (`select_shown`).

    >>> parameters = parameters_of(Experiment(name="shoes", data={"listings": "shoes.csv"}, model={"n_folds": 3}))
    >>> parameters["n_folds"], parameters["C"], parameters["features__title__letters"]
    (3, 'chosen', (2, 5))
    """
    if experiment.external:
        return split_of(experiment) | {
            f"external.{name}": value for name, value in experiment.external.model_dump().items()
        }
    of_classifier = settable_parameters(CounterfeitClassifier(seed=experiment.seed)) | experiment.model
    own = {f"features.{name}.{key}": of for name, table in experiment.features.items() for key, of in table.items()}
    shown = select_shown(of_classifier) | experiment.model
    return {**split_of(experiment), **own, **shown, "C": of_classifier["C"] or "chosen"}


def split_of(experiment: Experiment) -> dict[str, object]:
    """Return the parameters of the split by name."""
    return {f"split.{name}": value for name, value in experiment.split.model_dump().items()}


def chosen_of(learnt: TrainingResult) -> dict[str, object]:
    """Return what was chosen or counted: penalty and share of each text factor, and sizes."""
    classifier, tested = learnt.classifier, learnt.evaluation.counts
    sizes = {
        f"{part}.{name}": value
        for part, counts in (("learnt", learnt.counts), ("tested", tested))
        for name, value in asdict(counts).items()
    }
    if isinstance(classifier, ExternalClassifier):
        return sizes
    chosen: dict[str, object] = {
        f"chosen.{what}_at_text_{text:g}{'_with_donor' if source_model else ''}": value
        for text, C, share, source_model in getattr(classifier, "strengths_", np.zeros((0, 4))).tolist()
        for what, value in (("C", C), ("share", share))
    }
    if hasattr(classifier, "donor_weight_"):
        chosen["chosen.donor_weight"] = classifier.donor_weight_
    for name, extractor in classifier.features_.transformer_list:
        if not np.isnan(getattr(extractor, "usual_seller_age_", np.nan)):
            chosen[f"chosen.{name}.usual_seller_age_days"] = extractor.usual_seller_age_
    unlabelled = {f"unlabelled.{name}": value for name, value in getattr(classifier, "unlabelled_", {}).items()}
    n_features = np.count_nonzero(getattr(classifier, "coefficients", ()))  # of a learner without any: 0
    return {**chosen, **sizes, "learnt.features": int(n_features), **unlabelled}


def _source_of(experiment: Experiment) -> dict[str, object]:
    """Return the source model and its digest, if any."""
    data = experiment.data
    return {"donor": data.donor, "donor_digest": data.donor_digest} if data.donor else {}


def _curves_of(report: ReportFacts) -> dict[str, list[tuple[int, float]]]:
    """Return a report's curves as values at whole steps: percent, or numbers of listings."""
    curve, bins = report.curve, report.bins
    percent = np.round(100 * curve.recall, 6)
    whole = np.flatnonzero(percent == np.round(percent))
    return {
        "curves/precision_by_recall_percent": [(int(percent[at]), float(curve.precision[at])) for at in whole],
        "curves/observed_by_score_percent": [
            (round(100 * score), share)
            for score, share in zip(bins.start.tolist(), bins.observed.tolist(), strict=True)
        ],
        "curves/precision_by_k": [(found.k, found.precision.value) for found in report.found],
        "curves/recall_by_k": [(found.k, found.recall.value) for found in report.found],
        **({"curves/average_precision_by_labels": report.learning.points} if report.learning else {}),
    }


def _write_pictures(report: ReportFacts, folder: Path) -> list[Path]:
    paths = []
    for name, picture in render_pictures(report).items():
        paths.append(folder / f"{name}.svg")
        paths[-1].write_text(picture, encoding="utf-8")
    return paths


def _gate_facts_of(learnt: TrainingResult, report: ReportFacts) -> GateFacts:
    """Return the facts that the gate needs."""
    attacked, tested = report.robustness, learnt.tested
    worst = min((cost.recall_kept for cost in attacked.costs), key=lambda kept: kept.value) if attacked else None
    return replace(
        make_gate_facts(learnt.evaluation),
        is_leaking=report.head.is_leaking,
        counterfeits=int(tested.y.sum()),
        counterfeit_sellers=int(tested.listings["seller_id"][tested.y].nunique()),
        found_before_attacks=count_found(tested, attacked),
        recall_kept_mean=attacked.recall_kept if attacked else None,
        recall_kept_worst=worst,
        false_positive_ratio_small=report.fairness.false_positive_ratio_small,
        false_positive_ratio_new=report.fairness.false_positive_ratio_new,
        listings_per_second=listings_per_second(learnt.classifier, tested.listings),
    )


def _texts_of(experiment: Experiment, learnt: TrainingResult, report: ReportFacts) -> dict[str, str]:
    """Return the text files of a run by name, the experiment with all defaults and as written."""
    return {
        EXPERIMENT_FILE: experiment.model_dump_json(indent=2),
        **({EXPERIMENT_TEXT: experiment.text} if experiment.text else {}),
        EVALUATION_FILE: learnt.evaluation.to_json(),
        "evaluation/evaluation.txt": learnt.evaluation.table(),
        "evaluation/slices.txt": learnt.evaluation.slice_table(),
        "drift_reference.json": learnt.reference.to_json(),
        **({"evaluation/robustness.json": report.robustness.to_json()} if report.robustness else {}),
    }


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The result of training a model again.

    Attributes
    ----------
    differences : tuple of str
        A line each, the causes first; empty if every byte is the same.
    folder : Path or None
        The model trained again; None if the data differ, so that nothing was trained.
    """

    model: RegisteredModel
    recorded: ModelCard
    differences: tuple[str, ...]
    folder: Path | None


def reproduce(
    model: str,
    out: Path,
    settings: Settings,
    *,
    data_folder: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Train a recorded model again, and report the differences.

    Parameters
    ----------
    model : str
        Its registry URI, the id of its run, or its folder.
    out : Path
        Folder of the model trained again; nothing is registered.
    settings : Settings
        Name the store, the data folder and the brands.
    data_folder : Path, optional
        Folder of the experiment's files; default as in the original training.

    Raises
    ------
    NotFound, UnusableSetting, UntrustedModel, Failed
        The model or its source model is missing, or differs from the one registered.
    UnreadableFile, InvalidListings, UnusableSetting
        Files are missing, or this release cannot use the record.
    Refused
        `out` holds something else.
    """
    check_replaceable(out)
    say("looking up the model")
    found = find_model(model, settings.tracking)
    original = resolve_model(found.uri, settings.tracking, settings.trusted_models)
    recorded = read_card(original)
    folder = data_folder or Path(fetch_run_tags(found, settings.tracking).get(FOLDER_TAG, "."))
    experiment = read_recorded(json.dumps(dict(recorded.experiment)), folder, f"experiment of {found.uri}", settings)
    experiment, source_model = fetch_source_model(experiment)
    brands = prepare(experiment)
    say("reading listings")
    listings = read_training_listings(experiment)
    digest = digest_training(listings, read_unlabelled(experiment, listings))
    causes, running = _differ_if("data digest", digest, recorded.data_digest), running_versions()
    for name in dict.fromkeys([*recorded.versions, *running]):
        causes += _differ_if(f"version of {name}", running.get(name), recorded.versions.get(name))
    if digest != recorded.data_digest:
        return Reproduction(found, recorded, tuple(causes), None)
    task = TrainingTask(experiment, listings, brand_table(brands), source_model)
    card = save_learnt(experiment, learn(task, say=say), out)
    differences = [*causes, *compare_cards(card, recorded)]
    if not differences and manifest_sha256(out) != manifest_sha256(original):
        differences = ["manifest: another"]
    return Reproduction(found, recorded, tuple(differences), out)


def compare_cards(card: ModelCard, recorded: ModelCard) -> list[str]:
    """Return the differences between two model cards, besides versions; a line each.

    >>> from dataclasses import replace
    >>> card = ModelCard("ipml", "0123456789ab", {}, (), "0", {}, {}, (0.5, -1.0))
    >>> compare_cards(card, card)
    []
    >>> compare_cards(card, replace(card, golden_log_odds=(0.5, -1.25)))
    ['log-odds of the golden listings: up to 0.25 apart']
    """
    found = _differ_if("model file", card.version, recorded.version)
    if gap := _find_gap(card.golden_log_odds, recorded.golden_log_odds):
        found.append(f"log-odds of the golden listings: {gap}")
    for name in dict.fromkeys([*card.figures, *recorded.figures]):
        found += _differ_if(name.replace("_", " "), card.figures.get(name), recorded.figures.get(name))
    for name in ("name", "listing_fields", "data_digest", "experiment"):
        if getattr(card, name) != getattr(recorded, name):
            found.append(f"{name.replace('_', ' ')} in the card: another")
    return found


def _differ_if(what: str, found: object, recorded: object) -> list[str]:
    """Return a line where two facts differ, and none where they do not."""
    if found == recorded:
        return []
    return [f"{what}: {'none' if found is None else found}; recorded {'none' if recorded is None else recorded}"]


def _find_gap(found: tuple[float, ...], recorded: tuple[float, ...]) -> str:
    if found == recorded:
        return ""
    if len(found) != len(recorded):
        return "of other listings"
    return f"up to {max(abs(one - other) for one, other in zip(found, recorded, strict=True)):.2g} apart"
