"""Folding step by step. Each step also moves the record of where a letter was written.

Folding a second time changes nothing but where signs or single letters remain: markup escaped more than three deep, or
what only the first folding brought together.
"""

import html
import re
from functools import partial
from itertools import accumulate, takewhile

from ipml.features.compiled.folding import MAX_TITLE_LETTERS
from ipml.kit.look_alikes import SEPARATOR, SIGN_READINGS, read_letter
from specification.alphabets import read_words
from specification.rewriting import Origins, Rewritten, look_up, moved, rewrite, unchanged

SIGNS = "@$!|+"
"""One of these stands in every text that there is something to read in."""
_SIGNS_WORTH_A_LOOK = re.compile(r"[@$!|+][a-z0-9@$!|+(]|[@$](?!\w)")
_SIGN_AT_LETTER = re.compile(r"[a-z][@$!|+(]+[a-z]|(?<!\S)\(?[@$!|+][@$!|+(]*[a-z]|[a-z][@$!|+(]*[@$|](?!\S)")
_BETWEEN_LETTERS = re.compile(r"(?<=[a-z])[@$!|+(]+(?=[a-z])")
_FEWEST_BETWEEN_LETTERS = 3
_ANYWHERE = re.compile(
    r"(?!\$[1-9]|\([^()]*\)|(?<=\d)\+(?![a-z@$!|(])|(?<=@@)\+)(?:(?<=[^ ])[@$!|+(]|[@$!|+(](?=[^ ]))"
)
_AFTER_A_LETTER = r"(?:(?<=[a-z][@!|+])|(?<=[a-z]\$)(?!\d)|(?<=[a-z]\()(?!\$\d))"  # unless it is a price
_IN_WORD = re.compile(  # first a sign, for which a text is searched quickly, then what must stand around it
    rf"[@$!|+(](?:(?<![|+]){_AFTER_A_LETTER}[@$!(]*(?=[a-z0-9])(?<=[@$!])"
    rf"|{_AFTER_A_LETTER}[@$!|+(]+(?=[a-z0-9])"
    r"|(?<!\S.)(?:(?<=[@$])[@$!|+(]{0,4}|[@$!|+(]{0,3}[@$][@$!|+(]{0,4})(?=[a-z0-9][a-z])"
    r"|(?<=[a-z]{2}.)(?:[@$!|+(]*[@$]|(?<=[@$]))(?!\w))"
)


def read_signs(text: str, origins: Origins) -> tuple[str, Origins]:
    """Read signs as letters where they stand in or at a word; everywhere, if the text is written in them throughout.

    A bar or a plus alone between two words parts them ("black|white"); a sign of dollars before a number is a price.

    Examples
    --------
    >>> [read_signs(text, None)[0] for text in ("r@lex $uper", "black|white 50+ $30", "+!p $(@m rep|!(@ (new) @@@+")]
    ['ralex super', 'black|white 50+ $30', 'tip scam replica (new) aaa+']
    """
    if _SIGNS_WORTH_A_LOOK.search(text) is None:
        return text, origins
    pattern = _ANYWHERE if _is_written_in_signs(text) else _IN_WORD
    return rewrite(pattern, partial(look_up, letters=SIGN_READINGS), text, origins)


def _is_written_in_signs(text: str) -> bool:
    """Say whether three signs or more stand between letters, or signs in half of all words; @ or $ among them."""
    between = "".join(_BETWEEN_LETTERS.findall(text))
    if len(between) >= _FEWEST_BETWEEN_LETTERS and ("@" in between or "$" in between):
        return True
    words = text.split()
    if sum(map(text.count, SIGN_READINGS)) * 2 < len(words):
        return False
    holding = [word for word in words if _SIGN_AT_LETTER.search(word)]
    return len(holding) > 1 and len(holding) * 2 >= len(words) and any("@" in word or "$" in word for word in holding)


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
    """Say whether a text holds what `close_up` looks at; it changes nothing in any other."""
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
    """Shorten a letter that is held down to two; a word of nothing else ("aaa") is a word."""
    return rewrite(_HELD_DOWN, _shorten_one, text, origins)


def _shorten_one(match: re.Match[str]) -> Rewritten:
    run, start, end, text = match.group(), match.start(), match.end(), match.string
    is_inside = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
    if not (is_inside and run.isascii() and run.isalpha()):
        return unchanged(match)
    return run[:2], [0, 1]


_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|&(?:#0{0,40}\d{1,7}|#[xX]0{0,40}[0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});?")
_MOST_IN_COMMENT = 2_000
_HEX = "[0-9a-fA-F]{2}"
_ESCAPED = re.compile(  # where a percent sign ends no number: in Turkish it begins one
    rf"(?<=[a-zA-Z])%[2-7][0-9a-fA-F](?=[a-zA-Z])|(?<=[a-zA-Z])%[2-7][a-fA-F]|(?<![a-zA-Z\d])%[4-7][0-9a-fA-F](?=[a-zA-Z]{{3}})"
    rf"|(?<!\d)%{_HEX}%{_HEX}|%25{_HEX}|\\u{_HEX}{_HEX}|\\x{_HEX}"
)
"""Escapes, as in addresses of pages (%72) or in JSON (\\u0072)."""
_ESCAPES = re.compile(rf"(?:%{_HEX})+|\\u{_HEX}{_HEX}|\\x{_HEX}")
_NUMBER = re.compile("&#(?:[xX][0-9a-fA-F]+|[0-9]+);?")
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
    """Return the folded view of a text, step by step."""
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
        number = _NUMBER.match(piece)
        n_own = len(html.unescape(number.group())) if number else 1  # some numbers mean no character
        after = takewhile(lambda pair: pair[0] == pair[1], zip(plain[n_own:][::-1], piece[:0:-1], strict=False))
        n_after = len(list(after))  # letters that a name without a semicolon leaves
        return plain, [0] * (len(plain) - n_after) + list(range(len(piece) - n_after, len(piece)))
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
    """Read every character alone."""
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
