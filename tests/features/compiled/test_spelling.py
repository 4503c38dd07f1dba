"""The engine reads misspelt words: a set of words, the word nearest to one, and many texts as each by itself."""

from concurrent.futures import ThreadPoolExecutor
from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification.spelling import Reader

from ipml.features import spelling
from ipml.features.compiled import spelling as compiled
from ipml.features.compiled.spelling import NO_WORDS, KnownWords, OrdinaryWords, read_texts
from ipml.features.compiled.texts import Texts
from ipml.features.spelling import Spelling

WRITTEN = ["leather belt", "wool belt", "leather watch", "thermal overlay", "adidas thermal", "overlay adidas"]
STRANGE = ["le*ther abcd", "counterfeitedness photographically", "xxcks abcdefgh ijkl abcdefghijkl mnop"]
LONG = ["abcdefghijklmnop efgh", "abcdefghijklmno verylongwordsforall"]
SPELLING = Spelling().fit([*WRITTEN, *STRANGE, *LONG] * 2, ["replica*", "Rolex", "mont blanc"])
WORDS = sorted(SPELLING.words)
PIECES = [
    *("leather", "rplica", "repilca", "replyka", "lthr", "rlx", "repl*ca", "@did@$", "le@ther", "wool", "zzz"),
    *("a", "le", "ather", "lea", "ther", "mal", "over", "lay", "rep", "lica", "s", "1:1", "l3ath3r", "(olour"),
    *[*"$*#_R9!|'", "+hermal", "\u0440\u0435\u043f", "\u9ad8", "\u00e9", "\u0661", "\u0301", "\U0001d7ce", "\ud800"],
]
SPACES = st.sampled_from([*"   ", "  ", "", *"\t\n\x1f\u00a0\u2003\u3000\u200b-./,+()"])


@st.composite
def slips(draw):
    """Return a known word, often with a letter changed, left out, added, swapped, hidden or cut off from others."""
    word = draw(st.sampled_from(WORDS))
    at = draw(st.integers(0, len(word)))
    letter = draw(st.sampled_from([*"aeiousz*# @$!|1", *ascii_lowercase]))
    kinds = [word, word[:at] + letter + word[at:], word[:at] + word[at + 1 :], word[:at] + letter + word[at + 1 :]]
    return draw(
        st.sampled_from([*kinds, word[:at] + word[at : at + 2][::-1] + word[at + 2 :], word[:at] + " " + word[at:]])
    )


PIECE = slips() | st.sampled_from(PIECES) | st.text("abcle*# ", max_size=16)
TEXTS = st.lists(st.tuples(PIECE, SPACES).map("".join), max_size=9).map("".join) | st.text(max_size=30)


def agree(taught: Spelling, strings: list[str]) -> None:
    """Hold what is read of many texts against what is read of each."""
    texts, plain = Texts.of(strings), Reader(taught, spelling.MOST_TARGETS)
    expected = [plain.read_text(text) for text in strings]
    assert taught.read_texts(texts).strings() == [read for read, _ in expected]
    for text, (read, origins) in zip(strings, expected, strict=True):
        found = compiled.read_with_origins(Texts.of_one(text), taught.known.words, taught.ordinary)
        assert (text, read) == (read, text) if found is None else (found[0], found[1].tolist()) == (read, origins)
    assert taught.know_a_word(texts).tolist() == [plain.knows_a_word(text) for text in strings]


@given(st.lists(TEXTS, max_size=5))
@example(["le ather", "@did@$ x", "le@th er lea ther", "abcdefgh ijkl abcd", "abcdefghijkl mnop", "ab**cd *abcd abcd*"])
@example(["rplica\u0440 \u0440rplica rplica\u0301 rplica_ 9rplica", "\u3000@did@$\u00a0@did@$\ud800", ""])
def test_many_texts_are_read_as_one_by_one(strings):
    """Slips, signs, gaps and stars beside any other letters, in short words and long ones."""
    agree(SPELLING, strings)


@given(st.lists(st.text("abc* ", max_size=30), max_size=5), st.lists(st.text("abc*@ ", max_size=30), max_size=5))
def test_whatever_was_learnt(learnt, strings):
    """From few letters, so that nearly every word is near another."""
    agree(Spelling().fit(learnt * 2, ["abc*"]), strings)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_words_met_before_are_read_alike(strings):
    """Whatever was remembered of them, and whatever stands beside them this time."""
    agree(SPELLING, [*strings, *reversed(strings), *(f"{text}9 {text}" for text in strings), " ".join(strings)])


def test_many_texts_are_read_as_few():
    """More than are looked at together, some of them empty, some long."""
    strings = [f"{word} {word[1:]} {word[:2]} {word[2:]} {'' if at % 3 else '!'}" for at, word in enumerate(WORDS)]
    agree(SPELLING, ["", *strings * 5, " ".join(strings * 9), "", *strings])
    agree(SPELLING, [*"ab*9 ", "", "le"] * 1_500)


