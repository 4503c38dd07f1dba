"""Undo odd spacing: letters written apart, and letters held down."""

from __future__ import annotations

import re
from functools import partial

from ipml.features.look_alikes import SEPARATOR
from ipml.features.rewriting import Origins, Rewritten, rewrite, unchanged

_SIGN_AT_EVERY_SECOND_PLACE = re.compile(r"(?<![^ ])[^ ](?=([^\w &]|[_\x1f]))(?:\1[^ ]){2,}(?![^ ])")
_SIGN_BETWEEN = re.compile(r"(?<![^ ])[^ ](?=([^\w &]|[_\x1f]))(?:\1[^ ])+(?![^ ])")
_LETTERS_AND_SPACES = re.compile(r"(?<![^ ])[^ ](?: {1,4}[^ ](?![^ ])){2,}")
_LETTERS_AND_SIGNS = re.compile(rf"(?<![^\W_])[^\W\d_](?:[ {SEPARATOR}._,;'*~+|/\\-]{{1,4}}[^\W_](?![^\W_])){{2,}}")
_SPACES = re.compile(" +")
_SIGNS = re.compile(r"[\W_]+")
_RATIO = re.compile(r"\d:\d")
_SIZES = frozenset("smlx")
_HELD_DOWN = re.compile(r"(.)\1{2,}")


def close_up(text: str, origins: Origins) -> tuple[str, Origins]:
    """Join letters that stand apart; where gaps are of two kinds, the wider ones are those between words.

    Lists of sizes (S/M/L) and rows of numbers stay as they are.

    Examples
    --------
    >>> [close_up(text, None)[0] for text in ("[.A.A.A.+.]", "r e p   1 : 1", "S/M/L", "r-e p-s")]
    ['[AAA+]', 'rep 1:1', 'S/M/L', 're ps']
    """
    text, origins = _skip_signs(text, origins)
    text, origins = rewrite(_LETTERS_AND_SPACES, partial(_close_gaps, gap=_SPACES), text, origins)
    return rewrite(_LETTERS_AND_SIGNS, partial(_close_gaps, gap=_SIGNS), text, origins)


def may_be_apart(text: str) -> bool:
    """Say whether a text holds what `close_up` looks at; it changes nothing in any other.

    Examples
    --------
    >>> may_be_apart("a. b. c"), may_be_apart("S/M/L"), may_be_apart("Dr. Bo, 2 bags")
    (True, True, False)
    """
    return any(
        pattern.search(text) for pattern in (_LETTERS_AND_SIGNS, _SIGN_AT_EVERY_SECOND_PLACE, _LETTERS_AND_SPACES)
    )


def _skip_signs(text: str, origins: Origins) -> tuple[str, Origins]:
    """Close up words with the same sign at every second place; short words and numbers too, if most words have one."""
    if _SIGN_AT_EVERY_SECOND_PLACE.search(text) is None:
        return text, origins
    n_apart = sum(map(_has_signs_between, _SIGN_AT_EVERY_SECOND_PLACE.finditer(text)))
    is_throughout = n_apart > 1 and n_apart * 2 > len(text.split(" "))

    def skip(match: re.Match[str]) -> Rewritten:
        word = match.group()
        if not (is_throughout or _has_signs_between(match)):
            return unchanged(match)
        return word[::2], list(range(0, len(word), 2))

    return rewrite(_SIGN_BETWEEN if is_throughout else _SIGN_AT_EVERY_SECOND_PLACE, skip, text, origins)


def _has_signs_between(match: re.Match[str]) -> bool:
    letters = match.group()[::2]
    return _is_written_apart(letters, most_signs=0.5) or _RATIO.fullmatch(letters) is not None


def _close_gaps(match: re.Match[str], gap: re.Pattern[str]) -> Rewritten:
    """Close the narrow gaps: "r e p   a a a" is two words. A gap is wider by its spaces, then by its signs."""
    run = match.group()
    if not _is_written_apart(gap.sub("", run), most_signs=0.25):
        return unchanged(match)
    gaps = list(gap.finditer(run))
    widths = [(found.group().count(" "), len(found.group())) for found in gaps]
    narrow = min(widths)
    kept = [0]
    for found, width in zip(gaps, widths, strict=True):
        kept += [found.start()] * (width > narrow) + [found.end()]
    starts = {found.start() for found in gaps}
    return "".join(" " if at in starts else run[at] for at in kept), kept


def _is_written_apart(letters: str, most_signs: float) -> bool:
    """Say whether single letters are a word written apart: no number, no list of sizes, and not too many signs."""
    n_letters, n_digits = sum(map(str.isalpha, letters)), sum(map(str.isdigit, letters))
    n_signs = len(letters) - n_letters - n_digits
    return n_letters > n_digits and n_signs <= most_signs * len(letters) and not _SIZES.issuperset(letters.lower())


def shorten(text: str, origins: Origins) -> tuple[str, Origins]:
    """Shorten a letter that is held down to two; a word of nothing else ("aaa") is a word.

    Examples
    --------
    >>> shorten("reeeplica aaa", None)[0]
    'reeplica aaa'
    """
    return rewrite(_HELD_DOWN, _shorten_one, text, origins)


def _shorten_one(match: re.Match[str]) -> Rewritten:
    run, start, end, text = match.group(), match.start(), match.end(), match.string
    is_inside = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
    if not (is_inside and run.isascii() and run.isalpha()):
        return unchanged(match)
    return run[:2], [0, 1]
