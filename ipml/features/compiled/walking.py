"""Walk texts through a trie of phrases; the kernel beneath `ipml.features.compiled.phrases`.

Texts are read some at a time, in three steps: write their skeletons without gaps and where words may begin, walk the
trie from there, and compare what was met with the letters of the text. A walk is the byte of the skeletons it starts
from, times two, and one more where a word may begin. A function is called for many texts at once:
to hand it the arrays would else take longer than its work.
"""

import numpy as np

from ipml.features.compiled.copying import copy_rows
from ipml.features.compiled.letters import ALNUM, BREAK, is_kind, letter_at, size_of_letter
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.squashing import is_boundary, squash_others, squash_plain
from ipml.features.compiled.tries import BASE, PARENT, WORD

STEM, EXACT = 1, 2
"""What an entry is: a phrase that counts with any ending, and one that must stand exactly as it is."""
_BYTES_AT_ONCE = 1 << 15
_LEAST_JOINED = 14  # letters; a longer word is several, written without spaces
_SPACE = 0x20


@plain_njit
def _is_between(byte):
    """Say whether a byte stands between words, however they are written together."""
    return byte in (_SPACE, BREAK)


@plain_njit
def _may_lead(beginnings, squashed, at):
    """Return 1 where a word of the trie may begin at a byte, by the four bytes from there on."""
    number = (np.int64(squashed[at]) & 31) << 15 | (np.int64(squashed[at + 1]) & 31) << 10
    number |= (np.int64(squashed[at + 2]) & 31) << 5 | (np.int64(squashed[at + 3]) & 31)
    return (beginnings[number >> 3] >> (number & 7)) & 1


@plain_njit
def _count_letters(data, start, end):
    n = 0
    for at in range(start, end):
        n += (data[at] & 0xC0) != 0x80
    return n


@plain_njit
def _start_within(data, start, end, kinds, beginnings, squashed, origins, first, walks, m):
    """Let walks also start within joined words, from each letter at which no word begins; return where they end."""
    chunk = start
    bone = first
    while chunk < end:
        after = chunk
        while after < end and not _is_between(data[after]):
            after += 1
        if after - chunk >= _LEAST_JOINED and _count_letters(data, chunk, after) >= _LEAST_JOINED:
            while start + origins[bone] < chunk:
                bone += 1
            while start + origins[bone] < after:
                if _may_lead(beginnings, squashed, bone) and (squashed[bone] & 0xC0) != 0x80:
                    walks[m] = bone << 1
                    m += not is_boundary(data, kinds, start, start + origins[bone], end)
                bone += 1
        chunk = after + 1
    return m


@plain_njit
def _choose_walks(data, offsets, first, last, kinds, beginnings, squashed, origins, walks, walk_ends):
    """Keep the walks that lead anywhere, which are few; add those within joined words."""
    for row in range(first, last):
        start, end = offsets[row], offsets[row + 1]
        m = place = start - offsets[first] + row - first
        chunk = longest = np.int64(0)
        for i in range(place, walk_ends[row - first]):
            walk = walks[np.uint64(i)]
            origin = np.int64(origins[np.uint64(walk >> 1)])
            begins = data[np.uint64(start + max(origin - 1, 0))] == _SPACE
            longest = max(longest, origin - chunk)
            chunk = origin if begins else chunk
            walks[np.uint64(m)] = walk
            m += _may_lead(beginnings, squashed, np.uint64(walk >> 1))
        if max(longest, end - start - chunk) >= _LEAST_JOINED:
            m = _start_within(data, start, end, kinds, beginnings, squashed, origins, place, walks, m)
        walk_ends[row - first] = m


@plain_njit
def _walk(cells, words, offsets, first, last, squashed, walks, walk_ends, met, met_starts):
    """Write which words of the trie end where on the walks through some texts: walk, last byte and word."""
    n = met_starts[0] = 0
    for row in range(first, last):
        for i in range(offsets[row] - offsets[first] + row - first, walk_ends[row - first]):
            at = walks[i] >> 1
            place, cell = np.int64(0), cells[0]
            while True:
                following = (cell & BASE) + squashed[at]
                cell = cells[following]
                if cell >> PARENT != place:
                    break
                place = following
                if cell & WORD:
                    met[n, 0], met[n, 1], met[n, 2] = walks[i], at, words[place]
                    n += 1
                at += 1
        met_starts[row - first + 1] = n


@plain_njit
def _is_within_joined(data, start, end, begin, stop):
    """Say whether a place lies within one word so long that it must be several."""
    n = 0
    for at in range(begin, stop):
        if data[at] == _SPACE:
            return False
        n += (data[at] & 0xC0) != 0x80
    while n < _LEAST_JOINED and begin > start and not _is_between(data[begin - 1]):
        begin -= 1
        n += (data[begin] & 0xC0) != 0x80
    while n < _LEAST_JOINED and stop < end and not _is_between(data[stop]):
        n += (data[stop] & 0xC0) != 0x80
        stop += 1
    return n >= _LEAST_JOINED


@plain_njit
def _is_later(found, one, other):
    """Say whether a place comes after another: by start, then by end, then by number."""
    for column in (2, 3, 1):
        if found[one, column] != found[other, column]:
            return found[one, column] > found[other, column]
    return False


@plain_njit
def _order(found, first, n):
    """Put the last places found in order; they mostly are."""
    for i in range(first + 1, n):
        at = i
        while at > first and _is_later(found, at - 1, at):
            for column in range(4):
                found[at - 1, column], found[at, column] = found[at, column], found[at - 1, column]
            at -= 1


@inner
def _lengthen(found, n):
    longer = np.empty((2 * found.shape[0] + n, 4), np.int32)
    copy_rows(found, found.shape[0], longer)
    return longer


