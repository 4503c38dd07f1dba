"""Undo disguise: the folded view of a text, in which every way to write "Nike" reads nike.

Sellers who must not be found write in look-alike letters, invisible characters, markup and reversed runs. Folding is,
apart from markup and reversed runs, a map from one character to a few; that keeps it fast (one `str.translate`), lets a
weight found in the folded view be shown on the letters as written, and makes the order of steps plain: look-alikes are
folded before compatibility forms and again after, because compatibility turns the lunate sigma (a look-alike of c)
into a plain sigma, which is none.

After folding, a text holds lower-case ASCII, spaces, and letters or digits of scripts that have no ASCII look-alike.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

from confusable_homoglyphs import confusables

MAX_TITLE_LETTERS = 2_000
MAX_DESCRIPTION_LETTERS = 10_000

_MARKUP = re.compile(
    r"<!--.*?-->|</?[a-zA-Z][^<>]{0,500}>|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});?", re.DOTALL
)
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr)\b", re.IGNORECASE)
_REVERSED = re.compile("\u202e([^\u202c\u202e]*)\u202c?")
_STYLED_LETTER = re.compile(r"(?:LATIN (?:CAPITAL|SMALL)|INDICATOR SYMBOL) LETTER ([A-Z])$")
_MAX_UNWRAPS = 3


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
    """
    if text.isascii() and "<" not in text and "&" not in text:
        return " ".join(text[:max_letters].translate(_CONTROLS).lower().split())
    plain = _unwrap(text[:max_letters])
    return " ".join(plain.translate(_FOLDS)[:max_letters].split())


def fold_with_origins(text: str, max_letters: int = MAX_TITLE_LETTERS) -> tuple[str, list[int]]:
    """Return the folded view and, for each of its letters, the position in the text it was written at.

    The folded view is that of `fold_text`. A text with markup or reversed runs has no exact positions; each letter
    then points to the nearest place where its piece of text began.

    Examples
    --------
    >>> fold_with_origins("\u00c6  b")
    ('ae b', [0, 0, 1, 3])
    """
    plain, plain_origins = _unwrap_with_origins(text[:max_letters])
    letters: list[str] = []
    origins: list[int] = []
    for letter, origin in zip(plain, plain_origins, strict=True):
        for folded in letter.translate(_FOLDS):
            letters.append(folded)
            origins.append(origin)
    return _collapse_spaces(letters[:max_letters], origins[:max_letters])


def count_disguises(text: str) -> int:
    """Count the words that hide what they say: invisible letters inside, or look-alikes mixed into another script.

    A word written in one script throughout is not disguised, whatever the script: genuine Cyrillic, Greek or
    accented titles count zero.

    Examples
    --------
    >>> [count_disguises(title) for title in ("N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke")]
    [1, 0, 1]
    """
    if text.isascii():
        return 0
    return sum(_is_disguised(word) for word in text[:MAX_TITLE_LETTERS].split())


def _is_disguised(word: str) -> bool:
    if word.isascii():
        return False
    letters = [_kind_of(letter) for letter in word]
    is_hidden = "invisible" in letters[1:-1] and any(kind != "invisible" for kind in letters)
    is_mixed = "ascii" in letters and ("look-alike" in letters or "styled" in letters)
    return is_hidden or is_mixed or letters.count("styled") > 1


@lru_cache(maxsize=16_384)
def _kind_of(letter: str) -> str:
    """Say how a letter is written: ascii, invisible, styled (full-width, mathematical, …), look-alike, or other."""
    if letter.isascii():
        return "ascii" if letter.isalpha() else "other"
    category = unicodedata.category(letter)
    if category in {"Cf", "Me", "Cc"}:
        return "invisible"
    folded = letter.translate(_FOLDS)
    if not (len(folded) == 1 and folded.isascii() and folded.isalpha()):
        return "other"
    if unicodedata.decomposition(letter).startswith("<") or category == "So":
        return "styled"
    return "look-alike" if letter in _LOOK_ALIKES and "LATIN" not in unicodedata.name(letter, "") else "other"


def _unwrap(text: str) -> str:
    """Undo markup and reversed runs."""
    for _ in range(_MAX_UNWRAPS):
        unwrapped = _MARKUP.sub(lambda match: _unwrap_one(match.group()), text)
        if unwrapped == text:
            break
        text = unwrapped
    return _REVERSED.sub(lambda match: match.group(1)[::-1], text)


