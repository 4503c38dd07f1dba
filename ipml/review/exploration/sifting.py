"""A scored file is sifted: the most suspicious listings are shown, and of the others those that are drawn.

The file is read twice. The first time only a number and a score of each listing are kept (16 bytes, so that a file of
ten million listings needs 160 MB), the second time the listings that become cases.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing
from ipml.review.exploration.exploration import Rule, Stratum, is_drawn, lots, make_ticket_drawer, stratify
from ipml.review.snapshot import make_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Place:
    """Where a listing stands in a sift: its stratum, and its lot unless it is shown for its score.

    The lot, in 0-1, is drawn evenly: cases taken in its order are a fair sample of their stratum at any time.
    """

    stratum: int
    odds: float
    lot: float | None

    @property
    def lane(self) -> str:
        """Name of the lane in which its case waits."""
        return "ranked" if self.lot is None else "explored"


@dataclass(frozen=True, slots=True)
class Sift:
    """What a file came to.

    Attributes
    ----------
    file_digest : str
        Of tickets and scores: the same for the same listings in any order.
    digest : str
        Of these and of how they were sifted.
    listings : int
        How many came by; one that came twice counts once.
    sure : int
        How many are shown for their score.
    strata : tuple of Stratum
        The most suspicious first.
    shown : tuple of int
        How many of each stratum are shown.
    places : dict of int to Place
        What is shown, by its row in the file, from 0.
    """

    file_digest: str
    digest: str
    model_version: str
    listings: int
    sure: int
    strata: tuple[Stratum, ...]
    shown: tuple[int, ...]
    places: dict[int, Place]


def sift(
    scored: Iterable[ScoredListing], seed: str, rule: Rule, *, top: int | None = None, min_score: float | None = None
) -> Sift:
    """Read scored listings once and say which of them are shown.

    Parameters
    ----------
    seed : str
        In hexadecimal; decides the draws.
    top, min_score : int, float, optional
        The most suspicious are shown: so many, with scores of at least so much; all without either.

    Examples
    --------
    >>> from ipml.records import Listing
    >>> bags = [ScoredListing(Listing(f"A{n}", "s1", "Bag"), n / 50, None, (), (), None, "m1") for n in range(50)]
    >>> sifted = sift(bags, "00" * 32, Rule(0.5), top=5)
    >>> sifted.sure, sifted.listings, sum(stratum.listings for stratum in sifted.strata)
    (5, 50, 50)
    >>> sorted(row for row, place in sifted.places.items() if place.lane == "ranked")
    [45, 46, 47, 48, 49]
    """
    tickets, scores, model_version = _read(scored, seed)
    return sift_arrays(tickets, scores, rule, top=top, min_score=min_score, model_version=model_version)


def sift_arrays(
    tickets: NDArray[np.uint64],
    scores: NDArray[np.float64],
    rule: Rule,
    *,
    top: int | None = None,
    min_score: float | None = None,
    model_version: str = "",
) -> Sift:
    """Say which listings are shown, given the ticket and the score (or NaN) of each; otherwise like `sift`."""
    import numpy as np

    # Among equal scores the lower half of the ticket decides: the upper half is left to decide the draw.
    order = np.lexsort((tickets << np.uint64(32) | tickets >> np.uint64(32), -scores))
    order = order[np.sort(np.unique(tickets[order], return_index=True)[1])]  # of each listing its highest score
    tickets, scores = tickets[order], scores[order]
    sure = len(order) if min_score is None else int((scores >= min_score).sum())
    sure = sure if top is None else min(sure, top)
    strata = stratify(scores, sure, rule)
    number = np.repeat(np.arange(len(strata)), [stratum.listings for stratum in strata])
    odds = np.array([stratum.odds for stratum in strata])
    at = np.flatnonzero(is_drawn(tickets, odds[number]) if strata else [])
    drawn_lots = lots(tickets[at])
    places = {
        int(order[index]): Place(int(one), strata[one].odds, None if strata[one].is_sure else float(lot / odds[one]))
        for index, one, lot in zip(at, number[at], drawn_lots, strict=True)
    }
    shown = np.bincount(number[at], minlength=len(strata))
    file_digest = _digest(tickets, scores)
    digest = hashlib.sha256(f"{file_digest} {sorted(rule.to_record().items())} {sure}".encode()).hexdigest()
    counts = tuple(int(count) for count in shown)
    return Sift(file_digest, digest, model_version, len(order), sure, tuple(strata), counts, places)


def _read(scored: Iterable[ScoredListing], seed: str) -> tuple[NDArray[np.uint64], NDArray[np.float64], str]:
    import numpy as np

    draw, tickets, scores, model_version = make_ticket_drawer(seed), array("Q"), array("d"), ""
    for item in scored:
        model_version = model_version or item.model_version
        tickets.append(draw(item.model_version, make_key(item.listing)))
        scores.append(float("nan") if item.score is None else item.score)
    values = np.frombuffer(scores, dtype=np.float64)
    if (wrong := values[(values < 0) | (values > 1)]).size:
        raise UnstorableValue("score", str(wrong[0]), "a probability in 0-1 or none")
    return np.frombuffer(tickets, dtype=np.uint64), values, model_version


def choose_shown(
    scored: Iterable[ScoredListing], sifted: Sift, waiting: Collection[str] = ()
) -> Iterator[tuple[ScoredListing, Place | None]]:
    """Give the listings that are shown, each with its place, reading the file of the sift a second time.

    Those whose case waits for people, by their ids in `waiting`, are given as well: people must know of an edit,
    whatever the score is now.
    """
    for row, item in enumerate(scored):
        place = sifted.places.get(row)
        if place is not None or item.listing.listing_id in waiting:
            yield item, place


def _digest(tickets: NDArray[np.uint64], scores: NDArray[np.float64]) -> str:
    import numpy as np

    order = np.argsort(tickets)
    content = tickets[order].astype("<u8").tobytes() + scores[order].astype("<f8").tobytes()
    return hashlib.sha256(content).hexdigest()
