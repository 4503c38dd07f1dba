"""Titles as words, whatever their order and disguise: the numbers under which they are found, and how alike two are.

All that arrives is compared with what was found counterfeit, so a title must cost microseconds. It is found by four of
its words in any order, or by five that follow each other: goods of a kind share three words, hardly ever four or five.
A hash chooses the words, the same ones in all titles that have them: a title is kept under any four of its first six,
and sought under any four of its first five. Where words were added or left out, those chosen differ, but five words in
a row are left. A title is read where it lies in the index, which costs more than to compare it: numbers of the same two
first words lie beside each other.

Those that are found are compared by the letter runs of their words, for which a letter more or less counts little.
Look-alike and styled letters, accents, invisible letters, figures and signs that stand for letters, markup, and letters
set apart are read as what they stand for; what nobody tells apart (1, l, i, j) is one letter.

Bands are kept in the database, so what makes them must not change: a test holds one of them.
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
_FEWEST_SPACED = 4  # single letters in a row are a word with its letters set apart; fewer are sizes

_KEPT, _SOUGHT, _TOGETHER = 6, 5, 4  # words: of nine with eight in common all titles are found, with seven 72 in 100
_IN_A_ROW, _ROWS_KEPT, _ROWS_SOUGHT = 5, 6, 3
_HASH = 0xFFFFFFFF


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


def find_part(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the letter runs of the shorter of two titles that the longer has, 0-1.

    Examples
    --------
    >>> find_part(read_runs("Leather wallet"), read_runs("New brown leather wallet, boxed"))
    1.0
    """
    return len(one & other) / max(min(len(one), len(other)), 1)


def make_title_bands(title: str, seller_id: str, *, is_kept: bool) -> tuple[int, ...]:
    """Return the numbers, of 63 bits, under which titles like it, longer or shorter are found; none without words.

    One is of all its words with its seller: it is found however many others have such a title.

    Parameters
    ----------
    is_kept : bool
        Whether the title is to be kept under them; those under which others are sought are fewer.

    Examples
    --------
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
    """Return the number under which listings with a picture are found, by its hash or its address."""
    return number_text("confirmed picture", name)


@lru_cache(maxsize=1 << 14)
def _hash_word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def _number(place: int, rest: int) -> int:
    """Return a number whose upper half says where it lies."""
    return (place * 0x9E3779B1 & _HASH) << 31 | rest * 0x85EBCA6B & _HASH >> 1
