"""Titles as sets of words, whatever their order and disguise, the bands of many of them, and how alike two are.

All that arrives is compared with what was found counterfeit, so a title must cost microseconds: it is found by its
words, of which unlike titles share few, and the signatures of a batch are made in one pass over an array. Those that
are found are compared by the letter runs of their words, for which a letter more or less counts little. Look-alike and
styled letters, accents, invisible letters, figures and signs that stand for letters, markup, and letters set apart are
read as what they stand for; what nobody tells apart (1, l, i, j) is one letter.

Bands are kept in the database, so what makes them must not change: a test holds one of them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING

from ipml.review.near_duplicates.clusters import draw_permutations, mix_hashes, number_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Numbers = npt.NDArray[np.uint64]

_LONGEST = 400  # letters of a title that are read
_RUN = 3
_ALIKE = str.maketrans("0134578@$ij", "oleastbasll")
_TAG = re.compile(r"<[^<>]*>")
_STROKE = re.compile(r"(?<=\w)[!|](?=\w)")
_WORD = re.compile(r"[^\W_]+")
_FEWEST_SPACED = 4  # single letters in a row are a word with its letters set apart; fewer are sizes

N_BANDS, _ROWS = 6, 4  # with 8 of 9 words in common 97 in 100 titles share two bands, with 7 of 9 74, with 3 of 10 0.1
N_NUMBERS = N_BANDS + 2
"""Numbers of a title: its bands, the set of its words, and this set with the seller."""


def read_words(title: str) -> list[str]:
    """Return the words of a title as a reader sees them, folded.

    Examples
    --------
    >>> read_words("L\u0435ath\u0435r W\u00c1LLET, br0wn!"), read_words("r.e.p.l.i.c.a &amp; Le<b></b>ather")
    (['leather', 'wallet', 'brown'], ['repllca', 'leather'])
    """
    text = title[:_LONGEST]
    if "&" in text or "<" in text:
        text = _TAG.sub("", unescape(text))[:_LONGEST]
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_read_letter, text))[:_LONGEST]
    if "!" in text or "|" in text:
        text = _STROKE.sub("l", text)
    words = _WORD.findall(text.lower().translate(_ALIKE))
    return _join_spaced(words) if sum(len(word) == 1 for word in words) >= _FEWEST_SPACED else words


def _join_spaced(words: Sequence[str]) -> list[str]:
    joined, spaced = list[str](), list[str]()
    for word in (*words, "  "):
        if len(word) == 1:
            spaced.append(word)
            continue
        joined += ["".join(spaced)] if len(spaced) >= _FEWEST_SPACED else spaced
        spaced = []
        joined.append(word)
    return joined[:-1]


@lru_cache(maxsize=1 << 13)
def _read_letter(letter: str) -> str:
    from ipml.kit.look_alikes import read_letter  # reads a large table

    return read_letter(letter)


def read_runs(title: str) -> frozenset[str]:
    """Return all runs of three letters within the words of a title, each word between two blanks.

    Examples
    --------
    >>> read_runs("Leather wallet, brown") == read_runs("BROWN w\u0430llet \u2013 l3ather"), len(read_runs("Bag 1"))
    (True, 4)
    """
    padded = [f" {word} " for word in read_words(title)]
    return frozenset(word[start : start + _RUN] for word in padded for start in range(len(word) - _RUN + 1))


def compare_runs(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the letter runs of two titles that they have in common, 0-1 (the Jaccard index).

    Examples
    --------
    >>> round(compare_runs(read_runs("Leather wallet, brown"), read_runs("Leather wallet, brown, new")), 2)
    0.86
    """
    common = len(one & other)
    return common / max(len(one) + len(other) - common, 1)


def make_title_bands(titles: Sequence[str], sellers: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the numbers, of 64 bits, under which titles are found by those that are alike; none of one without words.

    Parameters
    ----------
    titles : sequence of str
    sellers : sequence of str
        Whose they are: the same title of the same seller has a number of its own, however many others have it.

    Examples
    --------
    >>> titles = ("Leather bag, brown", "Brown leather BAG", "Woollen cap")
    >>> one, other, third = make_title_bands(titles, ["s1", "s2", "s1"])
    >>> len(one), len(set(one) & set(other)), len(set(one) & set(third))
    (8, 7, 0)
    """
    import numpy as np

    words = [{zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in read_words(title)} for title in titles]
    lengths = np.fromiter(map(len, words), np.int64, len(titles))
    ends = np.cumsum(lengths)
    if not len(ends) or not ends[-1]:
        return [()] * len(titles)
    hashes = mix_hashes(np.fromiter((number for some in words for number in some), np.uint32, int(ends[-1])))
    starts = (ends - lengths)[lengths > 0]
    factors, summands = (part[: N_BANDS * _ROWS, np.newaxis] for part in draw_permutations())
    signatures = np.minimum.reduceat(hashes * factors + summands, starts, axis=1)
    bands = np.arange(1, N_BANDS + 1, dtype=np.uint64)[:, np.newaxis] * np.uint64(0x9E3779B97F4A7C15)
    for row in range(_ROWS):
        bands = _mix(bands ^ signatures[row::_ROWS])
    sets = _mix(np.add.reduceat(_mix(hashes.astype(np.uint64)), starts))
    owners = np.fromiter(
        (number_text("confirmed seller", seller) for seller, n in zip(sellers, lengths, strict=True) if n),
        np.int64,
        len(starts),
    )
    numbers = np.vstack([bands, sets, _mix(sets ^ owners.view(np.uint64))]).view(np.int64)
    made = iter(map(tuple, numbers.T.tolist()))
    return [next(made) if n else () for n in lengths.tolist()]


def number_picture(name: str) -> int:
    """Return the number under which listings with a picture are found, by its hash or its address."""
    return number_text("confirmed picture", name)


def _mix(numbers: _Numbers) -> _Numbers:
    """Return numbers in each bit of which all of theirs count: the end of SplitMix64, by Sebastiano Vigna."""
    import numpy as np

    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
