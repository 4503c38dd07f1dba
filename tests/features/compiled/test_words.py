"""A set of words has the words that were put in, and no others, however long they are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from ipml.features.compiled import table
from ipml.features.compiled.words import Words, find_pair, split_lines, to_array

WORD = st.text("ab*#z", min_size=1, max_size=30) | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=14)
WORDS = st.sets(WORD, max_size=30)


@njit
def find_across(slots, lines, text, at):
    """Return the word that the letters before a place and those after the next are together."""
    return find_pair(slots, lines, text, 0, at, at + 1, text.size)


@njit
def put_under_one_key(slots, starts):
    """Put words under one key, as if their numbers were the same."""
    for start in starts:
        table.put_key(slots, table.WORDS, table.LONG, start)


@njit
def list_under_one_key(slots, most):
    """Return the words under that key, as many as there may be."""
    found = np.empty(most, np.int64)
    n = 0
    slot = table.find_slot(slots, table.WORDS, table.first_slot(slots, table.WORDS, table.LONG), table.LONG)
    while slot >= 0:
        found[n] = table.word_in(slots, table.WORDS, slot)
        n += 1
        slot = table.find_next_slot(slots, table.WORDS, slot, table.LONG)
    return found[:n]


def make(chosen: set[str]) -> Words:
    """Put words into a set."""
    return Words.of("\n".join(sorted(chosen)).encode())


@given(WORDS, WORDS)
def test_a_set_has_the_words_put_in_and_no_others(chosen, others):
    """Short ones and long ones."""
    made = make(chosen)
    assert all(word in made for word in chosen)
    assert [word in made for word in others] == [word in chosen for word in others]


@given(st.lists(st.text("ab*'1é ", max_size=14), max_size=9))
def test_lines_with_other_letters_are_left_out(lines):
    """Nothing is found of a line that is empty or holds a digit, an apostrophe, a space, or a letter beyond z."""
    made = Words.of("\n".join(lines).encode())
    assert [line in made for line in lines] == [bool(line) and set(line) <= set("ab*") for line in lines]


@given(WORDS.filter(bool), st.data())
def test_two_pieces_are_found_as_one_word(chosen, data):
    """Wherever the word is cut."""
    made = make(chosen)
    word = data.draw(st.sampled_from(sorted(chosen)))
    at = data.draw(st.integers(0, len(word)))
    text = to_array(f"{word[:at]}-{word[at:]}")
    found = find_across(made.table, made.lines, text, at)
    assert made.lines[found : found + len(word) + 1].tobytes().decode() == f"{word}\n"


@given(WORDS)
def test_long_words_of_one_number_are_told_apart(chosen):
    """Whoever chooses words so that their numbers are the same gains nothing: letters decide."""
    slots = table.make_table(len(chosen), 0, 0, 0)
    lines = to_array("".join(f"{word}\n" for word in sorted(chosen))) if chosen else np.zeros(0, np.uint8)
    starts, _ = split_lines(lines)
    put_under_one_key(slots, starts)
    assert list_under_one_key(slots, len(chosen)).tolist() == starts.tolist()
