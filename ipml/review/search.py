"""Finding cases by words of the title, the brand, the listing's id or the seller's.

What is looked through is kept folded in a narrow table of its own: reading all of it takes a tenth of the time a page
may take at 100,000 cases, so that any part of any word is found, in any script, alike on every database.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, select

from ipml.records import ScoredListing
from ipml.storage.tables import case_texts

MOST_WORDS = 8
_LONGEST_TITLE = 1_000
_UNSEEN = ("Mn", "Me", "Cf", "Cc", "Cs")
_FEW = 1_000
_OTHER_LINES = 3  # beside the title: the listing's id, the seller's and the brand


def fold(text: str) -> str:
    """Return a text without case, accents, invisible letters and width, so that alike words are found alike.

    Examples
    --------
    >>> fold("  R\\u00e9plica  N\\u200b\\uff29ke ")
    'replica nike'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    # A line break is a control character, too, but parts words.
    parted = unicodedata.normalize("NFKD", " ".join(text.split()))
    letters = (letter for letter in parted if unicodedata.category(letter) not in _UNSEEN)
    return " ".join(unicodedata.normalize("NFKC", "".join(letters).casefold()).split())


def searched_text(scored: ScoredListing) -> str:
    """Return what a search for a case looks through.

    Examples
    --------
    >>> from ipml.records import Listing
    >>> searched_text(ScoredListing(Listing("A7", "s1", "Leather BAG"), 0.9, None, (), (), None, "m1"))
    'leather bag\\na7\\ns1\\n'
    """
    listing = scored.listing
    title = [listing.title[:_LONGEST_TITLE], *filter(None, [scored.read_as])]
    said = [*title, listing.listing_id, listing.seller_id, listing.brand or ""]
    return "\n".join(map(fold, said)).replace("\0", "")


def title_words(text: str) -> frozenset[str]:
    """Return the words of the title in a text that `searched_text` made, as written and as read.

    Examples
    --------
    >>> sorted(title_words("leather bag\\na7\\ns1\\n"))
    ['bag', 'leather']
    """
    return frozenset(" ".join(text.split("\n")[:-_OTHER_LINES]).split())


def split_words(search: str) -> tuple[str, ...]:
    """Return the words that a case must all hold; those beyond the eighth are not looked for.

    Examples
    --------
    >>> split_words("Nike  AIR")
    ('nike', 'air')
    """
    return tuple(fold(search).split()[:MOST_WORDS])


def holds(words: Sequence[str], text: ColumnElement[str] = case_texts.c.text) -> ColumnElement[bool]:
    """Return the condition that a text holds all of the words, wherever they stand."""
    return and_(*(text.contains(word, autoescape=True) for word in words))


def find_few(connection: Connection, words: Sequence[str]) -> list[int] | None:
    """Return the numbers of the cases that hold all of the words; None where there are more than 1,000."""
    found = connection.scalars(select(case_texts.c.case_id).where(holds(words)).limit(_FEW + 1)).all()
    return None if len(found) > _FEW else list(found)
