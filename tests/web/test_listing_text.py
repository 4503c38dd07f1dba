"""Listing text on the page: nothing is lost, nothing invisible stays so, nothing of it is markup."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from ipml.kit.hostile_text import is_invisible, show_invisible
from ipml.records import Highlight, Reason, ScoredListing
from ipml.review import queue
from ipml.web.console.listing_text import cut_pieces, find_disguises

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</textarea></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'login.html' %}",
    "<b hx-post='/logout' hx-trigger=load>",
    "javascript:alert(1)",
    "https://elsewhere.example/pay",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e\u2066\u200b\x00\ud800<iframe src=//elsewhere.example>",
)
TEXTS = st.text(st.characters(), max_size=40)
RANGES = st.lists(
    st.builds(Highlight, st.integers(-2, 40), st.integers(-2, 45), st.floats(-5, 5, allow_subnormal=False)), max_size=5
)


class Tags(HTMLParser):
    """The tags, addresses and handlers that a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.append(tag)
        self.attributes += attrs


def make_item(text: str, scored: Callable[..., ScoredListing]) -> ScoredListing:
    """Return a scored listing with a text in every field that a seller or a table of brands fills."""
    # What is a column of its own can hold neither NUL nor half a surrogate pair.
    plain = text.replace("\0", "").replace("\ud800", "")
    fields = dict.fromkeys(("listing_id", "brand", "seller_id", "category", "condition", "country"), plain)
    item = scored(0, title=text, description=text, **fields)
    return replace(
        item,
        reasons=(Reason("x", text, 1.0),),
        highlights=(Highlight(0, 3, 1.0),),
        price_range=replace(item.price_range, brand=text),
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_inert(
    hostile: str, engine: Engine, scored: Callable[..., ScoredListing], ana: TestClient
) -> None:
    """In whatever field it stands, hostile text adds no tag, no handler and no address to the pages."""
    queue.enqueue(engine, [make_item("harmless", scored), make_item(hostile, scored)])
    kinds = set(Tags(ana.get("/cases/8").text).tags) | {"span"}  # a span marks what is invisible
    for path in ("/cases/9", "/", f"/?{urlencode({'brand': hostile.replace(chr(0), '')}, errors='replace')}"):
        page = ana.get(path).text
        found = Tags(page)
        assert not any(name.startswith(("on", "hx-")) for name, _ in found.attributes)
        links = [value or "" for name, value in found.attributes if name in ("href", "src", "action")]
        assert all(link.startswith(("/", "#main")) and not link.startswith("//") for link in links)
        assert path != "/cases/9" or set(found.tags) <= kinds
        if "brand" not in path:  # a filter holds what was typed, so that it finds the brand
            assert not any(is_invisible(letter) for letter in page if letter != "\n")


@pytest.mark.parametrize("text", ["Nike Air Max 90", "Кроссовки", "手提包", "حقيبة يد", "Sac à main — 50 €", "👜"])
def test_ordinary_text_stays(text: str) -> None:
    """Letters of any script, signs and pictures are left alone."""
    assert show_invisible(text) == text
    assert [piece.text for piece in cut_pieces(text)] == [text]


@given(TEXTS, RANGES)
def test_pieces_make_up_the_title(text: str, highlights: list[Highlight]) -> None:
    """Put together, the pieces are the title, with the invisible letters counted; none is left invisible."""
    pieces = cut_pieces(text, highlights)
    assert not any(is_invisible(letter) for piece in pieces for letter in piece.text)
    seen = "".join(piece.text for piece in pieces if not piece.is_invisible)
    assert seen == "".join(letter for letter in text if not is_invisible(letter))
    repeats = [piece.text.partition(" ×")[2] or "1" for piece in pieces if piece.is_invisible]
    assert sum(map(int, repeats)) == sum(map(is_invisible, text))


@given(TEXTS, RANGES)
def test_strength_follows_weight(text: str, highlights: list[Highlight]) -> None:
    """Pieces have a side if and only if they have a strength, and the strongest is 3."""
    pieces = cut_pieces(text, highlights)
    assert all((piece.strength > 0) == bool(piece.speaks_for) for piece in pieces)
    assert max((piece.strength for piece in pieces), default=0) in (0, 3)


def test_long_titles_are_cut() -> None:
    """A title of a million letters costs a line that says how many were left out."""
    pieces = cut_pieces("a" * 1_000_000, [Highlight(0, 1_000_000, 1.0)])
    assert [len(piece.text) for piece in pieces] == [500, len(" … and 999,500 more letters")]


NEEDED = (
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family
    "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
    "\U0001f469\U0001f3fd\u200d\U0001f4bb",  # with a colour of skin
    "1\ufe0f\u20e3",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u0915\u094d\u200d\u0937",  # Hindi
)


@given(st.lists(st.sampled_from((*NEEDED, "bag", "Nike")), max_size=6).map(" ".join))
def test_what_scripts_and_emoji_need_is_no_disguise(text: str) -> None:
    """Joiners inside emoji, Persian and Hindi, and selectors after emoji are not boxed, and nothing else is marked."""
    assert not any(piece.is_invisible or piece.disguise for piece in cut_pieces(text))
    assert show_invisible(text) == text


@given(st.sampled_from(NEEDED), st.sampled_from("\u200b\u200d\ufe0f\u2060"), st.sampled_from(["Nike", "Gucci"]))
def test_the_same_letters_inside_a_word_are_boxed(emoji: str, letter: str, word: str) -> None:
    """However ordinary the emoji beside it."""
    text = f"{emoji} {word[:2]}{letter}{word[2:]}"
    assert [piece.text for piece in cut_pieces(text) if piece.is_invisible] == [f"U+{ord(letter):04X}"]


@pytest.mark.parametrize(
    ("title", "brand", "marked"),
    [
        ("sac L0u15 Vu1tt0n DM8146 35cm", "Louis Vuitton", "L0u15 Vu1tt0n"),
        ("35t\u00e93 L4ud3r, 15 ml", "Est\u00e9e Lauder", "35t\u00e93 L4ud3r"),
        ("new U G G boots 38", "UGG", "U G G"),
        ("Louis Vuitton V1P case", "Louis Vuitton", ""),
        ("7 for all mankind, 2 x 501", "7 For All Mankind", ""),
    ],
)
def test_a_brand_that_is_spelt_with_digits_is_marked_without_a_reading(title: str, brand: str, marked: str) -> None:
    """Though the model read nothing else than is written; words beside it, sizes and numbers of articles are not."""
    found = "".join(
        letter if place in find_disguises(title, brand=brand) else " " for place, letter in enumerate(title)
    )
    assert found.split() == marked.split()


ALIKE = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "o": "\u043e", "p": "\u0440"}


