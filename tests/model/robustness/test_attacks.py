"""Attacks rewrite what they are told to, the same way every time, and leave it readable where they say so."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.columns import ListingColumns
from ipml.features.lexicon import TradeWords
from ipml.model.robustness import FAMILIES, attack_listings, attack_text
from ipml.model.robustness.evasions import ALPHABETS, harmless_title

TITLE = "Gucci bag AAA+ 1:1 Replica, new in box 38"


def test_there_are_families_of_every_kind():
    """Three of each and eighty in all; alphabets change half of the capitals; household goods are no trade words."""
    kinds = pd.Series([family.kind for family in FAMILIES.values()]).value_counts()
    assert set(kinds.index) == {
        "invisible", "look-alike", "styled", "markup", "spacing", "spelling", "padding", "mixed",
    }  # fmt: skip
    assert kinds.min() >= 3
    assert len(FAMILIES) >= 80
    for name, alphabet in ALPHABETS.items():
        assert len(alphabet) == 52, name
        assert sum(letter != written for letter, written in alphabet.items() if letter.isupper()) >= 13, name
    rng = np.random.default_rng(0)
    words = TradeWords().fit({"title": []})
    titles = {"title": [harmless_title(rng).lower() for _ in range(500)]}
    assert not words.find(ListingColumns(titles), "title").number.tolist()
    once, again = ({name: attack_text(TITLE, family, seed=3) for name, family in FAMILIES.items()} for _ in range(2))
    assert once == again
    assert [name for name, written in once.items() if written == TITLE] == []
    assert [name for name, family in FAMILIES.items() if attack_text(TITLE, family) == TITLE] == []


def attack_by(kind: str, text: str) -> dict[str, str]:
    """Return a text as each family of one kind writes it."""
    return {name: attack_text(text, family) for name, family in FAMILIES.items() if family.kind == kind}


@given(st.text(max_size=60))
def test_any_text_can_be_attacked(text):
    """No text breaks a family, however short or strange."""
    for family in FAMILIES.values():
        assert isinstance(attack_text(text, family), str)
        assert isinstance(attack_text(text, family, targets="trade words"), str)


def test_families_do_what_their_kind_says():
    """Invisible ones keep each letter, styled ones name it, padding keeps all words; trade words alone may change."""
    for name, written in attack_by("invisible", TITLE).items():
        assert sorted(letter for letter in written if letter in TITLE) == sorted(TITLE), name
    for name, text in attack_by("styled", "brand").items():
        letters = [each for each in text if not unicodedata.combining(each) and unicodedata.category(each) != "Me"]
        assert [unicodedata.name(letter)[-1] for letter in letters] == list("BRAND"), name
    for name, written in attack_by("padding", TITLE).items():
        padded = iter(written.split())
        assert all(word in padded for word in TITLE.split()), name
    family = FAMILIES["padding, front"]
    for length in (10, 900, 1_500, 1_990, 2_000):
        title = "x" * length
        assert len(attack_text(title, family)) <= 2_000
        assert attack_text(title, family).endswith(title)
    written = attack_text("Big GUCCI replicas AAA+ bag of NikeLab", FAMILIES["full-width"], targets="trade words")
    assert written == "Big ＧＵＣＣＩ ｒｅｐｌｉｃａｓ ＡＡＡ+ bag of NikeLab"
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


def test_only_the_attacked_rows_change(listings):
    """Nor the frame given; only padding writes a description where none was; nine letters for one are cut."""
    before, is_attacked = listings.copy(deep=True), np.array([True, False, True, False, False])
    everywhere = np.ones(len(listings), dtype=bool)
    for name, family in FAMILIES.items():
        attacked = attack_listings(listings, family, is_attacked)
        assert listings.equals(before), name
        assert attacked[~is_attacked].equals(listings[~is_attacked]), name
        assert attacked.dtypes.equals(listings.dtypes), name
        forwards = attack_listings(listings, family, everywhere, seed=1)
        assert attack_listings(listings[::-1], family, everywhere, seed=1)[::-1].equals(forwards), name
        writes = family.kind == "padding" and "description" in family.columns
        assert forwards["description"].isna().sum() == (0 if writes else 2), name
    listings = pd.DataFrame({"title": ["x" * 1_500]})
    attacked = attack_listings(listings, FAMILIES["entities, twice escaped"], [True])
    assert len(attacked["title"].iloc[0]) == 2_000
