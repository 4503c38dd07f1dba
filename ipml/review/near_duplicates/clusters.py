"""Clusters: near-duplicates of one seller; the exemplar is reviewed while the others wait.

An incoming case that repeats a waiting offer with small edits joins that exemplar
(`ipml.review.near_duplicates.matches`) and is not listed. After the decision the verdict spreads
(`ipml.review.group_decisions`), or a remaining case becomes the exemplar. MinHash bands of folded titles find
candidates: similar titles almost always share one. Bands are stored, so their computation must never change; a test
pins one. A band holds at most 30 cases, so a flood of half-alike listings stays fast; a case without room is at worst
reviewed once more.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha1
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, case, delete, func, or_, select, update

from ipml.errors import NotFound
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import LARGEST_NUMBER, StoredCase, find_cases, read_cases
from ipml.storage.driver import fetch_rows
from ipml.storage.row_numbers import insert_rows
from ipml.storage.tables import bands, cases

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LONGEST = 400  # code points of a title that are read, before and after decomposition
_SHINGLE = 3
_N_PERMUTATIONS, _ROWS = 60, 3  # 20 bands: 93 of 100 pairs of likeness 0.5 share one, 15 of likeness 0.2
_SEED = 1
_INVISIBLE = frozenset({"Cf", "Cc", "Mn", "Me"})
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def fold_title(text: str) -> str:
    """Return a text without the details that copies vary: case, accents, invisible or full-width letters, punctuation.

    >>> fold_title("  Ｌｅａｔｈｅｒ  wal​let,  BROWN!! ")
    'leather wallet brown'
    """
    text = text[:_LONGEST]
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())[:_LONGEST]
        text = "".join(letter for letter in text if letter.isspace() or unicodedata.category(letter) not in _INVISIBLE)
    return _BETWEEN_WORDS.sub(" ", text.casefold()).strip()


def make_shingles(text: str) -> frozenset[str]:
    """Return all three-letter runs of a folded text; empty for a text without letters and digits.

    >>> sorted(make_shingles("Bag 1"))
    [' 1 ', ' ba', 'ag ', 'bag', 'g 1']
    """
    if not (words := fold_title(text)):
        return frozenset()
    folded = f" {words} "
    return frozenset(folded[start : start + _SHINGLE] for start in range(max(1, len(folded) - _SHINGLE + 1)))


def sign_shingles(shingles: frozenset[str]) -> tuple[int, ...]:
    """Return the MinHash values of a set; the share of equal values estimates the likeness. The empty set has none."""
    if not shingles:
        return ()
    import numpy as np

    factors, summands = _draw_permutations()
    hashes = np.fromiter(map(_hash_shingle, shingles), np.uint32, len(shingles))
    permuted = _mix_hashes(hashes)[:, np.newaxis] * factors + summands
    signature: list[int] = permuted.min(axis=0).tolist()
    return tuple(signature)


def make_bands(
    scope: str, signature: tuple[int, ...], image_hash: str | None = None, rows: int = _ROWS
) -> tuple[int, ...]:
    """Return the 64-bit numbers under which similar listings find each other.

    Only listings of the same `scope`, such as "seller s1, brand acme", meet. A picture has its own number, so the same
    picture is found under any title. More `rows` (MinHash values per band) require more similar titles.

    >>> bag = sign_shingles(make_shingles("Leather bag"))
    >>> len(make_bands("s1", bag)), set(make_bands("s1", bag)) & set(make_bands("s2", bag))
    (20, set())
    """
    beginning, line = _encode(scope, ""), b"\0".join([b"%d"] * (rows + 1))
    parts = enumerate(zip(*[iter(signature)] * rows, strict=True))
    numbers = [_number(beginning + line % (place, *part)) for place, part in parts]
    return tuple(numbers) if image_hash is None else (*numbers, _number(_encode(scope, "image", image_hash)))


@lru_cache(maxsize=1)
def _draw_permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return odd factors and summands: x -> factor * x + summand (mod 2 ** 32) is a permutation."""
    import numpy as np

    random = np.random.RandomState(_SEED)  # stable across NumPy releases
    halves = random.randint(0, 1 << 31, _N_PERMUTATIONS, dtype=np.uint32)
    return halves * 2 + 1, random.randint(0, 1 << 32, _N_PERMUTATIONS, dtype=np.uint32)


