"""Signs that stand for letters."""

from specification.folding import read_signs
from support.finding import skeleton

from ipml.features.normalisation import fold_text
from ipml.model.robustness.evasions import LEET_SIGNS, translate


def read(text: str) -> str:
    """Return a text with its signs read."""
    return read_signs(text, None)[0]


def test_a_sign_in_a_word_is_a_letter():
    """At and dollar also at its beginning and end; a grade keeps its plus in a text of signs."""
    words = {"r@lex": "ralex", "$uper": "super", "gu((!": "gu((!", "adida$": "adidas", "@rmani": "armani"}
    words["r@+ed rep|!(@ @@@+"] = "rated replica aaa+"
    assert {written: read(written) for written in words} == words


def test_ordinary_signs_stay():
    """Bars and pluses between two words, prices, exclamations and brackets are what they are."""
    texts = [
        *("black|white", "a1921 (cdma+gsm)", "2 cds+dvd", "set($90)", "50+ pieces", "$30 each", "sale! new!"),
        *("grade (aaa+) watch", "a+ quality", "win $ now", "wow!!!", "shirt + hat", "10 @ 5", "men's (new)"),
    ]
    assert list(map(read, texts)) == texts


def test_a_text_in_signs_throughout_is_read():
    """Even a sign that stands alone at the end of a word."""
    titles = ["classic replica watches", "best quality belts for sale", "total clearance of bags"]
    assert [skeleton(fold_text(translate(title, LEET_SIGNS))) for title in titles] == list(map(skeleton, titles))
