"""Columns read the same from a frame, a mapping and a record; what is missing never fails."""

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.finding import read_words

from ipml.features import column as column_module
from ipml.features.column import Names, PhraseSet, Reading, pair_up
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.texts import Texts
from ipml.features.spelling import Spelling
from ipml.listings.fields import FIELDS
from ipml.listings.kinds import Kind
from ipml.listings.schema import listings_to_frame
from ipml.model.model_file.model_file import GOLDEN_LISTINGS

TEXTS = [field.name for field in FIELDS if field.kind is Kind.TEXT]
NUMBERS = [field.name for field in FIELDS if field.kind in (Kind.NUMBER, Kind.COUNT, Kind.SHARE)]
FRAME = listings_to_frame(GOLDEN_LISTINGS)
MAPPING = {field.name: [getattr(listing, field.name) for listing in GOLDEN_LISTINGS] for field in FIELDS}


def test_columns_of_frame_and_mapping_are_the_same():
    """Texts with nothing for what is missing, numbers with NaN, days; rows in their order, whatever they are called."""
    for columns in (ListingColumns(FRAME), ListingColumns(MAPPING)):
        for name in TEXTS:
            assert columns.texts(name) == [text or "" for text in MAPPING[name]], name
        for name in NUMBERS:
            expected = [np.nan if number is None else number for number in MAPPING[name]]
            np.testing.assert_array_equal(columns.numbers(name), expected, name)
        days = columns.days_between("listed_at", "observed_at")
        np.testing.assert_array_equal(days, [0.0] + [np.nan] * (len(GOLDEN_LISTINGS) - 1))
    turned = FRAME[::-1]
    assert ListingColumns(turned).texts("title") == ListingColumns(FRAME).texts("title")[::-1]


@given(st.lists(st.none() | st.integers(-(10**6), 10**6), min_size=1), st.integers(-(10**6), 10**6))
def test_days_are_counted_with_their_parts(minutes, start):
    """In any direction, a day being 1,440 minutes, whatever the zone a moment is written in."""
    zero = pd.Timestamp("2026-03-01", tz="UTC")
    first = [(zero + pd.Timedelta(minutes=start)).tz_convert("Asia/Tokyo").isoformat()] * len(minutes)
    second = [
        None if minute is None else (zero + pd.Timedelta(minutes=start + minute)).isoformat() for minute in minutes
    ]
    days = ListingColumns({"listed_at": first, "observed_at": second}).days_between("listed_at", "observed_at")
    expected = [np.nan if minute is None else minute / 1_440 for minute in minutes]
    np.testing.assert_allclose(days, expected, rtol=1e-12)


def test_absent_columns_and_rows_read_as_missing():
    """A column as long as the others, in a frame and in a mapping; no listings have columns of no rows."""
    for columns in (FRAME[["title"]], {"title": MAPPING["title"]}):
        listings = ListingColumns(columns)
        assert "brand" not in listings
        assert listings.texts("brand") == listings.folded("brand").strings() == [""] * len(FRAME)
        for numbers in (listings.numbers("price"), listings.days_between("listed_at", "observed_at")):
            assert numbers.shape == (len(FRAME),)
            assert np.isnan(numbers).all()
    for columns in (FRAME[:0], {name: [] for name in MAPPING}, {}):
        listings = ListingColumns(columns)
        assert len(listings) == len(listings.texts("title")) == len(listings.folded("title")) == 0
        assert listings.numbers("price").shape == listings.days_between("listed_at", "observed_at").shape == (0,)


@given(st.lists(st.none() | st.text(max_size=30), max_size=5))
@example(["a" * 200_000])
def test_the_folded_view_is_that_of_each_text(texts):
    """Row by row what `fold_text` gives, nothing for what is missing; descriptions are cut at a length of their own."""
    listings = ListingColumns({"title": texts, "description": texts})
    assert listings.folded("title").strings() == [fold_text(text or "") for text in texts]
    described = [fold_text(text or "", 100_000) for text in texts]
    assert listings.letters("description").tolist() == list(map(len, described))


def test_what_several_need_is_worked_out_once():
    """The second to ask gets the very object; a set walked for with others has the places it has alone."""
    listings = ListingColumns(FRAME)
    assert listings.folded("title") is listings.folded("title")
    assert listings.texts("title") is not listings.texts("brand")
    worked: list[str] = []
    for key in ("a", "b", "a"):
        listings.memoise(key, lambda key=key: worked.append(key))
    assert worked == ["a", "b"]
    assert ListingColumns.of(listings) is listings
    assert ListingColumns.of(FRAME).texts("title") == listings.texts("title")
    sets = PhraseSet(["bag", "wallet"]), PhraseSet(["nike", "bag"])
    together = ListingColumns(FRAME, Reading(sets=sets))
    for phrases in sets:
        alone = ListingColumns(FRAME).places("title", phrases)
        found = together.places("title", phrases)
        assert [found.of_text(row) for row in range(len(FRAME))] == [alone.of_text(row) for row in range(len(FRAME))]


# Misspelt words


