"""A queue as large as a marketplace's, to measure on: sellers, brands and words as unequal as they are in trade.

The ten largest sellers of the real file hold a seventh of its listings and a third of its counterfeits; so here a few
sellers and brands have thousands of cases, and most have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Table, insert, select, type_coerce

from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import reading, writing
from ipml.storage.row_numbers import go_on_after, last_number
from ipml.storage.tables import case_texts, cases, decisions

N_SELLERS, N_BRANDS, N_CATEGORIES = 8_000, 300, 40
REVIEWERS = ("ana", "ben", "cleo", "dan", "eva", "finn")
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "tr", "gl", "st", "ch")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "eo", "ou")
_SENTENCES = (
    "Price is 12 % of what {brand} usually costs",
    "The seller has been here for 9 days",
    "Words of the replica trade in the title",
    "20 % of the seller's sales came back",
    "Other listings of this seller look alike",
    "The brand is written in letters of two alphabets",
    "The description says how it is sent, and not what it is",
)


@dataclass(frozen=True)
class Names:
    """Words of the listings, the commonest first."""

    words: tuple[str, ...]
    brands: tuple[str, ...]
    sellers: tuple[str, ...]
    categories: tuple[str, ...]


def make_names() -> Names:
    """Make words, brands, sellers and categories.

    Examples
    --------
    >>> names = make_names()
    >>> len(names.sellers), len(set(names.sellers))
    (8000, 8000)
    """
    rng = np.random.default_rng(0)
    words = tuple(dict.fromkeys(_word(rng) for _ in range(6_000)))
    brands = tuple(word.capitalize() for word in words[-N_BRANDS:])
    sellers = tuple(f"{words[number % 2_000]}-{number}" for number in range(N_SELLERS))
    return Names(words[:-N_BRANDS], brands, sellers, tuple(word.capitalize() for word in words[:N_CATEGORIES]))


def _word(rng: np.random.Generator) -> str:
    return "".join(f"{rng.choice(_ONSETS)}{rng.choice(_VOWELS)}" for _ in range(rng.integers(2, 5)))


def make_cases(n: int, *, pictures: str = "") -> Iterator[ScoredListing]:
    """Make scored listings.

    Parameters
    ----------
    pictures : str, default=""
        Host of four pictures of each: three of its own, and one that all listings of its seller show; "" for none.

    Examples
    --------
    >>> first, second = make_cases(2)
    >>> first.listing.listing_id, second.listing.listing_id, 0 <= first.score <= 1
    ('L000000', 'L000001', True)
    """
    names, rng = make_names(), np.random.default_rng(1)
    sellers = _draw_unequally(rng, n, N_SELLERS, 0.9)
    brands = _draw_unequally(rng, n, N_BRANDS, 1.0)
    categories = _draw_unequally(rng, n, N_CATEGORIES, 0.8)
    scores = rng.beta(0.35, 2.2, n)
    for number in range(n):
        words = [names.words[word] for word in _draw_unequally(rng, 70, len(names.words), 0.9)]
        brand = names.brands[brands[number]]
        listing = Listing(
            listing_id=f"L{number:06}",
            seller_id=names.sellers[sellers[number]],
            title=" ".join((brand, *words[:8])),
            description=" ".join(words[8:]),
            brand=brand,
            category=names.categories[categories[number]],
            price=float(round(20 + 400 * rng.random(), 2)),
            currency="EUR",
            listed_at=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=int(rng.integers(30_000))),
            seller_age_days=float(rng.integers(2, 2_000)),
            seller_sales=float(rng.integers(0, 900)),
            image_urls=_name_pictures(pictures, number, sellers[number]) if pictures else None,
        )
        yield _score(listing, float(scores[number]), rng)


def _name_pictures(host: str, number: int, seller: int) -> str:
    return " ".join([*(f"{host}/{number}-{place}.jpg" for place in range(3)), f"{host}/of-{seller}.jpg"])


def _draw_unequally(rng: np.random.Generator, n: int, n_things: int, exponent: float) -> list[int]:
    """Draw things of which the k-th comes 1 / k ** exponent as often as the first."""
    weights = 1 / np.arange(1, n_things + 1) ** exponent
    chosen: list[int] = (
        np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n)).clip(0, n_things - 1).tolist()
    )
    return chosen


def _score(listing: Listing, score: float, rng: np.random.Generator) -> ScoredListing:
    brand = listing.brand or ""
    reasons = tuple(
        Reason(f"feature_{place}", sentence.format(brand=brand), float(weight))
        for place, (sentence, weight) in enumerate(zip(_SENTENCES, rng.normal(0.4, 1, len(_SENTENCES)), strict=True))
    )
    ends = (0, len(brand), len(brand) + 8)
    highlights = tuple(Highlight(start, end, 0.9) for start, end in pairwise(ends))
    usual = PriceRange(brand, "EUR", 90.0, 240.0, 610.0)
    return ScoredListing(
        listing, score, 0.0, reasons, highlights, usual, "measured/1", None, max(0, score - 0.1), min(1, score + 0.1)
    )


def fill(engine: Engine, n_open: int, n_decided: int, *, pictures: str = "") -> None:
    """Put cases into the queue over three weeks, and have some of them decided: the most suspicious, as they would be.

    Parameters
    ----------
    n_open, n_decided : int
        Cases that wait, and that are done with, one in fifty of these with a lead.
    pictures : str, default=""
        Host of the pictures of each; "" for none.
    """
    now = datetime.now(UTC)
    source, total = make_cases(n_open + n_decided, pictures=pictures), n_open + n_decided
    for first in range(0, total, 1_000):
        enqueue(engine, islice(source, 1_000), now=now - timedelta(days=21) * (1 - first / total) ** 2)
    rng = np.random.default_rng(2)
    for number in range(n_decided):
        at = now - timedelta(days=6) * (1 - number / max(1, n_decided))
        with writing(engine) as connection:
            taken = claim(
                connection, REVIEWERS[number % len(REVIEWERS)], now=at - timedelta(seconds=int(rng.integers(8, 120)))
            )
        if taken is None:
            return
        verdict = (
            Verdict.ESCALATE if number % 50 == 7 else rng.choice([Verdict.COUNTERFEIT, Verdict.GENUINE], p=[0.8, 0.2])
        )
        ground = "declared_replica" if verdict == Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(connection, DecisionRequest(taken, Verdict(verdict), ground), now=at)


def archive(engine: Engine, n: int) -> None:
    """Copy the decided cases with their decisions, each copy a day older, until there are so many more of them.

    The database copies rows itself, without the actions after decisions: a million take some minutes.
    """
    with reading(engine) as connection:
        numbers = select(cases.c.case_id).where(cases.c.state == "decided").order_by(cases.c.case_id)
        decided, step = connection.scalars(numbers).all(), last_number(connection, cases)
    for copy, start in enumerate(range(0, n, len(decided)), 1):
        last = decided[: n - start][-1]
        with writing(engine) as connection:
            for table, dated in ((cases, "enqueued_at"), (case_texts, None), (decisions, "decided_at")):
                _copy(connection, table, table.c.case_id.in_(numbers.where(cases.c.case_id <= last)), copy, step, dated)
            go_on_after(connection, cases, last + copy * step)


def _copy(
    connection: Connection, table: Table, condition: ColumnElement[bool], copy: int, step: int, dated: str | None
) -> None:
    """Append copies of some rows, of cases that are numbered and called otherwise."""
    changed: dict[str, ColumnElement[Any]] = {"case_id": table.c.case_id + copy * step}
    changed |= {name: table.c[name].concat(f" {copy}") for name in ("listing_id", "listing_key") if name in table.c}
    if dated is not None:
        changed[dated] = type_coerce(table.c[dated], BigInteger) - copy * 86_400_000_000
    columns = [column for column in table.c if column.name != "decision_id"]
    query = select(*(changed.get(column.name, column) for column in columns)).where(condition)
    connection.execute(insert(table).from_select(columns, query))
