"""A whole scored file goes into the queue: the most suspicious, and those drawn from the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from ipml.records import ScoredListing
from ipml.review.exploration.arrivals import get_seed, note_sift
from ipml.review.exploration.exploration import Rule
from ipml.review.exploration.sifting import choose_shown, sift
from ipml.review.intake import Enqueued, enqueue_placed
from ipml.review.versions import find_pending_listings
from ipml.settings import get_settings
from ipml.storage.database import reading


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a scored file: how many came by, how many of them were drawn, what the queue made of them."""

    listings: int
    drawn: int
    enqueued: Enqueued


def enqueue_batch(
    engine: Engine,
    read: Callable[[], Iterable[ScoredListing]],
    *,
    top: int | None = None,
    min_score: float | None = None,
    explore: float | None = None,
    due_at: datetime | None = None,
    now: datetime | None = None,
) -> Batch:
    """Put the most suspicious listings of a file into the queue, and some that are drawn from the others.

    Listings that wait for people are looked at too, wherever they stand in the file: one that was changed supersedes
    what it was. Sending the file again changes nothing, and completes what was interrupted.

    Parameters
    ----------
    read : callable
        Gives the scored listings of the file, in the same order each time; called twice.
    top, min_score : int, float, optional
        So many, with scores of at least so much, are enqueued for their score; all without either.
    explore : float, default=the setting `explore`
        Share of the reviewers' time that goes to drawn listings.
    due_at : datetime, optional
        By when they must be decided.
    now : datetime, default=the clock

    Examples
    --------
    >>> from ipml.records import Listing
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bags = [ScoredListing(Listing(f"A{n}", "s1", f"Bag {n}"), n / 50, None, (), (), None, "m1") for n in range(50)]
    >>> enqueue_batch(engine, lambda: bags, top=5, explore=0)
    Batch(listings=50, drawn=0, enqueued=Enqueued(added=5, ...))
    """
    now = now or datetime.now(UTC)
    rule = Rule(get_settings().explore if explore is None else explore)
    seed = get_seed(engine, now=now)
    sifted = sift(read(), seed, rule, top=top, min_score=min_score)
    sift_id = note_sift(engine, sifted, seed, rule, now=now)
    with reading(engine) as connection:
        waiting = find_pending_listings(connection)
    shown = choose_shown(read(), sifted, waiting)
    enqueued = enqueue_placed(engine, shown, sift_id=sift_id, due_at=due_at, now=now)
    return Batch(sifted.listings, sum(place.lot is not None for place in sifted.places.values()), enqueued)
