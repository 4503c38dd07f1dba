"""Records: the small frozen records that cross the borders between the model half and the review half.

The model half works on frames and makes these records at its border; the review half knows nothing else of it. Records
hold plain values only, so that they can be stored, sent and compared. Times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Listing:
    """An offer on a marketplace, as seen at `observed_at`.

    `ipml.listings.schema` defines the fields with bounds and meaning. Text is the seller's and may be hostile. Unknown
    values are None. Picture addresses are separated by spaces; `extra` is a JSON object of a user's own columns.

    >>> Listing(listing_id="1", seller_id="s", title="Leather wallet", price=40.0, currency="EUR").brand is None
    True
    """

    listing_id: str
    seller_id: str
    title: str
    description: str | None = None
    brand: str | None = None
    category: str | None = None
    price: float | None = None
    currency: str | None = None
    listed_at: datetime | None = None
    observed_at: datetime | None = None
    condition: str | None = None
    country: str | None = None
    gtin: str | None = None
    image_hash: str | None = None
    url: str | None = None
    image_urls: str | None = None
    listing_sales: float | None = None
    listing_returns: float | None = None
    listing_rating: float | None = None
    listing_reviews: float | None = None
    seller_age_days: float | None = None
    seller_sales: float | None = None
    seller_returns: float | None = None
    seller_complaints: float | None = None
    seller_rating: float | None = None
    seller_strikes: float | None = None
    seller_listings: float | None = None
    seller_language: str | None = None
    picture_counterfeit_matches: float | None = None
    picture_genuine_matches: float | None = None
    image_vector: tuple[float, ...] | None = None
    text_vector: tuple[float, ...] | None = None
    extra: str | None = None
    is_counterfeit: bool | None = None
    labelled_at: datetime | None = None
    label_weight: float | None = None
    label_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in a cell or row of input.

    Attributes
    ----------
    row : int
        Number of the data row in its file, from 1, without the header.
    column : str
        Canonical name of the column, or "" for the whole row.
    value : str
        Value found, cut to 80 characters.
    expected : str
        Expectation as a phrase: "a number of at least 0".
    """

    row: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = f"row {self.row}" + (f", {self.column}" if self.column else "")
        return f"{where}: found {self.value!r}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a listing scored as it did, in words.

    Attributes
    ----------
    feature : str
        Name of the feature or group of features, for machines: "price__below_quarter".
    sentence : str
        The reason for a reviewer: "Price is 18 % of what Nike usually costs".
    weight : float
        Part of the log-odds: positive for counterfeit, negative for genuine. If the reason names words, the log-odds
        lost without these words.
    """

    feature: str
    sentence: str
    weight: float


@dataclass(frozen=True, slots=True)
class Highlight:
    """A word from code point `start` to `end` (excluded) of a text as written.

    `weight` is the log-odds lost without the word, at all its places in the text.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Usual prices to which a listing's price is compared.

    Attributes
    ----------
    low, median, high : float
        5th percentile, median and 95th percentile if learnt; else half the reference price of the brand file, that
        price, and twice as much. Score, sentence and page use `median` as the reference.
    basis : str or None
        "brand and category", "brand file" or "brand"; None in records of earlier releases, which compared with two
        prices.
    """

    brand: str
    currency: str
    low: float
    median: float
    high: float
    basis: str | None = None

    def place(self, price: float) -> int:
        """Return -1 for a price below the usual range, 1 for one above, else 0."""
        return (price > self.high) - (price < self.low)


BASE_RATE = "baseline"
"""Name of the base rate among the reasons in older files and snapshots."""
REST = "rest"
"""Reason that holds the remaining weight."""


def part_base_rate(reasons: Iterable[Reason]) -> tuple[tuple[Reason, ...], float | None]:
    """Return reasons without the base rate that older files hold among them, and that base rate, or None.

    >>> part_base_rate([Reason("baseline", "Where every listing starts", -2.0), Reason("price.brand", "Cheap", 1.5)])
    ((Reason(feature='price.brand', sentence='Cheap', weight=1.5),), -2.0)
    """
    kept, base_rate = [], None
    for reason in reasons:
        if reason.feature == BASE_RATE:
            base_rate = reason.weight
        else:
            kept.append(reason)
    return tuple(kept), base_rate


PRIOR_LISTINGS = 10.0
"""Number of clean listings every seller starts with: few listings are weak evidence."""
SUSPICION_STEPS = 1_000
"""Suspicion is stored in thousandths: integer sums do not depend on the order."""


class EarlierListings(NamedTuple):
    """A seller's listings before some time: their number and the sum of their suspicion, each from 0 to 1."""

    n: int
    suspicion: float

    @property
    def share(self) -> float:
        """Share of suspicion: suspicion / (number of listings + 10), so 0 for a first listing.

        Form and constants were chosen on the published scores of a large marketplace; experiments/README.md describes
        the alternatives tried.
        """
        return self.suspicion / (self.n + PRIOR_LISTINGS)


NONE_EARLIER = EarlierListings(0, 0.0)
"""Earlier listings of an unknown seller."""


class StoredPortfolio(NamedTuple):
    """Stored sums over a seller's listings up to the `latest` time of listing, and before; suspicion in thousandths."""

    seller_id: str
    n: int
    suspicion: int
    latest: datetime
    n_before: int
    suspicion_before: int


