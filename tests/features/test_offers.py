"""How an offer is made, in one text and in many at once."""

import math
import sys
import tomllib
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification.offers import find_contacts, find_lots
from specification.phrases import find_phrases
from support.finding import missed_phrases

from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.phrases import PhraseFinder
from ipml.features.compiled.texts import Texts
from ipml.features.offers import OfferFeatures, describe_offers, group_columns, load_offer_words

OFFER = OfferFeatures().fit({"title": []})
CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")


def values(title: str | None = None, description: str | None = None) -> dict[str, float]:
    """Return the features of one listing by name."""
    row = OFFER.transform({"title": [title], "description": [description]})[0]
    return dict(zip(OFFER.get_feature_names_out(), row.tolist(), strict=True))


def pieces_in(titles: list[str]) -> dict[str, float]:
    """Return the logarithm of the number of pieces that each title names."""
    return {title: values(title)["log_pieces_in_title"] for title in titles}


def test_contacts_are_found_wherever_they_stand():
    """What leads away is seen in title and description; part numbers, measures and prices lead nowhere."""
    contacts = {"Bags, WhatsApp for more": "messenger", "Кроссовки, пишите вотсап": "messenger"}
    contacts |= {"包包 加微 abc": "messenger", "DM me for price": "approach", "see https://t.me/shop": "link"}
    contacts |= {"more at shop-name.com": "link", "write to jane.doe@example.org": "email"}
    contacts |= {"follow @some_shop": "handle", "call +86 138 0000 0000": "phone", "тел. 8 (900) 000-00-00": "phone"}
    assert {text: values(title=text)[f"{contact}_in_title"] for text, contact in contacts.items()} == dict.fromkeys(
        contacts, 1
    )
    described = {text: values(description=text)[f"{contact}_in_description"] for text, contact in contacts.items()}
    assert described == dict.fromkeys(contacts, 1)
    titles = ["Curse of the Arctic Star 9781442466104", "HP 305XL 3YM62AE", "Lens 24-70mm f/2.8", "$1,299.00"]
    for title in (*titles, "Vitamin B12 1000 mcg"):
        assert not any(values(title)[f"{contact}_in_title"] for contact in CONTACTS), title


def test_pieces_are_counted_and_neither_sizes_nor_names():
    """Ten pieces are ten, however written; not a size in any script, nor the number after a name with an x."""
    titles = ["Bags x10", "10 pcs bags", "10x bags", "Сумки 10 шт", "包 10 件"]
    assert pieces_in(titles) == dict.fromkeys(titles, 1.0)
    sizes = ["Scarf 90{}90 cm", "Scarf 90{}90", "Лента 120{}4 см", "7.5{}10 m", "Box 3{}4{}5", '10"{}12"']
    signs = ["x", "X", "×", "х", " x ", " X ", " × ", " х "]
    titles = [size.replace("{}", sign) for size in sizes for sign in signs]
    assert pieces_in(titles) == dict.fromkeys(titles, 0.0)
    names = ["Xbox Series X 1000 GB", "iPhone X 64 GB", "Tesla Model X 2018 mats", "Galaxy X 256GB", "SSD x 500 gb"]
    assert pieces_in(names) == dict.fromkeys(names, 0.0)


WORDS = st.sampled_from(["ThinkPad", "Envy", "bags", "жилет", "crème", "包包", "64GB"])


@given(WORDS, st.integers(2, 9999), WORDS)
def test_a_number_stuck_to_an_x_between_words_is_of_a_model(before, number, after):
    """A number of pieces stands at an end, in brackets, beside a sign or before a unit."""
    for name in (f"{before} X{number} {after}", f"{before} x{number} {after}, {after}"):
        assert values(name)["log_pieces_in_title"] == 0.0, name
    counts = ("x{1} {2}", "{0} x{1}", "{0} {2} (x{1})", "{0} x{1}, {2}", "{0} - x{1} {2}", "{0} x{1} pcs {2}")
    for title in (count.format(before, number, after) for count in counts):
        assert values(title)["log_pieces_in_title"] == pytest.approx(math.log10(number)), title


@given(st.integers(2, 999), st.integers(2, 999))
def test_a_size_takes_no_number_of_pieces_away(pieces, side):
    """Beside a size, pieces are counted as without."""
    for title in (f"{pieces} pcs scarf {side} x {side} cm", f"{side} x {side} scarf x{pieces}", f"{pieces} x scarf"):
        assert values(title)["log_pieces_in_title"] == pytest.approx(math.log10(pieces)), title


def test_a_range_of_sizes_is_seen():
    """Whoever offers every size is seen; one size, and numbers of other things, are no range."""
    ranges = ["Sneakers 36-45", "Boots 40 - 46", "Shoes US7-US12", "Hoodie S-XXL", "Tee xs/2xl"]
    others = ["Sneakers size 42", "iPhone 11 64GB", "Comic 36", "1945-1950 photographs"]
    seen = {title: values(title)["size_range_in_title"] for title in (*ranges, *others)}
    assert seen == dict.fromkeys(ranges, 1) | dict.fromkeys(others, 0)


@given(st.lists(st.sampled_from(["bag", "whatsapp", "10 pcs", "+86 138 0000 0000", "all sizes", "10x"]), max_size=5))
def test_more_words_never_take_a_contact_away(words):
    """Who adds to an offer hides nothing of it."""
    before, after = values(" ".join(words)), values(" ".join([*words, "soft wool hat"]))
    assert all(after[name] >= value for name, value in before.items())


