"""When two listings are one and the same offer, but for small edits."""

from __future__ import annotations

from ipml.records import Listing
from ipml.review.clusters.signatures import make_shingles

LEAST_LIKENESS = 0.5
"""Share of the letter runs of two titles that they have in common. Chosen with experiments/review/cluster_cut.py."""

LARGEST_PRICE_STEP = 0.1
"""A copy costs at most a tenth more or less."""


def is_same_offer(one: Listing, other: Listing) -> bool:
    """Say whether a verdict on one listing holds for the other: same seller, brand, price, and title or picture.

    Examples
    --------
    >>> bag = Listing("1", "s1", "Leather bag, brown", brand="Acme", price=50.0, currency="EUR")
    >>> is_same_offer(bag, Listing("2", "s1", "Leather bag brown!", brand="ACME", price=52.0, currency="EUR"))
    True
    >>> is_same_offer(bag, Listing("3", "s1", "Leather bag, brown", brand="Acme", price=90.0, currency="EUR"))
    False
    """
    if one.seller_id != other.seller_id or not has_like_price(one, other):
        return False
    return compare_looks(one, make_shingles(one.title), other, make_shingles(other.title)) is not None


def compare_looks(
    one: Listing, one_shingles: frozenset[str], other: Listing, other_shingles: frozenset[str]
) -> float | None:
    """Return how alike two listings of one brand look, in 0-1, or None where they do not; the same picture gives 1.

    Parameters
    ----------
    one_shingles, other_shingles : frozenset of str
        Of their titles: the share that is common to both is their likeness (the Jaccard index).
    """
    if name_brand(one) != name_brand(other):
        return None
    if one.image_hash is not None and one.image_hash == other.image_hash:
        return 1.0
    common = len(one_shingles & other_shingles)
    likeness = common / (len(one_shingles) + len(other_shingles) - common)
    return likeness if likeness >= LEAST_LIKENESS else None


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


def name_brand(listing: Listing) -> str:
    """Return the brand as it is compared: without case and outer spaces, or ""."""
    return (listing.brand or "").strip().casefold()