@given(st.lists(st.none() | st.sampled_from(["A rplica wach", "ro lex", "@did@$", "Bag &amp;amp;amp;amp; belt"])))
def test_misspelt_words_are_read_alike_whether_texts_were_folded_before_or_not(texts):
    """And those read another way are read anew; only title and description are."""
    spelling = Spelling().fit(["watch belt"] * 2, ["replica", "rolex", "adidas"])
    before = ListingColumns({"title": texts, "brand": texts})
    folded = before.folded("title").strings()
    expected = [read_words(spelling, fold_text(text or "", 2_000)) for text in texts]
    reading = Reading(spelling)
    assert before.read_as(reading).folded("title").strings() == expected
    otherwise = before.read_as(Reading(Spelling().fit(["wache roalex"] * 2)))
    otherwise.folded("title")
    assert otherwise.read_as(reading).folded("title").strings() == expected
    assert before.read_as(reading).folded("brand").strings() == folded


# Phrases


# Rows taken from other listings, with other texts


@settings(max_examples=20)
@given(st.lists(st.integers(0, len(FRAME) - 1), max_size=9))
def test_rows_that_are_taken_read_as_those_of_the_frame(rows):
    """In the order asked, however often, whether the whole was read before or not."""
    taken, alone = ListingColumns(FRAME).take(np.array(rows, dtype=np.intp)), ListingColumns(FRAME.iloc[rows])
    phrases = PhraseSet(["bag", "nike"])
    assert len(taken) == len(alone)
    assert taken.folded("title").strings() == alone.folded("title").strings()
    assert taken.skeletons("description").strings() == alone.skeletons("description").strings()
    assert taken.names("brand").strings() == alone.names("brand").strings()
    places = [listings.places("title", phrases) for listings in (taken, alone)]
    assert [places[0].of_text(row) for row in range(len(rows))] == [places[1].of_text(row) for row in range(len(rows))]
    np.testing.assert_array_equal(taken.numbers("price"), alone.numbers("price"))


def test_passages_are_not_folded_twice():
    """A word that a second folding would read otherwise stays."""
    whole = ListingColumns({"title": ["four deep &amp;amp;amp;amp; bag"]})
    text = whole.folded("title").text(0)
    assert fold_text(text) != text
    passages = whole.take(np.array([0, 0]), {"title": Texts.of([text, "bag"])})
    assert passages.folded("title").strings() == [text, "bag"]
    reading = Reading(Spelling().fit(["bug"] * 2))
    assert passages.read_as(reading).folded("title").strings() == [text, "bag"]


@given(st.lists(st.sampled_from(["Rolex", "r0l", "ex", "AAA", "replicas", "mont", "blanc"]), min_size=1, max_size=9))
def test_what_is_read_of_a_passage_is_what_the_passage_says(words):
    """Its skeleton and the phrases in it are those of a listing with that title alone; other columns are its row's."""
    phrases = PhraseSet(["rolex", "replica*", "mont blanc"])
    whole = ListingColumns({"title": ["Hat", " ".join(words)], "price": [1.0, 2.0]})
    texts = [" ".join(part).lower() for part in (words[1:], words[:-1]) if part]
    passages = whole.take(np.full(len(texts), 1), {"title": Texts.of(texts)})
    alone = ListingColumns({"title": texts})
    assert passages.skeletons("title").strings() == alone.skeletons("title").strings()
    for row in range(len(texts)):
        assert passages.places("title", phrases).of_text(row) == alone.places("title", phrases).of_text(row)
    assert passages.numbers("price").tolist() == [2.0] * len(texts)


NAMES_TEXTS = st.lists(st.none() | st.sampled_from(["", "a", "b", "д"]), max_size=8)


@given(NAMES_TEXTS)
def test_names_are_the_texts_however_they_are_held(texts):
    """In a list or a column, an empty text for what is missing; in any selection, names of no listing are left out."""
    expected = [text or "" for text in texts]
    assert Names.of(texts).strings() == expected
    assert Names.of(pd.Series(texts, dtype="str")).strings() == expected
    assert Names.of(pd.Series(texts, dtype=object)).strings() == expected
    taken = Names.of(texts).take(np.arange(len(texts))[::2]).compact()
    assert taken.strings() == [text or "" for text in texts[::2]]
    assert len(set(taken.names)) == len(taken.names) == len(set(taken.strings()))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=9), st.booleans())
def test_pairs_are_looked_up_once_each(pairs, is_large):
    """Whether there is room for a table of all pairs or not."""
    first, second = Names.of([one for one, _ in pairs]), Names.of([other for _, other in pairs])
    asked = []
    before, column_module._MOST_PAIRS = column_module._MOST_PAIRS, 0 if is_large else column_module._MOST_PAIRS
    try:
        numbers = pair_up(first, second, lambda *pair: asked.append(pair) or (None if "a" in pair else ord(pair[1])))
    finally:
        column_module._MOST_PAIRS = before
    expected = [np.nan if one == "a" else float(ord(other)) for one, other in pairs]
    np.testing.assert_array_equal(numbers, expected)
    assert sorted(asked) == sorted(set(pairs))
