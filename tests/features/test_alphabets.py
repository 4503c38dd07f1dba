"""Letters of other alphabets are read by their company."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specification.alphabets import read_words

TEXTS = st.text("abжсщαωςנעअकिกีჩԱا€₳卂ꋪɐʇu \u0301\u200b1'", max_size=40)


def read(text: str) -> str:
    """Return a text with its words read."""
    return read_words(text, None)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("реплика", "replika"),
        ("сору", "сору"),
        ("сору часов", "soru chasov"),
        ("СУМКА кожаная", "SUMKA kozhanaya"),
        ("τσάντα", "tsanta"),
        ("δέρμα Nike", "derma Nike"),
        ("чехол-книжка 5", "chekhol-knizhka 5"),
    ],
)
def test_cyrillic_and_greek_are_read_by_sound(text, words):
    """If any word in a row looks like none in ASCII letters; look-alikes by themselves are left as they are."""
    assert read(text).lower() == words.lower()


@pytest.mark.parametrize(
    "text", ["תיק עור", "हिन्दी किताब", "กระเป๋า", "ნაჭრის", "Նոր կաշվե", "አዲስ ቦርሳ", "حقيبة", "名牌手提包", "がんばれ"]
)
def test_other_living_scripts_stay(text):
    """With the marks that belong to their spelling."""
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "words"), [("ωatch", "watch"), ("gυςςι", "gυccι"), ("boנ", "boj"), ("bαg νεω sαlε", "bαg νεw sαlε")]
)
def test_mixed_letters_are_read_by_shape(text, words):
    """And so is a pure word where most others are mixed."""
    assert read(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ꋪꏂꉣ꒒ꀤ", "ꋪꏂꉣ꒒ꀤ"),
        ("ꋪꏂꉣ꒒꒐", "repli"),
        ("ዪቿየረ", "repl"),
        ("卂丂 乃卂", "as ba"),
        ("山口さん", "山口さん"),
        ("ʇɔɐɟɯoɔ", "tcafmoc"),
        ("ɔdɔ", "ɔdɔ"),
        ("₣₳₭E ₴₴", "fakE ss"),
        ("50€ 100 ₽", "50€ 100 ₽"),
    ],
)
def test_ornaments_are_read_where_they_can_be_nothing_else(text, words):
    """One letter that is no ornament makes the script a script, one turned letter a letter, a number a price."""
    assert read(text) == words


@given(TEXTS)
def test_places_rise_within_the_text(text):
    """Each letter comes from one that is no earlier than that before it."""
    words, origins = read_words(text, list(range(len(text))))
    assert words == read(text)
    assert len(words) == len(origins)
    assert origins == sorted(origins)
    assert all(origin < len(text) for origin in origins)


@given(TEXTS)
def test_a_second_time_changes_nothing_more(text):
    """What is read as Latin stays so; only what stood beside it may be seen in another light."""
    once = read(text)
    assert once.isascii() <= (read(once) == once)
