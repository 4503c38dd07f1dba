"""Undo disguise: the folded view of a text, in which every way to write "Nike" reads nike.

Sellers who must not be found write in look-alike letters, invisible characters, markup, reversed runs and spaced-out
letters. Folding undoes that step by step; each step also moves the record of where a letter was written, so that a
weight found in the folded view can be shown on the letters as written.

After folding, a text holds lower-case ASCII, spaces, and letters or digits of scripts that have no ASCII look-alike
and are not read by sound.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

from ipml.features.look_alikes import (
    FILLERS,
    IDEOGRAPHS_AS_LETTERS,
    SIGNS_AS_LETTERS,
    has_shape_of_its_own,
    read_by_sound,
    read_letter,
)

MAX_TITLE_LETTERS = 2_000
MAX_DESCRIPTION_LETTERS = 10_000

_MARKUP = re.compile(
    r"<!--.*?-->|</?[a-zA-Z][^<>]{0,500}>|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});?", re.DOTALL
)
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr)\b", re.IGNORECASE)
_REVERSED = re.compile("\u202e([^\u202c\u202e]*)\u202c?")
_WORD_BY_SOUND = re.compile(r"[\u0370-\u03ff\u0400-\u052f\u1f00-\u1fff]+")  # Greek and Cyrillic
_SIGNS = "".join(SIGNS_AS_LETTERS)
_SIGN_IN_WORD = re.compile(rf"(?<=[^\W\d_])[{_SIGNS}]+|[{_SIGNS}]+(?=[^\W\d_])")
_IDEOGRAPHS = "".join(IDEOGRAPHS_AS_LETTERS)
_WORD_OF_IDEOGRAPHS = re.compile(rf"(?<!\w)(?=\w*[{_IDEOGRAPHS}]\w*[{_IDEOGRAPHS}])[{_IDEOGRAPHS}a-zA-Z]{{3,}}(?!\w)")
_SPACED_OUT = re.compile(r"(?<!\w)[^\W\d_](?:[ ._,;'*~+|/\\-]{1,4}[^\W_](?!\w)){2,}")
_GAP = re.compile(r"[\W_]+")
_ASCII_SIGNS = {"@": "a", "$": "s", "!": "i", "|": "l", "+": "t"}
_ASCII_SIGN_IN_WORD = re.compile(
    r"(?<=[a-z])[@$!|+]+(?=[a-z0-9])|(?<![^\s])[@$](?=[a-z0-9][a-z])|(?<=[a-z]{2})[@$](?!\w)"
)
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_MAX_UNWRAPS = 3

Origins = list[int] | None
Replace = Callable[[re.Match[str]], tuple[str, list[int]]]


def fold_text(text: str, max_letters: int = MAX_TITLE_LETTERS) -> str:
    """Return the folded view of a text: what a reader sees, in plain lower-case letters.

    Parameters
    ----------
    text : str
        As the seller wrote it.
    max_letters : int, default=2000
        Letters beyond this are not read, before folding nor after.

    Examples
    --------
    >>> fold_text("N\u0456k\u0435  A\u200bir M\uff41x &amp; 1:1 R<b></b>\u00e9plica")
    'nike air max & 1:1 replica'
    >>> fold_text("r.e.p.l.i.c.a w.a.t.c.h")
    'replica watch'
    """
    return _fold(text[:max_letters], None, max_letters)[0]


def fold_with_origins(text: str, max_letters: int = MAX_TITLE_LETTERS) -> tuple[str, list[int]]:
    """Return the folded view and, for each of its letters, the position in the text it was written at.

    The folded view is that of `fold_text`. A text with markup or reversed runs has no exact positions; each letter
    then points to the nearest place where its piece of text began.

    Examples
    --------
    >>> fold_with_origins("\u00c6  b")
    ('ae b', [0, 0, 1, 3])
    """
    text = text[:max_letters]
    folded, origins = _fold(text, list(range(len(text))), max_letters)
    return folded, origins or []


def _fold(text: str, origins: Origins, max_letters: int) -> tuple[str, Origins]:
    if "<" in text or "&" in text or not text.isascii():
        text, origins = _unwrap(text, origins)
    if not text.isascii():
        text, origins = _read_words(text, origins)
    text, origins = _read_letters(text, origins, max_letters)
    text, origins = _replace(_SPACED_OUT, _close_up, text, origins)
    text, origins = _replace(_ASCII_SIGN_IN_WORD, lambda match: _look_up(match, _ASCII_SIGNS), text, origins)
    text, origins = _replace(_STRETCHED, _shorten, text, origins)
    return _collapse_spaces(text, origins)


def _unwrap(text: str, origins: Origins) -> tuple[str, Origins]:
    """Undo markup, three deep, and reversed runs."""
    for _ in range(_MAX_UNWRAPS):
        unwrapped, moved = _replace(_MARKUP, _unwrap_one, text, origins)
        if unwrapped == text:
            break
        text, origins = unwrapped, moved
    return _replace(_REVERSED, _turn_round, text, origins)


def _unwrap_one(match: re.Match[str]) -> tuple[str, list[int]]:
    piece = match.group()
    if piece.startswith("&"):
        plain = html.unescape(piece)
        return plain, [0] * len(plain)
    return (" ", [0]) if _BREAKING_TAG.match(piece) else ("", [])


def _turn_round(match: re.Match[str]) -> tuple[str, list[int]]:
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return match.group(1)[::-1], list(range(start, end))[::-1]


def _read_words(text: str, origins: Origins) -> tuple[str, Origins]:
    """Read what only the whole word tells: invisible letters out first, then words by sound, signs and ideographs."""
    text, origins = _drop_invisible(text, origins)
    text, origins = _replace(_WORD_BY_SOUND, _sound_out, text, origins)
    text, origins = _replace(_SIGN_IN_WORD, lambda match: _look_up(match, SIGNS_AS_LETTERS), text, origins)
    return _replace(_WORD_OF_IDEOGRAPHS, lambda match: _look_up(match, IDEOGRAPHS_AS_LETTERS), text, origins)


def _drop_invisible(text: str, origins: Origins) -> tuple[str, Origins]:
    kept = [position for position, letter in enumerate(text) if not _is_invisible(letter)]
    if len(kept) == len(text):
        return text, origins
    return "".join(text[position] for position in kept), _moved(origins, kept)


def _is_invisible(letter: str) -> bool:
    return not letter.isascii() and (unicodedata.category(letter) in {"Cf", "Mn", "Me"} or letter in FILLERS)


def _sound_out(match: re.Match[str]) -> tuple[str, list[int]]:
    """Read a word of another alphabet by its sound, unless all of it, or its neighbour, looks like ASCII letters."""
    word, text = match.group(), match.string
    beside = text[match.start() - 1 : match.start()] + text[match.end() : match.end() + 1]
    if any(map(str.isalpha, beside)) or not has_shape_of_its_own(word):
        return word, list(range(len(word)))
    pieces = [(piece, at) for at, letter in enumerate(word) for piece in read_by_sound(letter)]
    return "".join(piece for piece, _ in pieces), [at for _, at in pieces]


def _look_up(match: re.Match[str], letters: dict[str, str]) -> tuple[str, list[int]]:
    word = match.group()
    return "".join(letters.get(letter, letter) for letter in word), list(range(len(word)))


def _read_letters(text: str, origins: Origins, max_letters: int) -> tuple[str, Origins]:
    """Read every character by itself."""
    if origins is None:
        return text.translate(_READINGS)[:max_letters], None
    pieces = [
        (piece, origin) for letter, origin in zip(text, origins, strict=True) for piece in letter.translate(_READINGS)
    ]
    pieces = pieces[:max_letters]
    return "".join(piece for piece, _ in pieces), [origin for _, origin in pieces]


def _close_up(match: re.Match[str]) -> tuple[str, list[int]]:
    """Join letters that stand apart; where gaps are of two kinds, the wider ones are those between words.

    The gap between words has more spaces or signs than that between letters: "r e p   a a a" is two words.
    """
    run = match.group()
    if sum(map(str.isdigit, run)) >= sum(map(str.isalpha, run)):
        return run, list(range(len(run)))
    gaps = [(gap.group().count(" "), len(gap.group())) for gap in _GAP.finditer(run)]
    narrow = min(gaps)
    letters: list[str] = []
    kept: list[int] = []
    for gap in _GAP.finditer(run):
        letters.append(run[gap.start() - 1])
        kept.append(gap.start() - 1)
        if (gap.group().count(" "), len(gap.group())) != narrow:
            letters.append(" ")
            kept.append(gap.start())
    return "".join(letters) + run[-1], [*kept, len(run) - 1]


def _shorten(match: re.Match[str]) -> tuple[str, list[int]]:
    """Shorten a letter that is held down ("reeeplica") to two; a word of nothing else ("aaa") is a word."""
    start, end, text = match.start(), match.end(), match.string
    is_inside = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
    n_kept = 2 if is_inside else end - start
    return match.group()[:n_kept], list(range(n_kept))


def _replace(pattern: re.Pattern[str], replace: Replace, text: str, origins: Origins) -> tuple[str, Origins]:
    """Replace every match; the replacement says from which positions of the match its letters come."""
    if pattern.search(text) is None:
        return text, origins
    pieces: list[str] = []
    kept: list[int] = []
    end = 0
    for match in pattern.finditer(text):
        piece, positions = replace(match)
        pieces += [text[end : match.start()], piece]
        kept += [*range(end, match.start()), *(match.start() + position for position in positions)]
        end = match.end()
    pieces.append(text[end:])
    return "".join(pieces), _moved(origins, [*kept, *range(end, len(text))])


def _moved(origins: Origins, kept: list[int]) -> Origins:
    return None if origins is None else [origins[position] for position in kept]


def _collapse_spaces(text: str, origins: Origins) -> tuple[str, Origins]:
    collapsed = " ".join(text.split())
    if origins is None:
        return collapsed, None
    kept = [at for at, letter in enumerate(text) if letter != " " or (at and text[at - 1] != " ")]
    kept = kept[: len(collapsed)]  # all but a last space
    return collapsed, [origins[at] for at in kept]


class _Readings(dict[int, str]):
    """The reading of every character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        reading = self[code] = read_letter(chr(code))
        return reading


_READINGS = _Readings()
