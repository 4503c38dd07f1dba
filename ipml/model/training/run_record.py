"""What MLflow keeps of a training: everything the next model is judged by, watched with and repeated from."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ipml.model.curves import plot_curves
from ipml.model.evaluation import MODEL
from ipml.model.label_odds import count_by_odds, odds_of
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.promotion.gate_facts import GATE_FILE, GateFacts, make_gate_facts
from ipml.model.report import ReportFacts
from ipml.model.tested import TESTED_FILE, write_tested
from ipml.model.tracking import RecordedRun, RunFacts, record_run
from ipml.model.training.experiment import Experiment
from ipml.model.training.fitting import settable_parameters
from ipml.model.training.learning import Learnt
from ipml.model.training.tried_attacks import recall_kept

EXPERIMENT_FILE = "experiment.json"
EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.html"
FOLDER_TAG = "ipml.experiment_folder"
_GATE_FIGURES = (
    "recall_kept_mean",
    "recall_kept_worst",
    "false_positive_ratio_small",
    "false_positive_ratio_new",
    "listings_per_second",
)


def record_training(
    experiment: Experiment,
    learnt: Learnt,
    report: ReportFacts,
    listings_per_second: float,
    folder: Path,
    page: Path,
    tracking_uri: str | None = None,
) -> RecordedRun:
    """Record a training run with its model, its test, its report and its figures.

    Parameters
    ----------
    experiment, learnt
        What was done, and what came of it.
    report : ReportFacts
        What the page states.
    listings_per_second : float
        Scored on one core.
    folder, page : Path
        The model, and the report on it.
    tracking_uri : str, optional
        MLflow's store; that of the settings where none is given.
    """
    gate = _gate_facts_of(learnt, report, listings_per_second)
    measured = {name: value for name in _GATE_FIGURES if (value := getattr(gate, name)) is not None}
    with tempfile.TemporaryDirectory() as workplace:
        tested = Path(workplace, TESTED_FILE)
        write_tested(learnt.tested, tested)
        facts = RunFacts(
            experiment=experiment.name,
            parameters={**parameters_of(experiment), **_donor_of(experiment), **chosen_of(learnt)},
            figures={**learnt.evaluation.figures[MODEL], **measured},
            data_name=", ".join(experiment.data.listings),
            data_digest=learnt.data_digest,
            pictures=_plot(learnt, Path(workplace)),
            files=[tested],
            texts={
                **_texts_of(experiment, learnt, report),
                GATE_FILE: gate.to_json(),
                REPORT_FILE: page.read_text(encoding="utf-8"),
            },
            tags={"leaks": str(report.head.is_leaking).lower(), FOLDER_TAG: str(experiment.folder.resolve())},
            curves=curves_of(report),
        )
        record = experiment.record
        return record_run(facts, folder, model_name=record.model, alias=record.alias, tracking_uri=tracking_uri)


def parameters_of(experiment: Experiment) -> dict[str, object]:
    """Return what was set, by name: the seed, the split and the parameters of the classifier, those left alone too.

    Examples
    --------
    >>> parameters = parameters_of(Experiment(name="shoes", data={"listings": "shoes.csv"}, model={"n_folds": 3}))
    >>> parameters["n_folds"], parameters["C"], parameters["features__title__letters"]
    (3, 'chosen', (2, 5))
    """
    of_classifier = settable_parameters(CounterfeitClassifier(seed=experiment.seed)) | experiment.model
    split = {f"split.{name}": value for name, value in experiment.split.model_dump().items()}
    return {**split, **of_classifier, "C": of_classifier["C"] or "chosen"}


def chosen_of(learnt: Learnt) -> dict[str, object]:
    """Return what was not set but chosen or found: penalty and share of each strength of text, and sizes."""
    classifier, tested = learnt.classifier, learnt.evaluation.counts
    chosen = {
        f"chosen.{what}_at_text_{text:g}{'_with_donor' if donor else ''}": value
        for text, C, share, donor in classifier.strengths_.tolist()
        for what, value in (("C", C), ("share", share))
    }
    if hasattr(classifier, "donor_weight_"):
        chosen["chosen.donor_weight"] = classifier.donor_weight_
    for name, extractor in classifier.features_.transformer_list:
        if not np.isnan(getattr(extractor, "usual_seller_age_", np.nan)):
            chosen[f"chosen.{name}.usual_seller_age_days"] = extractor.usual_seller_age_
    sizes = {
        f"{part}.{name}": value
        for part, counts in (("learnt", learnt.counts), ("tested", tested))
        for name, value in asdict(counts).items()
    }
    unlabelled = {f"unlabelled.{name}": value for name, value in getattr(classifier, "unlabelled_", {}).items()}
    return {**chosen, **sizes, **unlabelled, "features": int(np.count_nonzero(classifier.coefficients))}


def _donor_of(experiment: Experiment) -> dict[str, object]:
    """Return which model learning started from, if any."""
    data = experiment.data
    return {"donor": data.donor, "donor_digest": data.donor_digest} if data.donor else {}


def curves_of(report: ReportFacts) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of a report as values at whole steps: percent, or numbers of listings."""
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
    }


def _gate_facts_of(learnt: Learnt, report: ReportFacts, listings_per_second: float) -> GateFacts:
    """Return what the gate asks for."""
    kept = recall_kept(report.robustness)
    return make_gate_facts(
        learnt.evaluation,
        is_leaking=report.head.is_leaking,
        recall_kept_mean=kept.mean if kept else None,
        recall_kept_worst=kept.worst if kept else None,
        false_positive_ratio_small=report.fairness.false_positive_ratio_small,
        false_positive_ratio_new=report.fairness.false_positive_ratio_new,
        listings_per_second=listings_per_second,
    )


def _texts_of(experiment: Experiment, learnt: Learnt, report: ReportFacts) -> dict[str, str]:
    """Return the text files of a run by name; the experiment with every default, and as its file has it, if any."""
    return {
        EXPERIMENT_FILE: experiment.model_dump_json(indent=2),
        **({"experiment.toml": experiment.text} if experiment.text else {}),
        EVALUATION_FILE: learnt.evaluation.to_json(),
        "evaluation.txt": learnt.evaluation.table(),
        "slices.txt": learnt.evaluation.slice_table(),
        "drift_reference.json": learnt.reference.to_json(),
        **({"robustness.json": report.robustness.to_json()} if report.robustness else {}),
    }


def _plot(learnt: Learnt, folder: Path) -> list[Path]:
    tested = learnt.tested
    first = {name: scores[0] for name, scores in tested.scores.items()}
    model = first.pop(MODEL)
    odds = odds_of(tested.listings)
    weight = None if odds is None else count_by_odds(odds)
    return list(plot_curves(tested.y, model, tested.listings["seller_id"], folder, baselines=first, weight=weight))
