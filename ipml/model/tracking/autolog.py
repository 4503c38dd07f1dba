"""Autologging: MLflow records each fit of a classifier in a notebook, with parameters, training metrics and model.

`mlflow.sklearn.autolog` patches scikit-learn's classes only; MLflow has a function for each other library. `autolog` is
the one for ipml, made with MLflow's tools for authors of such functions, so that options, nested runs and failures are
treated as usual. `fit` alone writes to no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlflow
import numpy as np
from mlflow.utils.autologging_utils import (
    _has_active_training_session,
    disable_autologging,
    get_autologging_config,
)
from mlflow.utils.autologging_utils.safety import safe_patch

from ipml.listings.frames import as_frame
from ipml.model.model_file import SKOPS_TYPES
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.tracking.flavor import make_environment, make_input_signature
from ipml.model.tracking.runs import select_shown, shorten

_SKLEARN = "sklearn"  # whose options, and whose end, are those of our patch


def autolog(**options: Any) -> None:
    """Switch on autologging for scikit-learn's estimators and for fits of `CounterfeitClassifier`.

    Each fit becomes a run, or is recorded in the active one: parameters, metrics on the training listings (average
    precision, area under the ROC curve, log loss), the listings with their digest, and the model, stored by skops.
    MLflow records a pipeline or search as a whole, as for any estimator. Metrics on training listings flatter: `ipml
    model train` measures a model on unseen sellers.

    Parameters
    ----------
    **options
        As for `mlflow.sklearn.autolog`, such as `log_models=False`; `disable=True` ends both. Calling that function
        later ends ours.
    """
    import mlflow.sklearn

    mlflow.sklearn.autolog(**options)
    if not options.get("disable"):
        tags = options.get("extra_tags")
        patch: Any = safe_patch  # MLflow gives it no types
        patch(_SKLEARN, CounterfeitClassifier, "fit", _fit_and_record, manage_run=True, extra_tags=tags)


@contextmanager
def without_autolog() -> Iterator[None]:
    """Record no fit meanwhile: a training is one run, not one for each fold."""
    with disable_autologging():
        yield


def _fit_and_record(
    original: Callable[..., CounterfeitClassifier],
    classifier: CounterfeitClassifier,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *args: Any,
    **kwargs: Any,
) -> CounterfeitClassifier:
    """Fit and record; MLflow turns an error of the recording into a warning."""
    if _has_active_training_session():  # type: ignore[no-untyped-call]  # a pipeline or a search, which records the whole
        return original(classifier, X, y, sample_weight, *args, **kwargs)
    mlflow.log_params(_list_parameters(classifier))
    kind = type(classifier)
    mlflow.set_tags({"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__name__}"})
    if _find_option("log_datasets"):
        mlflow.log_input(mlflow.data.from_pandas(as_frame(X)), context="train")  # type: ignore[attr-defined]
    with disable_autologging():  # a learner of scikit-learn is fitted once a fold
        original(classifier, X, y, sample_weight, *args, **kwargs)
        mlflow.log_metrics(_measure(classifier, X, y, sample_weight))
        if _find_option("log_models"):
            _log_model(classifier)
    return classifier


def _find_option(name: str) -> Any:
    """Return an option of `autolog`, or its default."""
    return get_autologging_config(_SKLEARN, name)  # type: ignore[no-untyped-call]


def _list_parameters(classifier: CounterfeitClassifier) -> dict[str, str]:
    """Return the parameters that are numbers and texts; brands are a table, and parts have their own."""
    plain = {
        name: value
        for name, value in classifier.get_params().items()
        if not (hasattr(value, "get_params") or isinstance(value, list) or name.endswith("brands"))
    }
    return {name: shorten(str(value)) for name, value in select_shown(plain).items()}


def _measure(classifier: CounterfeitClassifier, X: Any, y: Any, sample_weight: Any) -> dict[str, float]:
    """Return training metrics without a threshold, under MLflow's names where it has them."""
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    is_counterfeit = np.asarray(y) == classifier.pos_label_
    column = classifier.classes_.tolist().index(classifier.pos_label_)
    probability = classifier.predict_proba(X)[:, column]
    measures = {"average_precision": average_precision_score, "roc_auc": roc_auc_score, "log_loss": log_loss}
    return {
        f"training_{name}": float(measure(is_counterfeit, probability, sample_weight=sample_weight))
        for name, measure in measures.items()
    }


def _log_model(classifier: CounterfeitClassifier) -> None:
    mlflow.sklearn.log_model(
        classifier,
        name="model",
        serialization_format="skops",
        skops_trusted_types=SKOPS_TYPES,
        signature=make_input_signature(),
        conda_env=make_environment(),
        registered_model_name=_find_option("registered_model_name"),
    )
