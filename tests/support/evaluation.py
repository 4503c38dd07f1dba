"""The evaluation of a model that scored its listings once."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from ipml.model.evaluation.evaluation import Evaluation, evaluate_repeats


def evaluate(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    *,
    baselines: Mapping[str, ArrayLike] | None = None,
    **options: Any,
) -> Evaluation:
    """Measure one scoring beside one of each baseline."""
    repeated = {name: [scores] for name, scores in (baselines or {}).items()}
    return evaluate_repeats(y, [score], listings, baselines=repeated, **options)
