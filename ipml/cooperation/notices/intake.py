"""Taking a notice in: kept, joined to the cases of its listings and confirmed, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from ipml.cooperation.notices.joining import Coming, Joined, find_latest, join
from ipml.cooperation.notices.keeping import (
    Place,
    find_earlier,
    find_noted,
    get_notice,
    keep_listings,
    keep_notice,
    keep_rights,
    require_reasons,
)
from ipml.cooperation.notices.notice import Notice
from ipml.cooperation.notices.outcomes import settle_notices
from ipml.cooperation.notices.receipts import Receipt, make_receipt, send_receipt
from ipml.cooperation.notifiers.lanes import Lane, keep_count, lane_of
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.errors import InvalidListings, InvalidNotice
from ipml.records import Listing, ScoredListing
from ipml.review.snapshot import digest
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.notifiers import Notifier, note_added, notifier_of
from ipml.storage.row_digests import name_rows

Score = Callable[[Sequence[Listing]], Sequence[ScoredListing]]
"""Scores listings, in their order; InvalidListings where some break the rules."""

_ACTOR = "notifier"
_UNSCORED = "not scored: it came with a notice"
_NO_MODEL = "none"


def receive(
    engine: Engine,
    notice: Notice,
    *,
    policy: CooperationPolicy | None = None,
    score: Score | None = None,
    now: datetime | None = None,
) -> Receipt:
    """Take in a notice that was checked; the same one again gives the same receipt.

    Parameters
    ----------
    policy : CooperationPolicy, default=the setting `cooperation`
    score : callable, optional
        Scores listings that come along and have no case yet; without it people judge them unscored.
    now : datetime, default=the clock

    Raises
    ------
    InvalidNotice
        It is the notifier's first on this brand and names no right, it says less than the notifier's tier asks for, or
        what it says of a listing cannot be scored.
    NoticeKeyReused
        Its key came before with another content.

    Examples
    --------
    >>> from ipml.cooperation.notices.checking import check_notice
    >>> from ipml.storage.database import migrate, open_database
    >>> engine, policy = open_database("sqlite://"), load_cooperation_policy()
    >>> migrate(engine)
    >>> why = "We never made a bag in this colour, and the clasp bears no number."
    >>> said = {"explanation": why, "listings": [{"listing_id": "A7"}],
    ...         "name": "Ann", "email": "ann@acme.test", "good_faith": True, "brand": "Acme", "rights": "EUTM 1"}
    >>> receipt = receive(engine, check_notice(said, policy.notices), policy=policy)
    >>> again = receive(engine, check_notice(said, policy.notices), policy=policy)
    >>> receipt.listings[0].state, receipt.reference == again.reference, again.is_new
    ('unknown', True, False)
    """
    policy, now = policy or load_cooperation_policy(), now or datetime.now(UTC)
    scored = _score_unknown(engine, notice, score)
    with writing(engine) as connection:
        notifier = notifier_of(connection, notice.email, _guess_kind(notice), now)
        if earlier := find_earlier(connection, notifier, notice, policy.notices, now):
            return make_receipt(connection, earlier, is_new=False)
        keep_count(connection, notifier, policy.notifiers, now)
        lane = lane_of(connection, notifier, policy, now)
        require_reasons(notice, lane)
        rights = keep_rights(connection, notifier, notice, lane, now)
        kept = keep_notice(connection, notifier, notice, lane, now)
        places = _find_places(connection, notifier, notice, scored, lane, policy, now)
        items = keep_listings(connection, notifier, notice, kept.notice_id, places, now)
        send_receipt(connection, notifier, notice, make_receipt(connection, kept, is_new=True), now)
        note_added(connection, notifier, _ACTOR, now)
        if rights is not None:
            action, number = rights
            audit.append(connection, _ACTOR, action, notifier.subject, {"document": number}, at=now)
        _note(connection, notifier, kept, items, places, now)
        settle_notices(connection, [kept.notice_id], now, policy.notifiers)
        return make_receipt(connection, get_notice(connection, kept.notice_id), is_new=True)


def _guess_kind(notice: Notice) -> str:
    """Return what a notifier is taken for who writes for the first time."""
    return "consumer" if notice.kind == "complaint" or notice.rights is None else "rights holder"


def _score_unknown(engine: Engine, notice: Notice, score: Score | None) -> Mapping[str, ScoredListing]:
    """Return those listings of a notice that came along and have no case yet, scored, by their ids."""
    told = {one.listing.listing_id: one.listing for one in notice.listings if one.listing is not None}
    if not told:
        return {}
    with reading(engine) as connection:
        known = find_latest(connection, told)
    unknown = [listing for listing_id, listing in told.items() if listing_id not in known]
    if score is None or not unknown:
        return {listing.listing_id: _leave_unscored(listing) for listing in unknown}
    try:
        return {one.listing.listing_id: one for one in score(unknown)}
    except InvalidListings as error:
        places = [next(n for n, one in enumerate(notice.listings) if one.listing is listing) for listing in unknown]
        problems = [
            replace(found, row=1, column=f"listings[{places[found.row - 1]}].listing.{found.column}")
            for found in error.problems
        ]
        raise InvalidNotice(problems) from error


def _leave_unscored(listing: Listing) -> ScoredListing:
    return ScoredListing(listing, None, None, (), (), None, _NO_MODEL, _UNSCORED)


def _find_places(
    connection: Connection,
    notifier: Notifier,
    notice: Notice,
    scored: Mapping[str, ScoredListing],
    lane: Lane,
    policy: CooperationPolicy,
    now: datetime,
) -> list[Place]:
    """Return what becomes of each listing: as `join` says, unless the notifier is suspended, or said so before."""
    if lane.is_suspended:
        return [Place(Joined("undecided"))] * len(notice.listings)
    noted = find_noted(connection, notifier, notice)
    latest = find_latest(connection, [one.listing_id for one in notice.listings if one.listing_id]) if noted else {}
    repeated: dict[str, Place] = {}
    for one in notice.listings:
        earlier, case = noted.get(one.digest), latest.get(one.listing_id or "")
        # Of a listing that was offered anew since, which is another case, the notifier may say so again.
        if earlier is not None and (earlier.case_id is None or case is None or earlier.case_id == case):
            case_id = earlier.case_id if case is not None else None
            repeated[one.digest] = Place(Joined("repeated", case_id, earlier.pseudonym), earlier.item_id)
    fresh = [one for one in notice.listings if one.digest not in repeated]
    again = [one.listing_id for one in notice.listings if one.digest in repeated and one.listing_id]
    coming = Coming(notifier.notifier_id, notice.kind == "complaint", fresh, scored, lane, again)
    results = iter(join(connection, coming, policy.notices, now))
    return [repeated[one.digest] if one.digest in repeated else Place(next(results)) for one in notice.listings]


def _note(
    connection: Connection,
    notifier: Notifier,
    kept: Row[Any],
    items: Sequence[int],
    places: Sequence[Place],
    now: datetime,
) -> None:
    payload: dict[str, audit.Value] = {"notifier": notifier.pseudonym, "listings": len(places)}
    payload["sealed"] = digest(kept.sealed + kept.explanation)
    given = audit.Deed(now, _ACTOR, "gave notice", f"notice:{kept.notice_id}", payload, name_rows("item", items))
    audit.append_deeds(connection, [given])
    joined = sorted(
        {place.joined.case_id for place in places if place.joined.case_id is not None and not place.repeats}
    )
    entries = [(f"case:{case_id}", {"notice": kept.notice_id}) for case_id in joined]
    audit.append_all(connection, _ACTOR, "noticed", entries, at=now)
