"""The engine counts the words that the specification counts."""

from hypothesis import given
from hypothesis import strategies as st
from specification.disguises import count_disguises

from ipml.features.compiled.folding import UNITS, count_disguised_words
from ipml.features.compiled.texts import Texts

LETTERS = (
    "aZx9\u0445\u043c -\u0456\u0435\u03b1\u200b\u00ad\u200d\u200c\uff2e\uff01\u9ad8\u30ab"
    "\U0001d40d\u00e9\u00d7\u00a0\U0001f1e9\U0001f1ea\u0627\ud800\u2764\ufe0f\u1c81_"
)
PIECES = [*LETTERS, *UNITS, *map(str.upper, UNITS), "\u0434\u044e\u0439\u043c\u043e\u0432", "10", "Nike"]


WORDS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.lists(WORDS | st.text(max_size=12), max_size=4))
def test_words_are_counted_as_specified(texts):
    """With every kind of letter, those that need a look around them, and units of sizes."""
    assert count_disguised_words(Texts.of(texts)).tolist() == list(map(count_disguises, texts))


def test_letters_beyond_the_longest_title_are_not_read():
    """A disguise that nobody reads counts for nothing."""
    texts = ["a" * 1_999 + "\u0456", "a" * 2_000 + "\u0456"]
    assert count_disguised_words(Texts.of(texts)).tolist() == [1, 0]
