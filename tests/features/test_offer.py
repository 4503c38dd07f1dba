"""How an offer is made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalise import fold_text
from ipml.features.offer import OfferFeatures, load_offer_words
from ipml.features.phrases import find_phrases

OFFER = OfferFeatures().fit({"title": []})
CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")


def values(title: str | None = None, description: str | None = None) -> dict[str, float]:
    """Return the features of one listing by name."""
    row = OFFER.transform({"title": [title], "description": [description]})[0]
    return dict(zip(OFFER.get_feature_names_out(), row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("Bags, WhatsApp for more", "messenger"),
        ("Кроссовки, пишите вотсап", "messenger"),
        ("包包 加微 abc", "messenger"),
        ("DM me for price", "approach"),
        ("see https://t.me/shop", "link"),
        ("more at shop-name.com", "link"),
        ("write to jane.doe@example.org", "email"),
        ("follow @some_shop", "handle"),
        ("call +86 138 0000 0000", "phone"),
        ("тел. 8 (900) 000-00-00", "phone"),
    ],
)
def test_contacts_are_found_wherever_they_stand(text, contact):
    """What leads away from the marketplace is seen in the title and in the description."""
    assert values(title=text)[f"{contact}_in_title"] == 1
    assert values(description=text)[f"{contact}_in_description"] == 1


@pytest.mark.parametrize(
    "title",
    [
        "Curse of the Arctic Star 9781442466104",
        "HP 305XL 3YM62AE",
        "Lens 24-70mm f/2.8",
        "Vitamin B12 1000 mcg",
        "$1,299.00",
    ],
)
def test_numbers_of_goods_are_no_contacts(title):
    """Book numbers, part numbers, measures and prices are not taken for telephones or links."""
    assert not any(values(title)[f"{contact}_in_title"] for contact in CONTACTS)


@pytest.mark.parametrize("title", ["Bags x10", "10 pcs bags", "10x bags", "Сумки 10 шт", "包 10 件"])
def test_pieces_are_counted(title):
    """Ten pieces are ten pieces, however they are written."""
    assert values(title)["log_pieces_in_title"] == pytest.approx(1.0)


@pytest.mark.parametrize("title", ["Sneakers 36-45", "Boots 40 - 46", "Shoes US7-US12", "Hoodie S-XXL", "Tee xs/2xl"])
def test_a_range_of_sizes_is_seen(title):
    """Whoever offers every size is seen."""
    assert values(title)["size_range_in_title"] == 1


@pytest.mark.parametrize("title", ["Sneakers size 42", "iPhone 11 64GB", "Comic 36", "1945-1950 photographs"])
def test_one_size_is_no_range(title):
    """One size, and numbers of other things, are not."""
    assert values(title)["size_range_in_title"] == 0


@pytest.mark.parametrize("phrase", [phrase for _, phrase in load_offer_words()])
def test_every_phrase_is_found(phrase):
    """An entry that folding makes unreadable would never be found, and nobody would know."""
    assert list(find_phrases(fold_text(f"x {phrase.removesuffix('*')} y"), (phrase,)))


def test_shouting_is_measured():
    """Capitals, signs and repetition are shares of the text as written."""
    loud, calm = values("BAG BAG BAG!!!"), values("leather bag, brown")
    for name in ("capitals", "signs", "runs_of_signs", "repeated_words"):
        assert loud[f"{name}_in_title"] > calm[f"{name}_in_title"]


def test_pictures_are_counted_up_to_three():
    """Emoji are counted, whichever they are, so that none names its seller."""
    assert values("bag \U0001f525")["emoji_in_title"] == 1
    assert values("bag \U0001f525\u2728\U0001f45c\U0001f45c\U0001f45c")["emoji_in_title"] == 3
    assert values("кроссовки — 42 №1")["emoji_in_title"] == 0


@given(st.text(max_size=80), st.text(max_size=80))
def test_all_values_lie_within_their_bounds(title, description):
    """Whatever is written, a share is a share and no count is above three but the logarithm of pieces."""
    for name, value in values(title, description).items():
        most = 5 if name == "log_pieces_in_title" else 3 if name.startswith(("runs", "emoji")) else 1
        assert 0 <= value <= most, name


def test_a_missing_text_is_all_zeros():
    """No title and no description say nothing."""
    assert not any(values().values())
    assert not any(values("", "").values())
