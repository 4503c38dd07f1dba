"""A set of words has the words that were put in, and no others, however long they are."""

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.compiled.spelling import KnownWords, Words, read_texts
from ipml.features.compiled.texts import Texts

WORD = st.text("ab*#z", min_size=1, max_size=30) | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=14)
WORDS = st.sets(WORD, max_size=30)


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


@given(st.sets(st.text("abcxz", min_size=5, max_size=30), min_size=1, max_size=30), st.data())
def test_two_pieces_are_found_as_one_word(chosen, data):
    """Wherever the word is cut."""
    known, ordinary = KnownWords(dict.fromkeys(chosen, 1), ()).words, Words.of(b"")
    word = data.draw(st.sampled_from(sorted(chosen)))
    at = data.draw(st.integers(1, len(word) - 1))
    cut = f"{word[:at]} {word[at:]}"
    is_two = word[:at] in chosen and word[at:] in chosen
    assert read_texts(Texts.of([cut]), known, ordinary).strings() == [cut if is_two else word]


@given(st.integers(0, 40), st.integers(0, 40))
def test_long_words_of_one_number_are_told_apart(n_before, n_after):
    """Whoever chooses words so that their numbers are the same gains nothing: letters decide."""
    one, other = (f"{'x' * n_before}{word}{'x' * n_after}" for word in _of_one_number())
    assert make({one}).table.tolist() == make({other}).table.tolist()
    assert [word in make({one}) for word in (one, other)] == [True, False]
    assert [word in make({one, other}) for word in (one, other)] == [True, True]


def _of_one_number() -> tuple[str, str]:
    """Return two words whose numbers are the same whatever odd base they have: the sequence of Thue and Morse."""
    signs = "".join("ab"[at.bit_count() % 2] for at in range(1 << 10))
    return signs, signs.translate(str.maketrans("ab", "ba"))
