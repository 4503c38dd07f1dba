"""When two listings are one and the same offer, but for small edits."""

from __future__ import annotations

from dataclasses import dataclass

from ipml.records import Listing, ScoredListing
from ipml.review.clusters.signatures import make_shingles

LEAST_LIKENESS = 0.5
"""Share of the letter runs of two titles that they have in common. Chosen with experiments/review/cluster_cut.py."""

LEAST_OF_ANOTHER_BRAND = 0.7
"""The same where the brands differ, or only one is known: goods of two brands share much of how they are described."""

LARGEST_PRICE_STEP = 0.1
"""A copy costs at most a tenth more or less."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a listing looks, its disguise undone: what others are compared with.

    Attributes
    ----------
    brand : str
        As the model read it where the field names none, without case; "" where nobody knows.
    shingles : frozenset of str
        Of the title as the model read it: the share that two have in common is their likeness (the Jaccard index).
    """

    brand: str
    shingles: frozenset[str]
    image_hash: str | None


def make_look(scored: ScoredListing) -> Look:
    """Return how a listing looks.

    Examples
    --------
    >>> bag = ScoredListing(Listing("1", "s1", "B\u0430g", brand="ACME "), 0.5, None, (), (), None, "m", read_as="bag")
    >>> make_look(bag).brand, sorted(make_look(bag).shingles)
    ('acme', [' ba', 'ag ', 'bag'])
    """
    return Look(read_brand(scored), make_shingles(scored.read_as or scored.listing.title), scored.listing.image_hash)


def read_brand(scored: ScoredListing) -> str:
    """Return the brand of a listing without case, that of its field or the one the model read in the title, or ""."""
    brand = (scored.listing.brand or "").strip()
    if not brand and scored.price_range is not None:
        brand = scored.price_range.brand.strip()
    return brand.casefold()


def is_same_offer(one: ScoredListing, other: ScoredListing) -> bool:
    """Say whether a verdict on one listing holds for the other: same seller, brand, price, and title or picture.

    Examples
    --------
    >>> bag, copy, dear = (
    ...     ScoredListing(Listing("1", "s1", title, price=price, currency="EUR"), 0.5, None, (), (), None, "m")
    ...     for title, price in [("Leather bag, brown", 50.0), ("Leather bag brown!", 52.0), ("Leather bag", 90.0)]
    ... )
    >>> is_same_offer(bag, copy), is_same_offer(bag, dear)
    (True, False)
    """
    if one.listing.seller_id != other.listing.seller_id or not has_like_price(one.listing, other.listing):
        return False
    return compare_offers(make_look(one), make_look(other)) is not None


def compare_offers(one: Look, other: Look) -> float | None:
    """Return how alike two listings of one brand look, in 0-1, or None where they do not; the same picture gives 1."""
    return compare_looks(one, other) if one.brand == other.brand else None


def compare_looks(one: Look, other: Look) -> float | None:
    """Return how alike two listings look, in 0-1, or None where they do not; the same picture gives 1.

    Under another brand, or none, the title must be more alike. Titles without letters or digits are like none.
    """
    if one.image_hash is not None and one.image_hash == other.image_hash:
        return 1.0
    if not one.shingles or not other.shingles:
        return None
    common = len(one.shingles & other.shingles)
    likeness = common / (len(one.shingles) + len(other.shingles) - common)
    least = LEAST_LIKENESS if one.brand == other.brand else LEAST_OF_ANOTHER_BRAND
    return likeness if likeness >= least else None


def has_like_price(one: Listing, other: Listing) -> bool:
    """Say whether two prices are known, in one currency, and at most a tenth apart.

    Examples
    --------
    >>> has_like_price(Listing("1", "s1", "Bag", price=50.0), Listing("2", "s1", "Bag", price=55.0))
    True
    """
    if one.price is None or other.price is None or one.currency != other.currency:
        return False
    low, high = sorted((one.price, other.price))
    return high <= low * (1 + LARGEST_PRICE_STEP)
