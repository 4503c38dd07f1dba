"""The function others import: listings in, calibrated probabilities with reasons out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.listings.schema import check_listings, frame_to_listings, listings_to_frame, validate_record
from ipml.model.artifact import load_model as load_artifact
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Listing, ScoredListing
from ipml.scoring.reasons import Explainer
from ipml.settings import get_settings

NO_LETTERS = "the title has no letters"
UNKNOWN_WORDS = "the title is in words the model does not know"
SCORE_COLUMNS = ("score", "log_odds", "abstained", "model_version")


class Scorer:
    """A loaded model that scores listings: one at a time, or a frame at once. Threads may share it.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    version : str
        Name and version, as every score carries them: "ipml/3f2a9c…".

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> scorer = Scorer(CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4), "example/1")
    >>> scored = scorer.score({"listing_id": "1", "seller_id": "s", "title": "AAA replica watch"})
    >>> round(scored.score, 1), next(reason.sentence for reason in scored.reasons if reason.feature == "title")
    (0.9, 'Title reads like those of counterfeits: “replica”, “watch”, “AAA”')
    """

    def __init__(self, classifier: CounterfeitClassifier, version: str) -> None:
        self.classifier = classifier
        self.version = version
        self._explainer = Explainer(classifier)

    def score(self, listing: Listing | Mapping[str, Any], *, explain: bool = True) -> ScoredListing:
        """Return one listing with its score, and why.

        Parameters
        ----------
        listing : Listing or mapping
            A mapping is checked against the schema first.
        explain : bool, default=True
            Whether to give reasons and highlights.

        Raises
        ------
        InvalidListings
            The mapping breaks the rules of the schema; every field at fault is named.
        """
        record = listing if isinstance(listing, Listing) else validate_record(listing)
        return self._assemble([record], ListingColumns.of_one(record), explain)[0]

    def score_frame(self, listings: pd.DataFrame) -> pd.DataFrame:
        """Return the columns score, log_odds, abstained and model_version, indexed as the listings are.

        Parameters
        ----------
        listings : DataFrame of shape (n_listings, …)
            Checked listings, as `ipml.listings.schema.check_listings` returns them.
        """
        columns = ListingColumns.of(listings)
        log_odds, score, abstained = self._score(columns)
        return pd.DataFrame(
            {
                "score": score,
                "log_odds": log_odds,
                "abstained": pd.Series(abstained, dtype="str", index=listings.index),
                "model_version": pd.Series([self.version] * len(listings), dtype="str", index=listings.index),
            },
            index=listings.index,
        )

    def explain_frame(self, listings: pd.DataFrame) -> list[ScoredListing]:
        """Return each listing of a checked frame with its score and reasons; for the few that people will read."""
        return self._assemble(list(frame_to_listings(listings)), ListingColumns.of(listings), explain=True)

    def _score(self, columns: ListingColumns) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str | None]]:
        log_odds = self.classifier.decision_function(columns)
        score = self.classifier.calibration_.probability(log_odds)
        is_unfamiliar = self._explainer.extractors["title"].is_unfamiliar(columns)
        abstained = [
            NO_LETTERS if not any(map(str.isalnum, title)) else UNKNOWN_WORDS if is_strange else None
            for title, is_strange in zip(columns.folded("title"), is_unfamiliar, strict=True)
        ]
        is_silent = np.array([cause is not None for cause in abstained], dtype=bool)
        score[is_silent] = log_odds[is_silent] = np.nan
        return log_odds, score, abstained

    def _assemble(self, listings: list[Listing], columns: ListingColumns, explain: bool) -> list[ScoredListing]:
        log_odds, score, abstained = self._score(columns)
        n = len(listings)
        reasons: list[Any] = [()] * n
        if explain:
            reasons = self._explainer.reasons(columns, self.classifier.contributions(columns))
        ranges = self._explainer.extractors["price"].price_ranges(columns) if explain else [None] * n
        return [
            ScoredListing(
                listing=listing,
                score=None if abstained[row] else float(score[row]),
                log_odds=None if abstained[row] else float(log_odds[row]),
                reasons=() if abstained[row] else reasons[row],
                highlights=self._explainer.highlights(listing.title) if explain and not abstained[row] else (),
                price_range=ranges[row],
                model_version=self.version,
                abstained=abstained[row],
            )
            for row, listing in enumerate(listings)
        ]


def load_model(source: str | Path | None = None, *, allow_version_mismatch: bool = False) -> Scorer:
    """Load a model for scoring, after checking that it is whole, unchanged and made of nothing but known parts.

    Parameters
    ----------
    source : str or Path, optional
        A model folder, or a name in the registry: "models:/ipml@champion", "models:/ipml/3". The model of the
        settings (`IPML_MODEL`) where none is given.
    allow_version_mismatch : bool, default=False
        Load even if made with other versions of Python or of the libraries.

    Raises
    ------
    ModelNotFound, UntrustedModel, ModelChanged, VersionMismatch
        Nothing of the model has been run then.
    """
    source = str(source or get_settings().model)
    if source.startswith("models:"):
        from ipml.model.tracking import resolve_model  # MLflow is loaded only for its registry

        source = str(resolve_model(source))
    key_file = get_settings().model_key
    loaded = load_artifact(Path(source), key_file=key_file, allow_version_mismatch=allow_version_mismatch)
    return Scorer(loaded.classifier, loaded.card.full_version)


def score_listings(
    listings: pd.DataFrame | Iterable[Listing | Mapping[str, Any]], model: Scorer | str | Path | None = None
) -> list[ScoredListing]:
    """Score listings and say why, in their order.

    Parameters
    ----------
    listings : DataFrame, or iterable of Listing or mapping
        A frame has the canonical columns. All are checked against the schema first.
    model : Scorer, str or Path, optional
        A loaded model, or what `load_model` takes.

    Raises
    ------
    InvalidListings
        Some listing breaks the rules of the schema; all problems are named.
    """
    scorer = model if isinstance(model, Scorer) else _load_once(str(model or get_settings().model))
    if not isinstance(listings, pd.DataFrame):
        listings = listings_to_frame(item if isinstance(item, Listing) else validate_record(item) for item in listings)
    return scorer.explain_frame(check_listings(listings)) if len(listings) else []


@lru_cache(maxsize=4)
def _load_once(source: str) -> Scorer:
    return load_model(source)
