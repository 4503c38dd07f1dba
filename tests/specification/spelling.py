"""Spelling: reads misspelt words as known words, alone and in a folded text."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise

from ipml.features.compiled.spelling import GAPS
from ipml.features.spelling import Spelling
from specification.rewriting import Rewritten, rewrite, unchanged

LEAST_LETTERS = 5
LEAST_CONSONANTS = 4
LEAST_CONSONANTS_OF_TRADE = 3
_ANY = "*"
_SIGN = re.compile(r"[*#]")
_VOWEL = re.compile(r"(?<=.)[aeiou]")
_HELD_DOWN = re.compile(r"(.)\1{2,}")  # what folding shortens
_SOUND = re.compile(r"ph|ck|qu|x|[cszyvw]|(.)\1")
_SAME_SOUND = {"ph": "f", "ck": "k", "qu": "kw", "x": "ks", "c": "k", "s": "s", "z": "s", "y": "i", "v": "w", "w": "w"}
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {(a, b) for keys in _KEYS for x, y in pairwise(keys) for a, b in ((x, y), (y, x))}
_WORD = re.compile(r"(?<![^\W_])(?<![*#])[a-z]+(?:[*#][a-z]+)*(?![*#])(?![^\W_])")
_WITH_SIGNS = re.compile(r"(?<!\S)(?=[^\s@$!|]*[@$!|])[a-z0-9@$!|(+]+(?!\S)")
_AS_LETTERS = str.maketrans("@$!|(+013457", "asilctoieast")
_GAP = re.compile(rf"(?<=[a-z])[{re.escape(GAPS)}](?=[a-z])")
_BEFORE = re.compile(rf"[^{re.escape(GAPS)}]*$")
_AFTER = re.compile(rf"[^{re.escape(GAPS)}]*")


class Reader:
    """Reads folded texts with a spelling; ordinary words stay."""

    def __init__(self, spelling: Spelling, most_targets: int = 20_000) -> None:
        self.words, self.ordinary = spelling.words, spelling.ordinary
        often = sorted(self.words, key=lambda word: (-self.words[word], word))[:most_targets]
        self.known = KnownWords({word: self.words[word] for word in often}, spelling.trade)

    def read_text(self, folded: str) -> tuple[str, list[int]]:
        """Return a folded text with its misspelt words corrected, and the origin of each letter."""
        read, origins = rewrite(_WITH_SIGNS, self._read_signs, folded, list(range(len(folded))))
        read, origins = rewrite(_GAP, self._close, read, origins)
        return rewrite(_WORD, self._read_word, read, origins)

    def read(self, word: str) -> str:
        """Return the known word nearest to a folded word; the word itself if it is known or near none."""
        return word if word in self.words or word in self.ordinary else self.known.nearest(word) or word

    def knows_a_word(self, read: str) -> bool:
        """Say whether a text, folded and read, holds a longer word that training or the trade knows."""
        return any(len(word) >= LEAST_LETTERS - 1 and word in self.words for word in _WORD.findall(read))

    def _read_word(self, match: re.Match[str]) -> Rewritten:
        read = self.read(match.group())
        return read, [min(at, len(match.group()) - 1) for at in range(len(read))]

    def _read_signs(self, match: re.Match[str]) -> Rewritten:
        letters = match.group().translate(_AS_LETTERS)
        return (letters, list(range(len(letters)))) if self.known.has(letters) else unchanged(match)

    def _close(self, match: re.Match[str]) -> Rewritten:
        """Close the gap between two pieces that are one known word, unless both are words."""
        before = _BEFORE.search(match.string, 0, match.start()).group()
        after = _AFTER.match(match.string, match.end()).group()
        is_one = self.known.has(before + after) and not (self._is_word(before) and self._is_word(after))
        return ("", []) if is_one else unchanged(match)

    def _is_word(self, piece: str) -> bool:
        return len(piece) > 1 and (piece in self.words or self.ordinary.is_everyday(piece))


class KnownWords:
    """Known words with their frequency; the most frequent candidate wins."""

    def __init__(self, frequencies: Mapping[str, int], trade: Collection[str]) -> None:
        self._frequencies = {word: n for word, n in frequencies.items() if len(word) >= LEAST_LETTERS - 1}
        self._trade = trade

    def nearest(self, word: str) -> str | None:
        """Return the most likely known word for an unknown one; None if there is no candidate."""
        near: Collection[str]
        if _SIGN.search(word):
            near = self._of_pattern.get(_SIGN.sub(_ANY, word), ())
        else:
            near = self._one_slip_away(word) or self._of_sound.get(_sound(word), ())
            near = near or ([] if _VOWEL.search(word) else self._of_consonants.get(_bare(word), []))
        return max(near, key=lambda known: (self._frequencies[known], known), default=None)

    def has(self, word: str) -> bool:
        """Say whether a longer word is known."""
        return len(word) >= LEAST_LETTERS and word in self._frequencies

    def _one_slip_away(self, word: str) -> set[str]:
        """Return the words one slip away, of which this one keeps the first letter or strikes the key beside."""
        one_more = (f"{word[:at]}{_ANY}{word[at:]}" for at in range(1, len(word) + 1))
        patterns = (*_hide_each(word), *one_more)
        near = {known for pattern in patterns for known in self._of_pattern.get(pattern, ())}
        near |= self._frequencies.keys() & set(_drop_each(word))
        near = {known for known in near if len(known) >= LEAST_LETTERS}
        near |= self._frequencies.keys() & set(_swap_each(word))
        return {known for known in near if _begins_alike(word, known)}

    @cached_property
    def _of_pattern(self) -> dict[str, list[str]]:
        """The words that a word with one letter hidden may be."""
        return _index((pattern, word) for word in self._frequencies for pattern in _hide_each(word))

    @cached_property
    def _of_sound(self) -> dict[str, list[str]]:
        return _index((_sound(word), word) for word in self._frequencies if len(word) >= LEAST_LETTERS)

    @cached_property
    def _of_consonants(self) -> dict[str, list[str]]:
        """The words that are left of vowels but at their start, as folding leaves them: "mrrr" is "mrr"."""
        bare = ((_bare(word), word) for word in self._frequencies if len(word) >= LEAST_LETTERS)
        return _index((left, word) for left, word in bare if len(left) >= self._least_consonants(word))

    def _least_consonants(self, word: str) -> int:
        return LEAST_CONSONANTS_OF_TRADE if word in self._trade else LEAST_CONSONANTS


def _bare(word: str) -> str:
    """Return what is left of a word without its vowels but at its start."""
    return _HELD_DOWN.sub(r"\1\1", _VOWEL.sub("", word))


def _sound(word: str) -> str:
    """Return how a word sounds, roughly: spellings of one sound are one, doubled letters single."""
    return _SOUND.sub(lambda match: _SAME_SOUND.get(match.group(), match.group()[0]), word)


def _begins_alike(word: str, known: str) -> bool:
    return word[0] == known[0] or (len(word) == len(known) and (word[0], known[0]) in _BESIDE)


def _hide_each(word: str) -> Iterator[str]:
    return (f"{word[:at]}{_ANY}{word[at + 1 :]}" for at in range(len(word)))


def _drop_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _swap_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for key, value in pairs:
        index.setdefault(key, []).append(value)
    return index
