"""A known word is found again after one slip, by its sound or without its vowels, as in the specification."""

from itertools import pairwise
from string import ascii_lowercase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification import spelling as plain
from specification.folding import shorten

from ipml.features.compiled.spelling import KnownWords

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {
    key: [b for row in KEYS for pair in pairwise(row) for a, b in (pair, pair[::-1]) if a == key]
    for key in "".join(KEYS)
}
VOWELS = "aeiou"
OF_ONE_SOUND = "abdeglmnort"  # letters whose sound no other has
CONSONANTS = "".join(letter for letter in ascii_lowercase if letter not in VOWELS)


def words(least: int, most: int) -> st.SearchStrategy[str]:
    """Return words of so many letters, real or not."""
    return st.text(ascii_lowercase, min_size=least, max_size=most)


def drop(word: str, at: int) -> str:
    """Leave a letter out."""
    return word[:at] + word[at + 1 :]


def double(word: str, at: int) -> str:
    """Strike a letter twice."""
    return word[:at] + word[at] + word[at:]


def swap(word: str, at: int) -> str:
    """Strike a letter and the next in the wrong order."""
    return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]


def strike_beside(word: str, at: int) -> str:
    """Strike the key beside."""
    return word[:at] + BESIDE[word[at]][0] + word[at + 1 :]


def star(word: str, at: int, sign: str = "*") -> str:
    """Hide a letter behind a star, or another sign."""
    return word[:at] + sign + word[at + 1 :]


AFTER_THE_FIRST = (drop, swap)  # whoever slips there begins another word
ANYWHERE = (double, strike_beside, star, lambda word, at: star(word, at, "#"))


@given(words(5, 14), st.data())
def test_a_known_word_is_found_after_one_slip(word, data):
    """Whatever the word and wherever the slip, except that a dropped or swapped first letter begins another word."""
    at = data.draw(st.integers(1, len(word) - 1))
    known = KnownWords({word: 1}, ())
    written = [slip(word, at) for slip in AFTER_THE_FIRST] + [
        slip(word, place) for slip in ANYWHERE for place in (0, at)
    ]
    assert [text for text in written if known.nearest(text) != word] == []


@given(words(5, 14), st.sampled_from(ascii_lowercase), st.data())
def test_a_known_word_is_found_with_a_letter_too_many_or_another_one(word, letter, data):
    """Any letter, anywhere after the first."""
    at = data.draw(st.integers(1, len(word)))
    known = KnownWords({word: 1}, ())
    assert known.nearest(word[:at] + letter + word[at:]) == word
    assert known.nearest(word[:at] + letter + word[at + 1 :]) == word


@given(st.text(OF_ONE_SOUND, min_size=5, max_size=14), st.sampled_from(OF_ONE_SOUND))
def test_a_first_letter_is_only_mistaken_for_the_key_beside(word, letter):
    """With any other first letter it is another word."""
    is_near = letter == word[0] or letter in BESIDE[word[0]]
    assert KnownWords({word: 1}, {word}).nearest(letter + word[1:]) == (word if is_near else None)


SAME_SOUND = [("ph", "f"), ("ck", "k"), ("qu", "kw"), ("x", "ks"), ("c", "k"), ("z", "s"), ("y", "i"), ("v", "w")]
PLAIN = st.text(OF_ONE_SOUND, min_size=2, max_size=4)


@given(start=PLAIN, middle=PLAIN, end=PLAIN)
def test_a_known_word_is_found_by_its_sound(start, middle, end):
    """However many letters are written otherwise, either way round."""
    for sounds in SAME_SOUND:
        one, other = (sound.join((start, middle, end)) for sound in sounds)
        assert KnownWords({one: 1}, ()).nearest(other) == one
        assert KnownWords({other: 1}, ()).nearest(one) == other


@given(st.lists(st.sampled_from(CONSONANTS), min_size=3, max_size=8, unique=True), st.data())
def test_a_known_word_is_found_without_its_vowels(consonants, data):
    """If four consonants are left; of a word of the trade three, as they are hardly anything else."""
    bare, vowels = "".join(consonants), st.text(VOWELS, min_size=1, max_size=2)
    word = "".join(letter + data.draw(vowels) for letter in consonants[:-1]) + bare[-1]
    assert KnownWords({word: 1}, {word}).nearest(bare) == word
    assert KnownWords({word: 1}, ()).nearest(bare) == (word if len(bare) >= 4 else None)


@given(st.sampled_from(CONSONANTS), st.integers(2, 6))
def test_consonants_that_then_stand_together_are_shortened_as_folding_does(letter, times):
    """A mirror without its vowels is folded to "mrr"."""
    other = "m" if letter != "m" else "n"
    word = f"{other}e{'o'.join(letter * times)}e{other}"
    assert KnownWords({word: 1}, ()).nearest(shorten(f"{other}{letter * times}{other}", None)[0]) == word


@given(words(1, 3), st.data())
def test_short_words_stand_for_nothing(word, data):
    """Of three letters and fewer none is found again: each has too many neighbours."""
    at = data.draw(st.integers(0, len(word) - 1))
    known = KnownWords({word: 1}, {word})
    assert [known.nearest(slip(word, at)) for slip in (drop, double, swap, strike_beside, star)] == [None] * 5


@given(words(4, 4), st.integers(1, 2))
def test_words_of_four_letters_are_found_only_swapped_or_starred(word, at):
    """With a letter more, fewer or another one they are left alone."""
    known = KnownWords({word: 1}, {word})
    assert [known.nearest(slip(word, at)) for slip in (drop, double, strike_beside)] == [None] * 3
    assert known.nearest(swap(word, at)) == known.nearest(star(word, at)) == word


@given(words(4, 10), st.sets(words(5, 10), max_size=5))
def test_what_is_found_is_a_known_word(word, others):
    """Whatever was asked; nothing where no letter is shared, and where no word is known."""
    known = KnownWords(dict.fromkeys(others, 1), ())
    assert known.nearest(word) in {*others, None}
    assert known.nearest("\u0431" * len(word)) is None
    assert [KnownWords({}, ()).nearest(one) for one in (word, "replica", "repl*ca", "rplc", "a")] == [None] * 5


@given(words(6, 12), st.permutations(range(1, 6)), st.data())
def test_of_several_words_the_most_frequent_is_found(word, frequencies, data):
    """In whatever order they are known; of those met equally often always the same one."""
    at = data.draw(st.integers(1, len(word) - 1))
    near = sorted({word[:at] + letter + word[at + 1 :] for letter in ascii_lowercase} - {word})[:5]
    met = dict(zip(near, frequencies, strict=True))
    backwards = dict(reversed(met.items()))
    expected = max(met, key=met.__getitem__)
    assert KnownWords(met, ()).nearest(word) == KnownWords(backwards, ()).nearest(word) == expected
    equally = [KnownWords(dict.fromkeys(names, 1), ()).nearest(word) for names in (near, near[::-1])]
    assert equally[0] == equally[1]


def test_a_slip_counts_before_a_sound_and_a_sound_before_missing_vowels():
    """However much more frequent the words are that are further off."""
    assert KnownWords({"fotograf": 1, "photograph": 9}, ()).nearest("fotogras") == "fotograf"
    assert KnownWords({"lxtther": 1, "letther": 9, "liatthier": 99}, ()).nearest("lkstther") == "lxtther"


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
