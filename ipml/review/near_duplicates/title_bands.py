"""Title bands: index numbers and likeness of titles, whatever their word order and disguise.

Every arriving title is compared with confirmed counterfeits, so this must take microseconds. A title is found by four
common words in any order, or by five consecutive words: goods of a kind share three words, hardly ever four. A hash
picks the same words in every title; it is stored under any four of its first six and searched under any four of its
first five. Numbers with the same first two words are neighbours, since reading the index costs most. Look-alikes,
styled and invisible letters, accents, digits for letters, markup and spaced letters are undone; 1, l, i and j are one
letter. Bands are stored, so their computation must never change; a test pins one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from html import unescape
from itertools import combinations

from ipml.review.near_duplicates.clusters import number_text

_LONGEST = 400  # letters of a title that are read
_RUN = 3
_ALIKE = str.maketrans("0134578@$ij", "oleastbasll")
_TAG = re.compile(r"<[^<>]*>")
_STROKE = re.compile(r"(?<=\w)[!|](?=\w)")
_WORD = re.compile(r"[^\W_]+")
_FEWEST_SPACED = 4  # single letters in a row are a spaced word; fewer are sizes

_KEPT, _SOUGHT, _TOGETHER = 6, 5, 4  # words: a title sharing 8 of 9 words is always found, 7 of 9 in 72 %
_IN_A_ROW, _ROWS_KEPT, _ROWS_SOUGHT = 5, 6, 3
_HASH = 0xFFFFFFFF


def read_words(title: str) -> list[str]:
    """Return the words of a title as a reader sees them, folded.

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
    """Return all three-letter runs within the words of a title, each word padded with blanks."""
    padded = [f" {word} " for word in read_words(title)]
    return frozenset(word[start : start + _RUN] for word in padded for start in range(len(word) - _RUN + 1))


def compare_runs(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of letter runs common to two titles, 0-1 (the Jaccard index)."""
    common = len(one & other)
    return common / max(len(one) + len(other) - common, 1)


def find_part(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the shorter title's letter runs that the longer title has, 0-1."""
    return len(one & other) / max(min(len(one), len(other)), 1)


def make_title_bands(title: str, seller_id: str, *, is_kept: bool) -> tuple[int, ...]:
    """Return the 63-bit numbers under which similar, longer or shorter titles are found; none without words.

    One number covers all words and the seller, and is found however many others share the title. Titles are stored
    (`is_kept`) under more numbers than they are searched under.

    >>> wallet = make_title_bands("Leather wallet, brown, with coin pocket", "s1", is_kept=True)
    >>> others = ("Pocket with coin, brown wallet: LEATHER", "New leather wallet brown with coin pocket, boxed", "Cap")
    >>> [bool({*wallet}.intersection(make_title_bands(title, "s2", is_kept=False))) for title in others]
    [True, True, False]
    """
    words = [_hash_word(word) for word in read_words(title)]
    if not words:
        return ()
    chosen = sorted(set(words))
    place, whole = sum(chosen[:2]), sum(chosen)
    own = _number(place, whole + (number_text("confirmed seller", seller_id) & _HASH))
    if len(chosen) < _TOGETHER:
        return own, _number(place, whole)
    n_words, n_rows = (_KEPT, _ROWS_KEPT) if is_kept else (_SOUGHT, _ROWS_SOUGHT)
    sets = [_number(a + b, a + b + c + d) for a, b, c, d in combinations(chosen[:n_words], _TOGETHER)]
    rows = [_number(row, row) for row in map(sum, zip(*(words[at:] for at in range(_IN_A_ROW)), strict=False))]
    return tuple({own, *sets, *sorted(rows)[:n_rows]})


def number_picture(name: str) -> int:
    """Return the number under which listings with a picture are found, by its hash or URL."""
    return number_text("confirmed picture", name)


@lru_cache(maxsize=1 << 14)
def _hash_word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def _number(place: int, rest: int) -> int:
    """Return a number whose upper half is its place in the index."""
    return (place * 0x9E3779B1 & _HASH) << 31 | rest * 0x85EBCA6B & _HASH >> 1
