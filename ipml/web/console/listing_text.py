"""Listing text: title and description as pages show them, with weights, invisible characters and disguises marked.

Sellers write the text and may want to deceive reviewers, too. Characters that cannot be seen, or that reorder others,
are shown by their code point. Letters in disguise are named: of another script, signs and digits for letters, letters
set apart. Templates escape the rest.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import ceil
from operator import itemgetter

from ipml.kit.hostile_text import find_invisible, name_code_point
from ipml.records import Highlight

_ALIKE_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
_WORD = re.compile(r"[^\W\d_]{2,}")
_ON_KEYBOARDS = "\u00aa\u00b5\u00ba"  # the ordinals and the micro sign
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_LEAST_OF_COMPOUND = 3  # with so many letters of each script it is two words in one, not a disguise
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:([ ._*\u00b7-]{1,2})[^\W\d_])(?:\1[^\W\d_]){2,}(?!\w)")
_LEET = re.compile(r"(?<!\S)(?=\S*[^\W\d_])\S*[0134578@$!|*+(]\S*(?!\S)")
_AROUND_WORDS = ".,;:!?()[]/-"
_TOKEN = re.compile(r"\S+")
_THREE_SPACED = re.compile(r"(?<!\w)[^\W\d_]([ ._*\u00b7-]{1,2})[^\W\d_]\1[^\W\d_](?!\w)")
# Letters meant by signs and digits; a 1 is an i or an l.
_MEANT = [str.maketrans("0134578@$!|+", f"o{one}eastbas{one}{one}t") for one in "il"]
# Letters that look Latin as small letters or as capitals; others do so as capitals only.
_SHAPED_LIKE_LATIN = frozenset(
    "\u0405\u0406\u0408\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bd\u03bf"
)


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of a listing's text that is drawn alike.

    `text` has the letters, or the code point of an invisible one ("U+200B"). `speaks_for` is "counterfeit", "genuine"
    or ""; `strength` is 1 to 3, in thirds of the strongest weight, or 0. `disguise` describes the letters' disguise, or
    is "".
    """

    text: str
    is_invisible: bool = False
    speaks_for: str = ""
    strength: int = 0
    disguise: str = ""


def find_disguises(text: str, read_as: str | None = None, brand: str | None = None) -> dict[int, str]:
    r"""Return the disguised letters of a text: place and description.

    `read_as` is the text as the model read it. Without it, signs and digits for letters are reported only if they spell
    the brand: many words contain such.

    >>> find_disguises("N\u0456ke")
    {1: 'Cyrillic small letter byelorussian-ukrainian i'}
    >>> find_disguises("bag \u0410\u0410")
    {4: 'Cyrillic letters that look like Latin ones', 5: 'Cyrillic letters that look like Latin ones'}
    >>> sorted(find_disguises("by Br0th3r", read_as="by brother"))
    [3, 4, 5, 6, 7, 8, 9]
    >>> sorted(find_disguises("L0u15 case DG4492", brand="Louis Vuitton"))
    [0, 1, 2, 3, 4]
    """
    found = _find_spelt_brand(text, brand) if brand else {}
    for match in _SPACED.finditer(text):
        found |= dict.fromkeys(range(*match.span()), "letters set apart")
    for match in _LEET.finditer(text) if read_as else ():
        bare = match[0].strip(_AROUND_WORDS)
        if bare.casefold() not in (read_as or "").casefold():
            start = match.start() + match[0].find(bare)
            found |= dict.fromkeys(range(start, start + len(bare)), "signs or digits in place of letters")
    has_east_asian = _EAST_ASIAN.search(text) is not None
    for match in _WORD.finditer(text):
        if not match[0].isascii():
            places = _find_foreign(match[0], has_east_asian)
            found |= {match.start() + place: _name(match[0][place]) for place in places}
    return dict(sorted((_find_shaped_like_latin(text) | found).items()))


def _find_spelt_brand(text: str, brand: str) -> dict[int, str]:
    """Find the words of a brand written with signs or digits, or with three letters set apart."""
    names, found = set(_without_marks(brand).split()), dict[int, str]()
    for match in _TOKEN.finditer(text):
        bare = match[0].strip(_AROUND_WORDS)
        if bare.isascii() and bare.isalpha():  # most words: no sign in place of a letter
            continue
        plain = _without_marks(bare)
        if plain not in names and any(plain.translate(meant) in names for meant in _MEANT):
            start = match.start() + match[0].find(bare)
            found |= dict.fromkeys(range(start, start + len(bare)), "signs or digits in place of letters")
    for match in _THREE_SPACED.finditer(text):
        if _without_marks(match[0].replace(match[1], "")) in names:
            found |= dict.fromkeys(range(*match.span()), "letters set apart")
    return found


def _without_marks(text: str) -> str:
    if text.isascii():
        return text.casefold()
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(one) != "Mn")


def _find_shaped_like_latin(text: str) -> dict[int, str]:
    """Find words of another script beside Latin ones, if all words of that script look Latin."""
    by_script: dict[str, list[re.Match[str]]] = {}
    for match in () if text.isascii() else _WORD.finditer(text):
        scripts = {_script_of(letter, has_east_asian=False) for letter in match[0]}
        if len(scripts) == 1:
            by_script.setdefault(scripts.pop(), []).append(match)
    alike = (script for script in by_script if script not in ("LATIN", "STYLED", "") and "LATIN" in by_script)
    return {
        place: f"{script.capitalize()} letters that look like Latin ones"
        for script in alike
        if all(_SHAPED_LIKE_LATIN.issuperset(match[0]) for match in by_script[script])
        for match in by_script[script]
        for place in range(*match.span())
    }


