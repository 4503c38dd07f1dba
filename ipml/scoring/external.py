"""External scorer: scores and reasons of a model that ipml did not train.

Reasons come from the model if it gives any: the contributions of its features to its log-odds. Otherwise they come from
occlusion: each filled field is left out alone, and the reason states the score without it. The joint effect of fields
is one more reason, so that reasons and base rate sum to the log-odds either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import Failed, UnusableSetting
from ipml.features.columns import ListingColumns
from ipml.features.own import is_own_column
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.extra import PREFIX
from ipml.listings.fields import FIELDS
from ipml.listings.kinds import make_empty_column
from ipml.listings.schema import validate_record
from ipml.model.external import ExternalClassifier
from ipml.model.external.classifier import frame_of
from ipml.model.familiarity import ListingSample
from ipml.records import NONE_EARLIER, REST, EarlierListings, Listing, Reason, ScoredListing
from ipml.scoring.judgement import NONE_UNREAD, CalibratedScores, Explained
from ipml.scoring.scorer import Scorer

Floats = NDArray[np.float64]

_GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "title": ("the title", ("title",)),
    "description": ("the description", ("description",)),
    "brand": ("the brand", ("brand",)),
    "category": ("the category", ("category",)),
    "price": ("the price", ("price", "currency")),
    "listing_id": ("its number and its address", ("listing_id", "url")),
    "listing": (
        "what is known of the listing (age, sales, reviews, condition, country)",
        (
            *("listed_at", "observed_at", "listing_sales", "listing_returns", "listing_rating", "listing_reviews"),
            *("condition", "country", "gtin"),
        ),
    ),
    "seller": (
        "what is known of the seller",
        (
            *("seller_age_days", "seller_sales", "seller_returns", "seller_complaints", "seller_rating"),
            *("seller_strikes", "seller_listings", "seller_language"),
        ),
    ),
    "seller_id": ("the name of the seller", ("seller_id",)),
    "picture": (
        "its pictures",
        ("image_hash", "image_urls", "image_vector", "picture_counterfeit_matches", "picture_genuine_matches"),
    ),
    "text_vector": ("the vector of its text", ("text_vector",)),
    "extra": ("the columns of your own", ("extra",)),
}
"""The fields that are left out together, by the reason that states it, and how a sentence calls them: all that an
estimator is shown, each once."""
OCCLUSION = "Without {} the score would be {:.0f} %"
OWN = "{}, as the model itself weighs it"
TOGETHER = "All else the model reads, and what the above do together"
_MOST_NAMES, _SHORT = 3, 40
_LEAST_WEIGHT = 1e-9
_FIELD = {field.name: field for field in FIELDS}


class ExternalScorer(Scorer):
    """A `Scorer` with a model that ipml did not train.

    It knows nothing of a seller's earlier listings but what the columns of a listing say, marks no words, and abstains
    only where its interval is too wide.

    The parameters are those of `Scorer`, with a fitted `ExternalClassifier`.
    """

    classifier: ExternalClassifier  # type: ignore[assignment]

    def _prepare(self) -> None:
        """Leave reasons and currencies to the classifier."""

    @property
    def caveat(self) -> str:
        """Why the same listing may score otherwise another time: where a service answers, it may have changed."""
        address = self.classifier.source.address
        return f" (the model answers at {address}, and may have changed there)" if address else ""

    @property
    def reads_vectors(self) -> bool:
        """Whether vectors of pictures must be of one length: an external model looks at them itself."""
        return False

    def score(
        self,
        listing: Listing | Mapping[str, Any],
        portfolios: SellerPortfolios | None = None,
        *,
        others: EarlierListings = NONE_EARLIER,
        explain: bool = True,
    ) -> ScoredListing:
        """Return one listing with its score, and why; parameters as of `Scorer.score`."""
        record = listing if isinstance(listing, Listing) else validate_record(listing)
        return self.score_records([record], portfolios, others=[others], explain=explain)[0]

    def _calibrate(
        self,
        columns: ListingColumns,
        portfolios: SellerPortfolios | None,
        others: Sequence[EarlierListings] | None = None,
        sample: ListingSample | None = None,
        explain: bool = False,  # noqa: ARG002 - reasons cost a look of their own here
    ) -> CalibratedScores:
        known, log_odds = self._find_earlier(columns, portfolios, others), self.classifier.decision_function(columns)
        score, low, high = self.classifier.calibrate_with_bounds(columns, log_odds)
        facts = log_odds, score, low, high, score.copy(), self._find_too_wide(low, high)
        return self._conclude(CalibratedScores(columns, known, *facts, NONE_UNREAD), sample)

    def _assemble_one(self, *facts: Any) -> ScoredListing:
        scored = super()._assemble_one(*facts)
        return scored if self.classifier.is_calibrated else replace(scored, score_low=None, score_high=None)

    def _explain(
        self,
        columns: ListingColumns,
        earlier: list[EarlierListings],  # noqa: ARG002 - it knows of none
        unread: Any = NONE_UNREAD,  # noqa: ARG002
    ) -> list[Explained]:
        frame, classifier = frame_of(columns), self.classifier
        given = classifier.explain(frame)
        base = classifier.base_rate_ if given is None else given[1]
        of_each = self._leave_out(frame, columns) if given is None else _say_own(given[0], classifier.show(frame))
        total = classifier.decision_function(frame)
        explained = []
        for reasons, log_odds, prices in zip(of_each, total, classifier.prices_.price_ranges(columns), strict=True):
            rest = float(log_odds) - base - sum(reason.weight for reason in reasons)
            if abs(rest) > _LEAST_WEIGHT:
                reasons.append(Reason(REST, TOGETHER, rest))
            reasons.sort(key=lambda reason: (-abs(reason.weight), reason.feature))
            explained.append(Explained(tuple(reasons), price_range=prices, base_rate=base))
        return explained

    def _leave_out(self, frame: pd.DataFrame, columns: ListingColumns) -> list[list[Reason]]:
        """Return for each listing what the score would be without each of its fields."""
        reasons = [list[Reason]() for _ in range(len(frame))]
        whole = self.classifier.decision_function(frame)
        rows_of = {group: np.flatnonzero(frame[list(of)].notna().any(axis=1)) for group, (_, of) in _GROUPS.items()}
        rows_of = {group: rows for group, rows in rows_of.items() if len(rows)}
        without = [_drop_fields(frame.iloc[rows], _GROUPS[group][1]) for group, rows in rows_of.items()]
        for (group, rows), log_odds in zip(rows_of.items(), self._ask(without), strict=True):
            if log_odds is None:
                continue
            score = self.classifier.calibrate(columns.cut(rows), log_odds)
            for row, weight, left in zip(rows.tolist(), (whole[rows] - log_odds).tolist(), score.tolist(), strict=True):
                if abs(weight) > _LEAST_WEIGHT:
                    sentence = OCCLUSION.format(_GROUPS[group][0], 100 * left)
                    reasons[row].append(Reason(f"{group}.left_out", sentence, weight))
        return reasons

    def _ask(self, frames: Sequence[pd.DataFrame]) -> list[Floats | None]:
        """Return the log-odds of each frame, asked at once; None where the estimator needs a field that is left out."""
        try:
            log_odds = self.classifier.decision_function(pd.concat(frames, ignore_index=True))
        except (Failed, UnusableSetting):
            return [None] if len(frames) == 1 else [self._ask([frame])[0] for frame in frames]
        return list(np.split(log_odds, np.cumsum([len(frame) for frame in frames])[:-1]))


def _drop_fields(frame: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Return listings without some fields: empty where every listing has one, else missing."""
    empty = {name: make_empty_column(frame.index, _FIELD[name].kind) for name in fields}
    return frame.assign(**{name: "" if _FIELD[name].is_required else cells for name, cells in empty.items()})


