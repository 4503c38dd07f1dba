"""Count the words of the trade in many texts, as `ipml.features.lexicon.TradeWords` does in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.letters import SPACE, is_kind, letter_after, letter_at, letter_kinds, size_of_letter
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.trade_table import TradeTable

_NEGATION_REACHES_WORDS = 2
_CONTEXT_REACHES_WORDS = 3
_FIRST_IDEOGRAPH, _LAST_IDEOGRAPH = 0x2E80, 0x3FFFF  # each is a word
_BREAKS = tuple(b".,;:!?|")  # part a sentence, where a space or nothing follows


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
    return np.asarray(
        _count_all(
            folded.offsets,
            folded.data,
            letter_kinds(),
            (places.starts, places.number, places.start, places.end),
            *table.parts,
        )
    )


@plain_njit
def _has_few_words(data, kinds, start, end, most):
    """Say whether there are no more words than this between two bytes."""
    n = 0
    is_inside = False
    at = start
    while at < end and n <= most:
        letter = letter_at(data, at)
        is_ideograph = _FIRST_IDEOGRAPH <= letter <= _LAST_IDEOGRAPH
        is_gap = not is_ideograph and is_kind(kinds, letter, SPACE)
        n += is_ideograph or not (is_gap or is_inside)
        is_inside = not (is_gap or is_ideograph)
        at += size_of_letter(data[at])
    return n <= most


@plain_njit
def _holds_break(data, kinds, start, end):
    """Say whether a sentence is parted between two bytes."""
    for at in range(start, end):
        for sign in _BREAKS:
            if data[at] == sign and (at + 1 == end or is_kind(kinds, letter_after(data, at + 1, end), SPACE)):
                return True
    return False


@inner
def _group(number, start, end, first, last, phrase_kinds, group_starts, group_begins, group_ends):
    """Write the places of one text kind by kind: where they begin, and up to where they or earlier ones reach."""
    for kind in range(group_starts.size):
        group_starts[kind] = 0
    for i in range(first, last):
        group_starts[phrase_kinds[number[i]] + 1] += 1
    for kind in range(1, group_starts.size):
        group_starts[kind] += group_starts[kind - 1]
    used = group_starts.copy()
    for i in range(first, last):
        kind = phrase_kinds[number[i]]
        at = used[kind]
        group_begins[at], group_ends[at] = start[i], end[i]
        if at > group_starts[kind]:
            group_ends[at] = max(end[i], group_ends[at - 1])
        used[kind] = at + 1


@plain_njit
def _find_above(values, first, last, bound):
    """Return the place of the first number in order that is above a bound."""
    while first < last:
        middle = (first + last) // 2
        if values[middle] > bound:
            last = middle
        else:
            first = middle + 1
    return first


@plain_njit
def _is_near(data, kinds, text, begin, end, group_begins, group_ends, first, last):
    """Say whether one place of a kind overlaps another place, or stands beside it with three words between at most."""
    following = _find_above(group_begins, first, last, end - 1)
    if following > first and _has_few_words(
        data, kinds, text + group_ends[following - 1], text + begin, _CONTEXT_REACHES_WORDS
    ):
        return True
    return following < last and _has_few_words(
        data, kinds, text + end, text + group_begins[following], _CONTEXT_REACHES_WORDS
    )


@plain_njit
def _comes_before(span, other):
    """Say whether a span comes before another: by start, the longest first, then by the name of its kind."""
    for column in range(3):
        if span[column] != other[column]:
            return span[column] < other[column]
    return False


@plain_njit
def _keep_leftmost(spans, n):
    """Keep the spans that overlap none before them, in order; return their number."""
    for i in range(1, n):
        at = i
        while at > 0 and _comes_before(spans[at], spans[at - 1]):
            for column in range(4):
                spans[at - 1, column], spans[at, column] = spans[at, column], spans[at - 1, column]
            at -= 1
    n_kept = 0
    for i in range(n):
        if n_kept == 0 or spans[i, 0] >= -spans[n_kept - 1, 1]:
            for column in range(4):
                spans[n_kept, column] = spans[i, column]
            n_kept += 1
    return n_kept


@plain_njit
def _sort(values, n):
    """Put some numbers in order; they mostly are."""
    for i in range(1, n):
        at = i
        while at > 0 and values[at - 1] > values[at]:
            values[at - 1], values[at] = values[at], values[at - 1]
            at -= 1


@plain_njit
def _find_negations(start, end, first, last, number, phrase_kinds, negation, spans, n, ends):
    """Write where negations end that do not lie within spans, in order; return their number."""
    n_found = 0
    before = 0  # spans that begin no later
    for i in range(first, last):
        if phrase_kinds[number[i]] != negation:
            continue
        while before < n and spans[before, 0] <= start[i]:
            before += 1
        if before == 0 or end[i] > -spans[before - 1, 1]:
            ends[n_found] = end[i]
            n_found += 1
    _sort(ends, n_found)
    return n_found


@plain_njit
def _is_denied(data, kinds, text, begin, ends, n):
    """Say whether some negation ends shortly before a place, in the same part of the sentence."""
    before = _find_above(ends, 0, n, begin)
    if before == 0:
        return False
    end = text + ends[before - 1]
    begin += text
    return _has_few_words(data, kinds, end, begin, _NEGATION_REACHES_WORDS) and not _holds_break(
        data, kinds, end, begin
    )


@inner
def _find_counting(data, kinds, text, first, last, places, phrases, n_counted, groups, spans):
    """Write start, end (negative), rank and kind of each phrase that may count in a text; return their number."""
    _, number, start, end = places
    phrase_kinds, context_starts, contexts, ranks, _, _ = phrases
    group_starts, group_begins, group_ends = groups
    n = 0
    is_grouped = False
    for i in range(first, last):
        phrase = number[i]
        kind = phrase_kinds[phrase]
        is_near = False
        for at in range(context_starts[phrase], context_starts[phrase + 1] if kind < n_counted else 0):
            if not is_grouped:
                _group(number, start, end, first, last, phrase_kinds, group_starts, group_begins, group_ends)
                is_grouped = True
            begins, ends = group_starts[contexts[at]], group_starts[contexts[at] + 1]
            if begins < ends and not is_near:
                is_near = _is_near(data, kinds, text, start[i], end[i], group_begins, group_ends, begins, ends)
        if kind < n_counted and not is_near:
            spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = start[i], -end[i], ranks[kind], kind
            n += 1
    return n


@inner
def _count_one(data, kinds, text, first, last, places, phrases, numbers, groups, spans, ends, counts):
    """Count the kinds of phrases in one text, of which the places are those from a first to a last."""
    n_counted, negation, negated = numbers
    n = _find_counting(data, kinds, text, first, last, places, phrases, n_counted, groups, spans)
    n = _keep_leftmost(spans, n)
    n_ends = _find_negations(places[2], places[3], first, last, places[1], phrases[0], negation, spans, n, ends)
    for i in range(n):
        kind = spans[i, 3]
        if phrases[4][kind] and _is_denied(data, kinds, text, spans[i, 0], ends, n_ends):
            kind = negated
        counts[kind] = min(counts[kind] + 1.0, phrases[5][kind])


@compiled
def _count_all(offsets, data, kinds, places, phrases, numbers):
    starts, number, _, _ = places
    n_counted = numbers[0]
    most = 0
    for row in range(starts.size - 1):
        most = max(most, starts[row + 1] - starts[row])
    groups = np.empty(phrases[3].size + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    spans, ends = np.empty((most, 4), np.int64), np.empty(most, np.int64)
    counts = np.zeros((starts.size - 1, n_counted))
    for row in range(starts.size - 1):
        n_counting = 0
        for i in range(starts[row], starts[row + 1]):
            n_counting += phrases[0][number[i]] < n_counted
        if n_counting:
            _count_one(
                data,
                kinds,
                offsets[row],
                starts[row],
                starts[row + 1],
                places,
                phrases,
                numbers,
                groups,
                spans,
                ends,
                counts[row],
            )
    return counts