def _find_foreign(word: str, has_east_asian: bool) -> list[int]:
    """Return the letters of a word that are styled, or in another look-alike script than most of it."""
    scripts = [_script_of(letter, has_east_asian) for letter in word]
    styled = [place for place, script in enumerate(scripts) if script == "STYLED"]
    counts = Counter(script for script in scripts if script in _ALIKE_SCRIPTS)
    if len(counts) < 2:
        return styled if len(styled) > 1 or counts else []
    runs = [len(list(run)) for _, run in groupby(scripts)]
    if len(runs) == 2 and min(runs) >= _LEAST_OF_COMPOUND:
        return styled
    own = max(counts, key=lambda script: (counts[script], script == "LATIN"))
    return [place for place, script in enumerate(scripts) if script not in (own, "")]


@lru_cache(maxsize=16_384)
def _script_of(letter: str, has_east_asian: bool) -> str:
    """Return the script of a letter if scripts look alike; "STYLED" for a decorative letter."""
    if letter in _ON_KEYBOARDS or (has_east_asian and _FULL_WIDTH.match(letter)):
        return ""
    plain = unicodedata.normalize("NFKC", letter)
    if unicodedata.decomposition(letter).startswith("<") and len(plain) == 1 and plain.isascii() and plain.isalpha():
        return "STYLED"
    script = unicodedata.name(letter, "").split(" ")[0]
    return script if script in _ALIKE_SCRIPTS else ""


def _name(letter: str) -> str:
    script, _, rest = unicodedata.name(letter, name_code_point(letter)).partition(" ")
    return f"{script.capitalize() if script in _ALIKE_SCRIPTS else script.lower()} {rest.lower()}".strip()


def cut_pieces(
    text: str,
    highlights: Sequence[Highlight] = (),
    limit: int = 500,
    kept: str = "",
    heaviest: float = 0.0,
    read_as: str | None = None,
    brand: str | None = None,
) -> tuple[TextPiece, ...]:
    """Cut a text into pieces that the page can mark: weights, invisible letters, and letters in disguise.

    Weights of overlapping highlights add up; `heaviest` is the strongest weight elsewhere. `limit` is in code points,
    and a last piece counts the rest. Invisible letters in `kept` stay, such as line breaks. `read_as` and `brand` are
    as for `find_disguises`.
    """
    shown = text[:limit]
    weights = [0.0] * len(shown)
    for highlight in highlights:
        for index in range(max(highlight.start, 0), min(highlight.end, len(shown))):
            weights[index] += highlight.weight
    strongest = max(heaviest, *map(abs, weights), 0.0)
    hidden, disguises = find_invisible(shown, kept), find_disguises(shown, read_as, brand)
    plain = {weight: ("", _style(weight, strongest), "") for weight in set(weights)}
    marks = [plain[weight] for weight in weights]
    for place, disguise in disguises.items():
        marks[place] = ("", marks[place][1], disguise)
    for place in hidden:
        marks[place] = (shown[place], marks[place][1], "")
    runs = groupby(zip(marks, shown, strict=True), itemgetter(0))
    cut = [_join(mark, "".join(letter for _, letter in run)) for mark, run in runs]
    left_out = len(text) - len(shown)
    return (*cut, TextPiece(f" … and {left_out:,} more letters")) if left_out else tuple(cut)


def describe_disguises(
    text: str, read_as: str | None = None, limit: int = 500, brand: str | None = None
) -> list[tuple[str, str]]:
    """Return the disguises of a text, each once: the letters as written (or a code point), and a description.

    >>> for letters, how in describe_disguises("Nik\u0435 Ni\u200bke"):
    ...     print(ascii(letters), how)
    '\u0435' Cyrillic small letter ie
    'U+200B' zero width space, which is not seen
    """
    shown = text[:limit]
    disguises: list[tuple[str, str]] = []
    last, last_how = -2, ""
    for place, how in find_disguises(shown, read_as, brand).items():
        if place == last + 1 and how == last_how:
            disguises[-1] = (disguises[-1][0] + shown[place], how)
        else:
            disguises.append((shown[place], how))
        last, last_how = place, how
    for place in sorted(find_invisible(shown, "\n\t")):
        disguises.append((name_code_point(shown[place]), f"{_name(shown[place])}, which is not seen"))
    return list(dict.fromkeys(disguises))


def find_read_words(title: str, read_as: str | None) -> list[str]:
    """Return the words that a model read in a title but that are not in it, each once.

    >>> find_read_words("N\u0456ke bag: R e p l i c a", "nike bag: replica")
    ['nike', 'replica']
    """
    seen = set(map(_without_marks, title.split()))
    words = [word.strip(_AROUND_WORDS) for word in (read_as or "").split() if _without_marks(word) not in seen]
    return list(dict.fromkeys(filter(None, words)))


def cut_quotes(text: str) -> list[tuple[str, bool]]:
    """Cut a letter into pieces, each with whether it quotes the seller; quotes are isolated by U+2068 and U+2069."""
    pieces = re.split("\u2068([^\u2068\u2069]*)\u2069", text)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]


def _style(weight: float, strongest: float) -> tuple[str, int]:
    if weight == 0:
        return "", 0
    return "counterfeit" if weight > 0 else "genuine", max(1, ceil(3 * (abs(weight) / strongest)))


def _join(mark: tuple[str, tuple[str, int], str], letters: str) -> TextPiece:
    hidden, style, disguise = mark
    if not hidden:
        return TextPiece(letters, False, *style, disguise)
    return TextPiece(name_code_point(hidden) + (f" ×{len(letters)}" if letters[1:] else ""), True, *style)
