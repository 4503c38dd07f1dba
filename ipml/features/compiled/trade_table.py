"""What is known of the phrases of a lexicon, as arrays that compiled functions read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_COUNTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class TradeTable:
    """What is known of the phrases of a lexicon, as arrays; kinds are numbered, those that are counted first.

    Attributes
    ----------
    kinds : array of int64, shape (n_phrases,)
        The kind of each phrase.
    context_starts, contexts : arrays of int64
        The kinds that phrase `i` must not stand near are `contexts[context_starts[i]:context_starts[i + 1]]`.
    ranks : array of int64, shape (n_kinds,)
        The place of each kind in the order of names.
    deniable : array of bool, shape (n_kinds,)
        Which kinds a negation turns into another.
    most : array of int64, shape (n_kinds,)
        How often each kind counts in a text at most.
    n_counted, negation, negated : int
        How many kinds are counted, which kind negations are, and which kind what is denied is counted as.
    """

    kinds: NDArray[np.int64]
    context_starts: NDArray[np.int64]
    contexts: NDArray[np.int64]
    ranks: NDArray[np.int64]
    deniable: NDArray[np.bool_]
    most: NDArray[np.int64]
    n_counted: int
    negation: int
    negated: int

    @property
    def parts(self) -> tuple[Any, tuple[int, int, int]]:
        """What `count_trade_words` looks up: arrays, and numbers."""
        arrays = self.kinds, self.context_starts, self.contexts, self.ranks, self.deniable, self.most
        return arrays, (self.n_counted, self.negation, self.negated)

    @classmethod
    def of(
        cls,
        kinds: Sequence[str],
        not_near: Sequence[Sequence[str]],
        counted: Sequence[str],
        deniable: Sequence[str],
        once: Sequence[str] = (),
        negation: str = "negation",
        negated: str = "negated",
    ) -> Self:
        """Return the table of what `TradeWords` keeps as lists.

        Parameters
        ----------
        kinds : sequence of str
            The kind, or the context, of each phrase.
        not_near : sequence of sequence of str
            The contexts in which each does not count.
        counted : sequence of str
            The kinds to count, in the order of the columns.
        deniable : sequence of str
            Those that count as `negated` after a negation.
        once : sequence of str
            Those that count once in a text, however often they stand there.
        """
        names = [*counted, negation, *sorted({*kinds} - {*counted, negation})]
        number_of = {name: number for number, name in enumerate(names)}
        contexts = [
            [number_of[name] for name in near if name in number_of and name not in counted] for near in not_near
        ]
        starts = np.zeros(len(contexts) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, contexts), dtype=np.int64, count=len(contexts)), out=starts[1:])
        ranks = np.zeros(len(names), dtype=np.int64)
        ranks[[number_of[name] for name in sorted(names)]] = np.arange(len(names))
        return cls(
            np.array([number_of[kind] for kind in kinds], dtype=np.int64),
            starts,
            np.array([number for near in contexts for number in near], dtype=np.int64),
            ranks,
            np.array([name in deniable for name in names], dtype=bool),
            np.array([1 if name in once else MOST_COUNTED for name in names], dtype=np.int64),
            len(counted),
            number_of[negation],
            number_of[negated],
        )
