"""MLflow flavour of a model folder: stores it in MLflow, and scores listings for MLflow's scoring server.

Recorded models name ipml's scoring as their loader, so the same checks run when MLflow opens one, and when
`mlflow models serve` scores with it: a frame of listings in, a frame of scores out.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

from ipml.errors import IpmlError, UntrustedModel
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model.model_file import read_skops
from ipml.model.model_file import save_model as save_folder
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.records import Listing

SERVED_COLUMNS = {
    **dict.fromkeys(("score", "score_low", "score_high"), DataType.double),
    **dict.fromkeys(("abstained", "warning", "model_version"), DataType.string),
}
"""Output columns of scoring, and their types."""
LABEL_FIELDS = {"is_counterfeit", "labelled_at", "label_weight", "label_probability"}


def served_fields() -> dict[str, Any]:
    """Return the fields of a listing that a model reads, and their types."""
    hints = get_type_hints(Listing)
    return {name: hint for name, hint in hints.items() if name not in LABEL_FIELDS}


def make_example() -> pd.DataFrame:
    """Return one listing as a caller of MLflow's scoring would send it."""
    example: pd.DataFrame = listings_to_frame(GOLDEN_LISTINGS[:1]).dropna(axis="columns")
    return example[[name for name, hint in served_fields().items() if name in example and hint != datetime | None]]


class FlavorModel:
    """A loaded model with the method that MLflow calls.

    Parameters
    ----------
    score : function of DataFrame
        Maps checked listings to a frame with `SERVED_COLUMNS`, as `Scorer.score_frame`.
    """

    def __init__(self, score: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._score = score

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of `SERVED_COLUMNS`, one row per listing.

        Where the model abstains, `abstained` gives the reason and the score is None, which JSON can express, not NaN.
        Moments may be ISO text, as in JSON.

        Raises `MlflowException`: a listing breaks the rules of the schema; all problems are named.
        """
        try:
            scored = self._score(check_listings(model_input.reset_index(drop=True)))
        except IpmlError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        scored = scored[list(SERVED_COLUMNS)].astype(object)
        return scored.where(scored.notna(), None).set_axis(model_input.index)


FLAVOR_NAME = "ipml"
LOADER = "ipml.scoring.scorer"  # by name only: scoring is built on models, not models on scoring
MODEL_FOLDER = "data/model"  # where mlflow.pyfunc.save_model puts a folder called "model"


def save_model(path: str, mlflow_model: Model, folder: Path, **_: object) -> None:
    """Write a model folder as an MLflow model at `path`; called by MLflow while it logs the model."""
    with warnings.catch_warnings():  # of a type hint of its own, when this part of MLflow is first imported
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        from mlflow.pyfunc import save_model as save_pyfunc
    mlflow_model.add_flavor(FLAVOR_NAME, model_folder=MODEL_FOLDER, ipml_version=version("ipml"))
    with tempfile.TemporaryDirectory() as workplace:
        # pyfunc.save_model keeps the last part of the path, and MODEL_FOLDER is a constant.
        copied = shutil.copytree(folder, Path(workplace, Path(MODEL_FOLDER).name))
        save_pyfunc(
            path,
            loader_module=LOADER,
            data_path=str(copied),
            mlflow_model=mlflow_model,
            signature=_make_signature(),
            input_example=make_example(),
            conda_env=make_environment(),
        )


SKOPS_FILE = "model.skops"  # of MLflow's own flavour of scikit-learn


def convert_sklearn(folder: Path, name: str) -> Path:
    """Convert a classifier stored by `mlflow.sklearn.log_model`, a private copy, to a model folder beside it.

    Raises `UntrustedModel` for anything else, or if it was stored by pickle.
    """
    file = folder / SKOPS_FILE
    if not file.is_file():
        expected = f"{SKOPS_FILE}, as `mlflow.sklearn.log_model` keeps a classifier without pickle"
        raise UntrustedModel(folder, f"no file {SKOPS_FILE}", expected)
    converted = folder / MODEL_FOLDER
    classifier = read_skops(file.read_bytes(), folder)
    save_folder(classifier, converted, name=name, data_digest="", experiment={}, figures={})
    return converted


def make_environment() -> dict[str, Any]:
    """Return the packages for serving a model.

    Without them MLflow would load the model in another process to find out: 4 s instead of 0.1 s. With packages alone,
    it warns if pip is missing, as in an environment of uv.
    """
    packages = [f"{name}=={version(name)}" for name in ("ipml", "mlflow", "scikit-learn", "numpy")]
    python = f"python={platform.python_version()}"
    return {"name": "ipml", "channels": ["conda-forge"], "dependencies": [python, "pip", {"pip": packages}]}


def _make_signature() -> ModelSignature:
    """Return the fields of a listing in MLflow's types, and its outputs."""
    given: list[ColSpec | TensorSpec] = [ColSpec(kind, name, required=False) for name, kind in SERVED_COLUMNS.items()]
    return ModelSignature(inputs=make_input_signature().inputs, outputs=Schema(given))


def make_input_signature() -> ModelSignature:
    """Return the fields of a listing in MLflow's types."""
    # MLflow knows moments without a time zone only; ours pass as they are, and as ISO text from JSON. So do vectors, of
    # which it would take no missing one.
    anything = AnyType()  # type: ignore[no-untyped-call]
    kinds: dict[Any, DataType | AnyType] = {
        str: DataType.string,
        str | None: DataType.string,
        float | None: DataType.double,
        datetime | None: anything,
        tuple[float, ...] | None: anything,
    }
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(kinds[hint], name, required=hint is str) for name, hint in served_fields().items()
    ]
    return ModelSignature(inputs=Schema(columns))
