"""Letters of other alphabets are read by their company."""

from specification.alphabets import read_words


def read(text: str) -> str:
    """Return a text with its words read."""
    return read_words(text, None)[0]


def test_cyrillic_and_greek_are_read_by_sound():
    """If any word in a row looks like none in ASCII letters; look-alikes by themselves are left as they are."""
    words = {
        "реплика": "replika",
        "сору": "сору",
        "сору часов": "soru chasov",
        "СУМКА кожаная": "SUMKA kozhanaya",
        "τσάντα": "tsanta",
        "δέρμα Nike": "derma Nike",
        "чехол-книжка 5": "chekhol-knizhka 5",
    }
    assert {text: read(text).lower() for text in words} == {text: word.lower() for text, word in words.items()}


def test_other_living_scripts_stay():
    """With the marks that belong to their spelling."""
    texts = ["תיק עור", "हिन्दी किताब", "กระเป๋า", "ნაჭრის", "Նոր կաշվե", "አዲስ ቦርሳ", "حقيبة", "名牌手提包", "がんばれ"]
    assert list(map(read, texts)) == texts


def test_mixed_letters_are_read_by_shape():
    """And so is a pure word where most others are mixed."""
    words = {"ωatch": "watch", "gυςςι": "gυccι", "boנ": "boj", "bαg νεω sαlε": "bαg νεw sαlε"}
    assert {text: read(text) for text in words} == words


def test_ornaments_are_read_where_they_can_be_nothing_else():
    """One letter that is no ornament makes the script a script, one turned letter a letter, a number a price."""
    words = {
        "ꋪꏂꉣ꒒ꀤ": "ꋪꏂꉣ꒒ꀤ",
        "ꋪꏂꉣ꒒꒐": "repli",
        "ዪቿየረ": "repl",
        "卂丂 乃卂": "as ba",
        "山口さん": "山口さん",
        "ʇɔɐɟɯoɔ": "tcafmoc",
        "ɔdɔ": "ɔdɔ",
        "₣₳₭E ₴₴": "fakE ss",
        "50€ 100 ₽": "50€ 100 ₽",
    }
    assert {text: read(text) for text in words} == words
