"""Passages are windows of words."""

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.compiled.texts import Texts, cut_passages

TEXTS = st.lists(st.lists(st.sampled_from(["a", "bc", "д", ""]), max_size=14).map(" ".join), max_size=5)


@given(TEXTS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_passages_are_windows_of_words_in_their_order(texts, n_words, step, more):
    """Each begins so many words after the one before, and the last ends with the text; short texts have none."""
    longest = n_words + more
    expected = []
    for row, text in enumerate(texts):
        words = text.split(" ")
        if len(words) > longest:
            starts = [*range(0, len(words) - n_words, step), len(words) - n_words]
            expected += [(row, " ".join(words[start : start + n_words])) for start in starts]
    passages, owners = cut_passages(Texts.of(texts), longest, n_words, step)
    assert list(zip(owners.tolist(), passages.strings(), strict=True)) == expected
