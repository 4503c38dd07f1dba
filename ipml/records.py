"""What crosses the borders between stations: small frozen records.

The model half works on frames and makes these at its door; the review half knows nothing else. A record holds plain
values only, so that it can be stored, sent and compared. Moments are aware datetimes in UTC.
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

    The fields, their bounds and their meaning are those of the table in `ipml.listings.schema`. Text is the
    seller's, and may be hostile. What is unknown is None. Addresses of pictures have a space between; columns of one's
    own are a JSON object.

    Examples
    --------
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
    """One thing wrong with one cell (or one row) of what came in.

    Attributes
    ----------
    row : int
        Number of the data row in its file, from 1; the header does not count.
    column : str
        Canonical name of the column, or "" where the row as a whole is at fault.
    value : str
        What was found, shortened to 80 characters.
    expected : str
        What was expected, as a phrase: "a number of at least 0".
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
        The reason as a reviewer reads it: "Price is 18 % of what Nike usually costs".
    weight : float
        Part of the log-odds: positive speaks for counterfeit, negative for genuine. Of a reason that names words it is
        what the log-odds lose without these words.
    """

    feature: str
    sentence: str
    weight: float


@dataclass(frozen=True, slots=True)
class Highlight:
    """A word: letters `start` to `end` (code points, end excluded) of a text as written.

    Its weight is how much of the log-odds is lost without it, wherever it stands in that text.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class PriceRange:
    """What a listing's price is compared with: the reference price, and between which bounds a price is usual.

    Attributes
    ----------
    low, median, high : float
        The 5th percentile, the median and the 95th, where they were learnt; else half the reference price of the brand
        file, that price, and twice as much. `median` is the reference that score, sentence and page use.
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
        """Return -1 for a price below what is usual, 1 for one above, else 0.

        Examples
        --------
        >>> [PriceRange("Acme", "EUR", 50.0, 80.0, 160.0).place(price) for price in (20.0, 80.0, 200.0)]
        [-1, 0, 1]
        """
        return (price > self.high) - (price < self.low)


BASE_RATE = "baseline"
"""Under this name older files and snapshots hold the base rate as one of the reasons."""
REST = "rest"
"""The reason that holds what no other one states."""


def part_base_rate(reasons: Iterable[Reason]) -> tuple[tuple[Reason, ...], float | None]:
    """Return reasons without the base rate that older files hold among them, and that base rate, or None.

    Examples
    --------
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
"""How many clean listings every seller starts with: few listings say little."""
SUSPICION_STEPS = 1_000
"""Suspicion is stored in thousandths: whole numbers sum to the same in any order."""


class EarlierListings(NamedTuple):
    """What is known of the listings a seller had before some moment.

    Attributes
    ----------
    n : int
        How many there were.
    suspicion : float
        How suspicious they looked, summed: a listing counts from 0, silent, to 1, surely counterfeit.
    """

    n: int
    suspicion: float

    @property
    def share(self) -> float:
        """The share of suspicion: suspicion / (number of listings + 10), so 0 for a first listing.

        The form and its constants were chosen on the published scores of a large marketplace; experiments/README.md
        says what else was tried.
        """
        return self.suspicion / (self.n + PRIOR_LISTINGS)


NONE_EARLIER = EarlierListings(0, 0.0)
"""What is known of a seller who was never seen."""


