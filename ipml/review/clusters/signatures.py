"""What near-duplicates have in common: a title folded to what a reader sees, and a signature that finds it again.

Signatures are MinHash values in bands: titles that are alike share a band with near certainty, others seldom do.
Bands are kept in the database, so what makes them must not change: a test holds one of them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasketch import MinHash

_LONGEST = 400  # code points of a title that are read, before and after letters were taken apart
_SHINGLE = 3
_N_PERMUTATIONS, _ROWS = 60, 3  # 20 bands: at a likeness of 0.5 93 in 100 share one, at 0.2 15
_SEED = 1
_INVISIBLE = frozenset({"Cf", "Cc", "Mn", "Me"})
_BETWEEN_WORDS = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Return a text without what a copy is varied by: case, accents, invisible and full-width letters, punctuation.

    Examples
    --------
    >>> fold("  Ｌｅａｔｈｅｒ  wal​let,  BROWN!! ")
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
    if not (words := fold(text)):
        return frozenset()
    folded = f" {words} "
    return frozenset(folded[start : start + _SHINGLE] for start in range(max(1, len(folded) - _SHINGLE + 1)))


def sign(shingles: frozenset[str]) -> tuple[int, ...]:
    """Return the MinHash values of a set: the share in which two agree estimates how alike the sets are.

    A set of nothing has none: it is like no other.

    Examples
    --------
    >>> one, other = sign(make_shingles("Leather wallet, brown")), sign(make_shingles("leather wallet brown"))
    >>> one == other
    True
    """
    if not shingles:
        return ()
    signature = _empty().copy()
    signature.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in shingles])
    return tuple(signature.hashvalues.tolist())


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
    >>> bag = sign(make_shingles("Leather bag"))
    >>> len(make_bands("s1", bag)), set(make_bands("s1", bag)) & set(make_bands("s2", bag))
    (20, set())
    """
    parts = [signature[start : start + rows] for start in range(0, len(signature), rows)]
    numbers = [_number(scope, f"{place}", *map(str, part)) for place, part in enumerate(parts)]
    return tuple(numbers) if image_hash is None else (*numbers, _number(scope, "image", image_hash))


@lru_cache(maxsize=1)
def _empty() -> MinHash:
    """Return a signature of nothing, which the others start from: drawing its permutations costs more than signing."""
    from datasketch import MinHash

    return MinHash(_N_PERMUTATIONS, seed=_SEED, scheme="affine32")


def _number(*parts: str) -> int:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)