def _mix_hashes(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return hashes whose bits each depend on all bits: the finaliser of MurmurHash3, by Austin Appleby."""
    import numpy as np

    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


@lru_cache(maxsize=1 << 14)  # titles share a few thousand letter runs
def _hash_shingle(shingle: str) -> int:
    return int.from_bytes(sha1(shingle.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:4], "little")


def _encode(*parts: str) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogatepass")


def number_text(*parts: str) -> int:
    """Return a 64-bit number for texts in order."""
    return _number(_encode(*parts))


def _number(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


LEAST_LIKENESS = 0.5
"""Least share of letter runs that two titles have in common. Chosen with experiments/review/cluster_cut.py."""

LEAST_OF_ANOTHER_BRAND = 0.7
"""The same if brands differ or only one is known: descriptions of two brands' goods share many words."""

LARGEST_PRICE_STEP = 0.1
"""The price of a copy differs by at most a tenth."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """The visible features of a listing, with disguises undone.

    `brand` is lower-case, as the model read it if the field is empty; "" if unknown. `shingles` are those of the title
    as the model read it; their Jaccard index is the likeness of two listings.
    """

    brand: str
    shingles: frozenset[str]
    image_hash: str | None


def make_appearance(scored: ScoredListing) -> Appearance:
    """Return the visible features of a listing.

    >>> bag = ScoredListing(Listing("1", "s1", "B\u0430g", brand="ACME "), 0.5, None, (), (), None, "m", read_as="bag")
    >>> make_appearance(bag).brand, sorted(make_appearance(bag).shingles)
    ('acme', [' ba', 'ag ', 'bag'])
    """
    return Appearance(
        read_brand(scored), make_shingles(scored.read_as or scored.listing.title), scored.listing.image_hash
    )


def read_brand(scored: ScoredListing) -> str:
    """Return a listing's brand in lower case, from its field or as the model read it in the title, or ""."""
    return ((scored.listing.brand or "").strip() or scored.brand_read or "").casefold()


def is_same_offer(one: ScoredListing, other: ScoredListing) -> bool:
    """Return whether a verdict on one listing holds for the other: same seller, brand, price, and title or picture.

    >>> bag, copy, dear = (
    ...     ScoredListing(Listing("1", "s1", title, price=price, currency="EUR"), 0.5, None, (), (), None, "m")
    ...     for title, price in [("Leather bag, brown", 50.0), ("Leather bag brown!", 52.0), ("Leather bag", 90.0)]
    ... )
    >>> is_same_offer(bag, copy), is_same_offer(bag, dear)
    (True, False)
    """
    if one.listing.seller_id != other.listing.seller_id or not has_like_price(one.listing, other.listing):
        return False
    return compare_offers(make_appearance(one), make_appearance(other)) is not None


def compare_offers(one: Appearance, other: Appearance) -> float | None:
    """Return the likeness, 0-1, of two listings of one brand, or None if they differ; the same picture gives 1."""
    return compare_appearances(one, other) if one.brand == other.brand else None


def compare_appearances(one: Appearance, other: Appearance) -> float | None:
    """Return the likeness, 0-1, of two listings, or None if they differ; the same picture gives 1.

    Different or missing brands require more similar titles. Titles without letters or digits match nothing.
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
    """Return whether two prices are known, in one currency, and at most a tenth apart."""
    if one.price is None or other.price is None or one.currency != other.currency:
        return False
    low, high = sorted((one.price, other.price))
    return high <= low * (1 + LARGEST_PRICE_STEP)


BandCases = dict[int, list[int]]
"""Case numbers by band."""

MOST_IN_BAND = 30
_MOST_COMPARED = 20
_MOST_NUMBERS = 500  # per query
# Built once, since building a query takes longer than running it.
_IS_BAND = bands.c.band.in_(bindparam("bands", expanding=True))
_IS_THEIRS = bands.c.case_id.in_(bindparam("case_ids", expanding=True))
_COUNTS = select(bands.c.band, func.count(), func.count().filter(_IS_THEIRS)).where(_IS_BAND).group_by(bands.c.band)
_HELD = select(bands.c.band, bands.c.case_id).where(_IS_BAND, _IS_THEIRS)


def find_in_bands(connection: Connection, wanted: Iterable[int]) -> BandCases:
    """Return the cases stored under some bands."""
    found: BandCases = defaultdict(list)
    numbers = sorted(set(wanted))
    for start in range(0, len(numbers), _MOST_NUMBERS):
        some = numbers[start : start + _MOST_NUMBERS]
        for band, case_id in fetch_rows(connection, *_ask_for_bands(connection.dialect.name, some)):
            found[band].append(case_id)
    return found


def _ask_for_bands(dialect: str, numbers: Sequence[int]) -> tuple[str, Sequence[object]]:
    if dialect == "postgresql":
        return "SELECT band, case_id FROM bands WHERE band = ANY(%s::bigint[]) ORDER BY band, case_id", [numbers]
    places = ",".join("?" * len(numbers))
    return f"SELECT band, case_id FROM bands WHERE band IN ({places}) ORDER BY band, case_id", numbers  # noqa: S608


def choose_candidates(kept: Mapping[int, Sequence[int]], numbers: Iterable[int]) -> list[int]:
    """Return the cases that share most bands with a listing, at most 20."""
    counts = Counter(case_id for band in numbers for case_id in kept.get(band, ()))
    return sorted(counts, key=lambda case_id: (-counts[case_id], case_id))[:_MOST_COMPARED]


def find_room(kept: BandCases, case_id: int, numbers: Iterable[int]) -> list[int]:
    """Add a case to those of its bands that are not full, in `kept` only, and return these bands."""
    free = [band for band in numbers if len(kept[band]) < MOST_IN_BAND and case_id not in kept[band]]
    for band in free:
        kept[band].append(case_id)
    return free


def store_where_room(
    connection: Connection,
    wanted: Mapping[int, Iterable[int]],
    make_room: Callable[[Collection[int]], Iterable[int]] = lambda _: (),
) -> None:
    """Store cases under those of their bands that have room and do not hold them yet.

    The result equals `find_in_bands`, `find_room` and `store_in_bands`, without reading the bands' cases: bands of busy
    brands are full. `wanted` maps cases to bands. `make_room` removes cases from full bands and returns each band once
    per freed place.
    """
    counts: Counter[int] = Counter()
    held: set[tuple[int, int]] = set()
    numbers = sorted({band for of_case in wanted.values() for band in of_case})
    for start in range(0, len(numbers), _MOST_NUMBERS):
        asked = {"bands": numbers[start : start + _MOST_NUMBERS], "case_ids": list(wanted)}
        found = connection.execute(_COUNTS, asked).all()
        counts.update({band: n_held for band, n_held, _ in found})
        if len(wanted) == 1:
            held |= {(band, case_id) for case_id in wanted for band, _, n_theirs in found if n_theirs}
        elif any(n_theirs for _, _, n_theirs in found):
            held |= {(row.band, row.case_id) for row in connection.execute(_HELD, asked)}
    if full := {band for band, n_held in counts.items() if n_held >= MOST_IN_BAND}:
        counts.subtract(make_room(full))
    entries: list[tuple[int, list[int]]] = []
    for case_id, of_case in wanted.items():
        free = [band for band in of_case if counts[band] < MOST_IN_BAND and (band, case_id) not in held]
        counts.update(free)
        entries.append((case_id, free))
    store_in_bands(connection, entries)


def store_in_bands(connection: Connection, entries: Iterable[tuple[int, Iterable[int]]]) -> None:
    """Store the bands of cases, each (case_id, bands)."""
    insert_rows(
        connection, bands, [{"band": band, "case_id": case_id} for case_id, numbers in entries for band in numbers]
    )


def remove_from_bands(connection: Connection, kept: BandCases, case_ids: Collection[int]) -> None:
    """Remove cases that are no longer compared from the bands in which they were found."""
    gone = [(band, case_id) for band, found in kept.items() for case_id in found if case_id in case_ids]
    if not gone:
        return
    query = delete(bands).where(bands.c.band == bindparam("gone_band"), bands.c.case_id == bindparam("gone_case"))
    connection.execute(query, [{"gone_band": band, "gone_case": case_id} for band, case_id in gone])
    for band, case_id in gone:
        kept[band].remove(case_id)


LARGEST_SCORE_STEP = 0.05
"""A case that outscores its exemplar by more than this is listed itself."""

_MOST_COUNTED = 20
# Built once, since building a query takes longer than running it.
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_IS_WAITING = and_(cases.c.exemplar.in_(_NUMBERS), cases.c.state == "open")
_WAITING = select(cases.c.case_id).where(_IS_WAITING)
_EXEMPLARS = select(cases.c.exemplar).where(_IS_WAITING).distinct()
_COUNTED = select(cases.c.exemplar, func.count()).where(_IS_WAITING).group_by(cases.c.exemplar)
_CLUSTERS = select(cases).where(or_(cases.c.case_id.in_(_NUMBERS), _IS_WAITING)).order_by(cases.c.case_id)
_LOCKED_CLUSTERS = _CLUSTERS.with_for_update()


def show_overtakers(connection: Connection, rescored: Collection[int]) -> None:
    """List cases that outscore their exemplar after these cases were rescored."""
    if not rescored:
        return
    exemplars = cases.alias()
    higher = (
        select(exemplars.c.case_id)
        .where(exemplars.c.case_id == cases.c.exemplar)
        .where(func.coalesce(cases.c.score, -1) > func.coalesce(exemplars.c.score, -1) + LARGEST_SCORE_STEP)
    )
    for concerned in (cases.c.case_id, cases.c.exemplar):
        query = update(cases).where(concerned.in_(rescored), cases.c.state == "open", higher.exists())
        connection.execute(query.values(exemplar=None))


def count_waiting(connection: Connection, case_ids: Collection[int]) -> dict[int, int]:
    """Return how many open near-duplicates wait for each case; cases without any are left out."""
    return dict(connection.execute(_COUNTED, {"numbers": list(case_ids)}).all()) if case_ids else {}


def move_forward(connection: Connection, counted: Mapping[int, int]) -> None:
    """Move cases forward by the number of cases that wait for them: one decision settles them all.

    A rank below 0 is multiplied by the number of listings, at most 20, since reviewing more takes longer too. Ranks of
    0 or more, such as first in, first out, do not change. `counted` maps cases to the number of waiting cases already
    in their rank; 0 for a fresh rank.
    """
    waiting = count_waiting(connection, counted)
    _move_by(connection, {case_id: (counted[case_id], n_waiting) for case_id, n_waiting in waiting.items()})


def count_leaving(connection: Connection, case_ids: Sequence[int]) -> dict[int, int]:
    """Return how many of some open cases wait for each exemplar, before they are closed; for `move_back`."""
    query = select(cases.c.exemplar, func.count()).where(cases.c.case_id.in_(case_ids), cases.c.state == "open")
    return dict(connection.execute(query.where(cases.c.exemplar.is_not(None)).group_by(cases.c.exemplar)).all())


def move_back(connection: Connection, left: Mapping[int, int]) -> None:
    """Move cases back by the number of cases that no longer wait for them.

    Otherwise a seller could move an exemplar ahead of all others by editing a near-duplicate repeatedly.
    """
    waiting = count_waiting(connection, left)
    _move_by(connection, {number: (waiting.get(number, 0) + n, waiting.get(number, 0)) for number, n in left.items()})


def count_in(rank: float, n_waiting: int) -> float:
    """Return the rank of a case with this many waiting cases, as `move_forward` computes it."""
    return rank * min(1 + n_waiting, _MOST_COUNTED) if rank < 0 else rank


def _move_by(connection: Connection, counts: Mapping[int, tuple[int, int]]) -> None:
    rows = [
        {"moved": case_id, "factor": min(1 + n_waiting, _MOST_COUNTED) / min(1 + n_counted, _MOST_COUNTED)}
        for case_id, (n_counted, n_waiting) in counts.items()
        if n_waiting != n_counted
    ]
    if rows:
        query = update(cases).where(cases.c.case_id == bindparam("moved"), cases.c.rank < 0)
        connection.execute(query.values(rank=cases.c.rank * bindparam("factor", type_=cases.c.rank.type)), rows)


def lock_cluster(connection: Connection, case_id: int) -> StoredCase:
    """Lock a case and the open cases that wait for it; return the case. Raises NotFound."""
    case = lock_clusters(connection, [case_id]).get(case_id)
    if case is None:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    return case


def lock_clusters(connection: Connection, case_ids: Collection[int]) -> dict[int, StoredCase]:
    """Lock cases and the open cases that wait for them; return all by number."""
    asked = {"numbers": [case_id for case_id in case_ids if 0 < case_id <= LARGEST_NUMBER]}
    locked = {case.case_id: case for case in read_cases(connection, _LOCKED_CLUSTERS, asked)}
    if connection.dialect.name == "sqlite":  # it allows one writer at a time
        return locked
    # Cases that joined while this waited for the lock are visible now; no more can join.
    late = set(connection.scalars(_WAITING, asked)) - locked.keys()
    return locked | find_cases(connection, late, lock=True)


def hand_over(connection: Connection, case_ids: Sequence[int], passed_on: Collection[int] = ()) -> None:
    """Make the first open case that waits for each case the exemplar of the others; lock them before.

    The result is as if the cases were decided one after another, although all are still open: a case that has had its
    turn becomes no exemplar. Waiting cases go on waiting for those in `passed_on`, which go to a lead.
    """
    exemplars = set(case_ids)
    if len(case_ids) > 1:  # most are not exemplars
        exemplars = set(connection.scalars(_EXEMPLARS, {"numbers": list(case_ids)}))
    gone: list[int] = []
    for case_id in case_ids:
        gone.append(case_id)
        is_decided = case_id in exemplars and case_id not in passed_on
        if is_decided and (heir := _hand_over(connection, case_id, gone)):
            exemplars.add(heir)


def _hand_over(connection: Connection, case_id: int, gone: Collection[int]) -> int | None:
    is_waiting = (cases.c.exemplar == case_id, cases.c.state == "open", cases.c.case_id.not_in(gone))
    query = select(cases.c.case_id, cases.c.snapshot, func.count().over().label("n_waiting")).where(*is_waiting)
    heir = connection.execute(query.order_by(cases.c.rank, cases.c.case_id).limit(1)).first()
    if heir is None:
        return None
    exemplar = case((cases.c.case_id == heir.case_id, None), else_=heir.case_id)
    connection.execute(update(cases).where(*is_waiting).values(exemplar=exemplar))
    scored = decode(heir.snapshot)
    appearance = make_appearance(scored)
    numbers = seller_bands(scored.listing, appearance, sign_shingles(appearance.shingles))
    kept = find_in_bands(connection, numbers)
    store_in_bands(connection, [(heir.case_id, find_room(kept, heir.case_id, numbers))])
    _move_by(connection, {heir.case_id: (0, heir.n_waiting - 1)})
    return int(heir.case_id)


def show_cases(connection: Connection, case_ids: Collection[int]) -> None:
    """List cases themselves from now on."""
    if case_ids:
        connection.execute(update(cases).where(cases.c.case_id.in_(case_ids)).values(exemplar=None))


def seller_bands(listing: Listing, appearance: Appearance, signature: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bands under which copies by the same seller are found; none without a price."""
    if listing.price is None:
        return ()
    scope = f"seller {listing.seller_id}\0{appearance.brand}\0{listing.currency}"
    return make_bands(scope, signature, appearance.image_hash)
