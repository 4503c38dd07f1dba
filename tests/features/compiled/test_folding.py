"""Folding by the engine: what the specification says, whatever the texts."""

import html.entities
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from specification.folding import fold_text, fold_with_origins

from ipml.features.compiled import folding
from ipml.features.compiled.characters import Pages
from ipml.features.compiled.folding import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_texts, fold_with_places
from ipml.features.compiled.texts import Texts
from ipml.kit.look_alikes import IDEOGRAPHS_AS_LETTERS, ONLY_TURNED, ORNAMENTS, SIGNS_AS_LETTERS
from ipml.model.robustness import FAMILIES, attack_text
from ipml.model.robustness.robustness import genuine_listings

TITLES = [
    "Classic leather handbag with golden buckle",
    "Replica wrist watch 1:1 with mirror grade dial",
    "Running trainers S/M/L - 2 x 50+ $30 AT&T (new)",
]
PIECES = {
    "letters and signs": [*"abAB12 ", *"   .-_:&$@!|+(", "aaa", "é", "\x1f", "•", "\x00", "\t", "高"],
    "letters apart": [*"slmxAB1", *"    ", " ", ".", "-", ". ", ", ", "..", "\u2022", "à", "ж", "فا"],
    "signs for letters": [*"aab", *"1 2", *"@$!|+(", *"@$)", " ", "  ", "wa", "¢", "高", "é"],
    "markup": [
        *("<", ">", "</", "<b>", "</b>", "<br/>", "<p ", "<!--", "-->", "<span", "<i hidden>", "</i>", "style=", ":"),
        *("<dİv>", "<lı ", "<pé>", "<p\u00a0>", "<uſ"),
        *("&", "&amp", ";", "&#", "&#x", "65", "4", "e9", "lt", "gt", "nbsp", "notit", "Aacute", "x", "é", "\u0131"),
        *("\u202e", "\u202c", " ", "&#8238;", "&#0", "&#128;", "&#55296;", "&#64976;", "&hellip;", "&NotEqualTilde;"),
    ],
    "hidden words": [
        *("Ni", "ke", "<span ", "<i", "<B ", "<font style='", "display", ":", ": ", " ", " " * 10, "none", "NONE"),
        *("visibility", "hidden", "Font-Size", "opacity:", "0", "'>", ">", "</span>", "</i>", "</b>", "</font>"),
        *("ſpan", "vİsıbility", "hıdden", "É", "<İ hidden>x</i>", "<ſ hidden>x</s>"),
        *("é", "<", "\u00a0", "\u017f", "x" * 30, "a" * 90, "<b hidden>x</b>", "<i style=opacity:0>q</I>"),
    ],
    "escapes": [
        *("%", "%7", "%72", "%C3%A9", "%25", "%6c", "%20", "\\", "\\u0072", "\\x6", "a", "B", "b", "7", "2", " ", "é"),
        *("&#37;", "&#0000000037;", "<b>", "٣", "%E2%82%AC", "pl", "&#000", "u00"),
    ],
    "other alphabets": [
        *"аберклжґѕ҃ҜԱատՕנעςωανβηͶ\u037e\u0375",
        *("ab", "o", "1", "²", "_", " ", "-", "\u200b", "\u0301", "٣", "ب", "०", "ि", "क", "ん", "ð"),
    ],
    "reversed": ["\u202e", "\u202e", "\u202c", "a", "B", "1", " ", "ж", "\u0301", "高", "@"],
    "kana and Arabic": [*"ｳｶﾁﾂﾊﾝﾞﾟうかちっつはんウヂツパヮ\u3099\u309aー・ aأٱىئیکةؤـ\u0651\u0654ا", "\u200b", "<b>"],
    "invisible": ["a", "क", "ि", "ก", "ิ", "\u0301", "\u200b", "\u00ad", "\u3164", " ", "ж", "\u0483", "b", "\ufe0f"],
    "signs in words": [*[*SIGNS_AS_LETTERS][::3], *"øØ†ﬂ€a1 @(", "٣", "ж", "α"],
    "ideographs": [*[*IDEOGRAPHS_AS_LETTERS][::2], "a", "B", "1", "_", " ", "高", "é"],
    "turned": [*ONLY_TURNED[::3], "a", "u", " ", "ж"],
    "ornaments": [letter for _, letters in ORNAMENTS for letter in list(letters)[::8]] + ["a", " ", "高", "ա", "አ"],
    "expansions": ["\ufdfa", "½", "㎏", "…", "ﬁ", "щ", "Щ", "ß", "İ", "Σ", "ꭰ", "Ꭰ", "🄰", "⒜", "\ud800", "\U0010ffff"],
}
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(max_codepoint=0x24F), max_size=30),
    *(st.lists(st.sampled_from(pieces), max_size=14).map("".join) for pieces in PIECES.values()),
    st.lists(st.sampled_from(sorted({piece for pieces in PIECES.values() for piece in pieces})), max_size=10).map(
        "".join
    ),
)


def fold_plainly(texts, max_letters=MAX_TITLE_LETTERS):
    """Return what the specification makes of each text."""
    return [fold_text(text, max_letters) for text in texts]


