"""The skeletons of many texts at once are those of each."""

import sys

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from specification.phrases import read_bones, skeleton

from ipml.features.compiled.phrases import skeleton_texts, trace_skeletons
from ipml.features.compiled.texts import ALNUM, DECIMAL, SPACE, Texts, letter_kinds
from ipml.features.normalisation import fold_text

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
    """Whatever the letters, words of one letter only included; and so are the letters that they come from."""
    many = Texts.of(texts)
    assert skeleton_texts(many).strings() == [skeleton(text) for text in texts]
    skeletons, origins = trace_skeletons(many)
    begins = [(data & 0xC0) != 0x80 for data in (skeletons.data, many.data)]
    letters = (np.cumsum(begins[1]) - 1)[origins[begins[0]]].tolist()
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    assert skeletons.strings() == skeleton_texts(many).strings()
    assert letters == [start + at for start, text in zip(starts, texts, strict=False) for _, at in read_bones(text)]


def test_letters_are_of_the_kinds_python_says():
    """Each code point is a letter or digit, a decimal digit, or a space exactly where a str says so."""
    kinds = letter_kinds().tolist()
    for code in range(sys.maxunicode + 1):
        letter, kind = chr(code), kinds[code] if code < len(kinds) else 0
        said = ALNUM * letter.isalnum() + DECIMAL * letter.isdecimal() + SPACE * letter.isspace()
        assert kind == said, hex(code)
