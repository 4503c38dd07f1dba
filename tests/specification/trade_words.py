"""Which words of the trade count in one folded text."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, islice
from operator import itemgetter

from ipml.features.lexicon import KINDS, NEGATION, TradeWords
from specification.phrases import Place, find_phrases

Span = tuple[int, int, str]
DENIABLE = ("replica", "grade")
NEGATION_REACHES_WORDS = 2
CONTEXT_REACHES_WORDS = 3
_WORD = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")  # an ideograph is a word
_BREAK = re.compile(r"[.,;:!?|](?=\s|$)")


def find_trade_words(words: TradeWords, text: str) -> list[tuple[str, int, int]]:
    """Return kind, start and end of each phrase that counts in a folded text, in their order."""
    return choose(words, text, find_phrases(text, tuple(words.phrases_)))


def choose(words: TradeWords, text: str, places: Sequence[Place]) -> list[tuple[str, int, int]]:
    """Return what `find_trade_words` does, where it is known which phrases stand where."""
    if not places:
        return []
    of_kind: dict[str, list[tuple[int, int]]] = {}
    for number, start, end in places:
        of_kind.setdefault(words.kinds_[number], []).append((start, end))
    neighbours = {kind: _Neighbours(text, spans) for kind, spans in of_kind.items() if kind not in KINDS}
    spans = {
        (start, end, words.kinds_[number])
        for number, start, end in places
        if words.kinds_[number] in KINDS
        and not any(neighbours[kind].is_near(start, end) for kind in words.not_near_[number] if kind in neighbours)
    }
    outer = _leftmost_longest(spans)
    negated = sorted(span[1] for span in of_kind.get(NEGATION, ()) if not _is_within(span, outer))
    return [
        ("negated" if kind in DENIABLE and _is_denied(text, start, negated) else kind, start, end)
        for start, end, kind in outer
    ]


def _leftmost_longest(spans: set[Span]) -> list[Span]:
    """Return the spans in order, without those that overlap an earlier one, or a longer one from the same place."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _is_within(span: tuple[int, int], others: Sequence[Span]) -> bool:
    """Say whether a span lies within one of others, which are in order and do not overlap."""
    before = bisect_right(others, span[0], key=itemgetter(0))
    return before > 0 and span[1] <= others[before - 1][1]


class _Neighbours:
    """Places in a text, in order, of which the nearest to another place is asked for.

    Only the nearest counts, since between it and the other place are the fewest words; so reading takes no longer for
    each place when a text is full of them.
    """

    def __init__(self, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))  # of all spans up to here, the farthest

    def is_near(self, start: int, end: int) -> bool:
        """Say whether one overlaps a place, or stands beside it with three words between at most."""
        following = bisect_left(self._starts, end)
        before = self._text[self._ends[following - 1] : start] if following else None
        after = self._text[end : self._starts[following]] if following < len(self._starts) else None
        beside = (between for between in (before, after) if between is not None)
        return any(_has_few_words(between, CONTEXT_REACHES_WORDS) for between in beside)


def _is_denied(text: str, start: int, negated: Sequence[int]) -> bool:
    """Say whether some negation ends shortly before a place, in the same part of the sentence."""
    before = bisect_right(negated, start)
    between = text[negated[before - 1] : start] if before else ""
    return before > 0 and _has_few_words(between, NEGATION_REACHES_WORDS) and not _BREAK.search(between)


def _has_few_words(text: str, most: int) -> bool:
    return sum(1 for _ in islice(_WORD.finditer(text), most + 1)) <= most
