"""Models for tests of what comes in: a function that scores, and the version it scores as."""

from collections.abc import Callable, Sequence

from ipml.records import EarlierListings, Listing, ScoredListing
from ipml.review.arrivals.stream_intake import IntakeModel

Score = Callable[[Sequence[Listing], bool], list[ScoredListing]]


def as_model(score: Score, version: str = "m1") -> IntakeModel:
    """Return a model that scores by a function of listings alone, whatever is stored of their sellers."""

    def judge(listings: Sequence[Listing], _earlier: Sequence[EarlierListings], explain: bool) -> list[ScoredListing]:
        return score(listings, explain)

    return IntakeModel(version, judge)
