"""Listing text on the page: nothing is lost, nothing invisible stays so, nothing of it is markup."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.hostile_text import is_invisible, show_invisible
from ipml.records import Highlight
from ipml.web.console.listing_text import cut_pieces, find_disguises

TEXTS = st.text(st.characters(), max_size=40)
RANGES = st.lists(
    st.builds(Highlight, st.integers(-2, 40), st.integers(-2, 45), st.floats(-5, 5, allow_subnormal=False)), max_size=5
)


def test_ordinary_text_stays() -> None:
    """Letters of any script, signs and pictures are left alone; of a title without end it is said how much was cut."""
    for text in ("Nike Air Max 90", "Кроссовки", "手提包", "حقيبة يد", "Sac à main — 50 €", "👜"):
        assert show_invisible(text) == text
        assert [piece.text for piece in cut_pieces(text)] == [text]
    pieces = cut_pieces("a" * 1_000_000, [Highlight(0, 1_000_000, 1.0)])
    assert [len(piece.text) for piece in pieces] == [500, len(" … and 999,500 more letters")]


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


SPELT = (
    ("sac L0u15 Vu1tt0n DM8146 35cm", "Louis Vuitton", "L0u15 Vu1tt0n"),
    ("35t\u00e93 L4ud3r, 15 ml", "Est\u00e9e Lauder", "35t\u00e93 L4ud3r"),
    ("new U G G boots 38", "UGG", "U G G"),
    ("Louis Vuitton V1P case", "Louis Vuitton", ""),
    ("7 for all mankind, 2 x 501", "7 For All Mankind", ""),
)


def test_a_brand_that_is_spelt_with_digits_is_marked_without_a_reading() -> None:
    """Though the model read nothing else than is written; words beside it, sizes and numbers of articles are not."""
    for title, brand, marked in SPELT:
        disguises = find_disguises(title, brand=brand)
        found = "".join(letter if place in disguises else " " for place, letter in enumerate(title))
        assert found.split() == marked.split(), title


ALIKE = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "o": "\u043e", "p": "\u0440"}


@given(st.sampled_from(["chanel", "gucci", "prada", "rolex", "nike"]), st.data())
def test_look_alike_letters_are_marked_with_their_names(word: str, data: st.DataObject) -> None:
    """Each letter of another script in a word is marked and named; those of the word itself are not."""
    places = [place for place, letter in enumerate(word) if letter in ALIKE]
    chosen = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=len(word) // 2))
    disguised = "".join(ALIKE[letter] if place in chosen else letter for place, letter in enumerate(word))
    found = find_disguises(f"new {disguised} bag")
    assert found == {4 + place: unicodedata.name(disguised[place]).capitalize() for place in sorted(chosen)}


HONEST = (
    *("\u043a\u0435\u0434\u044b Nike", "\u0441\u0443\u043c\u043a\u0430 Nike \u0445\u043e\u0440"),
    *("\u0442\u043e\u0440 \u0441\u043e\u0440", "5 \u00b5m", "90x90\u0441\u043c", "T\u30b7\u30e3\u30c4"),
    *("caf\u00e9 90 x 90 cm", "M & S", "A B test"),
)
SPOILT = {
    "B u r b e r r y": "burberry",
    "B.u.r.b.e.r.r.y": "burberry",
    "Br0th3r": "brother",
    "\u0410\u0410\u0410": "aaa",
    "\u0441\u043e\u0440\u0443": "copy",
    "\u03a1\u039f\u039c\u0395": "pome",
    "V*ellmar": "vellmar",
    "\U0001d4de\U0001d4f6\U0001d4ee\U0001d4f0\U0001d4ea": "omega",
}


def test_spaced_styled_and_leet_words_are_marked() -> None:
    """The whole of the word, and nothing beside it; nor words of one script, units and sizes."""
    for text, read_as in SPOILT.items():
        found = find_disguises(f"new {text}, bag", f"new {read_as}, bag")
        assert set(found) == set(range(4, 4 + len(text))), text
    assert [text for text in HONEST if find_disguises(text, read_as=text)] == []
