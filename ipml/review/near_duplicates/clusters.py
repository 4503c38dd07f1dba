"""Near-duplicates of one seller: the first of them is reviewed, the others wait for it.

A case that comes in and is the same offer, but for small edits, as one of the seller's that waits for review, its
exemplar, joins it (see `ipml.review.near_duplicates.matches`). An open case whose `exemplar` is set is not shown.
Whenever the exemplar is decided, the verdict either spreads to it (see `ipml.review.group_decisions`), or one of
those that are left becomes the exemplar of the others.

Titles are folded to what a reader sees. Signatures are MinHash values in bands: titles that are alike share a band
with near certainty, others seldom do. Bands are kept in the database, so what makes them must not change: a test
holds one of them. A band holds some thirty cases and no more, so that a seller who floods the queue with half-alike
listings does not make it slow; what finds no place there is at worst reviewed once more.
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

_LONGEST = 400  # code points of a title that are read, before and after letters were taken apart
_SHINGLE = 3
_N_PERMUTATIONS, _ROWS = 60, 3  # 20 bands: at a likeness of 0.5 93 in 100 share one, at 0.2 15
_SEED = 1
_INVISIBLE = frozenset({"Cf", "Cc", "Mn", "Me"})
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def fold_title(text: str) -> str:
    """Return a text without what a copy is varied by: case, accents, invisible and full-width letters, punctuation.

    Examples
    --------
    >>> fold_title("  Ｌｅａｔｈｅｒ  wal​let,  BROWN!! ")
    'leather wallet brown'
    """
    text = text[:_LONGEST]
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())[:_LONGEST]
        text = "".join(letter for letter in text if letter.isspace() or unicodedata.category(letter) not in _INVISIBLE)
    return _BETWEEN_WORDS.sub(" ", text.casefold()).strip()


def make_shingles(text: str) -> frozenset[str]:
    """Return all runs of three letters of a text, folded; a text without letters and digits has none.

    Examples
    --------
    >>> sorted(make_shingles("Bag 1"))
    [' 1 ', ' ba', 'ag ', 'bag', 'g 1']
    >>> make_shingles("\u231a")
    frozenset()
    """
    if not (words := fold_title(text)):
        return frozenset()
    folded = f" {words} "
    return frozenset(folded[start : start + _SHINGLE] for start in range(max(1, len(folded) - _SHINGLE + 1)))


def sign_shingles(shingles: frozenset[str]) -> tuple[int, ...]:
    """Return the MinHash values of a set: the share in which two agree estimates how alike the sets are.

    A set of nothing has none: it is like no other.

    Examples
    --------
    >>> one = sign_shingles(make_shingles("Leather wallet, brown"))
    >>> other = sign_shingles(make_shingles("leather wallet brown"))
    >>> one == other
    True
    """
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
    """Return the numbers, of 64 bits, under which a listing is found by others that are alike.

    Parameters
    ----------
    scope : str
        Only listings of the same scope are found: "seller s1, brand acme".
    signature : tuple of int
        Of the title.
    image_hash : str, optional
        Has a number of its own: the same picture is found whatever the title.
    rows : int, default=3
        MinHash values in a band: the more, the more alike must titles be to share one.

    Examples
    --------
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
    """Return odd factors and summands: x becomes factor * x + summand, modulo 2 ** 32, in which no two numbers meet."""
    import numpy as np

    random = np.random.RandomState(_SEED)  # draws the same in every release of NumPy
    halves = random.randint(0, 1 << 31, _N_PERMUTATIONS, dtype=np.uint32)
    return halves * 2 + 1, random.randint(0, 1 << 32, _N_PERMUTATIONS, dtype=np.uint32)