def assert_folds_as_specified(texts, max_letters=MAX_TITLE_LETTERS):
    """The texts, and the places from which their letters come."""
    folded, places = fold_with_places(Texts.of(texts), max_letters)
    specified = [fold_with_origins(text, max_letters) for text in texts]
    assert fold_texts(Texts.of(texts), max_letters).strings() == folded.strings() == [text for text, _ in specified]
    assert places.tolist() == [place for _, origins in specified for place in origins]


@given(st.lists(TEXTS, max_size=12), st.integers(0, 40) | st.just(MAX_TITLE_LETTERS))
@example(["l.-x..1m•"], 7)
@example(["a. b. c", "r.e.p.l.i.c.a", "\ufdfa" * 4, ""], 20)
def test_folding_is_as_specified(texts, max_letters):
    """Whatever the texts and the cap, by steps that are skipped where there is nothing to undo, or by all of them."""
    assert_folds_as_specified(texts, max_letters)
    assert fold_texts(Texts.of(texts), max_letters).strings() == fold_plainly(texts, max_letters)


def test_folding_of_what_is_odd_is_as_specified():
    """Every step of undoing sees its own letters and signs."""
    for pieces in PIECES.values():

        @settings(max_examples=10)
        @given(st.lists(st.lists(st.sampled_from(pieces), max_size=12).map("".join), min_size=8, max_size=30))
        def folds_alike(texts):
            assert_folds_as_specified(texts)

        folds_alike()


def test_titles_disguised_or_in_many_scripts_fold_as_specified():
    """Every kind of disguise that attacks are made of, alone and in any batch; by sound, or as they stay."""
    texts = [attack_text(title, family) for title in TITLES for family in FAMILIES.values()]
    specified = fold_plainly(texts)
    assert fold_texts(Texts.of(texts[::-1])).strings() == specified[::-1]
    assert [fold_texts(Texts.of([text])).strings()[0] for text in texts] == specified
    texts = [
        text
        for listings in genuine_listings().values()
        for title in listings["title"]
        for text in (title, title.upper())
    ]
    assert fold_texts(Texts.of(texts)).strings() == fold_plainly(texts)


@pytest.mark.slow
def test_entities_fold_as_specified():
    """All names, with and without what may stand around them, and numbers of all kinds."""
    names = [f"a&{name}{after}" for name in html.entities.html5 for after in ("", "b", ";")]
    numbers = [
        f"&#{number};{number:x}&#x{number:x}c" for number in [*range(300), *range(0, 0x120000, 997), 0xFDD0, 0xFFFF]
    ]
    texts = [*names, *numbers]
    assert fold_texts(Texts.of(texts)).strings() == fold_plainly(texts)


@pytest.mark.slow
def test_all_characters_fold_as_specified():
    """In Latin and Cyrillic company; halves of pairs, too, and of the planes of unassigned ones some of every page."""
    assigned = [code for code in range(0x10000, 0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    others = [code for code in range(0x10000, 0x110000) if code % 0x100 in (0, 0xFF) or code % 17 == 0]
    codes = sorted({*range(0x10000), *assigned, *others})
    texts = [f"a{chr(code)}b {chr(code)} ж{chr(code)}5" for code in codes]
    assert fold_texts(Texts.of(texts)).strings() == fold_plainly(texts)


def test_a_text_may_hold_every_character(monkeypatch):
    """None of which was met before: the engine is called again until all are known."""
    monkeypatch.setattr(folding, "PAGES", Pages())
    text = "".join(chr(code) for code in range(0x80, 0x110000, 0x180)) + "&#x1F600;%D0%B6"
    assert_folds_as_specified([text], 20_000)


def test_broken_long_and_folded_texts_are_folded_too():
    """Nothing is read beyond broken bytes; what was written is read again; a hundred thousand letters keep places."""
    data = b"\xf7\xbf\xbf\xbf a \xf5\x80\x80\x80 \xed\xa0\x80 b    "
    broken = Texts(np.array([0, len(data)]), np.frombuffer(data, dtype=np.uint8))
    assert fold_texts(broken).strings() == ["a b"]
    once = fold_texts(Texts.of(TITLES))
    assert fold_texts(once).strings() == once.strings()
    text = "Wei\u00df<b>\u00b7</b>\u0449" * 10_000
    assert_folds_as_specified([text], len(text))


def test_long_hostile_texts_fold_as_specified():
    """No piece, however often it is repeated, is read otherwise than the specification reads it."""
    pieces = ["<", "%7", "%72", "&#0", "<!--", "<a ", "&#", "&a", "$", "@(", "((", "a.", "a ", "а ", "α.", "ि", "€"]
    texts = [text for piece in [*pieces, "卂", "\x1f"] for text in (piece * 5_000, f"{piece * 400}Q")]
    folded = fold_texts(Texts.of(texts), MAX_DESCRIPTION_LETTERS).strings()
    assert folded == fold_plainly(texts, MAX_DESCRIPTION_LETTERS)


def test_many_threads_may_meet_new_characters_at_once(monkeypatch):
    """Each sees the tables of its own texts, whoever works them out."""
    monkeypatch.setattr(folding, "PAGES", Pages())
    batches = [
        [chr(code) * 2 + "a" for code in range(start, start + 0x1800, 61)] for start in range(0x80, 0x6000, 0xC00)
    ]
    with ThreadPoolExecutor(8) as threads:
        folded = list(threads.map(lambda texts: fold_texts(Texts.of(texts)).strings(), batches))
    assert folded == [fold_plainly(texts) for texts in batches]
