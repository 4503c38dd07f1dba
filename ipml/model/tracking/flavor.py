"""A model folder as MLflow keeps it: its flavour, as MLflow calls a kind of model.

Models recorded here name ipml's own scoring as their loader, so that the same checks are made when somebody opens one
with MLflow, and when `mlflow models serve` scores with it.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import warnings
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType

from ipml.model.tracking.served_model import SERVED_COLUMNS, make_example, served_fields

FLAVOR_NAME = "ipml"
LOADER = "ipml.scoring.scorer"  # by name only: scoring is built on models, not models on scoring
MODEL_FOLDER = "data/model"  # where mlflow.pyfunc.save_model puts a folder called "model"


def save_model(path: str, mlflow_model: Model, folder: Path, **_: object) -> None:
    """Write a model folder as an MLflow model; MLflow calls this while it logs the model.

    Parameters
    ----------
    path : str
        Where the MLflow model goes.
    mlflow_model : Model
        Its description, to be completed.
    folder : Path
        The model as `ipml.model.artifact.save_model` wrote it.
    """
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
            conda_env=_make_environment(),
        )


def _make_environment() -> dict[str, Any]:
    """Return what a model needs to be served.

    Where nothing is given, MLflow loads the model in another process to find out: 4 s, not 0.1 s. Where only packages
    are given, it warns if there is no pip here, as in an environment that uv made.
    """
    packages = [f"{name}=={version(name)}" for name in ("ipml", "mlflow", "scikit-learn", "numpy", "skops")]
    python = f"python={platform.python_version()}"
    return {"name": "ipml", "channels": ["conda-forge"], "dependencies": [python, "pip", {"pip": packages}]}


def _make_signature() -> ModelSignature:
    """Return the fields of a listing as MLflow's scoring wants them."""
    # MLflow knows moments without a time zone only; ours pass as they are, and as ISO text from JSON.
    moment = AnyType()  # type: ignore[no-untyped-call]
    kinds: dict[Any, DataType | AnyType] = {
        str: DataType.string,
        str | None: DataType.string,
        float | None: DataType.double,
        datetime | None: moment,
    }
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(kinds[hint], name, required=hint is str) for name, hint in served_fields().items()
    ]
    given: list[ColSpec | TensorSpec] = [ColSpec(kind, name, required=False) for name, kind in SERVED_COLUMNS.items()]
    return ModelSignature(inputs=Schema(columns), outputs=Schema(given))