def test_every_group_says_why_and_its_phrases_are_found():
    """It has words and a name of its own; no word stands in two, and folding makes none unreadable."""
    groups = tomllib.loads((files("ipml.features") / "offer.toml").read_text(encoding="utf-8"))["group"]
    assert all(set(group) == {"name", "why", "phrases"} and all(group.values()) for group in groups)
    assert len({group["name"] for group in groups}) == len(groups)
    folded = [phrase for group in groups for phrase in {fold_text(phrase) for phrase in group["phrases"]}]
    assert [phrase for phrase, times in Counter(folded).items() if times > 1] == []
    assert missed_phrases(phrase for _, phrase in load_offer_words()) == []


@given(st.text(max_size=80) | st.none(), st.text(max_size=80))
@example(None, "")
@example("", "")
def test_all_values_lie_within_their_bounds(title, description):
    """Whatever is written, a thing is so or not; pieces are at most a hundred thousand; missing texts say nothing."""
    found = values(title, description)
    for name, value in found.items():
        assert 0 <= value <= 5 if name == "log_pieces_in_title" else value in (0, 1), name
    assert title or description or not any(found.values())


GROUPS, PHRASES = (tuple(column) for column in zip(*load_offer_words(), strict=True))
FINDER = PhraseFinder((PHRASES,))
COLUMNS = group_columns(GROUPS)

LOTS = ["x", "x ", "10", "7", "100000", "0", "007", " ", "", "pcs", "pc", "шт", *"件个aé_.-", "12345", "件x"]
SIZES = ["x", " x ", " x", "x ", " ", "90", "4", "2018", "cm", " gb", "m", "'", "''", '"', *"aé件_", "pcs", "in"]
RANGES = [*"- ~x", *["36", "45", "40", "34", "33", "49", "do", "bis", "us", "uk", "eu", "7", "12", ".5"], " - ", " to "]
LETTERS = [*"smlx/- é_1~", *["xs", "xxl", "xxxl", "2xl", "7xl"]]
PHONES = [*"+87()- $,.a件", "900", "(900)", "000", "86", "0000", "+86 138 0000 0000"]
LINKS = [*"s.-é件_ x", *["http", "https", "://", "www", "com", "shop", "me", "ru", "top", "abc"], "a" * 39]
ADDRESSES = [*"@@aB._-9 é%+\u0130\u212a", "ab", "abc", "com", "b" * 62, "@shop"]
NAMES = [*"aé件 (-_", *[" x10", " x7", " x250", " i5", " x", " pcs", " pc", " 件", "  ", " cm", " 3"]]
KINDS_OF_PIECES = [LOTS, SIZES, NAMES, RANGES, LETTERS, PHONES, LINKS, ADDRESSES]
TEXTS = (
    st.sampled_from(KINDS_OF_PIECES).flatmap(lambda pieces: st.lists(st.sampled_from(pieces), max_size=9)).map("".join)
)
ANY = TEXTS | st.text(max_size=20) | st.lists(st.sampled_from(PHRASES), max_size=3).map(" ".join)


def look(raw: str, folded: str, most: int) -> tuple[float, ...]:
    """Return what is said of one text."""
    groups = {GROUPS[number] for number, _, _ in find_phrases(folded, PHRASES)}
    return (*find_contacts(raw[:most].lower(), folded, groups), *find_lots(folded, groups))


def assert_read_as_one(raws: list[str], folded: list[str], most: int = 2_000) -> None:
    """Compare with what is said of each, with lots and without."""
    texts = Texts.of(folded)
    (places,) = FINDER.find(texts)
    for has_lots, n_columns in ((True, 10), (False, 6)):
        values = describe_offers(Texts.of(raws), texts, places, COLUMNS, most, has_lots=has_lots)
        assert values.tolist() == [list(look(*one, most))[:n_columns] for one in zip(raws, folded, strict=True)]


@example(["x10 pcs 20", "10 x 20", "x 10x 30", "a x10 b", "é x250 x 3", "a x10 pcs", "0 pcs", "us7.5-us 12"])
@example(["a.b@c.de", "\u0663 pcs", "www", "8 (900) 000-00-00"])
@given(st.lists(ANY, max_size=6))
def test_offers_are_read_as_in_one_text(texts):
    """Whatever the text, folded or not: contacts, numbers of pieces and ranges of sizes."""
    assert_read_as_one(texts, texts)
    assert_read_as_one(texts, [fold_text(text) for text in texts])


@given(TEXTS, st.integers(0, 12))
def test_no_more_letters_are_read_than_asked_for(text, most):
    """Letters beyond are as if they were not there; they are letters, not bytes."""
    assert_read_as_one([f"é{text}"], [fold_text(text, most)], most)


def test_no_other_letter_turns_into_ascii():
    """Addresses may have two letters that are ASCII once small; every number of pieces is exact to the last bit."""
    codes = [code for code in range(128, sys.maxunicode + 1) if any(part.isascii() for part in chr(code).lower())]
    assert codes == [0x130, 0x212A]
    texts = Texts.of([f"{number} pcs" for number in range(1, 100_000)])
    none = FINDER.find(Texts.of([""] * len(texts)))[0]
    values = describe_offers(texts, texts, none, COLUMNS, 2_000, has_lots=True)
    np.testing.assert_array_equal(values[:, 7], list(map(math.log10, range(1, 100_000))))
