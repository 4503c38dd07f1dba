"""Hashed n-grams: counting, summing and spreading agree with each other and with a plain specification."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.ngrams import find_distinct, mark_known, sum_rows
from ipml.features.compiled.phrases import skeleton_texts
from ipml.features.compiled.texts import Texts
from ipml.features.text import TextFeatures, count_ngrams, sum_ngrams

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=40).map(fold_text), max_size=6)
WEIGHTS = np.random.default_rng(0).normal(size=1 << 12)
WORDS = st.text("ab7é-", min_size=1, max_size=3) | st.builds(
    "{}{}{}".format, st.sampled_from(["a", "aaaaaaaa"]), st.text("ab鞄", max_size=9), st.sampled_from(["b", "bbbbbbbb"])
)
KNOWN = np.random.default_rng(1).random(1 << 12) < 0.7


def plain_ngrams(text, shortest, longest, words):
    """Say, without hashing, which n-grams a text has: letters between spaces, then words."""
    found = []
    for chunk in text.split(" "):
        padded = f" {chunk} "
        if chunk:
            found += [
                padded[start : start + size]
                for start in range(len(padded) - 1)
                for size in range(shortest, longest + 1)
                if start + size <= len(padded)
            ]
    plain = "".join(letter if (letter.isascii() and letter.isalnum()) or ord(letter) > 127 else " " for letter in text)
    tokens = plain.split()
    for start in range(len(tokens)):
        found += [
            ("word", *tokens[start : start + size]) for size in range(1, words + 1) if start + size <= len(tokens)
        ]
    return found


@given(TEXTS)
def test_every_ngram_of_the_specification_is_counted(texts):
    """As many as a plain enumeration finds; to the bit alone as in a batch, where many are hashed at once."""
    counts = count_ngrams(texts, bits=24, letters=(2, 4), words=2)
    for row, text in enumerate(texts):
        expected = plain_ngrams(text, 2, 4, 2)
        assert counts[row].sum() == len(expected)
        assert len(set(expected)) - 1 <= counts[row].nnz <= len(set(expected))  # two may share a column
    together, marked = count_ngrams(texts, bits=12), mark_known(WEIGHTS, KNOWN)
    weighed = sum_ngrams(Texts.of(texts), marked, letters=(2, 5), words=2)
    for row, text in enumerate(texts):
        assert (together[row] != count_ngrams([text], bits=12)).nnz == 0
        alone = sum_ngrams(Texts.of([text]), marked, letters=(2, 5), words=2)
        assert [values[0] for values in alone] == [values[row] for values in weighed]


@given(TEXTS)
def test_summing_equals_counting_times_weights(texts):
    """The sum is the product over the root of the known ones; no n-gram of letters crosses a space."""
    counts = count_ngrams(texts, bits=12)
    weights = np.where(KNOWN, WEIGHTS, 0.0)
    n_known = counts @ KNOWN.astype(float)
    sums = sum_ngrams(Texts.of(texts), mark_known(weights, KNOWN))
    np.testing.assert_allclose(sums.weights, counts @ weights / np.sqrt(np.maximum(n_known, 1.0)), atol=1e-9)
    np.testing.assert_array_equal(sums.n_known, n_known)
    np.testing.assert_array_equal(sums.n_all, np.asarray(counts.sum(axis=1)).ravel())
    marked = mark_known(WEIGHTS, KNOWN)
    for text in texts:
        sums, n_all, n_known = sum_rows(Texts.of([text]), marked, 2, 5, 1)
        apart = sum_rows(Texts.of(text.split(" ")), marked, 2, 5, 1)
        np.testing.assert_allclose(sums[0], apart[0].sum(), atol=1e-9)
        assert (n_all[0], n_known[0]) == (apart[1].sum(), apart[2].sum())


@given(st.lists(WORDS, min_size=1, max_size=12).flatmap(lambda words: st.lists(st.sampled_from(words), max_size=60)))
def test_a_word_that_comes_again_is_taken_for_no_other(words):
    """Even where words begin or end alike, in one text or in many: together they weigh what each does alone."""
    marked = mark_known(WEIGHTS, KNOWN)
    alone = [sum_rows(Texts.of([word]), marked, 2, 5, 1)[0][0] for word in words]
    assert sum_rows(Texts.of(words), marked, 2, 5, 1)[0].tolist() == alone
    total = 0.0
    for weight in alone:
        total += weight
    assert sum_rows(Texts.of([" ".join(words)]), marked, 2, 5, 1)[0].tolist() == [total]


@given(st.lists(st.text(max_size=20), max_size=8).flatmap(lambda few: st.lists(st.sampled_from(["", *few]))))
def test_different_texts_are_told_apart(texts):
    """A number stands for one text only, whatever it begins or ends with; an empty one is a text."""
    numbers, rows = find_distinct(Texts.of(texts))
    assert [texts[rows[number]] for number in numbers] == texts


def test_more_words_than_are_remembered_weigh_what_each_does_alone():
    """Words push each other out of a table of limited size; a word that comes again weighs the same."""
    rng = np.random.default_rng(2)
    words = [f"{number:x}" * repeats for number, repeats in enumerate(rng.integers(1, 5, 200_000).tolist())]
    marked = mark_known(WEIGHTS, KNOWN)
    first, again = np.split(sum_rows(Texts.of(words + words), marked, 2, 5, 1)[0], 2)
    assert first.tolist() == again.tolist()
    some = rng.integers(0, len(words), 100).tolist()
    assert [sum_rows(Texts.of([words[row]]), marked, 2, 5, 1)[0][0] for row in some] == first[some].tolist()


@given(st.text(st.characters(codec="utf-8"), max_size=40).map(fold_text))
def test_the_weights_of_the_letters_sum_to_that_of_the_text(text):
    """Nothing is lost or added when a weight is spread over letters; there is one share a letter."""
    marked, texts = mark_known(np.where(KNOWN, WEIGHTS, 0.0), KNOWN), Texts.of([text, text])
    features = TextFeatures(letters=(3, 5))
    for spread in features.spread(texts, marked):
        assert spread.shape == (len(text),)
        expected = sum_ngrams(skeleton_texts(texts), marked, letters=features.letters).weights[0]
        np.testing.assert_allclose(spread.sum(), expected, atol=1e-9)
