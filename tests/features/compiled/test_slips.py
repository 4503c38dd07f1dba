"""The engine finds the word that is to be found, for any word and any words known."""

from string import ascii_lowercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification import spelling as plain

from ipml.features.compiled.spelling import KnownWords

LETTERS = st.sampled_from(["ab", "cksz", "pfhquwkx", "aeioubc", "qwas", "abc*#", "vwyi", ascii_lowercase])
WORD = LETTERS.flatmap(lambda letters: st.text(letters, min_size=1, max_size=9))
LONG = LETTERS.flatmap(lambda letters: st.text(letters, min_size=10, max_size=18))
KNOWN = st.dictionaries(WORD | LONG, st.integers(1, 3), max_size=12)


def slip(word: str, at: int, kind: int, letter: str) -> str:
    """Change a word in one of the ways in which people do, or in two."""
    at %= len(word)
    changed = [
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
        word[:1] + "".join(other for other in word[1:] if other not in "aeiou"),
        word.replace("f", "ph").replace("ks", "x").replace("k", "ck"),
        word.replace("s", "z").replace("c", "k").replace("i", "y"),
        word.replace("v", "w").replace("qu", "kw"),
        "".join(other * 2 for other in word),
    ]
    return changed[kind] or word


SLIPS = st.tuples(
    st.integers(0, 99), st.integers(0, 99), st.integers(0, 8), st.sampled_from([*"asx*#", *ascii_lowercase])
)


def agree(frequencies, trade, word, most=20_000):
    """Hold what is found against what is to be found."""
    often = sorted(frequencies, key=lambda known: (-frequencies[known], known))[:most]
    expected = plain.KnownWords({known: frequencies[known] for known in often}, trade)
    found = KnownWords(frequencies, trade, most)
    assert found.nearest(word) == expected.nearest(word)


@pytest.mark.slow
@given(KNOWN, st.lists(SLIPS, min_size=1, max_size=2), st.lists(WORD, max_size=3), st.integers(0, 12))
def test_the_same_word_is_found(frequencies, slips, others, most):
    """After one slip or two, of short words and long ones, also if only some of the words count."""
    trade = set(sorted(frequencies)[::2])
    for word in others:
        agree(frequencies, trade, word)
    if frequencies:
        word = sorted(frequencies)[slips[0][0] % len(frequencies)]
        for _, at, kind, letter in slips:
            word = slip(word, at, kind, letter)
            agree(frequencies, trade, word)
            agree(frequencies, trade, word, most)


@given(st.text(ascii_lowercase, min_size=3, max_size=16), st.integers(0, 99), st.sampled_from("aqz*"))
def test_every_kind_of_slip_is_undone_alike(word, at, letter):
    """Around twelve letters too, where longer words begin to be compared letter by letter."""
    near = {word: 2, word + "s": 1, word[1:] or word: 2, word[:-1] or word: 3, word.translate({ord("a"): "e"}): 2}
    for kind in range(9):
        agree(near, {word}, slip(word, at, kind, letter))


@given(st.text("*abcde", min_size=4, max_size=15), st.sets(st.text("abcde*#", min_size=4, max_size=15), max_size=9))
@example("a*cde", {"a*cde", "abcde", "a#cde"})
@example("a*c*e", {"a*cde", "abc*e"})
@example("abcdefghijklm*op", {"abcdefghijklmnop", "abcdefghijklm*op"})
def test_hidden_letters_are_found_alike(word, known):
    """Also where known words hide letters themselves."""
    agree(dict.fromkeys({*known, word.replace("*", "a")}, 1), (), word)


def test_words_that_no_text_can_hold_are_refused():
    """Those with letters beyond z, with digits or with none at all."""
    for word in ("été", "r2d2", "", "two words", "\ud800"):
        with pytest.raises(ValueError, match="other letters than a to z"):
            KnownWords({word: 1}, (), 9)
