"""What a whole column of text says by its bytes, without a look at each text.

The functions are quick and may only err to one side: where they say yes it is so, where they say no somebody has to
look closer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE = 500


def get_texts(column: pd.Series[Any]) -> pa.ChunkedArray | None:
    """Return a column of text as the Arrow array that holds it, or None where no Arrow array does.

    Examples
    --------
    >>> get_texts(pd.Series(["Bag", None])).null_count
    1
    """
    dtype = column.dtype
    if not isinstance(dtype, pd.StringDtype) or dtype.storage != "pyarrow":
        return None
    return column.array.__arrow_array__()


def split_texts(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return where each text begins and the last one ends, and the bytes of all, without copying them.

    Parameters
    ----------
    texts : Array of string or large_string, of shape (n_texts,)

    Returns
    -------
    offsets : array of shape (n_texts + 1,)
    letters : array of shape (offsets[-1] - offsets[0],)

    Examples
    --------
    >>> offsets, letters = split_texts(pa.array(["Bag", "Cap"]))
    >>> offsets.tolist(), letters.tobytes()
    ([0, 3, 6], b'BagCap')
    """
    _, places, data = texts.buffers()
    if len(texts) == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(places, dtype=width, count=texts.offset + len(texts) + 1)[texts.offset :]
    if data is None or offsets[0] == offsets[-1]:
        return offsets.astype(np.int64), np.zeros(0, dtype=np.uint8)
    letters = np.frombuffer(data, dtype=np.uint8, count=int(offsets[-1]))[offsets[0] :]
    return offsets.astype(np.int64, copy=False), letters


def is_without_nul(texts: pa.ChunkedArray) -> bool:
    """Say whether surely no text holds a NUL.

    Examples
    --------
    >>> is_without_nul(pa.chunked_array([["Bag", None]])), is_without_nul(pa.chunked_array([["Bag", "C\\0p"]]))
    (True, False)
    """
    return all(letters.size == 0 or letters.min() > 0 for _, letters in map(split_texts, texts.chunks))


def is_utf8(texts: pa.Array) -> bool:
    """Say whether surely every text is valid UTF-8.

    Together the bytes have to be, and no text may begin within a letter.
    """
    offsets, letters = split_texts(texts)
    if letters.size == 0 or letters.max() < 0x80:
        return True
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, pa.py_buffer(offsets[[0, -1]]), texts.buffers()[2]])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    starts = offsets[offsets < offsets[-1]] - offsets[0]
    return not ((letters[starts] & 0xC0) == 0x80).any()


def find_lengths(texts: pa.Array | pa.ChunkedArray) -> tuple[int, int] | None:
    """Return the fewest and the most bytes of a text, or None where all are missing.

    Examples
    --------
    >>> find_lengths(pa.array(["Bag", "Capé", None]))
    (3, 5)
    """
    if texts.null_count == len(texts):
        return None
    bounds = pc.min_max(pc.binary_length(texts)).as_py()
    return bounds["min"], bounds["max"]


def drop_empty_texts(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the texts with empty ones missing.

    Examples
    --------
    >>> drop_empty_texts(pa.array(["Bag", ""])).to_pylist()
    ['Bag', None]
    """
    lengths = find_lengths(texts)
    if lengths is None or lengths[0] > 0:
        return texts
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)


def keep_lengths(texts: pa.ChunkedArray, shortest: int, longest: int | None) -> bool:
    """Say whether surely every text has from so many to so many code points; missing ones do.

    A text has as many bytes as code points, or more.

    Examples
    --------
    >>> keep_lengths(pa.chunked_array([["Bag", None]]), 1, 3), keep_lengths(pa.chunked_array([["Bag", ""]]), 1, 3)
    (True, False)
    """
    lengths = find_lengths(texts)
    if lengths is None:
        return True
    # Of more than one code point one cannot tell by the bytes.
    return shortest <= min(lengths[0], 1) and (longest is None or lengths[1] <= longest)


def match_pattern(texts: pa.ChunkedArray, pattern: str) -> bool:
    """Say whether every text as a whole matches a pattern; missing ones do.

    Examples
    --------
    >>> match_pattern(pa.chunked_array([["EUR", None]]), "[A-Z]{3}")
    True
    """
    if texts.null_count == len(texts):
        return True
    sample = texts.slice(0, _SAMPLE)
    if len(sample.unique()) < len(sample) // 4:  # few different texts, each of them many times
        texts = texts.unique()
    return pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py() is not False
