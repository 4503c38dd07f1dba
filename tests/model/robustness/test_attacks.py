"""Attacks rewrite what they are told to, the same way every time, and leave it readable where they say so."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.features.columns import ListingColumns
from ipml.features.lexicon import TradeWords
from ipml.model.robustness import FAMILIES, attack_listings, attack_text
from ipml.model.robustness.evasions import ALPHABETS, harmless_title

TITLE = "Gucci bag AAA+ 1:1 Replica, new in box 38"
TEXTS = st.text(max_size=60)
by_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def of_kind(kind: str) -> pytest.MarkDecorator:
    """Run a test with each family of one kind."""
    families = {name: family for name, family in FAMILIES.items() if family.kind == kind}
    return pytest.mark.parametrize("family", families.values(), ids=families)


def test_there_are_families_of_every_kind():
    """At least three of each, and well over the three dozen that were asked for."""
    kinds = pd.Series([family.kind for family in FAMILIES.values()]).value_counts()
    assert set(kinds.index) == {
        "invisible", "look-alike", "styled", "markup", "spacing", "spelling", "padding", "mixed",
    }  # fmt: skip
    assert kinds.min() >= 3
    assert len(FAMILIES) >= 80


@by_family
def test_every_family_changes_a_title(family):
    """A family that changes nothing would measure nothing."""
    assert attack_text(TITLE, family) != TITLE


@by_family
def test_the_same_text_and_seed_give_the_same(family):
    """What is drawn at random depends on them alone."""
    assert attack_text(TITLE, family, seed=3) == attack_text(TITLE, family, seed=3)


@pytest.mark.slow
@by_family
@settings(max_examples=25)
@given(text=TEXTS)
def test_any_text_can_be_attacked(family, text):
    """No text breaks a family, however short or strange."""
    assert isinstance(attack_text(text, family), str)
    assert isinstance(attack_text(text, family, targets="trade words"), str)


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
def test_an_alphabet_has_something_for_nearly_every_letter(alphabet):
    """Each of the 52 letters is in the table, and at least half of the capitals change."""
    assert len(alphabet) == 52
    assert sum(letter != written for letter, written in alphabet.items() if letter.isupper()) >= 13


@of_kind("invisible")
def test_invisible_families_keep_every_letter_in_sight(family):
    """What they add is not among the letters of the title; forwards or backwards, these all stay."""
    written = attack_text(TITLE, family)
    assert sorted(letter for letter in written if letter in TITLE) == sorted(TITLE)


@of_kind("styled")
def test_styled_families_name_the_letter_they_style(family):
    """Unicode's name of each letter ends in the letter it was."""
    written = [letter for letter in attack_text("brand", family) if not unicodedata.combining(letter)]
    written = [letter for letter in written if unicodedata.category(letter) != "Me"]
    assert [unicodedata.name(letter)[-1] for letter in written] == list("BRAND")


@of_kind("padding")
def test_padding_keeps_all_words_in_their_order(family):
    """The words of the text are a part of the padded one, in the same order."""
    padded = iter(attack_text(TITLE, family).split())
    assert all(word in padded for word in TITLE.split())


def test_padding_takes_as_much_as_a_title_may_have():
    """A long title gets fewer phrases; none makes it longer than a marketplace allows."""
    family = FAMILIES["padding, front"]
    for length in (10, 900, 1_500, 1_990, 2_000):
        title = "x" * length
        assert len(attack_text(title, family)) <= 2_000
        assert attack_text(title, family).endswith(title)


def test_harmless_phrases_are_harmless():
    """None of the household goods is a word of the trade."""
    rng = np.random.default_rng(0)
    words = TradeWords().fit({"title": []})
    titles = {"title": [harmless_title(rng).lower() for _ in range(500)]}
    assert not words.find(ListingColumns(titles), "title").number.tolist()


def test_trade_words_are_brands_and_replica_words():
    """Other words stay as they are."""
    written = attack_text("Big GUCCI replicas AAA+ bag of NikeLab", FAMILIES["full-width"], targets="trade words")
    assert written == "Big ＧＵＣＣＩ ｒｅｐｌｉｃａｓ ＡＡＡ+ bag of NikeLab"


def test_a_text_without_trade_words_is_left_alone():
    """There is nothing to hide."""
    for family in FAMILIES.values():
        if family.kind != "padding":
            assert attack_text("wool hat", family, targets="trade words") == "wool hat"


@pytest.fixture
def listings():
    """Return five listings, two of which have no description."""
    return pd.DataFrame(
        {
            "seller_id": list("abcde"),
            "title": pd.Series(["Nike shoe", "Wool hat", "Gucci bag", "Tea cup", "Rolex"], dtype="str"),
            "description": pd.Series(["new", None, "used twice", "blue", None], dtype="str"),
        }
    )


@by_family
def test_only_the_attacked_rows_change(family, listings):
    """The others, all other columns and the frame given stay as they were."""
    before = listings.copy(deep=True)
    is_attacked = np.array([True, False, True, False, False])
    attacked = attack_listings(listings, family, is_attacked)
    pd.testing.assert_frame_equal(listings, before)
    pd.testing.assert_frame_equal(attacked[~is_attacked], listings[~is_attacked])
    assert list(attacked.columns) == list(listings.columns)
    assert (attacked.dtypes == listings.dtypes).all()


@by_family
def test_an_attack_does_not_depend_on_the_place(family, listings):
    """Listings in another order are attacked alike."""
    everywhere = np.ones(len(listings), dtype=bool)
    forwards = attack_listings(listings, family, everywhere, seed=1)
    backwards = attack_listings(listings[::-1], family, everywhere, seed=1)
    pd.testing.assert_frame_equal(backwards[::-1], forwards)


@by_family
def test_only_padding_writes_a_description_where_there_was_none(family, listings):
    """Any other family leaves it missing."""
    attacked = attack_listings(listings, family, np.ones(len(listings), dtype=bool))
    writes = family.kind == "padding" and "description" in family.columns
    assert attacked["description"].isna().sum() == (0 if writes else 2)


def test_what_a_marketplace_would_refuse_is_cut():
    """Nine letters for one make a long title longer than it may be."""
    listings = pd.DataFrame({"title": ["x" * 1_500]})
    attacked = attack_listings(listings, FAMILIES["entities, twice escaped"], [True])
    assert len(attacked["title"].iloc[0]) == 2_000
