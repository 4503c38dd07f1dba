"""Where phrases stand in one folded text, also misspelt on purpose; and the skeletons by which they are found."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.phrases import list_ways
from ipml.kit.look_alikes import is_spelt_mark

Place = tuple[int, int, int]
"""Number of a phrase, and its start and end in a text."""
GAPS = " -_'"
_CLASSES = ("il1j", "o0", "e3", "a4", "s5", "t7", "b8", "g69", "z2")
_SAME = str.maketrans({other: letters[0] for letters in _CLASSES for other in letters[1:]})
_REPEATED = re.compile(r"(\w)\1+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\U0010ffff]")
"""Letters of scripts that write words without spaces between them."""
_RUNS = re.compile("[\u30a1-\u30fe]{2}|[\uac00-\ud7a3]{2}")
_LEAST_DISGUISABLE = 5  # letters; shorter phrases must stand exactly as they are
_LEAST_JOINED = 14  # letters; a longer word is several, written without spaces


def skeleton(folded: str) -> str:
    """Return the skeleton of a folded text."""
    return "".join(letter for letter, _ in read_skeleton(folded))


def read_skeleton(folded: str) -> list[tuple[str, int]]:
    """Return each letter of the skeleton of a folded text, and where in the text it comes from.

    Of repeated letters the first stays; a word of one letter only ("aaa", a grade) keeps its length.
    """
    skeletons = folded.translate(_SAME)
    dropped: set[int] = set()
    for match in _REPEATED.finditer(skeletons):
        if _is_alnum_at(skeletons, match.start() - 1) or _is_alnum_at(skeletons, match.end()):
            dropped |= {*range(match.start() + 1, match.end())}
    return [(letter, at) for at, letter in enumerate(skeletons) if at not in dropped]


def _is_alnum_at(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalnum()


class _Entry(NamedTuple):
    number: int
    squashed: str
    folded: str
    is_stem: bool
    is_exact: bool


def find_phrases(text: str, phrases: tuple[str, ...]) -> list[Place]:
    """Return which phrase stands where in a folded text: (number of the phrase, start, end), by start.

    A phrase counts where it stands as whole words; one that ends in a star counts with any ending, and in scripts
    without spaces between words, or inside a word of fourteen letters and more, every occurrence counts. Overlapping
    phrases are all found.
    """
    skeletons = [(letter, at) for letter, at in read_skeleton(text) if letter not in GAPS]
    squashed, origins = "".join(letter for letter, _ in skeletons), [*(at for _, at in skeletons), len(text)]
    found = [
        (entry.number, start, end)
        for entry in _read_entries(phrases)
        for first in _find_all(squashed, entry.squashed)
        for start, end in [_place(text, origins, entry, first)]
        if _stands(text, start, end, entry)
    ]
    return sorted(found, key=lambda place: (place[1], place[2], place[0]))


def _find_all(text: str, sought: str) -> Iterator[int]:
    at = text.find(sought)
    while at >= 0:
        yield at
        at = text.find(sought, at + 1)


def _place(text: str, origins: list[int], entry: _Entry, first: int) -> tuple[int, int]:
    """Return start and end of a match; the end includes all letters that its last one was folded from."""
    last = first + len(entry.squashed) - 1
    start, end = origins[first], origins[last] + 1
    if entry.is_stem and text.startswith(entry.folded, start):
        return start, start + len(entry.folded)
    while end < origins[last + 1] and text[end].isalnum():
        end += 1
    if entry.is_exact:
        repeats = takewhile(lambda at: text[at] == text[start], range(start, origins[first + 1]))
        exact = next((at for at in repeats if text.startswith(entry.folded, at)), None)
        if exact is not None and exact + len(entry.folded) <= end:
            return exact, exact + len(entry.folded)
    return start, end


def _stands(text: str, start: int, end: int, entry: _Entry) -> bool:
    if entry.is_exact and text[start:end] != entry.folded:
        return False
    if entry.is_exact and len(entry.folded) <= 2 and _RUNS.match(text[max(start - 1, 0) : start + 1]):
        return False
    begins, ends = _is_boundary(text, start), entry.is_stem or _is_boundary(text, end)
    return (begins and ends) or (not entry.is_exact and _is_inside_joined(text, start, end))


def _is_inside_joined(text: str, start: int, end: int) -> bool:
    """Say whether a place lies within one word so long that it must be several."""
    before = re.split("[ \n]", text[max(start - _LEAST_JOINED, 0) : start])[-1]
    after = re.split("[ \n]", text[end : end + _LEAST_JOINED])[0]
    return " " not in text[start:end] and len(before) + end - start + len(after) >= _LEAST_JOINED


def _is_boundary(text: str, position: int) -> bool:
    """Say whether a word may begin or end before the letter at a position."""
    if position in (0, len(text)):
        return True
    before, after = text[position - 1], text[position]
    if is_spelt_mark(after):
        return False
    is_part = [letter.isalnum() or is_spelt_mark(letter) for letter in (before, after)]
    return bool(_UNSPACED.match(before) or _UNSPACED.match(after)) or not all(is_part)


@lru_cache(maxsize=64)
def _read_entries(phrases: tuple[str, ...]) -> list[_Entry]:
    entries = []
    for number, phrase in enumerate(phrases):
        written = phrase.removesuffix("*")
        for folded in dict.fromkeys(way for case in (written, written.upper()) for way in list_ways(fold_text(case))):
            squashed = "".join(letter for letter in skeleton(folded) if letter not in GAPS)
            if squashed:
                is_exact = len(squashed) < _LEAST_DISGUISABLE or not squashed.isalpha() or not folded.isascii()
                entries.append(_Entry(number, squashed, folded, phrase.endswith("*"), is_exact))
    return entries
