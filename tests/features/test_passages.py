"""What is cut out of whole texts for their passages is what reading each passage alone gives."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalise import fold_text
from ipml.features.passages import Passages
from ipml.features.phrases import find_in_texts
from ipml.features.skeleton import Skeletons

PHRASES = ("rolex", "replica*", "rep", "aaa", "1:1", "mont blanc", "\u9ad8\u4eff", "ab*", "lex mont", "watch", "rol*")
PIECES = [
    *("rolex", "r0lex", "roll ex", "rol", "ex", "r-o-l-e-x", "replicas", "rep lica", "rep", "aaa", "aa", "a", "1:1"),
    *(
        "mont",
        "blanc",
        "mont'blanc",
        "_",
        "-",
        "'",
        "\u9ad8\u4eff",
        "nike\u9ad8\u4eff",
        "jjjhatrolexmitten",
        "ab",
        "abbb",
    ),
    *("\u0434\u043e\u043c", "\u0b85\u0b9f", "lexx", "watch-watch", "99", "(rolex)"),
]
TEXT = (st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map(" ".join) | st.text(max_size=30)).map(fold_text)


@dataclass(frozen=True)
class Cut:
    """Folded texts, and passages of them in some order."""

    wholes: list[str]
    rows: list[int]
    texts: list[str]

    def locate(self) -> Passages:
        """Find the passages in their texts."""
        passages = Passages.locate(self.wholes, self.rows, self.texts)
        assert passages is not None
        return passages


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Draw texts and passages, mostly in the order of the texts, now and then out of it, some of them twice."""
    wholes = draw(st.lists(TEXT, min_size=1, max_size=4))
    rows = draw(st.lists(st.integers(0, len(wholes) - 1), max_size=8))
    rows = sorted(rows) if draw(st.booleans()) else rows
    return Cut(wholes, rows, [draw(passage_of(wholes[row])) for row in rows])


def passage_of(text: str) -> st.SearchStrategy[str]:
    """Return some words in a row of a text."""
    words = text.split(" ")
    spans = st.tuples(st.integers(0, len(words) - 1), st.integers(1, len(words)))
    return spans.map(lambda span: " ".join(words[span[0] : span[0] + span[1]]))


@given(cuts())
def test_passages_stand_where_they_are_located(cut):
    """Letter by letter, and as many words come before as are said to."""
    passages = cut.locate()
    for row, text, start, first in zip(cut.rows, cut.texts, passages.starts, passages.first_words, strict=True):
        assert cut.wholes[row].startswith(text, start)
        assert cut.wholes[row].split(" ")[first:][: text.count(" ") + 1] == text.split(" ")
        assert cut.wholes[row][:start].count(" ") == first


@given(cuts())
def test_skeletons_of_passages_are_those_of_each_alone(cut):
    """Doubled letters, words of one letter and other scripts included."""
    cut_out = cut.locate().cut_words(Skeletons(cut.wholes).each())
    assert cut_out == [bones for text in cut.texts for bones in Skeletons([text]).each()]


@given(cuts())
def test_phrases_in_passages_are_those_found_in_each_alone(cut):
    """At the same places of the passage, also where they are written apart, or in part beyond its ends."""
    cut_out = cut.locate().cut_places(find_in_texts(Skeletons(cut.wholes), PHRASES))
    alone = [find_in_texts(Skeletons([text]), PHRASES)[0] for text in cut.texts]
    assert [list(places) for places in cut_out] == [list(places) for places in alone]


@given(cuts().filter(lambda cut: cut.rows), st.data())
def test_a_text_that_is_no_passage_is_not_located(cut, data):
    """Neither with other words or wider gaps, nor cut within a word, nor longer; then none of them is."""
    at = data.draw(st.integers(0, len(cut.rows) - 1))
    whole, text = cut.wholes[cut.rows[at]], cut.texts[at]
    for other in (f"{text} qqq", text + "q", "q" + text, text.replace(" ", "  ") + "  ", whole + " " + whole):
        texts = [*cut.texts[:at], other, *cut.texts[at + 1 :]]
        assert Passages.locate(cut.wholes, cut.rows, texts) is None or f" {other} " in f" {whole} "
