"""Rescoring: scores an archived listing again, with its seller's portfolio of that time, as evidence requires."""

from __future__ import annotations

from dataclasses import dataclass

from ipml.features.portfolio import SellerPortfolios
from ipml.records import EarlierListings, ScoredListing
from ipml.scoring.judgement import TOO_UNCERTAIN
from ipml.scoring.scorer import Scorer, make_scorer

TOLERANCE = 1e-9
"""Largest accepted difference between a score and its recalculation."""
_NUMBERS = ("score", "log_odds", "score_low", "score_high")


@dataclass(frozen=True, slots=True)
class Rescored:
    """The present score of a listing that was scored before.

    Attributes
    ----------
    again : ScoredListing
        The listing as scored now.
    difference : float
        The largest difference among score, log-odds and bounds; infinite where only one of the two has a score.
    problem : str
        Why the two cannot be compared or how they differ, as a sentence; empty if they are the same.
    """

    again: ScoredListing
    difference: float
    problem: str

    @property
    def is_same(self) -> bool:
        """Whether the scores are the same within 1e-9."""
        return not self.problem


def rescore(scorer: Scorer, archived: ScoredListing) -> Rescored:
    """Score an archived listing again, as it was observed, with its seller's earlier listings of that time.

    Parameters
    ----------
    scorer : Scorer
        With the same model.
    archived : ScoredListing
        As stored in the queue or in evidence.

    Examples
    --------
    >>> import pandas as pd
    >>> from ipml.model.pipeline import CounterfeitClassifier
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> scorer = Scorer(CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4), "example/1")
    >>> archived = scorer.score({"listing_id": "1", "seller_id": "s", "title": "AAA replica watch"})
    >>> rescore(scorer, archived).is_same
    True
    """
    # The maximum interval width is an operator setting, not part of the model.
    unlimited = make_scorer(scorer.classifier, scorer.version, digest=scorer.digest)
    again = unlimited.score(archived.listing, portfolios_of(archived), explain=False)
    difference = _compare(archived, again)
    return Rescored(again, difference, _find_problem(scorer, archived, again, difference))


def portfolios_of(archived: ScoredListing) -> SellerPortfolios | None:
    """Return the portfolio of the seller when the listing was scored; None if it was not stored."""
    if archived.earlier_listings is None or archived.earlier_suspicion is None:
        return None
    earlier = EarlierListings(int(archived.earlier_listings), archived.earlier_suspicion)
    return SellerPortfolios.of_one(archived.listing.seller_id, earlier)


def _compare(archived: ScoredListing, again: ScoredListing) -> float:
    if archived.abstained:  # where it is only too uncertain, the model says today what it kept back
        return 0.0 if again.abstained in (archived.abstained, None) else float("inf")
    pairs = [(getattr(archived, name), getattr(again, name)) for name in _NUMBERS]
    known = [(before, now) for before, now in pairs if before is not None]
    return max((float("inf") if now is None else abs(before - now) for before, now in known), default=0.0)


def _find_problem(scorer: Scorer, archived: ScoredListing, again: ScoredListing, difference: float) -> str:
    if scorer.version != archived.model_version:
        return f"was scored by {archived.model_version}, not by {scorer.version}"
    if None not in (scorer.digest, archived.model_digest) and scorer.digest != archived.model_digest:
        return f"was scored by another model file, of SHA-256 {archived.model_digest}"
    if archived.abstained and archived.abstained != TOO_UNCERTAIN and again.abstained != archived.abstained:
        return f"the model abstained ({archived.abstained}), and does not now"
    if difference > TOLERANCE:
        unknown = " (what was known of its seller then was not kept)" if archived.earlier_listings is None else ""
        if scorer.reads_vectors and archived.listing.image_vector is None:
            unknown += " (the vectors of its picture or text, if it had any, were not kept)"
        return f"the score differs by {difference:g}{unknown}{scorer.caveat}"
    return ""
