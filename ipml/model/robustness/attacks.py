"""Attack families: seeded ways to rewrite a listing so that people read it and filters do not.

All families are in one table, `FAMILIES`, written from the attacker's side without regard to the folding. Add a family
when the queue shows a new disguise. Published figures name families, so names do not change.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.features.lexicon import load_lexicon
from ipml.listings.brands import load_brands
from ipml.listings.fields import FIELDS
from ipml.model.robustness.evasions import (
    ALPHABETS,
    DIACRITICS,
    DIGITS,
    LAWFUL_PHRASES,
    LEET_DIGITS,
    LEET_SIGNS,
    N_BURYING,
    SIGNS,
    add_marks,
    double_letter,
    drop_letter,
    drop_vowels,
    for_each_word,
    join_words,
    mistype,
    pad,
    put_between,
    put_once,
    replace_letters,
    replace_one,
    reverse,
    reverse_end,
    space_out,
    star_vowel,
    stretch_vowels,
    style_letters,
    swap_letters,
    translate,
    use_entities,
    use_percent_signs,
    wrap_letters,
    write_alike_sounds,
    write_in_cyrillic,
)

AttackKind = Literal["invisible", "look-alike", "styled", "markup", "spacing", "spelling", "padding", "mixed"]
Rewrite = Callable[[str, np.random.Generator], str]


@dataclass(frozen=True, slots=True)
class Family:
    """One way of rewriting texts.

    Attributes
    ----------
    kind : str
        The changed part: "invisible", "look-alike", "styled", "markup", "spacing", "spelling", "padding" or "mixed".
    is_lossless : bool
        Whether a reader still reads every word as it was, at a glance.
    columns : tuple of str, default=("title", "description")
        Rewritten columns.
    """

    name: str
    kind: AttackKind
    is_lossless: bool
    rewrite: Rewrite
    columns: tuple[str, ...] = ("title", "description")


def _between(signs: str) -> Rewrite:
    return partial(put_between, signs=signs)


def _letters(alphabet: str, share: float = 1.0) -> Rewrite:
    return partial(replace_letters, alphabet=ALPHABETS[alphabet], share=share)


def _one_letter(alphabet: str) -> Rewrite:
    return partial(replace_one, alphabet=ALPHABETS[alphabet])


def _fixed(change: Callable[..., str], **options: Any) -> Rewrite:
    """Ignore the random generator."""
    return lambda text, _rng: change(text, **options)


def _styled(style: str) -> Rewrite:
    return _fixed(style_letters, style=style)


def _spaced(gap: str, word_gap: str) -> Rewrite:
    return _fixed(space_out, gap=gap, word_gap=word_gap)


def _words(change: Callable[[str], str]) -> Rewrite:
    return lambda text, _rng: for_each_word(text, change)


def _words_at_random(change: Rewrite) -> Rewrite:
    return lambda text, rng: for_each_word(text, lambda word: change(word, rng))


def _one_of(*rewrites: Rewrite) -> Rewrite:
    """Rewrite each word by one of several ways, drawn at random."""

    def rewrite(text: str, rng: np.random.Generator) -> str:
        return re.sub(r"\S+", lambda word: rewrites[rng.integers(len(rewrites))](word.group(), rng), text)

    return rewrite


def _all_of(*rewrites: Rewrite) -> Rewrite:
    """Rewrite a text by several ways, one after the other."""

    def rewrite(text: str, rng: np.random.Generator) -> str:
        for step in rewrites:
            text = step(text, rng)
        return text

    return rewrite


_TITLE, _DESCRIPTION = ("title",), ("description",)

_TABLE: tuple[Family, ...] = (
    # Invisible characters.
    Family("zero-width space, one", "invisible", True, partial(put_once, sign="\u200b")),
    Family("zero-width space, all", "invisible", True, _between("\u200b")),
    Family("zero-width joiner", "invisible", True, _between("\u200d")),
    Family("soft hyphen", "invisible", True, _between("\u00ad")),
    Family("word joiner", "invisible", True, _between("\u2060\ufeff")),
    Family("grapheme joiner", "invisible", True, _between("\u034f")),
    Family("variation selector", "invisible", True, _between("\ufe0f\ufe0e\U000e0100")),
    Family("tag characters", "invisible", True, _between("\U000e0061\U000e0062\U000e0063")),
    Family("directional marks", "invisible", True, _between("\u200e\u2066\u2069\u061c")),
    Family("filler letters", "invisible", True, _between("\u3164\u115f\u1160\uffa0")),
    Family("control characters", "invisible", True, _between("\u0001\u0008\u007f")),
    Family("reversed run", "invisible", True, _fixed(reverse)),
    Family("reversed ends of words", "invisible", True, _words(reverse_end)),
    # Look-alike alphabets.
    Family("homoglyph, one Cyrillic", "look-alike", True, _one_letter("Cyrillic")),
    Family("homoglyph, 30 % Cyrillic", "look-alike", True, _letters("Cyrillic", 0.3)),
    Family("homoglyph, all Cyrillic", "look-alike", True, _letters("Cyrillic")),
    Family("homoglyph, one Greek", "look-alike", True, _one_letter("Greek")),
    Family("homoglyph, 30 % Greek", "look-alike", True, _letters("Greek", 0.3)),
    Family("homoglyph, all Greek", "look-alike", True, _letters("Greek")),
    Family("homoglyph, Cherokee", "look-alike", True, _letters("Cherokee")),
    Family("homoglyph, Lisu", "look-alike", True, _letters("Lisu")),
    Family("homoglyph, Canadian syllables", "look-alike", False, _letters("Canadian")),
    Family("phonetic letters", "look-alike", True, _letters("phonetic")),
    Family("small capitals", "look-alike", True, _letters("small capitals")),
    Family("superscript", "look-alike", True, _letters("superscript")),
    Family("stroked letters", "look-alike", True, _letters("stroked")),
    Family("currency signs", "look-alike", False, _letters("currency signs")),
    Family("ideographs", "look-alike", False, _letters("ideographs")),
    Family("Yi syllables", "look-alike", False, _letters("Yi")),
    Family("Armenian letters", "look-alike", False, _letters("Armenian")),
    Family("Ethiopic syllables", "look-alike", False, _letters("Ethiopic")),
    Family("letters of several scripts", "look-alike", False, _letters("several scripts")),
    Family("turned letters", "look-alike", False, _letters("turned")),
    Family("look-alike digits and signs", "look-alike", True, partial(replace_letters, alphabet={**SIGNS, **DIGITS})),
    # Styled letters.
    Family("full-width", "styled", True, _styled("FULLWIDTH LATIN CASE LETTER")),
    Family("mathematical bold", "styled", True, _styled("MATHEMATICAL BOLD CASE")),
    Family("mathematical script", "styled", True, _styled("MATHEMATICAL BOLD SCRIPT CASE")),
    Family("mathematical Fraktur", "styled", True, _styled("MATHEMATICAL BOLD FRAKTUR CASE")),
    Family("double-struck", "styled", True, _styled("MATHEMATICAL DOUBLE-STRUCK CASE")),
    Family("circled", "styled", True, _styled("CIRCLED LATIN CASE LETTER")),
    Family("negative circled", "styled", True, _styled("NEGATIVE CIRCLED LATIN CASE LETTER")),
    Family("parenthesised", "styled", True, _styled("PARENTHESIZED LATIN CASE LETTER")),
    Family("squared", "styled", True, _styled("SQUARED LATIN CASE LETTER")),
    Family("negative squared", "styled", True, _styled("NEGATIVE SQUARED LATIN CASE LETTER")),
    Family("regional indicators", "styled", True, _styled("REGIONAL INDICATOR SYMBOL LETTER")),
    Family("combining strike", "styled", True, partial(add_marks, marks="\u0335\u0336\u0337\u0338")),
    Family("combining frame", "styled", True, partial(add_marks, marks="\u20de\u20dd\u20e3")),
    Family("diacritics", "styled", True, partial(add_marks, marks=DIACRITICS)),
    Family("stacked diacritics", "styled", False, partial(add_marks, marks=DIACRITICS, n_marks=6)),
    # Markup that a browser removes.
    Family("entities, decimal", "markup", True, _fixed(use_entities)),
    Family("entities, hexadecimal", "markup", True, _fixed(use_entities, form="&#x{:x};")),
    Family("entities, twice escaped", "markup", True, _fixed(use_entities, form="&amp;#{};")),
    Family("entities, long", "markup", True, _fixed(use_entities, form="&#{:010d};")),
    Family("entities, invisible", "markup", True, partial(put_once, sign="&ZeroWidthSpace;")),
    Family("empty tags", "markup", True, partial(put_once, sign="<b></b>")),
    Family("tags around letters", "markup", True, _fixed(wrap_letters)),
    Family("comments", "markup", True, partial(put_once, sign="<!-- x -->")),
    Family("percent signs", "markup", False, _fixed(use_percent_signs)),
    Family("percent signs, twice", "markup", False, _all_of(*[_fixed(use_percent_signs)] * 2)),
    Family("escapes of JSON", "markup", False, _fixed(use_entities, form=r"\u{:04x}")),
    Family("hidden tags", "markup", True, partial(put_once, sign='<span style="display:none">x</span>')),
    # Word boundaries.
    Family("spaced out", "spacing", True, _spaced(" ", "   ")),
    Family("spaced out, single gaps", "spacing", False, _spaced(" ", " ")),
    Family("one space inside", "spacing", True, partial(put_once, sign=" ")),
    Family("full stop inside", "spacing", True, partial(put_once, sign=".")),
    Family("slash inside", "spacing", True, partial(put_once, sign="/")),
    Family("dotted", "spacing", True, _spaced(".", " ")),
    Family("underscored", "spacing", True, _spaced("_", " ")),
    Family("hyphenated", "spacing", True, _spaced("-", " ")),
    Family("middle dots", "spacing", True, _spaced("·", " ")),
    Family("emoji between letters", "spacing", True, _between("🔥⭐👟💎")),
    Family("no-break spaces", "spacing", True, _fixed(join_words, sign="\u00a0")),
    Family("Braille blanks", "spacing", True, _fixed(join_words, sign="\u2800")),
    Family("no spaces", "spacing", True, _fixed(join_words)),
    # Spelling.
    Family("upper case", "spelling", True, _fixed(str.upper)),
    Family("swapped letters", "spelling", False, _words_at_random(swap_letters)),
    Family("dropped letter", "spelling", False, _words_at_random(drop_letter)),
    Family("doubled letter", "spelling", False, _words_at_random(double_letter)),
    Family("mistyped letter", "spelling", False, _words_at_random(mistype)),
    Family("stretched vowels", "spelling", False, _words(stretch_vowels)),
    Family("dropped vowels", "spelling", False, _words(drop_vowels)),
    Family("starred vowel", "spelling", False, _words(star_vowel)),
    Family("leet digits", "spelling", False, _fixed(translate, table=LEET_DIGITS)),
    Family("leet signs", "spelling", False, _fixed(translate, table=LEET_SIGNS)),
    Family("alike sounds", "spelling", False, _words(write_alike_sounds)),
    Family("Cyrillic transliteration", "spelling", False, _words(write_in_cyrillic)),
    # Padding.
    Family("padding, front", "padding", True, partial(pad, place="front"), _TITLE),
    Family("padding, end", "padding", True, partial(pad, place="end"), _TITLE),
    Family("padding, around", "padding", True, partial(pad, place="around"), _TITLE),
    Family("padding, three phrases", "padding", True, partial(pad, place="end", n_phrases=3), _TITLE),
    Family("padding, middle", "padding", True, partial(pad, place="middle"), _TITLE),
    Family("padding, lawful words", "padding", True, partial(pad, place="end", phrases=LAWFUL_PHRASES), _TITLE),
    Family(
        "padding, three lawful words",
        "padding",
        True,
        partial(pad, place="end", phrases=LAWFUL_PHRASES, n_phrases=3),
        _TITLE,
    ),
    Family("diluted description", "padding", True, partial(pad, place="end"), _DESCRIPTION),
    Family("buried description", "padding", True, partial(pad, place="front", n_phrases=N_BURYING), _DESCRIPTION),
    Family("padding, title and description", "padding", True, partial(pad, place="end")),
    # Several at once.
    Family(
        "mixed, lossless",
        "mixed",
        True,
        _one_of(_letters("Cyrillic"), _between("\u200b"), _styled("MATHEMATICAL BOLD CASE"), _fixed(use_entities)),
    ),
    Family(
        "mixed, readable",
        "mixed",
        False,
        _one_of(
            _spaced(".", " "),
            _fixed(translate, table=LEET_DIGITS),
            _letters("Greek", 0.5),
            _words_at_random(drop_letter),
        ),
    ),
    Family(
        "layered",
        "mixed",
        True,
        _all_of(_letters("Cyrillic", 0.3), _between("\u200b"), _fixed(join_words, sign="\u00a0")),
    ),
)


FAMILIES: Mapping[str, Family] = {family.name: family for family in _TABLE}
"""All families by name, in the order of the table."""


Targets = Literal["all", "trade words"]

_MAX_LETTERS = {field.name: field.max_length for field in FIELDS}
_TRADE_KINDS = ("replica", "grade")


def attack_text(text: str, family: Family, *, seed: int = 0, targets: Targets = "all") -> str:
    """Return a text as a seller of this family would write it; the same text, family and seed give the same.

    Parameters
    ----------
    targets : {"all", "trade words"}, default="all"
        Rewrite the whole text, or only brand names of the bundled brand file and replica words of the lexicon. Padding
        goes around the whole text in either case.

    Examples
    --------
    >>> from ipml.model.robustness.attacks import FAMILIES
    >>> attack_text("Nike bag, AAA", FAMILIES["dotted"])
    'N.i.k.e b.a.g., A.A.A'
    >>> attack_text("Nike bag, AAA", FAMILIES["dotted"], targets="trade words")
    'N.i.k.e bag, A.A.A'
    """
    rng = np.random.default_rng([seed, zlib.crc32(f"{family.name}\n{text}".encode())])
    if targets == "all" or family.kind == "padding":
        return family.rewrite(text, rng)
    return _trade_words().sub(lambda found: family.rewrite(found.group(), rng), text)


def attack_listings(
    listings: pd.DataFrame, family: Family, is_attacked: ArrayLike, *, seed: int = 0, targets: Targets = "all"
) -> pd.DataFrame:
    """Return the listings with the title and description of some of them rewritten.

    A missing description stays missing, unless the family pads it. Texts are cut to the marketplace's limits. The
    rewriting of a listing depends on its own text and the seed, not on its place.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        Canonical listing columns; not changed.
    is_attacked : array of bool, shape (n_listings,)
        Listings to rewrite.
    seed, targets
        As for `attack_text`.

    Examples
    --------
    >>> from ipml.model.robustness.attacks import FAMILIES
    >>> listings = pd.DataFrame({"title": ["Wool hat", "Nike bag"]})
    >>> attack_listings(listings, FAMILIES["upper case"], [False, True])["title"].tolist()
    ['Wool hat', 'NIKE BAG']
    """
    rows = np.flatnonzero(np.asarray(is_attacked, dtype=bool))
    attacked = {}
    for name in family.columns:
        if name not in listings:
            continue
        texts = listings[name].astype(object).where(listings[name].notna(), None).tolist()
        for row in rows:
            if texts[row] or family.kind == "padding":
                written = attack_text(texts[row] or "", family, seed=seed, targets=targets)
                texts[row] = written[: _MAX_LETTERS[name]]
        attacked[name] = pd.Series(texts, index=listings.index, dtype="str")
    return listings.assign(**attacked)


@cache
def _trade_words() -> re.Pattern[str]:
    """Return a pattern of brand names and replica words, the longest first."""
    brands = [name for brand in load_brands() for name in (brand.name, *brand.aliases)]
    lexicon = load_lexicon()
    phrases = {*brands, *(phrase for kind in _TRADE_KINDS for phrase in lexicon.phrases(kind))}
    patterns = [
        re.escape(phrase).replace(r"\*", r"\w*")
        for phrase in sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
