"""Texts: holds texts as bytes of an Arrow string array, which the engine reads and writes, and kinds of letters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.engine.library import Buffer, bind
from ipml.kit.look_alikes import is_spelt_mark

_count_letters = bind("count_letters")
_place_rows = bind("place_rows")
_take_rows = bind("take_rows")
_count_bytes_with_rows = bind("count_bytes_with_rows")
_hash_texts = bind("hash_texts")
_cut_passages = bind("cut_passages")
_put_rows = bind("put_rows")


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Some texts; text `i` is the UTF-8 in `data[offsets[i]:offsets[i + 1]]`.

    Lone surrogates, which UTF-8 cannot encode, take three bytes like other letters.

    Attributes
    ----------
    offsets : array of int, shape (n_texts + 1,)
        The first is 0, the last the number of bytes.
    data : array of bytes

    Examples
    --------
    >>> texts = Texts.of(["Nike", None, "Кеды"])
    >>> len(texts), texts.offsets.tolist(), texts.strings()
    (3, [0, 4, 4, 12], ['Nike', '', 'Кеды'])
    >>> texts.take(np.array([2, 0])).strings()
    ['Кеды', 'Nike']
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: Any) -> Self:
        """Return texts as bytes, without a copy if they are in Arrow already; missing texts are empty.

        Raises `ValueError`: Arrow texts are not UTF-8, or lie outside their buffer.
        """
        if isinstance(texts, pd.Series):
            if isinstance(texts.dtype, pd.StringDtype) and texts.dtype.storage == "pyarrow":
                return cls._of_arrow(cast(Any, texts.array).__arrow_array__())
            texts = texts.tolist()
        texts = [text if isinstance(text, str) else "" for text in texts]
        joined = "".join(texts)
        encoded = texts if joined.isascii() else map(_encode, texts)
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(texts)), out=offsets[1:])
        return cls(offsets, np.frombuffer(_encode(joined), dtype=np.uint8))

    @classmethod
    def of_none(cls, n_texts: int) -> Self:
        """Return an empty text for each of some listings.

        >>> Texts.of_none(2).strings()
        ['', '']
        """
        return cls(np.zeros(n_texts + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8))

    @classmethod
    def of_one(cls, text: str) -> Self:
        """Return a single text as bytes.

        >>> Texts.of_one("Кеды").offsets.tolist()
        [0, 8]
        """
        encoded = _encode(text)
        return cls(np.array([0, len(encoded)]), np.frombuffer(bytearray(encoded), dtype=np.uint8))

    @classmethod
    def _of_arrow(cls, array: Any) -> Self:
        if hasattr(array, "num_chunks"):
            array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        array = array.cast("large_string")
        if array.null_count:
            array = array.fill_null("")
        array.validate(full=True)  # the engine reads all bytes of a letter, even beyond the end of a text
        if len(array) == 0:
            return cls(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8))
        _, offset_buffer, data_buffer = array.buffers()
        offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer else np.zeros(0, dtype=np.uint8)
        return cls(offsets - offsets[0] if offsets[0] else offsets, data[offsets[0] : offsets[-1]])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def text(self, row: int) -> str:
        """Return one text as a string."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode("utf-8", "surrogatepass")

    def strings(self) -> list[str]:
        """Return all texts as strings."""
        data = self.data.tobytes()
        if data.isascii():
            joined = data.decode("ascii")
            return [joined[start:end] for start, end in pairwise(self.offsets.tolist())]
        return [data[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(self.offsets.tolist())]

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of letters (code points) of each text, shape (n_texts,)."""
        counts = np.empty(len(self), dtype=np.int64)
        _count_letters(self, counts)
        return counts

    def take(self, rows: NDArray[np.intp]) -> Texts:
        """Return some of the texts, in the given order.

        Raises `IndexError`: there is no such row.
        """
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        offsets = np.empty(len(rows) + 1, dtype=np.int64)
        if not _place_rows(self.offsets, rows, offsets):
            raise IndexError(f"found rows from {rows.min()} to {rows.max()}; expected rows from 0 to {len(self) - 1}")
        data = np.empty(offsets[-1], dtype=np.uint8)
        _take_rows(self, rows, data)
        return Texts(offsets, data)

    def put(self, rows: NDArray[np.int64], ends: NDArray[np.int64], written: NDArray[np.uint8]) -> Texts:
        """Return the texts with some rows replaced, in ascending order; `ends` holds the end of each in `written`."""
        offsets = np.empty(len(self) + 1, dtype=np.int64)
        data = np.empty(_count_bytes_with_rows(self.offsets, rows, ends), dtype=np.uint8)
        _put_rows(self, rows, ends, written, offsets, data)
        return Texts(offsets, data)


def concat(parts: Sequence[Texts]) -> Texts:
    """Return all texts in sequence.

    >>> concat([Texts.of(["a"]), Texts.of(["b", "c"])]).strings()
    ['a', 'b', 'c']
    """
    starts = np.cumsum([0, *(len(part.data) for part in parts)])
    offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts, strict=False)]
    return Texts(np.concatenate([*offsets, starts[-1:]]), np.concatenate([part.data for part in parts]))


def _encode(text: Any) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""


def hash_texts(texts: Texts) -> NDArray[np.uint64]:
    """Return `hash_text` of each text, shape (n_texts,).

    >>> hash_texts(Texts.of(["ann", "bob"])).tolist() == [hash_text(b"ann"), hash_text(b"bob")]
    True
    """
    hashes = np.empty(len(texts), dtype=np.uint64)
    _hash_texts(texts, hashes)
    return hashes


def hash_text(data: bytes) -> int:
    """Return the 8-byte BLAKE2b digest as a little-endian number; files store ids under it, so it must not change."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def cut_passages(texts: Texts, longest_whole: int, n_words: int, step: int) -> tuple[Texts, NDArray[np.int64]]:
    """Return overlapping passages of the long texts, in order, and the text of each passage.

    Words are separated by single spaces, as in folded texts. The last passage ends with its text.

    Parameters
    ----------
    longest_whole : int
        Texts of up to so many words are not cut.
    n_words : int
        Words per passage.
    step : int
        Words between the beginnings of two passages.

    Examples
    --------
    >>> passages, owners = cut_passages(Texts.of(["a b", "a b c d e"]), longest_whole=3, n_words=3, step=1)
    >>> passages.strings(), owners.tolist()
    (['a b c', 'b c d', 'c d e'], [1, 1, 1])
    """
    offsets, data, owners = Buffer(), Buffer(), Buffer()
    _cut_passages(texts, longest_whole, n_words, step, offsets, data, owners)
    return Texts(offsets.take(np.int64), data.take(np.uint8)), owners.take(np.int64)


ALNUM, DECIMAL, SPACE, MARK = 1, 2, 4, 8
_LAST = 0x40000  # code points from here on have no kind
_LAST_SPELT = 0x1800  # from here on, no script has such marks


@lru_cache(maxsize=1)
def letter_kinds() -> NDArray[np.uint8]:
    r"""Return the kinds of each code point: the sum of `ALNUM`, `DECIMAL` and `SPACE`, as in `str.isalnum`, and `MARK`.

    `MARK` is a combining mark of a script's spelling, such as a vowel of Hindi or Thai.

    >>> letter_kinds()[[ord(letter) for letter in "aж٣ -\u0e35"]].tolist()
    [1, 1, 3, 4, 0, 8]
    """
    letters: Any = np.arange(_LAST, dtype=np.uint32).view("<U1")
    kinds = np.char.isalnum(letters) * ALNUM + np.char.isdecimal(letters) * DECIMAL + np.char.isspace(letters) * SPACE
    kinds[[ord(letter) for letter in letters[:_LAST_SPELT].tolist() if is_spelt_mark(letter)]] = MARK
    return np.asarray(kinds, dtype=np.uint8)
