"""Listings without pieces of their texts, weighed by the engine, and words named by what anybody says they weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind
from ipml.features.columns import ListingColumns
from ipml.model.compiled_stage import CompiledStage

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Spans = Sequence[tuple[int, int]]
"""Places of one text as written, in order: where each begins and ends, in code points, the end excluded."""


@dataclass(frozen=True, slots=True, eq=False)
class TextChanges:
    """Which pieces are taken away from the texts of which listings, a row for each change."""

    rows: Numbers  # the listing of each, in ascending order
    starts: Numbers  # the pieces of title i are those from `starts[2 * i]` on, of the description from the next
    pieces: Numbers  # where each begins and ends

    @classmethod
    def asked(cls, words: Struct, first: int = 0) -> TextChanges:
        """Return what was asked for, from a change on."""
        rows, starts, pieces = (of.read(np.int64) for of in (words.rows, words.starts, words.pieces))
        return cls(rows[first:], starts[2 * first :], pieces)

    def __len__(self) -> int:
        return len(self.rows)


_weigh_changes = bind("weigh_changes")
_choose_words = bind("choose_words")
_mark_words = bind("mark_words")


def weigh_changes(stage: CompiledStage, listings: ListingColumns, changes: TextChanges) -> Floats:
    """Return the log-odds of the listing of each change, as it is then."""
    log_odds, found = np.empty(len(changes)), np.empty(len(changes), np.uint8)
    while not stage.call(_weigh_changes, listings, changes, log_odds, found):
        pass
    return log_odds


def choose_by(weigh: Callable[[TextChanges], Floats]) -> Callable[..., bool]:
    """Return what chooses words step by step, by what `weigh` says that listings lose."""

    def choose(rules: Any, found: Any, words: Struct, of_groups: Floats, n_named: Numbers) -> bool:
        lost = weigh(TextChanges.asked(words))
        assert _choose_words(rules, found, lost, words) == 0
        if len(joined := TextChanges.asked(words, len(lost))):
            lost = np.concatenate([lost, weigh(joined)])
        assert _mark_words(rules, found, lost, words, of_groups, n_named) == 0
        return True

    return choose


def without(text: str, places: Spans) -> str:
    """Return a text without some places, which come in order and may overlap."""
    kept, at = [], 0
    for start, end in places:
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])
