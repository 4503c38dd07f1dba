"""What the words of the trade say of a text."""

import re
import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification import trade_words as specification
from support.finding import find_trade_words, in_letters, missed_phrases

from ipml.errors import UnusableSetting
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.texts import Texts
from ipml.features.lexicon import KINDS, NEGATION, TradeWords, load_lexicon
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings

TABLE = tomllib.loads((files("ipml.features") / "lexicon.toml").read_text(encoding="utf-8"))
WORDS = TradeWords().fit({"title": []})


def kinds_in(text: str) -> list[str]:
    """Return the kinds found in a text as written."""
    return [kind for kind, _, _ in find_trade_words(WORDS, fold_text(text))]


def test_replicas_are_recognised_and_honest_goods_are_not_taken_for_them():
    """In all languages of the file; a word common in honest listings counts only where it means a copy."""
    titles = [
        *("AAA+ replica watch", "Handbag, mirror quality 1:1", "Copy watch, Swiss ETA", "Bolsa primeira linha"),
        *("Реплика кроссовки люкс качество", "Reloj réplica", "Handtasche Fälschung", "Sac contrefaçon"),
        *("Orologio replica tarocco", "Ayakkabı birebir", "高仿包 一比一"),
    ]
    assert [title for title in titles if not {"replica", "grade"} & set(kinds_in(title))] == []
    titles = [
        *("Copy paper A4, 500 sheets", "Mirror lens 500 mm f/8", "Factory sealed iPhone 6", "AAA batteries, 24 pack"),
        *("Rechargeable AAA", "Батарейки AAA 4 шт", "Grade A refurbished laptop", "1:1 scale model"),
        *("Clone Wars trooper", "Super clone mattress", "Fake fur coat", "Faux leather, Japanese style"),
        *("Replica helmet, signed", "Sales rep sample case"),
    ]
    assert [title for title in titles if {"replica", "grade", "hedge"} & set(kinds_in(title))] == []
    titles = ["Case for Samsung S20", "Чехол для iPhone", "Capa para Galaxy", "Toner für HP"]
    assert [title for title in titles if "lawful" not in kinds_in(title)] == []
    assert not TradeWords().fit({"title": []}).transform({"title": [None, ""], "description": [None, None]}).any()


@given(st.text(max_size=60))
def test_any_text_is_read(text):
    """Whatever is written, places lie within the text, in order, and are of a kind that counts."""
    folded = fold_text(text)
    found = find_trade_words(WORDS, folded)
    assert all(kind in KINDS and 0 <= start < end <= len(folded) for kind, start, end in found)
    assert [place[1] for place in found] == sorted(place[1] for place in found)


@given(
    st.lists(st.sampled_from(["not", "replica", "aaa", "batteries", "watch", "copy", "for", "iphone", ","]), max_size=8)
)
def test_honest_words_never_add_a_count(words):
    """Words of no kind, put at the end after a stop, change no count: padding does not help."""
    text = " ".join(words)
    padded = f"{text} . . . . nice wool hat with a warm lining"
    before, after = (WORDS.transform({"title": [title]}) for title in (text, padded))
    np.testing.assert_array_equal(before, after)


@given(st.lists(st.sampled_from(["used", "with receipt", "vintage", "for parts", "replica"]), min_size=1, max_size=9))
def test_what_speaks_for_a_listing_counts_once(words):
    """Whoever says it again and again gains nothing; what speaks against it counts up to three times."""
    (counts,) = WORDS.transform({"title": [" , ".join(words)]}).tolist()
    of_kind = dict(zip(KINDS, counts, strict=False))
    assert of_kind["replica"] == min(words.count("replica"), 3)
    assert of_kind["lawful"] == any(word != "replica" for word in words)


def test_every_entry_and_context_says_why():
    """With language and source; a context has phrases, is named once, and is used."""
    known = {"kind", "language", "phrases", "after", "not_near", "why", "source"}
    lacking = [entry for entry in TABLE["entry"] if not all(entry[name] for name in ("language", "why", "source"))]
    assert lacking == [entry for entry in TABLE["entry"] if not set(entry) <= known] == []
    contexts = [context["name"] for context in TABLE["context"]]
    assert len(set(contexts)) == len(contexts)
    assert all(context["why"] and context["phrases"] for context in TABLE["context"])
    assert {name for entry in TABLE["entry"] for name in entry.get("not_near", ())} == set(contexts)