@dataclass(frozen=True, slots=True)
class ScoredListing:
    """A listing with the calibrated probability that it is counterfeit, and why.

    Attributes
    ----------
    score : float or None
        Probability in 0-1; None if the model abstains.
    log_odds : float or None
        Sum of the base rate and the weights of all reasons, before calibration.
    reasons : tuple of Reason
        Reasons for and against, heaviest first.
    abstained : str or None
        Why the model abstains, as a phrase, or None.
    score_low, score_high : float or None
        Bounds of the probability in nine cases of ten; wide if few similar sellers were reviewed.
    highlights, description_highlights : tuple of Highlight
        Words of the title and of the description.
    read_as : str or None
        Title without disguises (replaced, hidden or separated letters); None if it has none.
    model_digest : str or None
        SHA-256 of the model file, in hexadecimal, which identifies the file unlike the version.
    earlier_listings, earlier_suspicion : float or None
        Number and summed suspicion of the seller's earlier listings; with these and the listing the model gives the
        same score again.
    base_rate : float or None
        Log-odds at which every listing of this model starts; None if no reasons are given.
    warning : str or None
        Evidence that the score could not use, as a sentence: a title in a script the model was not trained on.
    suspicion : float or None
        Suspicion of the listing alone, from 0 to 1 in thousandths, for the portfolio of its seller. None if it does
        not count: unknown, or no later than the seller's listings in the training data, so it may be one of them.
    """

    listing: Listing
    score: float | None
    log_odds: float | None
    reasons: tuple[Reason, ...]
    highlights: tuple[Highlight, ...]
    price_range: PriceRange | None
    model_version: str
    abstained: str | None = None
    score_low: float | None = None
    score_high: float | None = None
    description_highlights: tuple[Highlight, ...] = ()
    read_as: str | None = None
    model_digest: str | None = None
    earlier_listings: float | None = None
    earlier_suspicion: float | None = None
    base_rate: float | None = None
    suspicion: float | None = None
    warning: str | None = None

    @property
    def brand_read(self) -> str | None:
        """Brand that the model read in the title if the field names none; else None."""
        if (self.listing.brand or "").strip() or self.price_range is None:
            return None
        return self.price_range.brand.strip() or None

    @property
    def reasons_for_counterfeit(self) -> tuple[Reason, ...]:
        """Reasons for counterfeit, strongest first; "rest", which names nothing to check, is last.

        >>> reasons = (Reason("listing.age", "Listing is 9 days old", -2.0), Reason("price.brand", "Cheap", 1.5))
        >>> scored = ScoredListing(Listing("A7", "s1", "Bag"), 0.4, -0.5, reasons, (), None, "m1")
        >>> [reason.sentence for reason in scored.reasons_for_counterfeit]
        ['Cheap']
        """
        speaking = (reason for reason in self.reasons if reason.weight > 0)
        return tuple(sorted(speaking, key=lambda reason: (reason.feature == REST, -reason.weight)))


@dataclass(frozen=True, slots=True)
class Unlike:
    """A way in which a batch of listings differs from those of the model's training.

    - `subject`: "words", "brand", "category" or "score".
    - `found`: share of words, brands or categories unknown to training; or the mean probability.
    - `expected`: the same for sellers left out of training.
    - `low`, `high`: usual range for as many listings of as many sellers.
    - `n_listings`: number of listings with a value.
    - `sentence`: all of this in words.
    """

    subject: str
    found: float
    expected: float
    low: float
    high: float
    n_listings: int
    sentence: str


class Verdict(StrEnum):
    """A reviewer's verdict on a case."""

    COUNTERFEIT = "counterfeit"
    GENUINE = "genuine"
    CANNOT_TELL = "cannot tell"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Case:
    """A scored listing in the queue.

    - `state`: "open", "decided" or "escalated".
    - `reviewer`: holder of a live claim.
    - `exemplar`: near-duplicate case reviewed on its behalf; None if it is reviewed itself.
    - `n_alike`: number of open near-duplicates that wait for it.
    - `relisting_of`: case decided counterfeit that this listing resembled on arrival.
    - `due_at`: deadline of the decision.
    - `sampling_probability`: 1 if shown for its score; None if it came alone, not in a file.
    - `lane`: "ranked", or "explored" if drawn.
    - `seen_at`: last observation of the listing in this form.
    - `assigned_to`: user who is to decide it.
    - `snoozed_until`: end of the snooze, or None.
    - `held_until`: end of the reservation for `reviewer`, unless they decide before.
    - `match_kind`: kind of match with `relisting_of`; None if they only look alike.
    """

    case_id: int
    scored: ScoredListing
    state: str
    enqueued_at: datetime
    reviewer: str | None = None
    exemplar: int | None = None
    n_alike: int = 0
    relisting_of: int | None = None
    due_at: datetime | None = None
    sampling_probability: float | None = None
    lane: str = "ranked"
    seen_at: datetime | None = None
    assigned_to: str | None = None
    snoozed_until: datetime | None = None
    held_until: datetime | None = None
    match_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A reviewer's lease on a case; `token` is needed to decide, and is void after `expires_at`.

    With a `review_id` the verdict is a second verdict on a decided case; the reviewer does not know this, and the
    token alone is enough to decide.
    """

    case_id: int
    reviewer: str
    token: int
    expires_at: datetime
    review_id: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with who, when and on which ground. Decisions are appended, never changed."""

    decision_id: int
    case_id: int
    listing_id: str
    verdict: Verdict
    ground: str
    note: str
    reviewer: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Reversal:
    """A reversed decision, with who, when and why; the decision is void, and its case open again."""

    reversal_id: int
    decision_id: int
    case_id: int
    reviewer: str
    reversed_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Label:
    """A training example: a listing as scored, its truth by people, and when that became known.

    `sampling_probability` is the probability of the review; None if unknown.
    """

    listing: Listing
    is_counterfeit: bool
    labelled_at: datetime
    weight: float
    sampling_probability: float | None = None