class StoredPortfolio(NamedTuple):
    """What is stored of the listings of a seller, as whole numbers: sums up to the latest moment, and before it.

    Attributes
    ----------
    n : int
        How many listings count.
    suspicion : int
        How suspicious they looked, summed, in thousandths.
    latest : datetime
        When the latest of them was listed.
    n_before, suspicion_before : int
        The same sums of those that were listed before that.
    """

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
        Probability in 0-1; None where the model abstains.
    log_odds : float or None
        Sum of the base rate and of the weights of all reasons, before calibration.
    reasons : tuple of Reason
        What tells the listing from others, for and against, the heaviest first.
    abstained : str or None
        Why the listing cannot be judged, as a phrase, or None.
    score_low, score_high : float or None
        Between which bounds the probability lies, in nine cases of ten; wide where few sellers like this one were
        judged.
    description_highlights : tuple of Highlight
        As `highlights`, which are those of the title.
    read_as : str or None
        The title with its disguises undone, where letters in it were replaced, hidden or parted; None elsewhere.
    model_digest : str or None
        SHA-256 of the model file, in hexadecimal: the version is a part of it, this names the very file.
    earlier_listings, earlier_suspicion : float or None
        What was known of the seller's earlier listings: how many there were, and how suspicious they looked, summed.
        With these and the listing the model gives the same score again.
    base_rate : float or None
        Log-odds at which every listing of this model starts; None where no reasons are given.
    warning : str or None
        What the score cannot rest on, as a sentence: the title, where it is in a script that the model was not trained
        on. None where there is no such thing.
    suspicion : float or None
        How suspicious the listing looks by itself, from 0, silent, to 1, in thousandths: what it counts for in the
        portfolio of its seller. None where it does not count: that is unknown, or it came no later than what the model
        remembers of its seller, so that it may be among the listings that the model was trained on.
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
        """The brand that the model read in the title where the field names none; None elsewhere.

        Examples
        --------
        >>> usual = PriceRange("Acme", "EUR", 50.0, 80.0, 160.0)
        >>> ScoredListing(Listing("A7", "s1", "Acme bag"), 0.4, -0.5, (), (), usual, "m1").brand_read
        'Acme'
        """
        if (self.listing.brand or "").strip() or self.price_range is None:
            return None
        return self.price_range.brand.strip() or None

    @property
    def reasons_for_counterfeit(self) -> tuple[Reason, ...]:
        """The reasons that speak for counterfeit, the strongest first; the rest, which names nothing to check, is last.

        Examples
        --------
        >>> reasons = (Reason("listing.age", "Listing is 9 days old", -2.0), Reason("price.brand", "Cheap", 1.5))
        >>> scored = ScoredListing(Listing("A7", "s1", "Bag"), 0.4, -0.5, reasons, (), None, "m1")
        >>> [reason.sentence for reason in scored.reasons_for_counterfeit]
        ['Cheap']
        """
        speaking = (reason for reason in self.reasons if reason.weight > 0)
        return tuple(sorted(speaking, key=lambda reason: (reason.feature == REST, -reason.weight)))


@dataclass(frozen=True, slots=True)
class Unlike:
    """In what a batch of listings is unlike those its model was trained on.

    Attributes
    ----------
    subject : str
        "words", "brand", "category" or "score".
    found : float
        The share of words, or of listings with a brand or category, that training never met; or the mean probability.
    expected : float
        The same of sellers left out of training.
    low, high : float
        Between what it would be usual for so many listings of so many sellers.
    n_listings : int
        How many listings were looked at that have one.
    sentence : str
        All of this in words.
    """

    subject: str
    found: float
    expected: float
    low: float
    high: float
    n_listings: int
    sentence: str


class Verdict(StrEnum):
    """What a reviewer says of a case."""

    COUNTERFEIT = "counterfeit"
    GENUINE = "genuine"
    CANNOT_TELL = "cannot tell"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Case:
    """A scored listing in the queue.

    Attributes
    ----------
    state : str
        "open", "decided" or "escalated".
    reviewer : str or None
        Who holds a live claim on it.
    exemplar : int or None
        The case that is reviewed for this one, its near-duplicate; None where it is reviewed itself.
    n_alike : int
        How many open near-duplicates wait for it.
    relisting_of : int or None
        The case of a listing decided counterfeit before that this one looked like when it came in.
    due_at : datetime or None
        By when it must be decided.
    sampling_probability : float or None
        With which it was shown: 1 where that was for its score, None where it came alone and not with a file.
    lane : str
        "ranked", or "explored" where it was drawn.
    seen_at : datetime or None
        When the listing was last seen as it is here.
    assigned_to : str or None
        The user who is to decide it.
    snoozed_until : datetime or None
        Until when it is out of the queue; None where it is not.
    held_until : datetime or None
        Until when it is held by `reviewer`, unless they decide it before.
    match_kind : str or None
        In which way it matched `relisting_of`; None where they only look alike.
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
    """A reviewer's lease on a case; `token` must be shown when deciding, and is void after `expires_at`.

    With a `review_id` the verdict is a second verdict on a case that is decided; the reviewer is not told, and the
    token alone is enough to decide.
    """

    case_id: int
    reviewer: str
    token: int
    expires_at: datetime
    review_id: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with who, when and on what ground. Decisions are appended, never changed."""

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
    """A decision that was taken back, by whom, when and why; the decision is void, and its case open again."""

    reversal_id: int
    decision_id: int
    case_id: int
    reviewer: str
    reversed_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Label:
    """What training reads: a listing as it was scored, the truth people gave it, and when that became known.

    Its odds are those with which people came to see the listing; None where they are not known.
    """

    listing: Listing
    is_counterfeit: bool
    labelled_at: datetime
    weight: float
    sampling_probability: float | None = None