@plain_njit
def _has_phrase(data, begin, end, folded, entry):
    """Say whether a text has the very letters of a phrase from a byte on, and where they would end."""
    offsets, letters = folded
    at, stop = offsets[entry], begin + offsets[entry + 1] - offsets[entry]
    if stop > end:
        return False, stop
    is_same = True
    for other in range(begin, stop):
        is_same &= data[other] == letters[at]
        at += 1
    return is_same, stop


@compiled
def _compare(data, offsets, first, last, kinds, origins, met, met_starts, entries, folded, found, n, n_found):
    """Write where phrases of the words met stand in some texts: set, number, start and end; return their number."""
    entry_starts, entry_sets, entry_numbers, entry_flags = entries
    for row in range(first, last):
        start, end = offsets[row], offsets[row + 1]
        first_found = n
        for i in range(met_starts[row - first], met_starts[row - first + 1]):
            walk, word = met[i, 0], met[i, 2]
            begin = start + origins[walk >> 1]
            stop, following = start + origins[met[i, 1]] + 1, start + origins[met[i, 1] + 1]
            while stop < following and is_kind(kinds, letter_at(data, stop), ALNUM):
                stop += size_of_letter(data[stop])
            if stop < end and data[stop - 1] < 0x80 and data[stop] < 0x80:  # as mostly; a call takes its time
                ends = (kinds[data[stop - 1]] & kinds[data[stop]] & ALNUM) == 0
            else:
                ends = is_boundary(data, kinds, begin, stop, end)
            if n + entry_starts[word + 1] - entry_starts[word] > found.shape[0]:
                found = _lengthen(found, entry_starts[word + 1] - entry_starts[word])
            for entry in range(entry_starts[word], entry_starts[word + 1]):
                is_stem, is_exact = entry_flags[entry] & STEM, entry_flags[entry] & EXACT
                entry_stop = stop
                if is_stem or is_exact:
                    is_same, entry_stop = _has_phrase(data, begin, end, folded, entry)
                    if is_exact and not (is_same and (is_stem or entry_stop == stop)):
                        continue
                    entry_stop = entry_stop if is_stem and is_same else stop
                stands = walk & 1 and (is_stem or ends)
                if not stands and not is_exact:
                    stands = _is_within_joined(data, start, end, begin, entry_stop)
                if stands:
                    found[n, 0], found[n, 1] = entry_sets[entry], entry_numbers[entry]
                    found[n, 2], found[n, 3] = begin - start, entry_stop - start
                    n += 1
        if n > first_found + 1:
            _order(found, first_found, n)
        n_found[row + 1] = n
    return found, n


@inner
def _part(found, n_found, n_sets):
    """Return what was found set by set: where places start by text, where sets start, and the places themselves."""
    n_texts = n_found.size - 1
    starts = np.zeros((n_sets, n_texts + 1), np.int64)
    for row in range(n_texts):
        for i in range(n_found[row], n_found[row + 1]):
            starts[found[i, 0], row + 1] += 1
    firsts = np.empty(n_sets + 1, np.int64)
    firsts[0] = 0
    for number in range(n_sets):
        n = 0
        for row in range(n_texts):
            n += starts[number, row + 1]
            starts[number, row + 1] = n
        firsts[number + 1] = firsts[number] + n
    n = firsts[n_sets]
    numbers, begins, ends = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    used = firsts.copy()
    for i in range(n):
        at = used[found[i, 0]]
        numbers[at], begins[at], ends[at] = found[i, 1], found[i, 2], found[i, 3]
        used[found[i, 0]] = at + 1
    return starts, firsts, numbers, begins, ends


@plain_njit
def _longest(offsets):
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@compiled
def find_places(
    offsets, data, kinds, bones, classes, pairs, cells, words, beginnings, most_passed, entries, folded, n_sets
):
    """Find all phrases in all texts; return what `_part` does.

    Parameters
    ----------
    offsets, data : the texts
    kinds, bones : of what kind letters are, and what they are in a skeleton
    classes, pairs : what `letter_classes` and `walk_pairs` say
    cells, words, beginnings, most_passed : the trie
    entries : tuple
        Where the entries of each word start; of each entry the set, the number of its phrase, and what it is.
    folded : tuple
        Offsets and bytes of the phrase of each entry, folded.
    n_sets : int
    """
    n_texts = offsets.size - 1
    most = min(data.size + n_texts, _BYTES_AT_ONCE + _longest(offsets)) + 1
    squashed, origins = np.empty(most + 3, np.uint8), np.empty(most, np.int32)
    walks, walk_ends = np.empty(most, np.int64), np.empty(most, np.int64)
    met, met_starts = np.empty((most * most_passed, 3), np.int64), np.empty(most + 1, np.int64)
    found, n = np.empty((n_texts + 16, 4), np.int32), np.int64(0)  # a number that is written here is compiled apart
    n_found = np.zeros(n_texts + 1, np.int64)
    first = np.int64(0)
    while first < n_texts:
        last = first + 1
        while last < n_texts and offsets[last] + last - offsets[first] - first < _BYTES_AT_ONCE:
            last += 1
        squash_plain(data, offsets, first, last, pairs, squashed, origins, walks, walk_ends)
        squash_others(data, offsets, first, last, kinds, bones, classes, squashed, origins, walks, walk_ends)
        _choose_walks(data, offsets, first, last, kinds, beginnings, squashed, origins, walks, walk_ends)
        _walk(cells, words, offsets, first, last, squashed, walks, walk_ends, met, met_starts)
        found, n = _compare(
            data, offsets, first, last, kinds, origins, met, met_starts, entries, folded, found, n, n_found
        )
        first = last
    return _part(found, n_found, n_sets)
