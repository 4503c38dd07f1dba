"""The sentences with which a model explains listings, for pages that the model half writes without knowing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipml.model.report import Explain
    from ipml.records import Reason
    from ipml.scoring.scorer import Scorer


def explain_by_folder(folder: Path) -> Explain:
    """Return what gives the sentences for each listing of a frame, by the model in a folder."""
    from ipml.scoring.scorer import load_model

    return explain_by(load_model(folder))


def explain_by(scorer: Scorer) -> Explain:
    """Return what gives the sentences for each listing of a frame, by a loaded model."""
    return lambda listings: [list(map(_in_words, scored.reasons)) for scored in scorer.explain_frame(listings)]


def _in_words(reason: Reason) -> str:
    sign = "+" if reason.weight > 0 else "\N{MINUS SIGN}"
    return f"{sign} {reason.sentence}"
