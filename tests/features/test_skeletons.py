"""The skeleton of a folded text: spellings that people read alike are one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.finding import skeleton

from ipml.features.compiled.phrases import trace_skeletons
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import fold_text

FOLDED = st.text(max_size=60).map(fold_text) | st.text("il1jo0e3a4s5t7b8g69z2 -a", max_size=30)


def test_spellings_that_read_alike_have_one_skeleton():
    """Digits stand in for letters, and doubled letters for single ones; a word of one letter keeps its length."""
    alike = {"r0lex": "rolex", "r3pl1c4": "replica", "ro1ex": "rolex", "gucci": "guci", "8466": "bagg", "5u27": "suzt"}
    assert {written: skeleton(written) for written in alike} == {one: skeleton(plain) for one, plain in alike.items()}
    others = {"rolex": "rolax", "aaa": "aa", "a a": "aa", "pen": "ten"}
    assert [one for one, other in others.items() if skeleton(one) == skeleton(other)] == []


@given(FOLDED)
def test_the_skeleton_of_a_skeleton_is_itself(text):
    """Nothing is left to merge."""
    assert skeleton(skeleton(text)) == skeleton(text)


@given(FOLDED)
def test_a_skeleton_keeps_the_words(text):
    """It has as many words, each of them no longer and none empty."""
    words, bones = text.split(" "), skeleton(text).split(" ")
    assert len(words) == len(bones)
    assert all(len(bone) <= len(word) and bool(bone) == bool(word) for word, bone in zip(words, bones, strict=True))


@given(FOLDED)
def test_origins_rise_and_point_to_letters_of_the_same_skeleton(text):
    """Each byte of the skeleton comes from one later than that before it, and stands for it."""
    skeletons, origins = trace_skeletons(Texts.of_one(text))
    assert skeletons.strings() == [skeleton(text)]
    assert np.all(np.diff(origins) > 0)
    written = text.encode("utf-8", "surrogatepass")
    from_bytes = bytes(written[at] for at in origins)
    is_ascii = [byte < 0x80 for byte in from_bytes]
    bones = skeletons.data.tobytes()
    assert [bone for bone, one in zip(bones, is_ascii, strict=True) if not one] == [b for b in from_bytes if b > 0x7F]
    assert all(ord(skeleton(chr(b))) == bone for bone, b in zip(bones, from_bytes, strict=True) if b < 0x80)
