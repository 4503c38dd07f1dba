"""What the API answers: the shape of every answer as it is documented, and the plain values that are sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ipml.records import Problem, ScoredListing, Unlike

PROBLEM_TYPE = "application/problem+json"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ReasonShape(_Shape):
    """Why a listing scored as it did, in words."""

    feature: str = Field(description="name of the feature or group of features, for machines")
    sentence: str = Field(description="the reason as a reviewer reads it")
    weight: float = Field(
        description="part of the log-odds: positive speaks for counterfeit, negative for genuine; where the sentence "
        "quotes words of title or description, what the log-odds lose without them"
    )


class HighlightShape(_Shape):
    """A word of the title, and what the log-odds lose without it, wherever it stands in the title."""

    start: int = Field(ge=0, description="first letter, in code points of the title from 0")
    end: int = Field(ge=0, description="letter after the last one")
    weight: float


class PriceRangeShape(_Shape):
    """What the price is compared with: its reference (`median`), and between which bounds a price is usual."""

    brand: str
    currency: str
    low: float
    median: float
    high: float
    basis: Literal["brand and category", "brand file", "brand"] | None = Field(
        None, description="what the reference rests on: listings of brand and category, the brand file, or the brand's"
    )


class ScoreShape(_Shape):
    """What the model says of one listing; all figures are null where it abstains."""

    listing_id: str
    observed_at: datetime | None
    score: float | None = Field(ge=0, le=1, description="calibrated probability that the listing is counterfeit")
    score_low: float | None = Field(ge=0, le=1, description="lower bound of its 90 % interval")
    score_high: float | None = Field(ge=0, le=1, description="upper bound of its 90 % interval")
    log_odds: float | None = Field(description="sum of base_rate and the weights of all reasons, before calibration")
    abstained: str | None = Field(description="why the listing cannot be judged, or null")
    reasons: list[ReasonShape] | None = Field(None, description="only with explain=true; heaviest first")
    base_rate: float | None = Field(
        None, description="only with explain=true; log-odds at which every listing of this model starts"
    )
    highlights: list[HighlightShape] | None = Field(None, description="only with explain=true")
    price_range: PriceRangeShape | None = Field(None, description="only with explain=true; null where none is known")


class UnlikeShape(_Shape):
    """In what the listings of a request are unlike those the model was trained on."""

    subject: Literal["words", "brand", "category", "score"]
    found: float = Field(
        ge=0,
        le=1,
        description="share of the words in titles, of the listings with a brand or of those with a category, that "
        "training never met; or the mean probability",
    )
    expected: float = Field(ge=0, le=1, description="the same of sellers left out of training")
    low: float = Field(ge=0, le=1, description="from here on it would be usual for this many listings and sellers")
    high: float = Field(ge=0, le=1, description="up to here it would be usual")
    n_listings: int = Field(ge=1, description="how many listings were looked at that have one")
    sentence: str = Field(description="all of this in words")


class ScoresShape(_Shape):
    """The scores of all listings of a request, in their order, by one model."""

    model_version: str = Field(description="the model of all these scores", examples=["ipml/3f2a90c1b2d4"])
    unlike_training: list[UnlikeShape] = Field(
        default_factory=list,
        description="in what these listings are unlike those the model was trained on, so that its scores are to be "
        "distrusted; empty where they are like them, and where fewer than 30 are too few to tell",
    )
    scores: list[ScoreShape]


class AnswerShape(_Shape):
    """What became of a message that told the platform what to do."""

    status: Literal["accepted", "done", "refused"]
    at: AwareDatetime | None = Field(None, description="when, with its time zone; now where nothing is said")
    why: str | None = Field(None, max_length=2000, description="why it was refused")


class NotedShape(_Shape):
    """What was noted of an answer."""

    key: str
    status: Literal["accepted", "done", "refused"]
    said_at: AwareDatetime
    is_new: bool = Field(description="false where the same had been said before")


class ProblemShape(_Shape):
    """One thing wrong with one field, or with a listing or a notice as a whole."""

    row: int = Field(ge=1, description="number of the listing in the request, from 1; always 1 for a notice")
    field: str = Field(description='name of the field; "" where the listing as a whole is at fault')
    found: str = Field(description="what was found, shortened")
    expected: str = Field(description="what was expected, as a phrase")


class ErrorShape(_Shape):
    """Why there is no other answer (RFC 9457)."""

    title: str
    status: int
    detail: str = Field(description="what was found, and what to do")
    problems: list[ProblemShape] = Field(
        default_factory=list, description="with 422, everything wrong with the listings, up to 1,000 entries"
    )


def describe_scores(
    scored: Sequence[ScoredListing], version: str, explain: bool, unlike: Sequence[Unlike] = ()
) -> dict[str, Any]:
    """Return the plain values of `ScoresShape`."""
    scores = [_describe_score(one, explain) for one in scored]
    return {"model_version": version, "unlike_training": list(map(asdict, unlike)), "scores": scores}


def _describe_score(scored: ScoredListing, explain: bool) -> dict[str, Any]:
    observed_at = scored.listing.observed_at
    said: dict[str, Any] = {
        "listing_id": scored.listing.listing_id,
        "observed_at": observed_at and observed_at.isoformat(),
        "score": scored.score,
        "score_low": scored.score_low,
        "score_high": scored.score_high,
        "log_odds": scored.log_odds,
        "abstained": scored.abstained,
    }
    if explain:
        said["reasons"] = list(map(asdict, scored.reasons))
        said["base_rate"] = scored.base_rate
        said["highlights"] = list(map(asdict, scored.highlights))
        said["price_range"] = scored.price_range and asdict(scored.price_range)
    return said


def describe_problem(problem: Problem) -> dict[str, Any]:
    """Return the plain values of `ProblemShape`."""
    return {
        "row": problem.row,
        "field": problem.column,
        "found": problem.value,
        "expected": problem.expected,
    }


def write_json(content: Any) -> bytes:
    """Return plain values as JSON; a number is written so that it reads back as the same."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def make_json_answer(body: bytes, status: int = 200, media_type: str = "application/json") -> Response:
    """Return an answer of JSON that is written already."""
    return Response(body, status, media_type=media_type)
