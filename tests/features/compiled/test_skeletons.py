"""The skeletons of many texts at once are those of each."""

import sys

from hypothesis import example, given
from hypothesis import strategies as st

from ipml.features.compiled.letters import ALNUM, DECIMAL, SPACE, letter_kinds
from ipml.features.compiled.skeletons import skeleton_texts
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import fold_text
from ipml.features.phrases import skeleton

TEXTS = st.lists(
    st.text("aab il1jo0e3__-' .\n", max_size=20)
    | st.text("aжжéß\u0301件٣\ud800\U0001f600𝟘 _", max_size=12)
    | st.text(max_size=20)
    | st.text(max_size=20).map(fold_text),
    max_size=4,
)


@example(["aaa", "aaab", "_aa", "a_aa_", "ll", "件件", "件件a", "\u0301\u0301", "--", "éé 11"])
@given(TEXTS)
def test_skeletons_are_those_of_each_text(texts):
    """Whatever the letters, words of one letter only included."""
    assert skeleton_texts(Texts.of(texts)).strings() == [skeleton(text) for text in texts]


def test_letters_are_of_the_kinds_python_says():
    """Each code point is a letter or digit, a decimal digit, or a space exactly where a str says so."""
    kinds = letter_kinds().tolist()
    for code in range(sys.maxunicode + 1):
        letter, kind = chr(code), kinds[code] if code < len(kinds) else 0
        said = ALNUM * letter.isalnum() + DECIMAL * letter.isdecimal() + SPACE * letter.isspace()
        assert kind == said, hex(code)
