"""Misspelt words are read as those they stand for; what is known or ordinary stays, whoever asks and in what order."""

import pickle
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finding import read_words

from ipml.features.compiled import folding
from ipml.features.compiled.spelling import GAPS, KnownWords
from ipml.features.compiled.texts import Texts
from ipml.features.goods import brand_table
from ipml.features.lexicon import load_lexicon
from ipml.features.spelling import LANGUAGES, MOST_COMMON, Spelling, common_words

WRITTEN = ["leather belt", "wool belt", "leather watch", "thermal overlay", "adidas thermal", "overlay adidas"]
PHRASES = ["replica*", "Rolex", "mont blanc", "\u0440\u0435\u043f\u043b\u0438\u043a\u0430"]
PIECES = [
    *("leather", "rplica", "REPILCA", "replyka", "lthr", "rlx", "repl*ca", "@did@$", "le@ther", "wool", "zzz", "aaa"),
    *("le", "ather", "lea", "ther", "mal", "over", "lay", "rep", "lica", "s", "1:1"),
    *("\u0440\u0435\u043f", "\u9ad8\u4eff"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join) | st.text(max_size=40)
WORD = st.text("abcde*", min_size=1, max_size=9) | st.text(ascii_lowercase, min_size=1, max_size=9)
CAP = 1_000


def learn() -> Spelling:
    """Return what a few listings teach, with nothing remembered."""
    return Spelling().fit(WRITTEN, PHRASES)


SPELLING = learn()


def fold(text: str) -> str:
    """Return a text as these listings have it read."""
    return read_words(SPELLING, folding.fold_text(text, CAP))


SLIPS = [word[:at] + letter + word[at:] for word in SPELLING.words for at in range(1, len(word)) for letter in "aeiou"]


# What is read


def test_a_text_is_read_as_people_read_it():
    """Slips, hidden letters, signs and pieces of longer words; not where both pieces are words, nor beside digits."""
    read = {
        "rplica lether wach": "replica leather wach",
        "Repl*ca repl#ca": "replica replica",
        "@d!d@$ r0lex": "adidas r0lex",
        "le ather ro lex": "leather rolex",
        "over lay": "over lay",
        "rep.lica leath/er, ro(lex)": "replica leather, rolex)",
        "over.lay thermal/overlay": "over.lay thermal/overlay",
        "rplica-lether, (rplica)": "replica-leather, (replica)",
        "rplica2 2rplica": "rplica2 2rplica",
        "rplica's": "replica's",
    }
    assert {written: fold(written) for written in read} == read


@given(st.text("\u0b85\u0b9f\u0b95\u0bb0\u12a0\u12f2\u1235\u1263\u9ad8\u4eff ", max_size=30))
def test_words_in_other_scripts_are_left_as_they_are_folded(text):
    """Nothing in Tamil, Amharic or Chinese stands for a Latin word."""
    assert fold(text) == folding.fold_text(text, CAP)


@given(st.sets(WORD | st.text("ab", min_size=5, max_size=6), max_size=30))
def test_known_words_never_change(words):
    """However near to each other they are."""
    taught = Spelling().fit([" ".join(words)] * 2)
    assert [read_words(taught, word) for word in taught.words] == list(taught.words)


ORDINARY = st.deferred(lambda: st.sampled_from(common_words("pt", MOST_COMMON) + common_words("pl", MOST_COMMON)))


@given(ORDINARY.filter(lambda word: word.isascii() and word.isalpha() and len(word) > 5), st.data())
def test_ordinary_words_never_change(word, data):
    """Not even where the one word that listings use is a slip away; accents are folded before."""
    at = data.draw(st.integers(1, len(word) - 1))
    near = word[:at] + "q" + word[at:]
    assert KnownWords({near: 1}, ()).nearest(word) == near
    assert read_words(Spelling().fit([near] * 2), word) == word


@pytest.mark.slow
def test_no_common_word_of_any_language_is_read_as_one_of_the_trade():
    """Nor more than ten of 10,000 otherwise; brands in look-alike letters, parted or misspelt are still read."""
    lexicon, brands = load_lexicon(), brand_table()["phrases"]
    taught = Spelling().fit(WRITTEN, [*lexicon.phrases("any"), *brands])
    for language in LANGUAGES:
        common = Texts.of(common_words(language, 10_000))
        pairs = zip(common.strings(), taught.read_texts(common).strings(), strict=True)
        changed = [(word, read) for word, read in pairs if word != read]
        assert len(changed) <= 10, language
        assert [word for word, read in changed if read in taught.trade] == [], language
    written = ["pr\u0430da", "h\u200bermes", "hermse", "patk", "p atek", "c@rtier"]
    read = ["prada", "hermes", "hermes", "patek", "patek", "cartier"]
    assert [read_words(taught, folding.fold_text(word)) for word in written] == read


@given(WORD)
def test_a_word_that_was_read_is_read_as_itself(word):
    """Nothing stands for a word that stands for another."""
    read = read_words(SPELLING, word)
    assert read_words(SPELLING, read) == read


@given(TEXTS)
def test_a_second_reading_only_closes_gaps(text):
    """Of what the first brought together, pieces may make a known word; each letter has an origin within the text."""
    once = folding.fold_text(fold(text), CAP)
    twice = fold(once)
    gaps = str.maketrans("", "", GAPS)
    assert twice.translate(gaps) == once.translate(gaps)
    read, origins = SPELLING.fold_with_origins(text, CAP)
    assert read == fold(text)
    assert len(origins) == len(read)
    assert all(0 <= origin < len(text) for origin in origins)
    _, folded_origins = folding.fold_with_origins(text, CAP)
    assert origins == sorted(origins) or folded_origins != sorted(folded_origins)


# What is learnt


def test_words_of_two_texts_are_learnt():
    """Neither a word of one text alone, nor anything of an earlier fit."""
    assert Spelling().fit(["one one two x2", "two three x2"]).words == {"two": 2}
    phrases = ["Big Replica*", "mirr*", "\u0440\u0435\u043f\u043b\u0438\u043a\u0430"]
    assert Spelling().fit([], phrases).trade == {"replica"}
    taught, fresh = learn(), Spelling().fit(["lether rplyca"] * 2)
    before = [read_words(taught, word) for word in SLIPS]
    again = [read_words(taught.fit(["lether rplyca"] * 2), word) for word in SLIPS]
    assert again == [read_words(fresh, word) for word in SLIPS] != before


@given(st.permutations(WRITTEN))
def test_the_order_of_listings_teaches_nothing(texts):
    """Nor does that of the phrases, nor what was learnt before."""
    taught = learn().fit(["other words"] * 2).fit(texts, reversed(PHRASES))
    assert pickle.dumps(taught) == pickle.dumps(SPELLING)


# Whoever asks, and when


@given(st.lists(WORD), st.lists(st.lists(WORD, max_size=5).map(" ".join), max_size=5))
def test_a_stored_spelling_reads_as_before(words, texts):
    """What a model file holds of it is all there is to know."""
    taught = Spelling().fit(texts * 2, PHRASES)
    restored = Spelling()
    restored.__setstate__(taught.__getstate__())
    assert (restored.words, restored.trade) == (taught.words, taught.trade)
    assert [read_words(restored, word) for word in words] == [read_words(taught, word) for word in words]
