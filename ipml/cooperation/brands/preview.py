"""Preview of a report: the listings that a rights holder names, as they are known here, before notice is given.

Offers of the account's own brands are shown. A listing of another brand is reported as such, without its offer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from ipml.cooperation.brands.listings import BrandListing, find_offers
from ipml.cooperation.brands.notices import Acting, ReportedListing, find_reports
from ipml.cooperation.notices.intake import find_brands
from ipml.cooperation.notices.notice import NotedListing
from ipml.review.arrivals.marketplace import find_by_address
from ipml.review.ranking.policy import fold_name


@dataclass(frozen=True, slots=True)
class NamedListing:
    """A listing that a rights holder names: whether it is known, its offer, and their notices about it.

    `brand` is the brand of the account that the listing names, None for another, none or an unknown listing.
    `names_other` is whether it names a brand that is none of the account's. `offer` is None unless it is of a brand of
    the account. `repeats` is the place, from 0, of the same listing before it.
    """

    noted: NotedListing
    is_known: bool
    brand: str | None
    names_other: bool
    offer: BrandListing | None
    reports: tuple[ReportedListing, ...]
    repeats: int | None = None


def preview_listings(connection: Connection, acting: Acting, noted: Sequence[NotedListing]) -> list[NamedListing]:
    """Return some listings as they are known here, in order; nothing is stored."""
    located = _locate(connection, noted)
    ids = {one.listing_id for one in located if one.listing_id is not None}
    own = {fold_name(brand): brand for _, brand in acting}
    brands, offers = find_brands(connection, ids), find_offers(connection, _name_brands(acting), ids)
    reports = find_reports(connection, acting, ids)
    first: dict[str, int] = {}
    named = []
    for place, one in enumerate(located):
        key = one.listing_id or ""
        folded = fold_name(brands.get(key))
        listing = NamedListing(
            one,
            key in brands,
            own.get(folded),
            folded not in {"", *own},
            offers.get(key),
            tuple(reports.get(key, ())),
        )
        earlier = first.setdefault(one.digest, place)
        named.append(listing if earlier == place else replace(listing, repeats=earlier))
    return named


def _name_brands(acting: Acting) -> Collection[str]:
    return {brand for _, brand in acting}


def _locate(connection: Connection, noted: Sequence[NotedListing]) -> list[NotedListing]:
    """Return the listings with the ids of those that are named by their submitted address."""
    urls = {one.url for one in noted if one.url is not None and one.listing_id is None}
    found = find_by_address(connection, urls) if urls else {}
    return [
        replace(one, listing_id=found[one.url]) if one.listing_id is None and one.url in found else one for one in noted
    ]