def _say_own(added: pd.DataFrame, frame: pd.DataFrame) -> list[list[Reason]]:
    """Return what a model's own features add to the log-odds, those of one transformer as one reason.

    A reason names a number of the listing with its value, and of many features those that add most.
    """
    said = []
    for weights, listing in zip(added.to_dict("records"), frame.to_dict("records"), strict=True):
        of_group: dict[str, dict[str, float]] = {}
        for feature, weight in weights.items():
            if abs(weight) > _LEAST_WEIGHT:
                group, _, name = str(feature).rpartition("__")
                of_group.setdefault(group or name, {})[name] = weight
        said.append([_say_group(group, of, listing) for group, of in of_group.items()])
    return said


def _say_group(group: str, weights: Mapping[str, float], listing: Mapping[Any, Any]) -> Reason:
    total = sum(weights.values())
    names = sorted((name for name in weights if weights[name] * total > 0), key=lambda name: -abs(weights[name]))
    called = [_call(name, listing.get(name)) for name in names[:_MOST_NAMES]]
    named = called[0] if names == [group] else f"{group.replace('_', ' ')}: {', '.join(called)}"
    return Reason(_name_reason(group), OWN.format(named[:1].upper() + named[1:]), total)


def _call(name: str, value: object) -> str:
    """Return how a sentence calls a feature; a number or a short text of the listing with its value."""
    words = name.removeprefix(PREFIX).replace("_", " ")
    if isinstance(value, str) and 0 < len(value) <= _SHORT:
        return f"{words} {value}"
    if not isinstance(value, float | int) or isinstance(value, bool) or math.isnan(value):
        return words
    return f"{words} {value:,.0f}" if abs(value) >= 1_000 else f"{words} {value:.4g}"


def _name_reason(group: str) -> str:
    """Return the name of the reason of a transformer, or of a column: that of the part of the listing it is about."""
    if is_own_column(group):
        return group
    about = next((name for name, (_, fields) in _GROUPS.items() if group in fields), None)
    return f"{about}.{group}" if about else f"external.{group}"
