"""Folding: what a reader sees, whatever the disguise."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from support.finding import skeleton

from ipml.features.compiled.folding import (
    MAX_DESCRIPTION_LETTERS,
    MAX_TITLE_LETTERS,
    count_disguises,
    fold_text,
    fold_with_origins,
)
from ipml.model.robustness import FAMILIES, attack_text
from ipml.model.robustness.robustness import genuine_listings

HOSTILE_TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("<>&;#/!- \u202e\u202c\u200b\u0301\ufb01\u03f2\u0406\uff2e")
    ),
    max_size=60,
)
PLAIN_TEXT = st.lists(
    st.sampled_from(["a", "B", "Nike", "aaa", "1:1", "-", ".", "+", "@", "$", "(", "LongReplicaWatch"])
)
ASCII_TEXT = st.text(st.characters(codec="ascii"), max_size=40) | PLAIN_TEXT.map(" ".join) | PLAIN_TEXT.map("".join)
APART = st.lists(st.sampled_from([*"abAB12 ", *"  .-_:,;'/~\\", "ab"]), max_size=14).map("".join)
LETTERS = st.text(st.characters(codec="utf-8", categories=["Lu", "Ll", "Lo", "Nd", "Mn", "Mc", "Zs"]), max_size=40)
DISGUISES = {"look-alike letters": "\u039d\u0456\u043a\u0435"}
DISGUISES |= {"all capitals of another script": "\u039d\u0406\u041a\u0415"}
DISGUISES |= {"zero-width spaces": "N\u200bi\u200bk\u200be", "zero-width joiners": "N\u200dike"}
DISGUISES |= {"soft hyphens": "Ni\u00adke", "variation selectors": "N\ufe0fike", "tag characters": "N\U000e0061ike"}
DISGUISES |= {"combining strokes": "N\u0336i\u0336k\u0336e", "marks of another script": "N\u0e34ike"}
DISGUISES |= {"diacritics": "N\u00efk\u00e9", "full width": "\uff2e\uff49\uff4b\uff45"}
DISGUISES |= {"mathematical bold": "\U0001d40d\U0001d422\U0001d424\U0001d41e", "circled": "\u24c3\u24d8\u24da\u24d4"}
DISGUISES |= {"negative squared": "\U0001f17d\U0001f178\U0001f17a\U0001f174"}
DISGUISES |= {"regional indicators": "\U0001f1f3\U0001f1ee\U0001f1f0\U0001f1ea", "split by emoji": "Ni\U0001f525ke"}
DISGUISES |= {"decimal entities": "&#78;ike", "doubly escaped entities": "&amp;#78;ike"}
DISGUISES |= {"entities with zeros before": "&#0000000078;ik&#x0000000065;", "percent signs": "%4E%69%6b%65"}
DISGUISES |= {"one percent sign": "N%69ke", "percent signs for percent signs": "%254E%2569%256B%2565"}
DISGUISES |= {"percent signs of two bytes": "%CE%9Dike", "percent signs in entities": "&#37;4E&#37;69ke"}
DISGUISES |= {"escapes of JSON": r"\u004e\u0069\u006b\u0065", "escapes of bytes": r"\x4e\x69\x6b\x65"}
DISGUISES |= {"outlined": "\U0001cce3\U0001ccde\U0001cce0\U0001ccda", "split by tags": "Ni<b></b>ke"}
DISGUISES |= {"split by a comment": "Ni<!-- x -->ke"}
DISGUISES |= {"split by a hidden tag": 'Ni<span style="display:none">x</span>ke', "reversed run": "\u202eekiN\u202c"}
DISGUISES |= {"capitals": "NIKE", "turned letters": "N\u1d09\u029e\u01dd"}
UNDONE = [
    name for name, family in FAMILIES.items() if family.kind in ("invisible", "look-alike", "styled", "markup")
] + ["spaced out", "dotted", "underscored", "hyphenated", "middle dots", "no-break spaces", "Braille blanks"]
TITLES = [
    "Classic leather handbag with golden buckle",
    "Replica wrist watch with mirror grade dial",
    "Running trainers from the spring collection",
]


def test_what_can_be_undone_is_undone():
    """However a brand is written, the folded view says the brand; attacks leave the skeleton of a title as it was."""
    read = {name: fold_text(f"Air {written} Max") for name, written in DISGUISES.items()}
    assert read == dict.fromkeys(DISGUISES, "air nike max")
    for title in TITLES:
        read = {name: skeleton(fold_text(attack_text(title, FAMILIES[name]))) for name in UNDONE}
        assert read == dict.fromkeys(UNDONE, skeleton(fold_text(title)))


def test_percent_signs_are_escapes_only_where_they_can_hardly_be_anything_else():
    """Percentages and backslashes stay; the address of a page is read, also where a number stands before a sign."""
    titles = [
        *("100% cotton 50%polyester", "60%cotton 40%bamboo", "%50 indirim, %100 pamuk", "50%de descuento", "100 %de"),
        *("10%20%30% off", "cotton%30 polyester%70", "%", "a %zz", "%c3", "%c3%28", "size %d", r"c:\users\new"),
    ]
    assert list(map(fold_text, titles)) == titles
    assert fold_text("AAA%20replica%201%3A1%20mirror") == "aaa replica 1:1 mirror"


@given(HOSTILE_TEXT)
def test_folding_twice_changes_nothing_without_spacing_and_markup(text):
    """Where no sign and no single letter remain; no control or enclosing character, capital or double space is left."""
    once = fold_text(text)
    if all(letter.isalnum() or letter == " " for letter in once) and min(map(len, once.split()), default=2) > 1:
        assert fold_text(once) == once
    folded = fold_text(text)
    assert not any(unicodedata.category(letter) in {"Cf", "Me", "Cc", "Cs"} for letter in folded)
    marked = [before for before, mark in zip(f" {folded}", folded, strict=False) if unicodedata.category(mark) == "Mn"]
    assert not any(letter.isascii() and letter.isalpha() for letter in marked)
    assert folded == folded.lower()
    assert "  " not in folded
    assert folded == folded.strip()


@given(HOSTILE_TEXT | ASCII_TEXT | LETTERS | APART)
@example("Nike   Air  Max")
@example("a. b. c")
@example("NIKE reeeplica w.a.t.c.h r@lex $uper")
def test_origins_agree_with_the_folded_text(text):
    """The ways that remember places, or that skip a plain text, fold exactly as the other, and point into the text."""
    folded, origins = fold_with_origins(text)
    assert folded == fold_text(text)
    assert len(origins) == len(folded)
    assert all(0 <= origin < len(text) for origin in origins)


@given(LETTERS)
def test_origins_of_plain_letters_rise(text):
    """Without markup or reversed runs, letters keep their order."""
    _, origins = fold_with_origins(text)
    assert origins == sorted(origins)


@given(HOSTILE_TEXT, st.integers(0, 70))
@example("a" * 10_000_000, MAX_TITLE_LETTERS)
@example("\ufdfa" * 20_000, MAX_TITLE_LETTERS)
def test_folding_never_exceeds_the_cap(text, cap):
    """Nothing is longer than asked, whatever one letter becomes."""
    assert len(fold_text(text, cap)) <= cap


def test_long_texts_are_folded_up_to_the_cap():
    """No piece, repeated to the length of a description, makes any search try every way to divide it."""
    assert fold_text("a" * 10_000) == "a" * MAX_TITLE_LETTERS
    markup = ["<", "<!--", "<a ", "&", "&amp;", "&#", "&#00", "<span ", 'x<span style="display:', "</i>", "<i>x</i>"]
    signs = ["%", "%7", "%72", "\\u007", "$", "@(", "((", "(a", "a.", ".", "a ", "- ", "a-.", "aA", "+ a", "|", "€"]
    letters = ["а", "а ", "аx", "α.", "ि", "িx", "נ ", "卂", "卂x", "ㄒ ", "ꋪ", "ɐ", "\u0301", "\u200b", "\u0375x"]
    for piece in [*markup, *signs, *letters, "€(", "\u0483", "\u202e", "\x1f"]:
        for text in (piece * MAX_DESCRIPTION_LETTERS, piece * 400 + "Q"):
            assert len(fold_text(text, MAX_DESCRIPTION_LETTERS)) <= MAX_DESCRIPTION_LETTERS, piece


def test_genuine_titles_read_as_a_native_would_accept():
    """By sound or as spelt, in capitals alike; a word among mixed ones by shape, and a slip in one changes no other."""
    titles = {"Новая кожаная сумка": "novaya kozhanaya sumka", "НОВАЯ КОЖАНАЯ СУМКА": "novaya kozhanaya sumka"}
    titles |= {
        "Нова шкіряна сумка": "nova shkiryana sumka",
        "Παπούτσια Nike": "papoytsia nike",
        "耐克运动鞋": "耐克运动鞋",
    }
    titles |= {"がんばれ ブランド": "がんばれ ブランド", "새 가방": "새 가방", "حقيبة جلدية ٥٠ مل": "حقيبة جلدية 50 مل"}
    titles |= {"תיק עור חדש": "תיק עור חדש", "हिन्दी में नया बैग": "हिन्दी में नया बैग"}
    titles |= {"กระเป๋าหนังแท้": "กระเป๋าหนังแท้", "Նոր կաշվե պայուսակ": "նոր կաշվե պայուսակ"}
    titles |= {"ახალი ტყავის ჩანთა": "ახალი ტყავის ჩანთა", "አዲስ የቆዳ ቦርሳ": "አዲስ የቆዳ ቦርሳ"}
    titles |= {"Túi xách da mới": "tui xach da moi", "Skórzana torebka z Łodzi": "skorzana torebka z lodzi"}
    titles |= {"Yeni deri çanta İstanbul": "yeni deri canta istanbul", "Ayakkabı ığüşöç": "ayakkabi igusoc"}
    assert {title: fold_text(title) for title in titles} == titles
    assert not any(map(count_disguises, titles))
    for language, listings in genuine_listings().items():
        for title in listings["title"]:
            assert fold_text(title.upper()) == fold_text(title), language
    assert fold_text("bαg \u03bd\u03b5\u03c9 fαkε") == "bag vew fake"
    assert fold_text("новая cумка кожаная").startswith("novaya ")
    assert fold_text("новая cумка кожаная").endswith(" kozhanaya")


DISGUISED = [
    *("zero-width space, one", "soft hyphen", "word joiner", "tag characters", "homoglyph, one Cyrillic"),
    *("homoglyph, one Greek", "full-width", "mathematical bold", "circled", "negative squared", "parenthesised"),
]


def test_each_disguised_word_is_counted_and_no_genuine_one():
    """Hidden, styled and mixed letters count once a word; capitals, joiners of a script, emoji and units do not."""
    counts = {name: count_disguises(attack_text("Genuine leather bag", FAMILIES[name])) for name in DISGUISED}
    assert counts == dict.fromkeys(DISGUISED, 3)
    titles = [title for listings in genuine_listings().values() for title in listings["title"]]
    assert [title for title in titles if count_disguises(title) or count_disguises(title.upper())] == []
    disguised = {
        "می\u200cشود": 0,
        "क्\u200dष": 0,
        "👨\u200d👩\u200d👧 set": 0,
        "ＵＳＢ付き": 0,
        "ＮＩＫＥ": 1,
        "Ni\u200dke": 1,
    }
    disguised |= {"реп\u200dлика": 1, "Škoda přívěsek, crème 100 %": 0, "Bluetooth-наушники 40×40cm 🇺🇸": 0, "🇳🇮🇰🇪": 1}
    disguised |= {"100\u03bcl, 470\u03bcF": 0, "(155x90x3мм) 120x4см L200мм 1xАА 10Х20СМ": 0, "120x4см Nіke 5xNіke": 2}
    disguised |= {"30 µm, 20 °C, ½ price, №5, 10 €": 0}
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
