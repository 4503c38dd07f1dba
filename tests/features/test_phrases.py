"""Phrases are found as words in one pass, of many texts as of one; long ones also where misspelt on purpose."""

import re
from functools import cache

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from specification.phrases import find_phrases as specify_phrases
from support.finding import find_phrases, in_letters, skeleton

from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.phrases import PhraseFinder, trace_skeletons
from ipml.features.compiled.texts import Texts
from ipml.features.goods import brand_table
from ipml.features.lexicon import load_lexicon

WORDS = st.lists(st.sampled_from(["a", "ab", "aba", "b", "ba", "(", "1:1", "é", "Ab"]), max_size=8)
TEXTS = WORDS.map(" ".join) | WORDS.map("".join)
SHORT = st.lists(st.sampled_from(["a", "ab", "1:1", "é"]), max_size=2).map(" ".join)
PHRASES = st.lists(SHORT | SHORT.map(lambda text: f"{text}*"), max_size=6).map(tuple)


def search(text: str, phrases: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Find phrases the slow way: each at each place, for texts of scripts with spaces between words."""
    found = []
    for number, phrase in enumerate(phrases):
        folded = fold_text(phrase.removesuffix("*"))
        for start in range(len(text) if folded else 0):
            end = start + len(folded)
            begins = text.startswith(folded, start) and not re.match(r"\w\w", text[max(start - 1, 0) : start + 1])
            ends = phrase.endswith("*") or not re.match(r"\w\w", text[end - 1 : end + 1])
            if begins and ends:
                found.append((number, start, end))
    return found


@given(TEXTS, PHRASES)
def test_what_is_found_is_what_a_slow_search_finds(text, phrases):
    """Overlapping ones and phrases given twice included; another order of phrases changes only their numbers."""
    text = fold_text(text)
    assert sorted(find_phrases(text, phrases)) == sorted(search(text, phrases))
    backwards = tuple(reversed(phrases))
    found = {(phrases[number], start, end) for number, start, end in find_phrases(text, phrases)}
    assert found == {(backwards[number], start, end) for number, start, end in find_phrases(text, backwards)}


def test_a_phrase_counts_as_whole_words():
    """With a star, with any ending; in scripts without spaces everywhere; an empty one is harmless."""
    cases = [("a replica", "replica", True), ("replicas", "replica", False), ("replicas", "replica*", True)]
    cases += [("areplica", "replica*", False), ("1:1 quality", "1:1", True), ("11:1", "1:1", False)]
    cases += [("(aaa+)", "AAA+", True), ("aaa+", "AAA", True), ("h&m", "H&M", True)]
    cases += [("кроссовки реплика", "Реплика", True), ("репликант", "реплика", False), ("新品高仿鞋", "高仿", True)]
    cases += [
        ("nike高仿", "nike", True),
        ("高仿nike", "Nike", True),
        ("repair", "rep", False),
        ("fakery", "fake*", True),
    ]
    cases += [("nike", "N\u0456K\u0435", True), ("СУМКА", "сумка", True), ("Louis bag СУМКА", "сумк*", True)]
    cases += [("ТОНЕР HP", "тонер*", True)]
    assert [case for case in cases if bool(find_phrases(fold_text(case[0]), (case[1],))) != case[2]] == []
    for phrases in ((), ("",), ("*",), ("\u200b", " ")):
        assert list(find_phrases("nike air", phrases)) == []
        assert list(find_phrases("", (*phrases, "nike"))) == []


LONG_WORD = st.permutations("abcdefghknopqrtuvwxyz").map(lambda letters: "".join(letters[:8]))
WAYS_TO_WRITE = {
    "plain": str,
    "capitals": str.upper,
    "doubled letter": lambda word: word[:2] + word[1:],
    "space inside": lambda word: f"{word[:3]} {word[3:]}",
    "hyphens": "-".join,
    "dots": ".".join,
    "zero-width spaces": "\u200b".join,
    "Cyrillic": lambda word: word.translate(str.maketrans("aeopcyx", "аеорсух")),
    "digits": lambda word: word.translate(str.maketrans("eoatbg", "304786")),
}


@given(word=LONG_WORD)
def test_a_long_word_is_found_however_it_is_written(word):
    """Plain, in capitals, misspelt on purpose, parted or in look-alike letters; or among others written together."""
    written = {name: f"the {way(word)} is" for name, way in WAYS_TO_WRITE.items()} | {"joined": f"jjjhat{word}mitten"}
    assert [name for name, text in written.items() if not find_phrases(fold_text(text), (word,))] == []


@given(st.text("abc", min_size=1, max_size=4), st.text("defgh", min_size=1, max_size=6))
def test_a_short_word_is_never_found_inside_another(word, more):
    """Neither at its beginning nor at its end, nor in a long one, nor across a space."""
    for text in (word + more, more + word, f"{more * 8}{word}{more * 8}", f"{more}{word[:1]} {word[1:]}{more}"):
        assert not list(find_phrases(fold_text(text), (word,)))


FOLDED = st.text(max_size=60).map(fold_text) | st.text("il1jo0e3a4s5t7b8g69z2 -a", max_size=30)


def test_spellings_that_read_alike_have_one_skeleton():
    """Digits stand in for letters, and doubled letters for single ones; a word of one letter keeps its length."""
    alike = {"r0lex": "rolex", "r3pl1c4": "replica", "ro1ex": "rolex", "gucci": "guci", "8466": "bagg", "5u27": "suzt"}
    assert {written: skeleton(written) for written in alike} == {one: skeleton(plain) for one, plain in alike.items()}
    others = {"rolex": "rolax", "aaa": "aa", "a a": "aa", "pen": "ten"}
    assert [one for one, other in others.items() if skeleton(one) == skeleton(other)] == []


@given(FOLDED)
def test_a_skeleton_is_its_own_and_keeps_words_and_origins(text):
    """Nothing is left to merge; words get no longer and none is lost; each byte comes from a later one than before."""
    assert skeleton(skeleton(text)) == skeleton(text)
    words, skeletons = text.split(" "), skeleton(text).split(" ")
    assert len(words) == len(skeletons)
    pairs = zip(words, skeletons, strict=True)
    assert all(len(reduced) <= len(word) and bool(reduced) == bool(word) for word, reduced in pairs)
    skeletons, origins = trace_skeletons(Texts.of_one(text))
    assert skeletons.strings() == [skeleton(text)]
    assert np.all(np.diff(origins) > 0)
    written = text.encode("utf-8", "surrogatepass")
    from_bytes = bytes(written[at] for at in origins)
    is_ascii = [byte < 0x80 for byte in from_bytes]
    reduced = skeletons.data.tobytes()
    assert [byte for byte, one in zip(reduced, is_ascii, strict=True) if not one] == [b for b in from_bytes if b > 0x7F]
    assert all(ord(skeleton(chr(b))) == byte for byte, b in zip(reduced, from_bytes, strict=True) if b < 0x80)


LETTERS = "aabbilo01s5 -_'.,+\n"
OTHERS = "жéß\u0301件高\u2e7f\u2e80٣\ud800\U0001f600𝟘ไน\u0e49न\u0940\u093cナ나레نوהק"
PIECES = st.sampled_from(
    [
        *("abcde", "replica", "rolex", "gucci", "aaa", "1:1", "件件", "高仿", "рол", "hh", "aab", "__", "a"),
        *("ไนน\u0e49", "नन\u0940", "ナナ", "나레", "نو", "קה", "나 나", "न\u093cन"),
    ]
)
ODD_TEXTS = st.text(LETTERS + OTHERS, max_size=30) | st.lists(
    PIECES | st.text(LETTERS, max_size=3) | st.text(OTHERS, max_size=2), max_size=8
).map("".join)
ODD_PHRASES = (PIECES | st.text(LETTERS + OTHERS, max_size=6) | st.lists(PIECES, max_size=3).map(" ".join)).flatmap(
    lambda phrase: st.sampled_from([phrase, f"{phrase}*"])
)
SETS = st.lists(st.lists(ODD_PHRASES, max_size=6).map(tuple), max_size=3).map(tuple)


def assert_found_as_in_one(texts: list[str], sets: tuple[tuple[str, ...], ...], finder: PhraseFinder) -> None:
    """Compare with what `find_phrases` finds in each text, set by set."""
    for phrases, places in zip(sets, finder.find(Texts.of(texts)), strict=True):
        assert len(places) == len(texts)
        for row, text in enumerate(texts):
            assert in_letters(text, places.of_text(row)) == specify_phrases(text, phrases)


@example(["aaab aaa", "", "xrolexyyyyyyyyyyy", "rolexyyyyyyyyyyyy z"], (("aaa", "aaa*"), ("rolex", "rolex", "r0lex*")))
@given(st.lists(ODD_TEXTS, max_size=4), SETS)
def test_phrases_are_found_as_in_one_text(texts, sets):
    """Whatever the texts and the phrases, their order and number included."""
    assert_found_as_in_one(texts, sets, PhraseFinder(sets))


@cache
def real_sets() -> tuple[tuple[str, ...], ...]:
    """Return the phrases of the bundled lexicon and of the bundled brands."""
    return load_lexicon().phrases("any"), tuple(brand_table()["phrases"])


@cache
def real_finder() -> PhraseFinder:
    """Return what finds them."""
    return PhraseFinder(real_sets())


@given(st.data())
def test_words_of_the_trade_are_found_however_they_are_written(data):
    """Plain, doubled, parted, run together, and with letters for others."""
    phrases = st.sampled_from([phrase.removesuffix("*") for group in real_sets() for phrase in group])
    others = (lambda word: word[:2] + word[1:], lambda word: word.replace("o", "0"), lambda word: f"{word}s")
    ways = st.sampled_from([str, str.upper, "-".join, *others])
    words = data.draw(st.lists(st.tuples(phrases, ways), max_size=5))
    gap = data.draw(st.sampled_from(["", " ", ", ", "-"]))
    text = fold_text(gap.join(way(word) for word, way in words))
    assert_found_as_in_one([text], real_sets(), real_finder())


@given(st.lists(ODD_TEXTS, min_size=1, max_size=4), st.data())
def test_places_of_some_texts_are_those_found_in_them(texts, data):
    """Whether texts are taken first or places."""
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=6)), dtype=np.intp)
    finder = PhraseFinder((("abcde", "a*", "高仿"),))
    (before,), (after,) = finder.find(Texts.of(texts).take(rows)), finder.find(Texts.of(texts))
    taken = after.take(rows)
    assert [before.of_text(row) for row in range(len(rows))] == [taken.of_text(row) for row in range(len(rows))]


def test_long_and_many_texts_are_found_in_blocks():
    """A text longer than is read at once, and more texts than that, lose nothing."""
    texts = ["r0lex bag " * 9_000, "", *(["a rolex"] * 9_000)]
    (places,) = PhraseFinder((("rolex",),)).find(Texts.of(texts))
    assert np.diff(places.starts).tolist() == [9_000, 0, *([1] * 9_000)]
