"""Misspelt words are read as those they stand for; what is known or ordinary stays, whoever asks and in what order."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features import normalisation, spelling
from ipml.features.dictionary import GAPS, KnownWords
from ipml.features.spelling import Spelling, ordinary_words

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
SLIPS = [word[:at] + letter + word[at:] for word in SPELLING.words for at in range(1, len(word)) for letter in "aeiou"]


# What is read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("rplica lether wach", "replica leather wach"),
        ("Repl*ca repl#ca", "replica replica"),
        ("@d!d@$ r0lex", "adidas r0lex"),
        ("le ather ro lex", "leather rolex"),
        ("over lay", "over lay"),
        ("rep.lica leath/er, ro(lex)", "replica leather, rolex)"),
        ("over.lay thermal/overlay", "over.lay thermal/overlay"),
        ("rplica-lether, (rplica)", "replica-leather, (replica)"),
        ("rplica2 2rplica", "rplica2 2rplica"),
        ("rplica's", "replica's"),
    ],
)
def test_a_text_is_read_as_people_read_it(written, read):
    """Slips, hidden letters, signs and pieces of longer words; not where both pieces are words, nor beside digits."""
    assert SPELLING.fold_text(written, CAP) == read


@given(st.text("\u0b85\u0b9f\u0b95\u0bb0\u12a0\u12f2\u1235\u1263\u9ad8\u4eff ", max_size=30))
def test_words_in_other_scripts_are_left_as_they_are_folded(text):
    """Nothing in Tamil, Amharic or Chinese stands for a Latin word."""
    assert SPELLING.fold_text(text, CAP) == normalisation.fold_text(text, CAP)


@given(st.sets(WORD | st.text("ab", min_size=5, max_size=6), max_size=30))
def test_known_words_never_change(words):
    """However near to each other they are."""
    taught = Spelling().fit([" ".join(words)] * 2)
    assert [taught.read(word) for word in taught.words] == list(taught.words)


ORDINARY = st.deferred(lambda: st.sampled_from(sorted(ordinary_words())))


@given(ORDINARY.filter(lambda word: word.isalpha() and len(word) > 5), st.data())
def test_ordinary_words_never_change(word, data):
    """Not even where the one word that listings use is a slip away; accents are folded before."""
    at = data.draw(st.integers(1, len(word) - 1))
    near = word[:at] + "q" + word[at:]
    assert KnownWords({near: 1}, ()).nearest(word) == near
    assert Spelling().fit([near] * 2).read(word) == word


@given(WORD)
def test_a_word_that_was_read_is_read_as_itself(word):
    """Nothing stands for a word that stands for another."""
    read = SPELLING.read(word)
    assert SPELLING.read(read) == read


@given(TEXTS)
def test_a_second_reading_only_closes_gaps(text):
    """Of what the first brought together, pieces may make a known word; else nothing is left to change."""
    once = normalisation.fold_text(SPELLING.fold_text(text, CAP), CAP)
    twice = SPELLING.fold_text(once, CAP)
    gaps = str.maketrans("", "", GAPS)
    assert twice.translate(gaps) == once.translate(gaps)


@given(TEXTS)
def test_origins_agree_with_the_text_that_is_read(text):
    """Each letter has one, within the text; they rise where those of the folded text do."""
    read, origins = SPELLING.fold_with_origins(text, CAP)
    assert read == SPELLING.fold_text(text, CAP)
    assert len(origins) == len(read)
    assert all(0 <= origin < len(text) for origin in origins)
    _, folded_origins = normalisation.fold_with_origins(text, CAP)
    assert origins == sorted(origins) or folded_origins != sorted(folded_origins)


# What is learnt


def test_words_of_two_texts_are_learnt():
    """Neither those of one text only, however often it says them, nor letters beside digits."""
    assert Spelling().fit(["one one two x2", "two three x2"]).words == {"two": 2}


def test_words_of_the_trade_are_known_from_the_start():
    """The longer ones, in Latin letters; a stem only where it is a word itself."""
    assert Spelling().fit([], ["Big Replica*", "mirr*", "\u0440\u0435\u043f\u043b\u0438\u043a\u0430"]).trade == {
        "replica"
    }


@given(st.permutations(WRITTEN))
def test_the_order_of_listings_teaches_nothing(texts):
    """Nor does that of the phrases, nor what was learnt before."""
    taught = learn().fit(["other words"] * 2).fit(texts, reversed(PHRASES))
    assert pickle.dumps(taught) == pickle.dumps(SPELLING)


def test_what_was_learnt_before_is_forgotten():
    """Words are read as they are by who never knew others, also those that were asked before."""
    taught, fresh = learn(), Spelling().fit(["lether rplyca"] * 2)
    before = [taught.read(word) for word in SLIPS]
    again = [taught.fit(["lether rplyca"] * 2).read(word) for word in SLIPS]
    assert again == [fresh.read(word) for word in SLIPS] != before


# Whoever asks, and when


@given(st.lists(WORD), st.lists(st.lists(WORD, max_size=5).map(" ".join), max_size=5))
def test_a_stored_spelling_reads_as_before(words, texts):
    """What a model file holds of it is all there is to know."""
    taught = Spelling().fit(texts * 2, PHRASES)
    restored = Spelling()
    restored.__setstate__(taught.__getstate__())
    assert (restored.words, restored.trade) == (taught.words, taught.trade)
    assert [restored.read(word) for word in words] == [taught.read(word) for word in words]


@given(st.lists(WORD, unique=True).flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))))
def test_the_order_in_which_words_are_asked_does_not_matter(asked):
    """What is remembered of one word says nothing of another."""
    one, other = learn(), learn()
    first, second = (
        {word: taught.read(word) for word in words} for taught, words in zip((one, other), asked, strict=True)
    )
    assert first == second


def test_what_is_remembered_is_bounded(monkeypatch):
    """And a word that was forgotten is read again as it was."""
    expected = [SPELLING.read(word) for word in SLIPS]
    monkeypatch.setattr(spelling, "_MOST_REMEMBERED", 10)
    taught = learn()
    for word, read in zip(SLIPS * 2, expected * 2, strict=True):
        assert taught.read(word) == read
        assert len(taught._remembered) <= 10


def test_threads_share_a_spelling(monkeypatch):
    """Eight at once read what one reads, though each makes the others forget."""
    expected = [SPELLING.read(word) for word in SLIPS]
    assert len(set(expected)) > 5
    monkeypatch.setattr(spelling, "_MOST_REMEMBERED", 3)
    taught = learn()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(taught.read, SLIPS * 5)) == expected * 5


@pytest.mark.slow
def test_readings_do_not_depend_on_how_strings_are_hashed():
    """Two interpreters with other seeds break ties alike; without the dictionary, which takes long to load."""
    code = (
        "from ipml.features import spelling; spelling.ordinary_words = frozenset;"
        "taught = spelling.Spelling().fit(['replace replika walls balls halls bells adidas'] * 2, ['replica*']);"
        "print(taught.fold_text('repliqa xalls bqlls rplc b*lls @did@s repl ica repl ace', 99), list(taught.words))"
    )
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in "12"]
    ran = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=seed) for seed in seeds]
    one, other = (process.communicate()[0] for process in ran)
    assert one == other != b""
