"""Listings as a seller rewrites them who must not be found: one family of attacks on the texts of some of them."""

from __future__ import annotations

import re
import zlib
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.features.lexicon import load_lexicon
from ipml.listings.brands import load_brands
from ipml.listings.fields import FIELDS
from ipml.model.attacks.families import Family

Targets = Literal["all", "trade words"]

_MAX_LETTERS = {field.name: field.max_length for field in FIELDS}
_TRADE_KINDS = ("replica", "grade")


def attack_text(text: str, family: Family, *, seed: int = 0, targets: Targets = "all") -> str:
    """Return a text as a seller of this family would write it; the same text, family and seed give the same.

    Parameters
    ----------
    text : str
    family : Family
    seed : int, default=0
    targets : {"all", "trade words"}, default="all"
        Rewrite the whole text, or only brand names of the bundled brand file and replica words of the lexicon. Padding
        goes around the whole text in either case.

    Examples
    --------
    >>> from ipml.model.attacks.families import FAMILIES
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

    A missing description stays missing, unless the family pads it. What would be longer than a marketplace allows is
    cut there. How a listing is rewritten depends on its own text and the seed, not on its place.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        Canonical listing columns; left as it is.
    family : Family
    is_attacked : array of bool, shape (n_listings,)
        Which listings their sellers rewrite.
    seed, targets
        As for `attack_text`.

    Examples
    --------
    >>> from ipml.model.attacks.families import FAMILIES
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
    """Return what finds brand names and replica words in a text as it is written, the longest first."""
    brands = [name for brand in load_brands() for name in (brand.name, *brand.aliases)]
    lexicon = load_lexicon()
    phrases = {*brands, *(phrase for kind in _TRADE_KINDS for phrase in lexicon.phrases(kind))}
    patterns = [
        re.escape(phrase).replace(r"\*", r"\w*")
        for phrase in sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
