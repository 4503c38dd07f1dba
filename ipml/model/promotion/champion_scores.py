"""What the champion said of the listings that a new model was tested on."""

from __future__ import annotations

import numpy as np

from ipml.errors import ModelNotFound, RunFileMissing
from ipml.model.evaluation import MODEL
from ipml.model.promotion.recorded import fetch_tested
from ipml.model.ranking import Floats
from ipml.model.tested import KEY, Tested


def fetch_champion_scores(tested: Tested, model_name: str, tracking_uri: str | None = None) -> list[Floats] | None:
    """Return the champion's scores of the same listings, in their order, from its own test; one array a repeat.

    None where there is no champion, where its run keeps no test, or where it was not tested on all of them: scores of
    listings that it had learnt from would flatter it.
    """
    try:
        theirs = fetch_tested(f"models:/{model_name}@champion", tracking_uri)
    except (ModelNotFound, RunFileMissing):
        return None
    numbered = theirs.listings[KEY].assign(row=np.arange(len(theirs.y)))
    rows = tested.listings[KEY].merge(numbered, on=KEY, how="left")["row"]
    if rows.isna().any():
        return None
    return [scores[rows.to_numpy(dtype=np.intp)] for scores in theirs.scores[MODEL]]
