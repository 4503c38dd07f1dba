"""Options of the commands that work on registered models, each said in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option(help="Name in the registry.")]
Tracking = Annotated[
    str | None,
    typer.Option(help="MLflow's tracking and registry URI; by default IPML_TRACKING, or mlflow.db here."),
]
Labelled = Annotated[
    Path | None,
    typer.Option(
        help="Compare on these labelled listings, not on those that both were tested on when they were trained.",
        show_default=False,
    ),
]


def make_uri(model: str, name: str) -> str:
    """Return a model as one names it to `find_model`: a bare number is a version of the registered model `name`.

    Examples
    --------
    >>> make_uri("3", "ipml"), make_uri("models:/shoes@champion", "ipml")
    ('models:/ipml/3', 'models:/shoes@champion')
    """
    return f"models:/{name}/{model}" if model.isdecimal() and len(model) < 10 else model
