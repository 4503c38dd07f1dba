"""Notices that tests give: of listings by their ids, by a brand, or by consumers."""

from datetime import UTC, datetime
from typing import Any

from ipml.cooperation.notices.notice import Notice, check_notice
from ipml.cooperation.policy import load_cooperation_policy
from ipml.records import Listing, ScoredListing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORDS = "We sell no bags in this colour, and the logo is printed backwards."
POLICY = load_cooperation_policy()
RULES = POLICY.notices
SAID: dict[str, Any] = {"explanation": WORDS, "listings": [{"listing_id": "L1"}], "name": "Ann Lee"}
SAID |= {"email": "ann@acme.test", "good_faith": True, "brand": "Acme", "rights": "EUTM 018123456"}


def say(*listing_ids: str, **changes: Any) -> Notice:
    """Return a notice of listings, of L1 where none is named, with some fields changed."""
    named = {"listings": [{"listing_id": listing_id} for listing_id in listing_ids]} if listing_ids else {}
    return check_notice(SAID | named | changes, RULES, now=NOON)


def complain(listing_id: str, who: str, **changes: Any) -> Notice:
    """Return a consumer's complaint of a listing."""
    said = {"kind": "complaint", "brand": None, "rights": None, "name": who, "email": f"{who}@mail.test"}
    return say(listing_id, **(said | changes))


def offer(listing_id: str, seller_id: str = "s1", **fields: Any) -> ScoredListing:
    """Return a scored listing."""
    listing = Listing(listing_id, seller_id, f"Bag {listing_id}", observed_at=NOON, **fields)
    return ScoredListing(listing, 0.5, 0.0, (), (), None, "m1")
