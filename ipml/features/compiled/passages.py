"""Long texts cut into passages that overlap, in whole words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, bind
from ipml.features.compiled.texts import Texts

_cut_passages = bind("cut_passages", "texts", "int64_t", "int64_t", "int64_t", "buffer", "buffer", "buffer")


def cut_passages(texts: Texts, longest_whole: int, n_words: int, step: int) -> tuple[Texts, NDArray[np.int64]]:
    """Return each passage of the texts that are long, in order, and which text each is from.

    Words are what stands between single spaces, as in folded texts. The last passage ends where its text does.

    Parameters
    ----------
    texts : Texts
    longest_whole : int
        Texts of so many words are not cut.
    n_words : int
        Words of a passage.
    step : int
        Words from the beginning of one passage to that of the next.

    Examples
    --------
    >>> passages, owners = cut_passages(Texts.of(["a b", "a b c d e"]), longest_whole=3, n_words=3, step=1)
    >>> passages.strings(), owners.tolist()
    (['a b c', 'b c d', 'c d e'], [1, 1, 1])
    """
    offsets, data, owners = Buffer(), Buffer(), Buffer()
    _cut_passages(texts, longest_whole, n_words, step, offsets, data, owners)
    return Texts(offsets.take(np.int64), data.take(np.uint8)), owners.take(np.int64)
