"""Screened pictures: pictures of listings without a case that the policy has checked, and their matches.

The review policy (`[pictures]`) selects listings; a job (`.screening`) fetches their pictures, and mostly only the hash
is stored. A picture like a known counterfeit's makes a case at any score, ranked by the precision of such matches.
Overturned verdicts match nothing, nor does a picture found as often on genuine listings or submitted as genuine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ipml.records import EarlierListings, Listing, ScoredListing, Verdict
from ipml.review.near_duplicates.clusters import read_brand
from ipml.review.near_duplicates.relistings import Relisting, find_relistings, measure_matches
from ipml.review.pictures.same_picture import MATCHES, SamePicture, count_matches, measure_group
from ipml.review.pictures.stored import NO_GROUP, split_addresses
from ipml.review.ranking.policy import MatchKind, Policy, compute_expected_value, price_of
from ipml.review.ranking.queue_order import QueueRanking
from ipml.storage.database import in_batches
from ipml.storage.tables import screened_pictures, screening_days

_OF_LISTINGS = screened_pictures.c.listing_id.in_(bindparam("listing_ids", expanding=True))
_KNOWN = select(screened_pictures.c.picture_id, screened_pictures.c.listing_id, screened_pictures.c.address)
_KNOWN = _KNOWN.where(_OF_LISTINGS)
_HASHED = select(screened_pictures.c.listing_id, screened_pictures.c.address, screened_pictures.c.group_id)
_HASHED = _HASHED.where(_OF_LISTINGS, screened_pictures.c.group_id > NO_GROUP)
_MATCHED = _HASHED.where(screened_pictures.c.matched_at.is_not(None))


def is_screened(scored: ScoredListing, earlier: EarlierListings, policy: Policy) -> bool:
    """Return whether the policy has the pictures of a listing without a case screened."""
    listing, rules = scored.listing, policy.pictures
    return bool(listing.image_urls) and (
        policy.draw_screened(listing.listing_id)
        or rules.name_seller(listing.seller_age_days, earlier.n)
        or rules.name_price(price_of(listing, policy))
        or rules.name_brand(read_brand(scored) or listing.brand)
    )


def note_arrivals(
    connection: Connection,
    arrivals: Iterable[tuple[ScoredListing, EarlierListings]],
    has_case: Collection[str],
    ranking: QueueRanking,
    now: datetime,
) -> None:
    """Record the pictures of arriving listings, each URL once, in the transaction that stores the listings.

    Pictures that a listing no longer shows are dropped; others stay as long as it is submitted. `arrivals` pairs each
    listing with its seller's earlier ones. `has_case` holds listings whose pictures are fetched anyway.
    """
    arrived = {scored.listing.listing_id: (scored, earlier) for scored, earlier in arrivals}
    known: dict[str, dict[str, int]] = {}
    for some in in_batches(list(arrived)):
        for row in connection.execute(_KNOWN, {"listing_ids": some}):
            known.setdefault(row.listing_id, {})[row.address] = row.picture_id
    _renew(connection, {key: arrived[key][0].listing for key in known}, known, now)
    rows = []
    for key, (scored, earlier) in arrived.items():
        if key not in has_case and is_screened(scored, earlier, ranking.policy):
            addresses = split_addresses(scored.listing)[: ranking.policy.pictures.pictures_per_listing]
            new = [address for address in addresses if address not in known.get(key, {})]
            rows += [_make_row(scored, address, ranking, now) for address in new]
    if rows:
        connection.execute(insert(screened_pictures), rows)


def _renew(
    connection: Connection, listings: Mapping[str, Listing], known: Mapping[str, Mapping[str, int]], now: datetime
) -> None:
    shown = {key: set(split_addresses(one)) for key, one in listings.items()}
    stay, gone = list[dict[str, Any]](), list[int]()
    for key, pictures in known.items():
        for address, number in pictures.items():
            if address in shown[key]:
                stay.append({"number": number, "seller": listings[key].seller_id, "moment": now})
            else:
                gone.append(number)
    if stay:
        query = update(screened_pictures).where(screened_pictures.c.picture_id == bindparam("number"))
        connection.execute(query.values(seller_id=bindparam("seller"), received_at=bindparam("moment")), stay)
    for some in in_batches(gone):
        connection.execute(delete(screened_pictures).where(screened_pictures.c.picture_id.in_(some)))


def _make_row(scored: ScoredListing, address: str, ranking: QueueRanking, now: datetime) -> dict[str, Any]:
    listing = scored.listing
    return {
        "listing_id": listing.listing_id,
        "seller_id": listing.seller_id,
        "address": address,
        "received_at": now,
        "noted_at": now,
        "harm": compute_expected_value(listing, scored.score, ranking.policy, ranking.usual).harm,
        "state": "waiting",
        "tries": 0,
        "due_at": now,
    }


def is_known_counterfeit(same: SamePicture) -> bool:
    """Return whether a picture is a known counterfeit's and not found as often on genuine goods."""
    references = {one.kind for one in same.references}
    n_counterfeit = sum(one.is_counterfeit for one in same.decided)
    if same.is_common or Verdict.GENUINE in references:
        return False
    return Verdict.COUNTERFEIT in references or 2 * n_counterfeit > len(same.decided)