def test_only_words_that_texts_taught_are_stood_for_and_the_most_frequent(monkeypatch):
    """Others stay, uncopied, also those longer than any known one; a spelling of words no text taught is refused."""
    monkeypatch.setattr(spelling, "MOST_TARGETS", 3)
    taught = Spelling().fit([*WRITTEN, *STRANGE] * 2, ["replica*"])
    agree(taught, [" ".join(PIECES), "lether blt wtch thermol over lay"])
    for words in ("\u00e9t\u00e9\u00e9\u00e9 leather", "r2d2d2 leather", "\ud800 leather"):
        with pytest.raises(ValueError, match="other letters than a to z"):
            Spelling().__setstate__({"words": words, "counts": np.array([1, 2]), "trade": ""})
    texts = Texts.of(["leather belt", "1:1"])
    assert SPELLING.read_texts(texts) is texts
    agree(SPELLING, ["a" * 5_000, "leather" * 999 + " belt", "ab*" * 999 + "c", "x" * 99])


def test_a_stored_spelling_says_nothing_of_tables():
    """They are made anew wherever it is read."""
    before = SPELLING.__getstate__()
    SPELLING.read_texts(Texts.of(["rplica"]))
    assert SPELLING.__getstate__().keys() == before.keys()
    assert before.keys() == {"words", "counts", "trade", "ordinary_counts", "ordinary_marks"}


def test_threads_share_a_spelling():
    """Eight at once, the first of which makes the tables."""
    strings = [f"{word[:-1]} {word}s {word}" for word in WORDS] * 20
    expected = SPELLING.read_texts(Texts.of(strings)).strings()
    taught = Spelling()
    taught.__setstate__(SPELLING.__getstate__())
    with ThreadPoolExecutor(8) as threads:
        read = threads.map(lambda _: taught.read_texts(Texts.of(strings)).strings(), range(16))
        assert all(one == expected for one in read)


WORD = st.text("ab*#z", min_size=1, max_size=30) | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=14)
WORDS_WORDS = st.sets(WORD, max_size=30)


@given(WORDS_WORDS, WORDS_WORDS, WORDS_WORDS, WORDS_WORDS)
def test_a_set_has_the_words_put_in_and_no_others(chosen, often, added, others):
    """Short ones and long ones, everyday ones or not, put in together or joined; a set of other arrays is refused."""
    made = OrdinaryWords.of("\n".join(chosen).encode(), "\n".join(often).encode())
    made = made.join(OrdinaryWords.of(b"", "\n".join(added).encode()))
    for word in chosen | often | added | others:
        assert (word in made, made.is_everyday(word)) == (word in chosen | often | added, word in often | added)
    for counts, marks in ((made.counts[1:], made.marks), (made.counts, np.append(made.marks, made.marks[:1] + 1)[1:])):
        if counts.size < made.counts.size or marks.size != made.marks.size:
            with pytest.raises(ValueError, match="for each of 65,536 buckets"):
                OrdinaryWords(counts, marks)


@given(st.lists(st.text("ab*'1é ", max_size=14), max_size=9))
def test_lines_with_other_letters_are_left_out(lines):
    """Nothing is found of a line that is empty or holds a digit, an apostrophe, a space, or a letter beyond z."""
    made = OrdinaryWords.of("\n".join(lines).encode())
    assert [line in made for line in lines] == [bool(line) and set(line) <= set("ab*") for line in lines]


@given(st.sets(st.text("abcxz", min_size=5, max_size=30), min_size=1, max_size=30), st.data())
def test_two_pieces_are_found_as_one_word(chosen, data):
    """Wherever the word is cut."""
    known = KnownWords(dict.fromkeys(chosen, 1), ()).words
    word = data.draw(st.sampled_from(sorted(chosen)))
    at = data.draw(st.integers(1, len(word) - 1))
    cut = f"{word[:at]} {word[at:]}"
    is_two = word[:at] in chosen and word[at:] in chosen
    assert read_texts(Texts.of([cut]), known, NO_WORDS).strings() == [cut if is_two else word]


@given(st.integers(0, 40), st.integers(0, 40))
def test_long_words_of_one_number_are_told_apart(n_before, n_after):
    """Whoever chooses words so that their numbers are the same gains nothing: letters decide."""
    one, other = (f"{'x' * n_before}{word}{'x' * n_after}" for word in _of_one_number())
    assert OrdinaryWords.of(one.encode()).marks.tolist() == OrdinaryWords.of(other.encode()).marks.tolist()
    for words, found in (({one: 1}, [one, None]), ({one: 1, other: 1}, [one, other])):
        assert [KnownWords(words, ()).nearest(word) for word in (one, other)] == found


def _of_one_number() -> tuple[str, str]:
    """Return two words whose numbers are the same whatever odd base they have: the sequence of Thue and Morse."""
    signs = "".join("ab"[at.bit_count() % 2] for at in range(1 << 10))
    return signs, signs.translate(str.maketrans("ab", "ba"))
