"""Signs that stand for letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specification.folding import read_signs
from support.finding import skeleton

from ipml.features.normalisation import fold_text
from ipml.model.robustness.evasions import LEET_SIGNS, translate

TEXTS = st.text("ab1 @$!|+(.)", max_size=40)


@pytest.mark.parametrize(
    ("written", "plain"),
    [("r@lex", "ralex"), ("$uper", "super"), ("gu((!", "gu((!"), ("adida$", "adidas"), ("@rmani", "armani")],
)
def test_a_sign_in_a_word_is_a_letter(written, plain):
    """At and dollar also at its beginning and end."""
    assert read_signs(written, None)[0] == plain


@pytest.mark.parametrize(
    "text",
    [
        *("black|white", "a1921 (cdma+gsm)", "2 cds+dvd", "set($90)", "50+ pieces", "$30 each", "sale! new!"),
        *("grade (aaa+) watch", "a+ quality", "win $ now", "wow!!!", "shirt + hat", "10 @ 5", "men's (new)"),
    ],
)
def test_ordinary_signs_stay(text):
    """Bars and pluses between two words, prices, exclamations and brackets are what they are."""
    assert read_signs(text, None)[0] == text


@pytest.mark.parametrize("title", ["classic replica watches", "best quality belts for sale", "total clearance of bags"])
def test_a_text_in_signs_throughout_is_read(title):
    """Even a sign that stands alone at the end of a word."""
    written = translate(title, LEET_SIGNS)
    assert skeleton(fold_text(written)) == skeleton(title)


def test_a_grade_keeps_its_plus():
    """Three A's and a plus stay a grade in a text of signs."""
    assert read_signs("r@+ed rep|!(@ @@@+", None)[0] == "rated replica aaa+"


@given(TEXTS)
def test_letters_change_one_for_one(text):
    """The length stays, and so does everything but the six signs."""
    read, origins = read_signs(text, list(range(len(text))))
    assert origins == list(range(len(text)))
    assert all(new == old or old in "@$!|+(" for new, old in zip(read, text, strict=True))


@given(st.text("ab1 .,()", max_size=40))
def test_a_text_without_such_signs_stays(text):
    """Brackets alone are no letters."""
    assert read_signs(text, None)[0] == text