def _unwrap_one(piece: str) -> str:
    if piece.startswith("&"):
        return html.unescape(piece)
    return " " if _BREAKING_TAG.match(piece) else ""


def _unwrap_with_origins(text: str) -> tuple[str, list[int]]:
    origins = list(range(len(text)))
    for _ in range(_MAX_UNWRAPS):
        unwrapped, unwrapped_origins = _replace_with_origins(_MARKUP, text, origins)
        if unwrapped == text:
            break
        text, origins = unwrapped, unwrapped_origins
    return _replace_with_origins(_REVERSED, text, origins)


def _replace_with_origins(pattern: re.Pattern[str], text: str, origins: list[int]) -> tuple[str, list[int]]:
    pieces: list[str] = []
    moved: list[int] = []
    end = 0
    for match in pattern.finditer(text):
        pieces.append(text[end : match.start()])
        moved.extend(origins[end : match.start()])
        if pattern is _REVERSED:
            piece = match.group(1)[::-1]
            moved.extend(reversed(origins[match.start(1) : match.end(1)]))
        else:
            piece = _unwrap_one(match.group())
            moved.extend([origins[match.start()]] * len(piece))
        pieces.append(piece)
        end = match.end()
    pieces.append(text[end:])
    moved.extend(origins[end:])
    return "".join(pieces), moved


def _collapse_spaces(letters: list[str], origins: list[int]) -> tuple[str, list[int]]:
    kept: list[str] = []
    kept_origins: list[int] = []
    for letter, origin in zip(letters, origins, strict=True):
        if letter == " " and (not kept or kept[-1] == " "):
            continue
        kept.append(letter)
        kept_origins.append(origin)
    if kept and kept[-1] == " ":
        kept.pop()
        kept_origins.pop()
    return "".join(kept), kept_origins


def _load_look_alikes() -> dict[str, str]:
    """Read Unicode's look-alike table: non-ASCII letters that look like one or a few ASCII letters or digits.

    Letters with a plain compatibility form (full-width, mathematical) are left to that form. Unicode gives the
    capital I of other scripts the prototype l, which it shares with the capital I of ASCII; here both read i. A
    letter that the table lists only in its other case reads as that one, so that a word folds alike in capitals.
    """
    table: dict[str, str] = {}
    for letter, alikes in confusables.confusables_data.items():
        plain = [alike["c"] for alike in alikes if alike["c"].isascii() and alike["c"].isalnum()]
        if not plain or len(letter) != 1 or unicodedata.normalize("NFKD", letter).isascii():
            continue
        alike = min(plain, key=lambda alike: (len(alike), alike))
        table[letter] = "I" if alike == "l" and letter.isupper() else alike
    for letter, alike in list(table.items()):
        other = letter.swapcase()
        if len(other) == 1 and not other.isascii():
            table.setdefault(other, alike)
    return table


_LOOK_ALIKES = _load_look_alikes()


def _fold_letter(letter: str) -> str:
    """Fold one character; what has no visible content becomes nothing, what separates words becomes a space."""
    if letter.isascii():
        return " " if unicodedata.category(letter) == "Cc" else letter.lower()
    folded = letter
    for _ in range(4):
        step = "".join(_LOOK_ALIKES.get(part, part) for part in folded)
        step = unicodedata.normalize("NFKD", step)
        step = "".join(_LOOK_ALIKES.get(part, part) for part in step).casefold()
        if step == folded:
            break
        folded = step
    return "".join(_keep(part) for part in folded)


def _keep(letter: str) -> str:
    if letter.isascii():
        return " " if letter.isspace() else letter
    category = unicodedata.category(letter)
    styled = _STYLED_LETTER.search(unicodedata.name(letter, "")) if category == "So" else None
    if styled:
        return styled.group(1).lower()
    if category in {"Cf", "Mn", "Me", "Cc", "Cs", "So", "Sk", "Co", "Cn"}:
        return " " if letter in "\u0085" else ""
    return " " if category[0] in "PZS" else letter


class _Folds(dict[int, str]):
    """The folding of every character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_letter(chr(code))
        return folded


_FOLDS = _Folds()
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