@given(st.sampled_from(["chanel", "gucci", "prada", "rolex", "nike"]), st.data())
def test_look_alike_letters_are_marked_with_their_names(word: str, data: st.DataObject) -> None:
    """Each letter of another script in a word is marked and named; those of the word itself are not."""
    places = [place for place, letter in enumerate(word) if letter in ALIKE]
    chosen = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=len(word) // 2))
    disguised = "".join(ALIKE[letter] if place in chosen else letter for place, letter in enumerate(word))
    found = find_disguises(f"new {disguised} bag")
    assert found == {4 + place: unicodedata.name(disguised[place]).capitalize() for place in sorted(chosen)}


@pytest.mark.parametrize(
    "text",
    [
        "\u043a\u0435\u0434\u044b Nike",
        "\u0441\u0443\u043c\u043a\u0430 Nike \u0445\u043e\u0440",
        "\u0442\u043e\u0440 \u0441\u043e\u0440",
        "5 \u00b5m",
        "90x90\u0441\u043c",
        "T\u30b7\u30e3\u30c4",
        "caf\u00e9 90 x 90 cm",
        "M & S",
        "A B test",
    ],
)
def test_what_is_written_honestly_is_not_marked(text: str) -> None:
    """Words of one script each, units, accents and sizes."""
    assert find_disguises(text, read_as=text) == {}


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("B u r b e r r y", "burberry"),
        ("B.u.r.b.e.r.r.y", "burberry"),
        ("Br0th3r", "brother"),
        ("\u0410\u0410\u0410", "aaa"),
        ("\u0441\u043e\u0440\u0443", "copy"),
        ("\u03a1\u039f\u039c\u0395", "pome"),
        ("V*ellmar", "vellmar"),
        ("\U0001d4de\U0001d4f6\U0001d4ee\U0001d4f0\U0001d4ea", "omega"),
    ],
)
def test_spaced_styled_and_leet_words_are_marked(text: str, read_as: str) -> None:
    """The whole of the word, and neither the words nor the signs beside it."""
    title = f"new {text}, bag"
    assert set(find_disguises(title, f"new {read_as}, bag")) == set(range(4, 4 + len(text)))
