"""Misspelt words of many texts at once, read as `ipml.features.spelling.Spelling` says.

A text is walked once, and most are then done: their words are known or ordinary. Only one that has signs or gaps which
do make a known word is written anew, first with the signs read, then with the gaps closed, and walked again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.known_words import make_scratch
from ipml.features.compiled.letters import SPACE, is_kind, letter_after, letter_before, letter_kinds
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.rewritten import close_gaps, grow, length_read, put_rows, write_read
from ipml.features.compiled.spelt_words import IS_GAP, has_word, is_closed, is_word, read_word
from ipml.features.compiled.staying import SIGNS, find_texts, recent_slot
from ipml.features.compiled.table import FIRST_TARGET, LONGEST
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.words import CODE, CODES, LETTER_BITS, SHORT, Words, find_pair
from ipml.features.dictionary import LEAST_LETTERS

_ZERO = np.uint64(0)
_AS_LETTERS = str.maketrans("@$!|(+013457", "asilctoieast")


def read_texts(folded: Texts, known: Words, ordinary: Words) -> Texts:
    """Return folded texts, their misspelt words read as the known ones they stand for.

    Parameters
    ----------
    folded : Texts
        As `fold_text` returns them.
    known : Known
        The words that others may stand for, among others.
    ordinary : Words
        Words that stand for themselves, known or not.
    """
    data = folded.data
    rows, ends, written = _read_texts(
        folded.offsets, data, known.table, known.lines, ordinary.table, ordinary.lines, letter_kinds()
    )
    return Texts(*put_rows(folded.offsets, data, rows, ends, written)) if rows.size else folded


def know_a_word(read: Texts, known: Words) -> NDArray[np.bool_]:
    """Say of each text, folded and read, whether it holds a longer word that is known; shape (n_texts,)."""
    return np.asarray(_know_a_word(read.offsets, read.data, known.table, known.lines, letter_kinds()))


def _list_letters_of_signs() -> NDArray[np.uint8]:
    """Return the letter that each byte stands for in a word with signs; 0 of what is in none."""
    letters = np.zeros(128, dtype=np.uint8)
    read = {**{letter: letter for letter in range(ord("a"), ord("z") + 1)}, **_AS_LETTERS}
    letters[list(read)] = list(read.values())
    return letters


_LETTERS_OF_SIGNS = _list_letters_of_signs()
_IS_SIGN = np.array([chr(byte) in SIGNS for byte in range(256)])


@plain_njit
def _walk(data, start, end, known, lines, ordinary, ordinary_lines, kinds, scratch, recent, places, gaps):
    """Find the words of a text that are read as others, and the gaps that are closed; return how many.

    `places` holds, for each such word, where it starts and ends and the known word; `recent` holds
    short words that stay.
    """
    n_words = n_gaps = 0
    at = piece = piece_end = start
    piece_key = _ZERO
    while at < end:
        run = at
        key = _ZERO
        seen = 0
        while at < end and CODES[data[at]] != 0:
            code = CODES[data[at]]
            key = key << LETTER_BITS | (np.uint64(code) & CODE)
            seen |= code
            at += 1
        if at > run + 1 and (at - run > SHORT or recent[recent_slot(recent, key)] != key):
            word = read_word(
                known, lines, ordinary, ordinary_lines, kinds, key, data, run, at, start, end, seen, scratch
            )
            if word >= 0:
                places[n_words, 0], places[n_words, 1], places[n_words, 2] = run, at, word
                n_words += 1
        if at > run and (at == end or IS_GAP[data[at]]) and (run == start or IS_GAP[data[run - 1]]):
            if piece_end > piece and is_closed(
                known, lines, ordinary, ordinary_lines, data, piece, piece_end, piece_key, run, at, key
            ):
                gaps[n_gaps] = piece_end
                n_gaps += 1
            piece, piece_end, piece_key = run, at, key
        else:
            piece_end = piece
        at += 1
    return n_words, n_gaps


@plain_njit
def _read_signs(data, start, end, known, lines, kinds, written):
    """Write a text with signs read as letters where that makes a known word; say whether it does anywhere."""
    is_changed = False
    at = start
    while at < end:
        run = at
        has_sign = False
        while at < end and data[at] < 0x80 and _LETTERS_OF_SIGNS[data[at]] != 0:
            written[at - start] = _LETTERS_OF_SIGNS[data[at]]
            has_sign |= _IS_SIGN[data[at]]
            at += 1
        is_read = False
        if (
            has_sign
            and LEAST_LETTERS <= at - run <= np.int64(known[LONGEST])
            and _stands_alone(kinds, data, run, at, start, end)
        ):
            number = find_pair(known, lines, written, run - start, at - start, at - start, at - start)
            is_read = number >= np.int64(known[FIRST_TARGET])
        is_changed |= is_read
        for place in range(run, run if is_read else at):
            written[place - start] = data[place]
        if at < end:
            written[at - start] = data[at]
            at += 1
    return is_changed


@plain_njit
def _stands_alone(kinds, data, run, run_end, start, end):
    """Say whether there is nothing but white space on either side."""
    is_before = run == start or is_kind(kinds, letter_before(data, run, start), SPACE)
    return is_before and (run_end == end or is_kind(kinds, letter_after(data, run_end, end), SPACE))


@compiled
def _read_texts(offsets, data, known, lines, ordinary, ordinary_lines, kinds):
    """Return which texts change, where each of them ends among their new bytes, and these bytes."""
    n_rows = offsets.size - 1
    longest = offsets[0]  # 0; a number that is written here would be compiled apart
    for row in range(n_rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    scratch, places, gaps = make_scratch(known), np.empty((longest // 2 + 1, 3), np.int64), np.empty(longest, np.int64)
    spelt, joined = np.empty(longest, np.uint8), np.empty(longest, np.uint8)
    may_change, has_sign, recent = find_texts(
        offsets, data, longest, known, lines, ordinary, ordinary_lines, kinds, scratch
    )
    rows, ends, written = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64), np.empty(1024, np.uint8)
    first = offsets[0]
    n_changed = used = n_words = n_gaps = 0
    for row in range(n_rows):
        if not may_change[row] and not has_sign[row]:
            continue
        text, start, end = data, offsets[row], offsets[row + 1]
        is_changed = False
        if has_sign[row] and _read_signs(text, start, end, known, lines, kinds, spelt):
            text, start, end = spelt, first, end - start
            is_changed = True
        elif not may_change[row]:
            continue
        n_words, n_gaps = _walk(
            text, start, end, known, lines, ordinary, ordinary_lines, kinds, scratch, recent, places, gaps
        )
        if n_gaps > 0:
            text, start, end = joined, first, close_gaps(text, start, end, gaps, n_gaps, joined)
            is_changed = True
            n_words, _ = _walk(
                text, start, end, known, lines, ordinary, ordinary_lines, kinds, scratch, recent, places, gaps
            )
        if not is_changed and n_words == 0:
            continue
        written = grow(written, used, length_read(end - start, lines, places, n_words))
        used = write_read(text, start, end, lines, places, n_words, written, used)
        rows[n_changed], ends[n_changed] = row, used
        n_changed += 1
    return rows[:n_changed], ends[:n_changed], written[:used]


@compiled
def _know_a_word(offsets, data, known, lines, kinds):
    """Say of each text whether a word of it is known that is not short."""
    knows = np.zeros(offsets.size - 1, np.bool_)
    for row in range(offsets.size - 1):
        at, start, end = offsets[row], offsets[row], offsets[row + 1]
        while at < end and not knows[row]:
            run = at
            key = _ZERO
            seen = 0
            while at < end and CODES[data[at]] != 0:
                key = key << LETTER_BITS | (np.uint64(CODES[data[at]]) & CODE)
                seen |= CODES[data[at]]
                at += 1
            if at - run >= LEAST_LETTERS - 1 and has_word(known, lines, key, data, run, at):
                knows[row] = is_word(kinds, data, run, at, start, end, seen)
            at += 1
    return knows
