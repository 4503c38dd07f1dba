"""Which words of the trade count in many texts, as `ipml.features.lexicon.TradeWords` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.features.compiled.places import PlaceArrays, Places
from ipml.features.compiled.texts import Texts, letter_kinds

_MOST_COUNTED = 3


class TradeArrays(Table):
    """What `count_trade_words` looks up: `trade_table` of `trade_words.h`."""

    _fields_: ClassVar = [
        ("letter_kinds", KINDS["uint8s"]),
        ("kinds", KINDS["int64s"]),
        ("context_starts", KINDS["int64s"]),
        ("contexts", KINDS["int64s"]),
        ("ranks", KINDS["int64s"]),
        ("deniable", KINDS["uint8s"]),
        ("most", KINDS["int64s"]),
        ("n_counted", KINDS["int64_t"]),
        ("negation", KINDS["int64_t"]),
        ("negated", KINDS["int64_t"]),
    ]


_READ = "texts", PlaceArrays, TradeArrays
_OUT = "int64s_out", "int32s_out", "int32s_out", "int32s_out"
_count_trade_words = bind("count_trade_words", *_READ, "doubles_out", returns="int64_t")
_choose_trade_words = bind("choose_trade_words", *_READ, *_OUT, returns="int64_t")


@dataclass(frozen=True, slots=True, eq=False)
class TradeTable:
    """What is known of the phrases of a lexicon; kinds are numbered, those that are counted first.

    Attributes
    ----------
    table : TradeArrays
        As the engine looks it up.
    n_counted : int
        How many kinds are counted.
    """

    table: TradeArrays
    n_counted: int

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
        table = TradeArrays.of(
            letter_kinds=letter_kinds(),
            kinds=np.array([number_of[kind] for kind in kinds], dtype=np.int64),
            context_starts=starts,
            contexts=np.array([number for near in contexts for number in near], dtype=np.int64),
            ranks=ranks,
            deniable=np.array([name in deniable for name in names], dtype=np.uint8),
            most=np.array([1 if name in once else _MOST_COUNTED for name in names], dtype=np.int64),
            n_counted=len(counted),
            negation=number_of[negation],
            negated=number_of[negated],
        )
        return cls(table, len(counted))


def count_trade_words(folded: Texts, places: Places, table: TradeTable) -> NDArray[np.float64]:
    """Return how often each kind counts in each text, at most as often as the table says, shape (n_texts, n_counted).

    Parameters
    ----------
    folded : Texts
        As `fold_text` returns them.
    places : Places
        Where the phrases of the lexicon stand in them.
    table : TradeTable

    Examples
    --------
    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> texts = Texts.of(["not a replica", "replica, replica", "8 aaa batteries"])
    >>> (places,) = PhraseFinder((("replica", "aaa", "not", "batteries"),)).find(texts)
    >>> kinds, not_near = ("replica", "grade", "negation", "power"), ([], ["power"], [], [])
    >>> table = TradeTable.of(kinds, not_near, ("replica", "grade", "negated"), ("replica", "grade"))
    >>> count_trade_words(texts, places, table)
    array([[0., 0., 1.],
           [2., 0., 0.],
           [0., 0., 0.]])
    """
    counts = np.zeros((len(folded), table.n_counted))
    if _count_trade_words(folded, places, table.table, counts) < 0:
        raise MemoryError("not enough memory to count the words of the trade")
    return counts


def choose_trade_words(folded: Texts, places: Places, table: TradeTable) -> Places:
    """Return which phrases count in each text, in their order; the number of each is that of its kind.

    Parameters
    ----------
    folded, places, table
        As `count_trade_words` takes them.
    """
    starts, found = np.empty(len(folded) + 1, dtype=np.int64), np.empty((3, len(places.number)), dtype=np.int32)
    n = _choose_trade_words(folded, places, table.table, starts, *found)
    if n < 0:
        raise MemoryError("not enough memory to choose the words of the trade")
    return Places(starts, *found[:, :n])
