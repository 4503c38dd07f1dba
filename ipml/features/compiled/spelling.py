"""Spelling in the engine: looks up the known word for an unknown one, and corrects texts.

A word consists of the letters a to z and the signs * and #, which hide letters. An unknown word means a known
one that is one typing error away, sounds the same, or is the same without vowels. `ipml/engine/spelling` reads most
texts once, since their words are known or ordinary. Only a text with signs or gaps that form a known word is
rewritten: first the signs are read, then the gaps closed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, Struct, bind, make_struct
from ipml.features.compiled.texts import Texts, letter_kinds

LEAST_LETTERS = 5
"""Shorter words have too many neighbours: "copy" and "cosy" are one typing error apart."""
GAPS = " .,:;=/~+()[]"
"""Characters between two pieces of a word; no signs that are read as letters, or as gaps within a name."""
_SAME_SOUND = {"c": "k", "s": "s", "z": "s", "x": "ks", "y": "i", "v": "w", "w": "w"}
"""Letters that sound like others; the engine handles ph, ck and qu."""
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SIGNS = "@$!|"
_AS_LETTERS = str.maketrans("@$!|(+013457", "asilctoieast")
_STAR = 27
_OF_SIGN = 1 << 7
_SIGN = 32
"""Bit of a code that marks a sign instead of a letter."""

_CODE = 31
"""Bits of a code that identify the letter."""


def _number_letters() -> NDArray[np.uint8]:
    codes = np.zeros(256, dtype=np.uint8)
    codes[ord("a") : ord("z") + 1] = np.arange(1, 27)
    codes[[ord("*"), ord("#")]] = _STAR | _SIGN, (_STAR + 1) | _SIGN
    return codes


_CODES = _number_letters()
"""Code of each byte that may be in a word, with `_SIGN` for signs; 0 for others."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words as the engine reads them; a word is named by the index of its first byte in `lines`.

    Attributes
    ----------
    table : array of uint64
        First the offsets of its parts: slots of two numbers (a key and its word), filters, other numbers.
    lines : array of bytes
        The words, one per line.
    prepared : Struct
        Both as the engine takes them.
    """

    table: NDArray[np.uint64]
    lines: NDArray[np.uint8]
    prepared: Struct = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prepared", make_struct("word_set", table=self.table, lines=self.lines))


_hash_words = bind("hash_words")
_look_up_ordinary = bind("look_up_ordinary")
_BITS_OF_HASH, _BITS_OF_BUCKET = 39, 16  # as in `ipml/engine/spelling/words.h`
_BITS_OF_MARK = _BITS_OF_HASH - _BITS_OF_BUCKET


@dataclass(frozen=True, slots=True, eq=False)
class OrdinaryWords:
    """Words that are never changed, known or not, as 39-bit hashes.

    With half a million words, one in a million other words is taken for one of them.

    Attributes
    ----------
    counts : array of uint16, shape (65_536,)
        Number of words in each bucket.
    marks : array of uint32
        By bucket, the rest of each word's hash; the last bit marks everyday words.
    prepared : Struct
        Both as the engine takes them.

    Raises
    ------
    ValueError
        The arrays have other types, or are inconsistent.

    Examples
    --------
    >>> words = OrdinaryWords.of(b"pelt\\nbelt's\\n\\nre*lica", everyday=b"belt")
    >>> [word in words for word in ("pelt", "belt", "belt's", "replica")]
    [True, True, False, False]
    >>> [words.is_everyday(word) for word in ("pelt", "belt", "replica")]
    [False, True, False]
    """

    counts: NDArray[np.uint16]
    marks: NDArray[np.uint32]
    prepared: Struct = field(init=False, repr=False)

    def __post_init__(self) -> None:
        are_arrays = self.counts.dtype == np.uint16 and self.marks.dtype == np.uint32 and self.marks.ndim == 1
        starts = np.zeros((1 << _BITS_OF_BUCKET) + 1, dtype=np.uint32)
        if not are_arrays or self.counts.shape != (starts.size - 1,) or self.counts.sum() != self.marks.size:
            raise ValueError("found other arrays than one of words for each of 65,536 buckets; expected such")
        np.cumsum(self.counts, out=starts[1:])
        object.__setattr__(self, "prepared", make_struct("ordinary_words", starts=starts, marks=self.marks))

    @classmethod
    def of(cls, lines: bytes, everyday: bytes = b"") -> OrdinaryWords:
        """Return the set of two texts with one word per line; lines with anything else are ignored."""
        often = _hash_lines(everyday)
        return cls._of_hashes(np.unique(np.concatenate([_hash_lines(lines), often])), often)

    def join(self, other: OrdinaryWords) -> OrdinaryWords:
        """Return the union of two sets; a word is everyday if it is in either."""
        hashes, others = self._hashes(), other._hashes()
        often = np.concatenate([hashes[self.marks & 1 == 1], others[other.marks & 1 == 1]])
        return self._of_hashes(np.union1d(hashes, others), often)

    @classmethod
    def _of_hashes(cls, hashes: NDArray[np.uint64], often: NDArray[np.uint64]) -> OrdinaryWords:
        counts = np.bincount((hashes >> np.uint64(_BITS_OF_MARK)).astype(np.int64), minlength=1 << _BITS_OF_BUCKET)
        rest = (hashes & np.uint64((1 << _BITS_OF_MARK) - 1)).astype(np.uint32)
        return cls(counts.astype(np.uint16), rest << np.uint32(1) | np.isin(hashes, often).astype(np.uint32))

    def _hashes(self) -> NDArray[np.uint64]:
        """Return the hash of each word, ordered by bucket."""
        buckets = np.repeat(np.arange(self.counts.size, dtype=np.uint64), self.counts)
        return buckets << np.uint64(_BITS_OF_MARK) | (self.marks >> 1).astype(np.uint64)

    def __contains__(self, word: str) -> bool:
        return self._look_up(word) >= 0

    def is_everyday(self, word: str) -> bool:
        """Return whether a word is so common that, beside another such word, it is no piece of a longer one."""
        return self._look_up(word) == 1

    def _look_up(self, word: str) -> int:
        letters = _read_letters(word)
        return int(_look_up_ordinary(self.prepared, _CODES, letters)) - 1 if letters.size else -1


def _hash_lines(lines: bytes) -> NDArray[np.uint64]:
    hashes = Buffer()
    _hash_words(np.frombuffer(lines + b"\n", dtype=np.uint8), _CODES, hashes)
    return hashes.take(np.uint64) >> np.uint64(64 - _BITS_OF_HASH)


def _read_letters(word: str) -> NDArray[np.uint8]:
    """Return a word as bytes for the engine; empty if it has letters outside of words."""
    letters = np.frombuffer(word.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    return letters if _CODES[letters].all() else letters[:0]


_index_known = bind("index_known")
_find_known = bind("find_known")


class KnownWords:
    """Known words, and those among them that misspelt words may mean (targets).

    Words are ordered by (frequency, word), targets last; among several candidates the last wins. One table holds the
    targets under each of their keys: the word, the word with any letter hidden, its sound, and the word without
    vowels.

    Parameters
    ----------
    frequencies : mapping of str to int
        The words and their frequencies.
    trade : collection of str
        Words of the trade, which match with fewer consonants.
    most_targets : int, default=20_000
        Number of most frequent words that are targets.

    Raises
    ------
    ValueError
        A word has letters outside of words.

    Examples
    --------
    >>> known = KnownWords({"replica": 5, "rolex": 9, "leather": 2}, {"rolex"})
    >>> [known.nearest(word) for word in ("rplica", "repilca", "repl*ca", "replyka", "rlx", "lthr", "wool")]
    ['replica', 'replica', 'replica', 'replica', 'rolex', 'leather', None]
    """

    def __init__(self, frequencies: Mapping[str, int], trade: Collection[str], most_targets: int = 20_000) -> None:
        ordered = sorted(frequencies)
        counts = np.fromiter((frequencies[word] for word in ordered), dtype=np.int64, count=len(ordered))
        lengths = np.fromiter(map(len, ordered), dtype=np.int64, count=len(ordered))
        is_target = np.zeros(len(ordered), dtype=np.bool_)
        is_target[np.argsort(-counts, kind="stable")[:most_targets]] = True
        is_target &= lengths >= LEAST_LETTERS - 1
        order = np.lexsort((np.arange(len(ordered)), counts, is_target))
        named = [ordered[at] for at in order.tolist()]
        lines = np.frombuffer("".join(f"{word}\n" for word in named).encode("utf-8", "surrogatepass"), np.uint8)
        if not lengths.all() or np.count_nonzero(_CODES[lines] == 0) != lengths.size:  # line ends have no code
            raise ValueError("found words of other letters than a to z, * and #; expected words as texts have them")
        is_of_trade = np.fromiter((word in trade for word in named), dtype=np.uint8, count=len(named))
        first_target, table = int(np.sum(~is_target)), Buffer()
        _index_known(lines, first_target, is_of_trade, word_letters(), table)
        self.words = Words(table.take(np.uint64), lines)

    def nearest(self, word: str) -> str | None:
        """Return the known word that an unknown one most likely means; None if there is none."""
        found = _find_known(self.words.prepared, word_letters(), _read_letters(word))
        return self.words.lines[found - 1 :].tobytes().split(b"\n", 1)[0].decode() if found else None


@cache
def word_letters() -> Struct:
    """Return the tables of bytes in words."""
    is_sign = _list_which(_SIGNS)
    return make_struct(
        "word_letters",
        codes=_CODES,
        sounds=_list_sounds(),
        may_double=1 - _list_which(_SAME_SOUND),
        beside=_list_keys_beside(),
        is_gap=_list_which(GAPS),
        is_sign=is_sign,
        classes=_CODES & np.uint8(_CODE) | np.uint8(_OF_SIGN) * is_sign,
        letters_of_signs=_list_letters_of_signs(),
        kinds=letter_kinds(),
    )


def _list_which(letters: Collection[str]) -> NDArray[np.uint8]:
    """Return 1 for each byte that is one of some letters, else 0."""
    return np.array([chr(byte) in letters for byte in range(256)], np.uint8)


def _list_sounds() -> NDArray[np.uint8]:
    """Return the one or two letters with the sound of each byte."""
    sounds = np.zeros((256, 2), dtype=np.uint8)
    sounds[:, 0] = np.arange(256)
    for letter, sound in _SAME_SOUND.items():
        sounds[ord(letter), : len(sound)] = list(sound.encode())
    return sounds


def _list_keys_beside() -> NDArray[np.uint8]:
    """Return the neighbours of each byte on the keyboard, one or two; 0 for none."""
    beside = np.zeros((256, 2), dtype=np.uint8)
    for left, right in (pair for keys in _KEYS for pair in pairwise(keys.encode())):
        beside[left, 0 if beside[left, 0] == 0 else 1] = right
        beside[right, 0 if beside[right, 0] == 0 else 1] = left
    return beside


def _list_letters_of_signs() -> NDArray[np.uint8]:
    """Return the letter that each byte replaces in a word with signs; 0 for bytes outside of words."""
    letters = np.zeros(128, dtype=np.uint8)
    read = {**{letter: letter for letter in range(ord("a"), ord("z") + 1)}, **_AS_LETTERS}
    letters[list(read)] = list(read.values())
    return letters


_read_texts = bind("read_texts")
_read_with_origins = bind("read_with_origins")
_know_a_word = bind("know_a_word")


def read_texts(folded: Texts, known: Words, ordinary: OrdinaryWords) -> Texts:
    """Return folded texts with misspelt words corrected."""
    rows, ends, written = Buffer(), Buffer(), Buffer()
    _read_texts(folded, make_tables(known, ordinary), rows, ends, written)
    if not rows.n:
        return folded
    return folded.put(rows.take(np.int64), ends.take(np.int64), written.take(np.uint8))


def read_with_origins(folded: Texts, known: Words, ordinary: OrdinaryWords) -> tuple[str, NDArray[np.int64]] | None:
    """Return a folded text corrected, and for each of its letters the position of its origin; None if unchanged.

    In a word that became longer, the additional letters come from its last one.
    """
    rows, ends, written, origins = Buffer(), Buffer(), Buffer(), Buffer()
    _read_with_origins(folded, make_tables(known, ordinary), rows, ends, written, origins)
    if not rows.n:
        return None
    data, places = written.take(np.uint8), origins.take(np.int64)
    letters = np.cumsum(_begins_letter(folded.data)) - 1
    return data.tobytes().decode("utf-8", "surrogatepass"), letters[places[_begins_letter(data)]]


def _begins_letter(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((data & 0xC0) != 0x80)


NO_WORDS = OrdinaryWords.of(b"")
"""The empty set."""


def know_a_word(read: Texts, known: Words) -> NDArray[np.bool_]:
    """Return whether each text, folded and read, has a longer known word, shape (n_texts,)."""
    knows = np.empty(len(read), np.uint8)
    _know_a_word(read, make_tables(known, NO_WORDS), knows)
    return knows.view(np.bool_)


@lru_cache(maxsize=4)
def make_tables(known: Words, ordinary: OrdinaryWords) -> Struct:
    """Return the tables for reading texts."""
    return make_struct("spelling_tables", known=known.prepared, ordinary=ordinary.prepared, letters=word_letters())