def _mix_hashes(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return hashes in each bit of which all of theirs count: the end of MurmurHash3, by Austin Appleby."""
    import numpy as np

    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


@lru_cache(maxsize=1 << 14)  # titles are made of the same few thousand runs of letters
def _hash_shingle(shingle: str) -> int:
    return int.from_bytes(sha1(shingle.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:4], "little")


def _encode(*parts: str) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogatepass")


def number_text(*parts: str) -> int:
    """Return a number of 64 bits for some texts in their order."""
    return _number(_encode(*parts))


def _number(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


LEAST_LIKENESS = 0.5
"""Share of the letter runs of two titles that they have in common. Chosen with experiments/review/cluster_cut.py."""

LEAST_OF_ANOTHER_BRAND = 0.7
"""The same where the brands differ, or only one is known: goods of two brands share much of how they are described."""

LARGEST_PRICE_STEP = 0.1
"""A copy costs at most a tenth more or less."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a listing looks, its disguise undone: what others are compared with.

    Attributes
    ----------
    brand : str
        As the model read it where the field names none, without case; "" where nobody knows.
    shingles : frozenset of str
        Of the title as the model read it: the share that two have in common is their likeness (the Jaccard index).
    """

    brand: str
    shingles: frozenset[str]
    image_hash: str | None


def make_appearance(scored: ScoredListing) -> Appearance:
    """Return how a listing looks.

    Examples
    --------
    >>> bag = ScoredListing(Listing("1", "s1", "B\u0430g", brand="ACME "), 0.5, None, (), (), None, "m", read_as="bag")
    >>> make_appearance(bag).brand, sorted(make_appearance(bag).shingles)
    ('acme', [' ba', 'ag ', 'bag'])
    """
    return Appearance(
        read_brand(scored), make_shingles(scored.read_as or scored.listing.title), scored.listing.image_hash
    )


def read_brand(scored: ScoredListing) -> str:
    """Return the brand of a listing without case, that of its field or the one the model read in the title, or ""."""
    return ((scored.listing.brand or "").strip() or scored.brand_read or "").casefold()


def is_same_offer(one: ScoredListing, other: ScoredListing) -> bool:
    """Say whether a verdict on one listing holds for the other: same seller, brand, price, and title or picture.

    Examples
    --------
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
    """Return how alike two listings of one brand look, in 0-1, or None where they do not; the same picture gives 1."""
    return compare_appearances(one, other) if one.brand == other.brand else None


def compare_appearances(one: Appearance, other: Appearance) -> float | None:
    """Return how alike two listings look, in 0-1, or None where they do not; the same picture gives 1.

    Under another brand, or none, the title must be more alike. Titles without letters or digits are like none.
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


BandCases = dict[int, list[int]]
"""Numbers of cases by band."""

MOST_IN_BAND = 30
_MOST_COMPARED = 20
_MOST_NUMBERS = 500  # in one query
# Made once, as making a query takes longer than asking it.
_IS_BAND = bands.c.band.in_(bindparam("bands", expanding=True))
_IS_THEIRS = bands.c.case_id.in_(bindparam("case_ids", expanding=True))
_COUNTS = select(bands.c.band, func.count(), func.count().filter(_IS_THEIRS)).where(_IS_BAND).group_by(bands.c.band)
_HELD = select(bands.c.band, bands.c.case_id).where(_IS_BAND, _IS_THEIRS)


def find_in_bands(connection: Connection, wanted: Iterable[int]) -> BandCases:
    """Return what is kept under some bands."""
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
    """Return the cases that share most bands with a listing, at most 20.

    Examples
    --------
    >>> choose_candidates({1: [7, 8], 2: [8]}, [1, 2, 3])
    [8, 7]
    """
    counts = Counter(case_id for band in numbers for case_id in kept.get(band, ()))
    return sorted(counts, key=lambda case_id: (-counts[case_id], case_id))[:_MOST_COMPARED]


def find_room(kept: BandCases, case_id: int, numbers: Iterable[int]) -> list[int]:
    """Put a case under those of its bands that are not full, in `kept` only, and return them."""
    free = [band for band in numbers if len(kept[band]) < MOST_IN_BAND and case_id not in kept[band]]
    for band in free:
        kept[band].append(case_id)
    return free


def store_where_room(
    connection: Connection,
    wanted: Mapping[int, Iterable[int]],
    make_room: Callable[[Collection[int]], Iterable[int]] = lambda _: (),
) -> None:
    """Keep cases under those of their bands that are not full and do not hold them yet.

    As `find_in_bands`, `find_room` and `store_in_bands` would, but without reading what is held: the bands of busy
    brands are full.

    Parameters
    ----------
    wanted : mapping of int to iterable of int
        The bands of cases, by number.
    make_room : callable, default makes none
        Takes cases out of bands that are full, and returns each of these as often as it has room now.
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
    """Write down the bands of cases, each (case_id, bands)."""
    insert_rows(
        connection, bands, [{"band": band, "case_id": case_id} for case_id, numbers in entries for band in numbers]
    )


def remove_from_bands(connection: Connection, kept: BandCases, case_ids: Collection[int]) -> None:
    """Take cases that nothing is compared with any more out of the bands in which they were found."""
    gone = [(band, case_id) for band, found in kept.items() for case_id in found if case_id in case_ids]
    if not gone:
        return
    query = delete(bands).where(bands.c.band == bindparam("gone_band"), bands.c.case_id == bindparam("gone_case"))
    connection.execute(query, [{"gone_band": band, "gone_case": case_id} for band, case_id in gone])
    for band, case_id in gone:
        kept[band].remove(case_id)


LARGEST_SCORE_STEP = 0.05
"""A case that scores higher than its exemplar by more than this is shown itself: it must not wait behind others."""

_MOST_COUNTED = 20
# Made once, as making a query takes longer than asking it.
_NUMBERS: BindParameter[Any] = bindparam("numbers", expanding=True)
_IS_WAITING = and_(cases.c.exemplar.in_(_NUMBERS), cases.c.state == "open")
_WAITING = select(cases.c.case_id).where(_IS_WAITING)
_EXEMPLARS = select(cases.c.exemplar).where(_IS_WAITING).distinct()
_COUNTED = select(cases.c.exemplar, func.count()).where(_IS_WAITING).group_by(cases.c.exemplar)
_CLUSTERS = select(cases).where(or_(cases.c.case_id.in_(_NUMBERS), _IS_WAITING)).order_by(cases.c.case_id)
_LOCKED_CLUSTERS = _CLUSTERS.with_for_update()


def show_overtakers(connection: Connection, rescored: Collection[int]) -> None:
    """Let cases stand for themselves that now score higher than their exemplar, after these were rescored."""
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
    """Return how many open near-duplicates wait for each of some cases; those for which none waits are left out."""
    return dict(connection.execute(_COUNTED, {"numbers": list(case_ids)}).all()) if case_ids else {}


def move_forward(connection: Connection, counted: Mapping[int, int]) -> None:
    """Move cases forward in the queue by the number of those that wait for them: one decision settles them all.

    A rank that is the smaller the better is multiplied by the number of listings, at most 20: to look through more
    takes longer, too. Ranks of 0 or more, such as those of first in, first out, stay.

    Parameters
    ----------
    counted : mapping of int to int
        By case how many of those that wait are in its rank already: none where it was just ranked.
    """
    waiting = count_waiting(connection, counted)
    _move_by(connection, {case_id: (counted[case_id], n_waiting) for case_id, n_waiting in waiting.items()})


def count_leaving(connection: Connection, case_ids: Sequence[int]) -> dict[int, int]:
    """Return how many of some open cases wait for each of their exemplars, before they are closed; see `move_back`."""
    query = select(cases.c.exemplar, func.count()).where(cases.c.case_id.in_(case_ids), cases.c.state == "open")
    return dict(connection.execute(query.where(cases.c.exemplar.is_not(None)).group_by(cases.c.exemplar)).all())


def move_back(connection: Connection, left: Mapping[int, int]) -> None:
    """Move cases back by the number of those that waited for them and do not any more.

    Else a seller who edits a near-duplicate again and again would move its exemplar ahead of everybody.
    """
    waiting = count_waiting(connection, left)
    _move_by(connection, {number: (waiting.get(number, 0) + n, waiting.get(number, 0)) for number, n in left.items()})


def count_in(rank: float, n_waiting: int) -> float:
    """Return the rank of a case moved forward by so many that wait for it, as `move_forward` does."""
    return rank * min(1 + n_waiting, _MOST_COUNTED) if rank < 0 else rank


def _move_by(connection: Connection, counts: Mapping[int, tuple[int, int]]) -> None:
    """Move cases forward whose rank counts so many of those that wait for them: given as many as there are now."""
    rows = [
        {"moved": case_id, "factor": min(1 + n_waiting, _MOST_COUNTED) / min(1 + n_counted, _MOST_COUNTED)}
        for case_id, (n_counted, n_waiting) in counts.items()
        if n_waiting != n_counted
    ]
    if rows:
        query = update(cases).where(cases.c.case_id == bindparam("moved"), cases.c.rank < 0)
        connection.execute(query.values(rank=cases.c.rank * bindparam("factor", type_=cases.c.rank.type)), rows)


def lock_cluster(connection: Connection, case_id: int) -> StoredCase:
    """Return a case, which with the open ones that wait for it is kept from other writers from now on.

    Raises
    ------
    NotFound
    """
    case = lock_clusters(connection, [case_id]).get(case_id)
    if case is None:
        raise NotFound("case", case_id, "The list of cases shows those there are.")
    return case


def lock_clusters(connection: Connection, case_ids: Collection[int]) -> dict[int, StoredCase]:
    """Return cases, by number, and the open ones that wait for them, kept from other writers."""
    asked = {"numbers": [case_id for case_id in case_ids if 0 < case_id <= LARGEST_NUMBER]}
    locked = {case.case_id: case for case in read_cases(connection, _LOCKED_CLUSTERS, asked)}
    if connection.dialect.name == "sqlite":  # on which one transaction writes at a time
        return locked
    # Whoever joined while this waited for the exemplar is there now; nobody can join any more.
    late = set(connection.scalars(_WAITING, asked)) - locked.keys()
    return locked | find_cases(connection, late, lock=True)


def hand_over(connection: Connection, case_ids: Sequence[int], passed_on: Collection[int] = ()) -> None:
    """Make the first of the open cases that wait for a case the exemplar of the others; lock them before.

    It is done as if the cases were decided one after the other, though all of them are open yet: none of them becomes
    the exemplar of others once its turn has come.

    Parameters
    ----------
    passed_on : collection of int
        Those of them that go to a lead, for which the others go on waiting.
    """
    exemplars = set(case_ids)
    if len(case_ids) > 1:  # most are no exemplars
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
    """Let cases stand for themselves from now on."""
    if case_ids:
        connection.execute(update(cases).where(cases.c.case_id.in_(case_ids)).values(exemplar=None))


def seller_bands(listing: Listing, appearance: Appearance, signature: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bands under which a case is found by copies of its seller; none where it has no price."""
    if listing.price is None:
        return ()
    scope = f"seller {listing.seller_id}\0{appearance.brand}\0{listing.currency}"
    return make_bands(scope, signature, appearance.image_hash)
