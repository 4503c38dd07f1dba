"""The words of the trade, the brands and the goods of many texts at once are those of each."""

from functools import cache

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from specification.trade_words import find_trade_words
from support.finding import in_letters

from ipml.features.columns import ListingColumns
from ipml.features.compiled.texts import Texts
from ipml.features.lexicon import KINDS, TradeWords

OTHERS = ["watch", ",", ".", "!", "件", "高", "\u3000", "\u2003", "é", ":", " ", "a b c", "-", "\U000e0100", "|"]
PHRASES = [
    *("replica", "rep", "aaa", "copy", "grade a", "style", "authentic", "case for", "for iphone", "wholesale", "高仿"),
    *("реплика", "no fake", "not", "isn't", "это не", "kein", "不是", "not original", "batteries", "battery", "hair"),
    *("leather", "scale", "fur", "1:1", "clone", "wars", "trooper", "jersey", "helmet", "mint", "card", "used"),
    *("master grade", "gundam", "mirror"),
]
TEXTS = st.lists(st.sampled_from([*PHRASES, *OTHERS]), max_size=12).flatmap(
    lambda pieces: st.sampled_from([" ".join(pieces), "".join(pieces)])
)


@cache
def made_words() -> TradeWords:
    """Return words of a small lexicon, in which phrases overlap, share letters and are of several kinds."""
    entries = [
        *(("a", "replica", "one"), ("a b", "grade", "one two"), ("b", "claim", ""), ("b", "hedge", "two")),
        *(("b c", "trade", ""), ("no", "negation", ""), ("no a", "negated", ""), ("c", "replica", "two negation")),
        *(("x", "one", ""), ("y", "two", "one"), ("x y", "one", ""), ("件", "grade", "one"), ("no", "lawful", "")),
    ]
    words = TradeWords()
    words.phrases_, words.kinds_ = ([entry[place] for entry in entries] for place in (0, 1))
    words.not_near_ = [entry[2].split() for entry in entries]
    return words


@cache
def real_words() -> TradeWords:
    """Return the words of the bundled lexicon."""
    return TradeWords().fit({"title": []})


def fold(texts: list[str]) -> ListingColumns:
    """Return listings with these titles, which are folded already."""
    return ListingColumns({"title": texts}).take(np.arange(len(texts)), {"title": Texts.of(texts)})


def assert_counted_as_in_one(texts: list[str], words: TradeWords) -> None:
    """Compare with what counts in each text."""
    titles = fold(texts)
    counts, chosen = words.values(titles)[:, : len(KINDS)], words.find(titles, "title")
    for row, text in enumerate(texts):
        expected = find_trade_words(words, text)
        found = in_letters(text, chosen.of_text(row))
        assert [(KINDS[kind], start, end) for kind, start, end in found] == expected
        kinds = [kind for kind, _, _ in expected]
        assert counts[row].tolist() == [min(kinds.count(kind), 1 if kind == "lawful" else 3) for kind in KINDS], text


@example(["not a replica", "not, replica", "a b c batteries aaa", "aaa replica replica replica replica", "not.replica"])
@given(st.lists(TEXTS, max_size=4))
def test_real_words_are_counted_as_in_one_text(texts):
    """Contexts, negations, breaks and ideographs included."""
    assert_counted_as_in_one(texts, real_words())


@given(
    st.lists(
        st.text("abcxyno 件.,\n\u3000", max_size=25)
        | st.lists(st.sampled_from(["a", "b", "c", "x", "y", "no", ".", ",", "e"]), max_size=20).map(" ".join)
    )
)
def test_made_words_are_counted_as_in_one_text(texts):
    """Phrases that overlap, that are of two kinds, and that must not stand near several contexts."""
    assert_counted_as_in_one(texts, made_words())