@dataclass(frozen=True, slots=True)
class PictureMatch:
    """Match of a screened picture with a known counterfeit.

    `case_id` is the first counterfeit listing with it; None if only reference pictures show it. `precision` is the
    measured precision of such matches; `makes_case` if it reaches the policy's limit.
    """

    case_id: int | None
    precision: float
    makes_case: bool

    @property
    def kind(self) -> MatchKind | None:
        """The kind "picture" for matches with a listing; None for matches with reference pictures only."""
        return None if self.case_id is None else MatchKind.PICTURE


def find_matches(
    connection: Connection, listings: Sequence[Listing], policy: Policy
) -> dict[str, Relisting | PictureMatch]:
    """Return, by listing id, resemblances to a confirmed counterfeit: as a whole, or by a screened picture."""
    found: dict[str, Relisting | PictureMatch] = {**find_relistings(connection, listings, policy)}
    for key, match in _find_picture_matches(connection, listings, policy).items():
        if key not in found or (match.makes_case and not found[key].makes_case):
            found[key] = match
    return found


def _find_picture_matches(
    connection: Connection, listings: Sequence[Listing], policy: Policy
) -> dict[str, PictureMatch]:
    by_id = {one.listing_id: one for one in listings if one.image_urls}
    matched: dict[str, SamePicture] = {}
    for some in in_batches(list(by_id)):
        for row in connection.execute(_MATCHED, {"listing_ids": some}):
            listing = by_id[row.listing_id]
            same = measure_group(connection, row.group_id, listing.listing_id, listing.seller_id)
            if row.address in split_addresses(listing) and is_known_counterfeit(same):
                matched.setdefault(row.listing_id, same)
    if not matched:
        return {}
    first = {key: one.case_id if (one := same.first_counterfeit) else None for key, same in matched.items()}
    sellers = {by_id[key].seller_id for key in matched}
    measured = measure_matches(connection, policy.relistings, {one for one in first.values() if one}, sellers)
    found = {}
    for key, case_id in first.items():
        kind = MatchKind.PICTURE
        precision = measured.of(kind, case_id, by_id[key].seller_id) if case_id else measured.of_kind(kind)
        found[key] = PictureMatch(case_id, precision, precision >= policy.relistings.min_precision)
    return found


def add_screened_matches(
    connection: Connection, listings: Sequence[Listing], now: datetime, *, is_current: bool = False
) -> list[Listing]:
    """Return listings with the evidence on their screened pictures, in fields that are empty.

    Call it after `ipml.review.pictures.same_picture.add_picture_matches`, which does the same for pictures of cases.
    """
    asked = {one.listing_id: one for one in listings if one.image_urls and getattr(one, MATCHES[0]) is None}
    seen: dict[str, dict[int, SamePicture]] = {}
    for some in in_batches(list(asked)):
        for row in connection.execute(_HASHED, {"listing_ids": some}):
            one = asked[row.listing_id]
            if row.address in split_addresses(one):
                known_by = (not is_current and one.observed_at) or now
                same = measure_group(connection, row.group_id, one.listing_id, one.seller_id, known_by)
                seen.setdefault(row.listing_id, {})[row.group_id] = same
    filled = {}
    for key, groups in seen.items():
        counts = count_matches(groups.values(), (not is_current and asked[key].observed_at) or now)
        missing: dict[str, Any] = {name: counts[name] for name in MATCHES if getattr(asked[key], name) is None}
        filled[key] = replace(asked[key], **missing)
    return [filled.get(one.listing_id, one) for one in listings]


@dataclass(frozen=True, slots=True)
class ScreeningState:
    """State of picture screening on a day.

    `waiting` pictures are still to be fetched, the oldest since `since`. `requests` and `n_bytes` are the day's cost so
    far. `left_out` pictures were given up that day after waiting too long for the budget.
    """

    waiting: int = 0
    since: datetime | None = None
    requests: int = 0
    n_bytes: int = 0
    left_out: int = 0

    @property
    def words(self) -> str:
        """The state as a sentence.

        >>> ScreeningState(requests=1_200, n_bytes=90_000_000, left_out=7).words
        '1,200 requests and 90.0 MB today; 7 left out today by the budget'
        """
        spent = f"{self.requests:,} requests and {self.n_bytes / 1e6:,.1f} MB today"
        waiting = f"; {self.waiting:,} wait, the oldest since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return spent + waiting + (f"; {self.left_out:,} left out today by the budget" if self.left_out else "")


def read_screening(connection: Connection, now: datetime) -> ScreeningState:
    """Return the state of picture screening."""
    is_waiting = screened_pictures.c.state == "waiting"
    query = select(func.count(), func.min(screened_pictures.c.noted_at)).where(is_waiting)
    waiting, since = connection.execute(query).one()
    columns = screening_days.c.requests, screening_days.c.n_bytes, screening_days.c.left_out
    day = connection.execute(select(*columns).where(screening_days.c.day == day_of(now))).first()
    return ScreeningState(waiting, since, *(day or ()))


def day_of(moment: datetime) -> str:
    """Return the day whose budget a request counts against."""
    return f"{moment:%Y-%m-%d}"
