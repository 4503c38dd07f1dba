"""Undo disguise: the folded view of a text, in which every way to write "Nike" reads nike.

Sellers who must not be found write in look-alike letters, invisible characters, markup, reversed runs and spaced-out
letters. Folding undoes that step by step; each step also moves the record of where a letter was written, so that a
weight found in the folded view can be shown on the letters as written.

After folding, a text holds lower-case ASCII, spaces, and letters of scripts that are not read by sound, with the marks
they are spelt with. Folding a second time changes nothing but where signs or single letters remain: markup escaped more
than three deep, or what only the first folding brought together.
"""

from __future__ import annotations

import html
import re
from itertools import accumulate

from ipml.features.alphabets import read_words
from ipml.features.leet import SIGNS, read_signs
from ipml.features.look_alikes import SEPARATOR, read_letter
from ipml.features.rewriting import Origins, Rewritten, moved, rewrite, unchanged
from ipml.features.spacing import close_up, may_be_apart, shorten
from ipml.listings.fields import FIELDS

_LENGTHS = {field.name: field.max_length for field in FIELDS}
MAX_TITLE_LETTERS: int = _LENGTHS["title"] or 0
MAX_DESCRIPTION_LETTERS: int = _LENGTHS["description"] or 0

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|&(?:#0{0,40}\d{1,7}|#[xX]0{0,40}[0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});?")
_MOST_IN_COMMENT = 2_000
_HEX = "[0-9a-fA-F]{2}"
_ESCAPED = re.compile(  # where a percent sign ends no number: in Turkish it begins one
    rf"(?<=[a-zA-Z])%[2-7][0-9a-fA-F](?=[a-zA-Z])|(?<=[a-zA-Z])%[2-7][a-fA-F]|(?<![a-zA-Z\d])%[4-7][0-9a-fA-F](?=[a-zA-Z]{{3}})"
    rf"|(?<!\d)%{_HEX}%{_HEX}|%25{_HEX}|\\u{_HEX}{_HEX}|\\x{_HEX}"
)
"""What only a text written in escapes holds, as in addresses of pages (%72) or in JSON (\\u0072)."""
_ESCAPES = re.compile(rf"(?:%{_HEX})+|\\u{_HEX}{_HEX}|\\x{_HEX}")
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr)\b", re.IGNORECASE)
_HIDDEN_IN_WORD = re.compile(
    r"(?<=[^\s>])<(span|i|b|em|font|small|s|u)\b(?=[^<>]{0,300}>)[^<>]{0,100}?"
    r"(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|font-size\s{0,9}:\s{0,9}0|opacity\s{0,9}:\s{0,9}0|\bhidden\b)"
    r"[^<>]{0,100}>[^<>]{0,40}</\1>(?=[^\s<])",
    re.IGNORECASE,
)
_REVERSED = re.compile("\u202e([^\u202c\u202e]*)\u202c?")
_MAX_UNWRAPS = 3
_WORTH_A_LOOK = (*"<&%\\", *SIGNS, *(letter * 3 for letter in "abcdefghijklmnopqrstuvwxyz"))


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
    if (plain := _fold_plain(text)) is not None:
        return (plain, None) if origins is None else _collapse_spaces(text.lower(), origins)
    if any(sign in text for sign in "<&%\\") or not text.isascii():
        text, origins = _unwrap(text, origins)
    if not text.isascii():
        text, origins = read_words(text, origins)
    text, origins = _read_letters(text, origins, max_letters)
    text, origins = close_up(text, origins)
    text, origins = read_signs(text.replace(SEPARATOR, " ").lower(), origins)
    text, origins = shorten(text, origins)
    return _collapse_spaces(text, origins)


def _fold_plain(text: str) -> str | None:
    """Return the folded view at once where there is nothing to undo, as in most texts; None where there may be."""
    if not (text.isascii() and text.isprintable()):
        return None
    text = text.lower()
    words = text.split()
    if sum(len(word) == 1 for word in words) > 2:
        return None
    for piece in _WORTH_A_LOOK:
        if piece in text:
            return None
    is_spelt_plain = "".join(words).isalnum() or not may_be_apart(text)
    return " ".join(words) if is_spelt_plain else None


def _unwrap(text: str, origins: Origins) -> tuple[str, Origins]:
    """Undo markup and escapes, three deep, and reversed runs."""
    for _ in range(_MAX_UNWRAPS):
        visible, seen = rewrite(_HIDDEN_IN_WORD, lambda _: ("", []), text, origins)
        unwrapped, shown = rewrite(_MARKUP, _unwrap_one, *_empty_comments(visible, seen))
        if _ESCAPED.search(unwrapped):
            unwrapped, shown = rewrite(_ESCAPES, _unescape, unwrapped, shown)
        if unwrapped == text:
            break
        text, origins = unwrapped, shown
    return rewrite(_REVERSED, _turn_round, text, origins)


def _empty_comments(text: str, origins: Origins) -> tuple[str, Origins]:
    """Write each comment as a tag; its end is looked for once, however many begin before it."""
    pieces, kept, done, end = [], [], 0, 0
    start = text.find("<!--")
    while start >= 0:
        end = end if end >= start + 4 else text.find("-->", start + 4)
        if end < 0:
            break
        if end - start - 4 <= _MOST_IN_COMMENT:
            pieces += [text[done:start], "<b>"]
            kept += [*range(done, start), start, start, start]
            done = end + 3
        start = text.find("<!--", max(done, start + 4))
    return "".join([*pieces, text[done:]]), moved(origins, [*kept, *range(done, len(text))])


def _unwrap_one(match: re.Match[str]) -> Rewritten:
    piece = match.group()
    if piece.startswith("&"):
        plain = html.unescape(piece)
        return plain, [0] * len(plain)
    return (" ", [0]) if _BREAKING_TAG.match(piece) else ("", [])


def _unescape(match: re.Match[str]) -> Rewritten:
    """Read escapes; bytes that are no text stay."""
    escapes = match.group()
    if not escapes.startswith("%"):
        return chr(int(escapes[2:], 16)), [0]
    try:
        letters = bytes.fromhex(escapes.replace("%", "")).decode()
    except UnicodeDecodeError:
        return unchanged(match)
    sizes = [len(letter.encode()) for letter in letters]
    return letters, [3 * at for at in accumulate(sizes[:-1], initial=0)]


def _turn_round(match: re.Match[str]) -> Rewritten:
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return match.group(1)[::-1], list(range(start, end))[::-1]


def _read_letters(text: str, origins: Origins, max_letters: int) -> tuple[str, Origins]:
    """Read every character by itself."""
    if origins is None:
        return text.translate(_READINGS)[:max_letters], None
    pieces = [
        (piece, origin) for letter, origin in zip(text, origins, strict=True) for piece in letter.translate(_READINGS)
    ]
    pieces = pieces[:max_letters]
    return "".join(piece for piece, _ in pieces), [origin for _, origin in pieces]


def _collapse_spaces(text: str, origins: Origins) -> tuple[str, Origins]:
    collapsed = " ".join(text.split())
    if origins is None:
        return collapsed, None
    kept = [at for at, letter in enumerate(text) if letter != " " or (at and text[at - 1] != " ")]
    kept = kept[: len(collapsed)]  # all but a last space
    return collapsed, [origins[at] for at in kept]


class _Readings(dict[int, str]):
    """The reading of every character, worked out when it is first met; capitals stay, as they may begin words."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        reading = read_letter(letter)
        reading = self[code] = reading.upper() if letter.isupper() and reading.isascii() else reading
        return reading


_READINGS = _Readings()
