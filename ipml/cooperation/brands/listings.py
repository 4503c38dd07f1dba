"""Listings of a brand as its owner sees them: offer, likelihood and decision, without seller or reviewer.

Searches cover title and listing id alone: a search by seller id would reveal who sells a listing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, select, true

from ipml.errors import NotFound
from ipml.records import Listing, Verdict
from ipml.review.arrivals.marketplace import find_known
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.decisions import GROUNDS
from ipml.review.reversals import is_last_verdict
from ipml.review.worklists.search import contains_words, split_words
from ipml.storage.database import in_batches
from ipml.storage.tables import case_texts, cases, decisions, measures, pictures

STATES = ("all", "waiting", "counterfeit", "not counterfeit")
_LIKELY = 0.5
_BANDS = ((0.9, "very likely counterfeit"), (_LIKELY, "likely counterfeit"), (0.2, "possibly counterfeit"))
_LEAST_BAND = "hardly suspicious"
_UNSCORED = "not scored"
_FOUND = {
    Verdict.COUNTERFEIT: "Found counterfeit",
    Verdict.GENUINE: "Not found counterfeit",
    Verdict.CANNOT_TELL: "Closed without a finding",
}
_WAITS = "Waits for a person"
_REPLACED = "Replaced by a newer version"
_NO_CASE = "Not reviewed by a person"
_HIDDEN_LINES = 2  # of the searched text, at its end: the seller's id and the brand


def name_band(score: float | None) -> str:
    """Return in words how likely a listing is counterfeit by the model.

    >>> name_band(0.93), name_band(0.5), name_band(0.01), name_band(None)
    ('very likely counterfeit', 'likely counterfeit', 'hardly suspicious', 'not scored')
    """
    if score is None:
        return _UNSCORED
    return next((words for least, words in _BANDS if score >= least), _LEAST_BAND)


@dataclass(frozen=True, slots=True)
class BrandMeasure:
    """A measure on a listing, with its start and end."""

    kind: str
    imposed_at: datetime
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True)
class BrandListing:
    """A listing of a brand, without any data of its seller.

    `case_id` is None if it was submitted and never became a case; band and state are in words. `verdict` is the last
    one in force; `ground` is a sentence, empty unless it was found counterfeit. `is_against_model`: a person called
    it counterfeit though the model found that less likely than not, or not counterfeit though more likely.
    """

    case_id: int | None
    listing_id: str
    title: str
    description: str | None
    brand: str
    category: str | None
    price: float | None
    currency: str | None
    listed_at: datetime | None
    band: str
    state: str
    verdict: Verdict | None = None
    ground: str = ""
    decided_at: datetime | None = None
    measures: tuple[BrandMeasure, ...] = ()
    is_against_model: bool = False

    @property
    def is_counterfeit(self) -> bool:
        """Whether the verdict in force is counterfeit."""
        return self.verdict is Verdict.COUNTERFEIT


def find_listings(
    connection: Connection,
    brands: Collection[str],
    *,
    search: str = "",
    state: str = "all",
    before: int = LARGEST_NUMBER,
    limit: int = 50,
) -> list[BrandListing]:
    """Return cases of some brands, newest first, without superseded versions of a listing.

    All words of `search` must be in title or id; a submitted listing without a case is found by its whole id. `state`
    is one of `STATES`; `before` is the case number at which the next page starts.
    """
    words = split_words(search)
    query = _select(brands).where(cases.c.case_id < min(before, LARGEST_NUMBER), _is_in(state))
    query = query.where(cases.c.state != "superseded")
    query = query.where(contains_words(words)) if words else query
    found: list[Row[Any]] = []
    for row in connection.execute(query.order_by(cases.c.case_id.desc()).execution_options(yield_per=500)):
        if _holds_words(row.text, words):
            found.append(row)
        if len(found) == limit:
            break
    listed = _make(connection, found)
    if not listed and search.strip() and state == "all":
        listed = list(_find_submitted(connection, brands, [search.strip()]).values())
    return listed


def get_listing(connection: Connection, brands: Collection[str], case_id: int) -> BrandListing:
    """Return the listing of a case of some brands; raises NotFound, whether or not another brand has that case."""
    query = _select(brands).where(cases.c.case_id == case_id)
    rows = connection.execute(query).all() if 0 < case_id <= LARGEST_NUMBER else ()
    if not rows:
        raise NotFound("listing", case_id, "Your listings are found by their title or number.")
    return _make(connection, rows)[0]


def find_offers(
    connection: Connection, brands: Collection[str], listing_ids: Collection[str]
) -> dict[str, BrandListing]:
    """Return those of some listings that belong to some brands, by listing id, each by its newest case."""
    query = _select(brands).where(cases.c.state != "superseded").order_by(cases.c.case_id)
    found: dict[str, BrandListing] = {}
    for some in in_batches(sorted(listing_ids)):
        rows = connection.execute(query.where(cases.c.listing_id.in_(some))).all()
        found |= {one.listing_id: one for one in _make(connection, rows)}
    return _find_submitted(connection, brands, {*listing_ids} - found.keys()) | found


def find_showing(
    connection: Connection, brands: Collection[str], group_ids: Collection[int], limit: int = 50
) -> list[BrandListing]:
    """Return the newest listings of some brands that show a picture of some groups."""
    shows_it = select(pictures.c.case_id).where(pictures.c.group_id.in_(list(group_ids)))
    query = _select(brands).where(cases.c.state != "superseded", cases.c.case_id.in_(shows_it))
    return _make(connection, connection.execute(query.order_by(cases.c.case_id.desc()).limit(limit)).all())


def find_own_cases(connection: Connection, brands: Collection[str], case_ids: Collection[int]) -> frozenset[int]:
    """Return those of some cases that belong to some brands."""
    own = cases.c.case_id.in_(list(case_ids)) & cases.c.brand.in_(list(brands)) & cases.c.erased_at.is_(None)
    return frozenset(connection.scalars(select(cases.c.case_id).where(own)))


def _select(brands: Collection[str]) -> Select[Any]:
    return (
        select(cases.c.case_id, cases.c.brand, cases.c.score, cases.c.state, cases.c.snapshot, case_texts.c.text)
        .join(case_texts, case_texts.c.case_id == cases.c.case_id)
        .where(cases.c.brand.in_(list(brands)), cases.c.erased_at.is_(None))
    )


def _is_in(state: str) -> ColumnElement[bool]:
    if state == "waiting":
        return cases.c.state.in_(["open", "escalated"])
    said = {"counterfeit": [Verdict.COUNTERFEIT], "not counterfeit": [Verdict.GENUINE, Verdict.CANNOT_TELL]}.get(state)
    if said is None:
        return true()
    is_said = exists().where(decisions.c.case_id == cases.c.case_id, decisions.c.verdict.in_(said), is_last_verdict())
    return is_said & (cases.c.state == "decided")


def _holds_words(text: str, words: Sequence[str]) -> bool:
    shown = "\n".join(text.split("\n")[:-_HIDDEN_LINES])
    return all(word in shown for word in words)


def _make(connection: Connection, rows: Sequence[Row[Any]]) -> list[BrandListing]:
    numbers = [row.case_id for row in rows]
    query = select(*(decisions.c[name] for name in ("case_id", "verdict", "ground", "decided_at", "origin")))
    query = query.where(decisions.c.case_id.in_(numbers), is_last_verdict())
    last: dict[int, Any] = {row.case_id: row for row in connection.execute(query)}
    done = _find_measures(connection, numbers)
    return [_make_one(row, last.get(row.case_id), done.get(row.case_id, [])) for row in rows]


def _make_one(row: Row[Any], last: Any, done: Sequence[BrandMeasure]) -> BrandListing:
    told = _tell(decode(row.snapshot).listing, row.brand) | {"case_id": row.case_id, "band": name_band(row.score)}
    if row.state != "decided" or last is None:
        return BrandListing(**told, state=_REPLACED if row.state == "superseded" else _WAITS)
    verdict = Verdict(last.verdict)
    return BrandListing(
        **told,
        state=_FOUND[verdict],
        verdict=verdict,
        ground=GROUNDS.get(last.ground, ""),
        decided_at=last.decided_at,
        measures=tuple(done),
        is_against_model=last.origin != "policy" and is_against_model(verdict, row.score),
    )


def is_against_model(verdict: Verdict, score: float | None) -> bool:
    """Return whether a verdict contradicts the model's score.

    >>> is_against_model(Verdict.COUNTERFEIT, 0.1), is_against_model(Verdict.GENUINE, 0.1)
    (True, False)
    """
    if score is None or verdict is Verdict.CANNOT_TELL:
        return False
    return (verdict is Verdict.COUNTERFEIT) != (score >= _LIKELY)


_OF_NO_SELLER = ("listing_id", "title", "description", "category", "price", "currency", "listed_at")


def _tell(listing: Listing, brand: str) -> dict[str, Any]:
    return {"brand": brand} | {name: getattr(listing, name) for name in _OF_NO_SELLER}


def _find_measures(connection: Connection, case_ids: Sequence[int]) -> Mapping[int, list[BrandMeasure]]:
    query = select(measures.c.case_id, measures.c.kind, measures.c.imposed_at, measures.c.lifted_at)
    found: dict[int, list[BrandMeasure]] = {}
    for case_id, *told in connection.execute(
        query.where(measures.c.case_id.in_(case_ids)).order_by(measures.c.measure_id)
    ):
        found.setdefault(case_id, []).append(BrandMeasure(*told))
    return found


def _find_submitted(
    connection: Connection, brands: Collection[str], listing_ids: Collection[str]
) -> dict[str, BrandListing]:
    """Return submitted listings without a case, by id."""
    return {
        key: BrandListing(
            **_tell(one.scored.listing, one.scored.listing.brand or ""),
            case_id=None,
            band=name_band(one.scored.score),
            state=_NO_CASE,
        )
        for key, one in find_known(connection, listing_ids).items()
        if one.scored.listing.brand in brands
    }