def test_every_phrase_is_found_and_stands_once():
    """Of every kind; folding makes none unreadable or another, and reads a stem as the words it begins."""
    assert all(load_lexicon().phrases(kind) for kind in KINDS)
    phrases = load_lexicon().phrases("any")
    assert [phrase for phrase in phrases if "*" in phrase[:-1]] == missed_phrases(phrases) == []
    counting = [fold_text(entry.text) for entry in load_lexicon().entries if entry.kind in (*KINDS, NEGATION)]
    assert not [phrase for phrase, times in Counter(counting).items() if times > 1]
    stems = [phrase[:-1] for phrase in load_lexicon().phrases("any") if phrase.endswith("*")]
    words = {stem: stem + ("й" if re.search("[а-я]$", stem) else "") for stem in stems}
    assert not [stem for stem in stems if not fold_text(words[stem]).startswith(fold_text(stem))]


def test_an_unknown_kind_or_context_is_refused(tmp_path):
    """A misspelt kind or context would silently count for nothing."""
    file = tmp_path / "lexicon.toml"
    kind, context = 'kind = "rumour"\nphrases = ["x"]', 'kind = "grade"\nphrases = ["x"]\nnot_near = ["nowhere"]'
    for entry, said in ((kind, "rumour"), (context, "nowhere")):
        file.write_text(f"[[entry]]\n{entry}\n", encoding="utf-8")
        with pytest.raises(UnusableSetting, match=said):
            load_lexicon(file)


def test_few_ordinary_listings_speak_of_copies(real_data):
    """Of ordinary listings of 2019 fewer than 0.3 % name a replica or a grade in the title."""
    root = Path(__file__).parents[2]
    columns = load_columns(root / "experiments/columns/ebay_2019.toml")
    first = next(iter(read_listings(real_data / "ebay_2019.csv.gz", columns, chunk_rows=10_000))).listings
    counts = dict(zip(WORDS.get_feature_names_out(), WORDS.transform(ListingColumns.of(first)).T, strict=True))
    flagged = (counts["replica_in_title"] > 0) | (counts["grade_in_title"] > 0)
    assert flagged.mean() < 0.003


def test_what_is_denied_counts_as_negated_only():
    """In each language and in capitals, over two words and no further, nor over a comma."""
    denials = {"not {}": ("replica", "fake", "clone"), "это не {}": ("реплика", "подделка"), "não é {}": ("réplica",)}
    denials |= {"no es {}": ("réplica",), "keine {}": ("replika", "fälschung")}
    for denied, word in ((denied, word) for denied, said in denials.items() for word in said):
        for written in (str, str.upper):
            assert "replica" in kinds_in(written(f"{word} 5")), word
            assert set(kinds_in(written(denied.format(word)))) == {"negated"}, word
    titles = [
        *("Not a replica", "This is not a cheap copy watch", "No fakes", "Это не реплика", "Não é réplica"),
        *("No es una réplica", "Keine Fälschung", "Replika değil", "不是高仿"),
    ]
    assert [title for title in titles if {"negated", "replica"} & set(kinds_in(title)) != {"negated"}] == []
    kinds = {"not a cheap replica": ["negated"], "not a very cheap replica": ["replica"]}
    kinds |= {"not used, replica": ["lawful", "replica"], "not original replica": ["replica", "replica"]}
    assert {text: kinds_in(text) for text in kinds} == kinds


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


def assert_counted_as_in_one(texts: list[str], words: TradeWords) -> None:
    """Compare with what counts in each text."""
    titles = ListingColumns({"title": texts}).take(np.arange(len(texts)), {"title": Texts.of(texts)})
    counts, chosen = words.values(titles)[:, : len(KINDS)], words.find(titles, "title")
    for row, text in enumerate(texts):
        expected = specification.find_trade_words(words, text)
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
