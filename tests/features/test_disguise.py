"""How many words hide what they say."""

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalisation import count_disguises
from ipml.model.robustness import FAMILIES, attack_text
from ipml.model.robustness.robustness import genuine_listings

DISGUISED = [
    *("zero-width space, one", "soft hyphen", "word joiner", "tag characters", "homoglyph, one Cyrillic"),
    *("homoglyph, one Greek", "full-width", "mathematical bold", "circled", "negative squared", "parenthesised"),
]


def test_each_disguised_word_is_counted():
    """Hidden letters, styled letters and letters of two scripts in one word count once a word."""
    counts = {name: count_disguises(attack_text("Genuine leather bag", FAMILIES[name])) for name in DISGUISED}
    assert counts == dict.fromkeys(DISGUISED, 3)


def test_genuine_titles_count_none():
    """Writing in one's own script is no disguise, in capitals neither."""
    titles = [title for listings in genuine_listings().values() for title in listings["title"]]
    assert [title for title in titles if count_disguises(title) or count_disguises(title.upper())] == []


def test_signs_that_a_script_needs_are_no_disguise():
    """Joiners of Persian, Hindi and emoji, and full-width letters beside Japanese, belong; elsewhere they hide."""
    disguised = {
        "می\u200cشود": 0,
        "क्\u200dष": 0,
        "👨\u200d👩\u200d👧 set": 0,
        "ＵＳＢ付き": 0,
        "ＮＩＫＥ": 1,
        "Ni\u200dke": 1,
        "реп\u200dлика": 1,
        "Škoda přívěsek, crème 100 %": 0,
        "Bluetooth-наушники 40×40cm 🇺🇸": 0,
        "🇳🇮🇰🇪": 1,
        "100\u03bcl, 470\u03bcF": 0,
        "(155x90x3мм) 120x4см L200мм 1xАА 10Х20СМ": 0,
        "120x4см Nіke 5xNіke": 2,
        "30 µm, 20 °C, ½ price, №5, 10 €": 0,
    }
    assert {text: count_disguises(text) for text in disguised} == disguised


@given(st.text(st.characters(codec="ascii")))
def test_ascii_hides_nothing(text):
    """Plain letters are plain."""
    assert count_disguises(text) == 0


@given(st.text(max_size=80), st.text(max_size=80))
def test_there_are_no_more_disguises_than_words(text, other):
    """None is counted twice, and words that follow take none away, unless they make full-width letters belong."""
    assert count_disguises(text) <= len(text)
    assert count_disguises(f"{text} plain words") == count_disguises(text)
    assert count_disguises(f"{text} {other}") <= count_disguises(text) + count_disguises(other)
