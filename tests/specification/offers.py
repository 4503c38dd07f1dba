"""How an offer is made in one text: contacts that lead away from the marketplace, lots and ranges of sizes."""

import math
import re

from ipml.features.compiled.folding import fold_text

_LINK = re.compile(r"https?://|www\.|\b[a-z0-9-]{2,40}\.(?:com|net|org|ru|cn|shop|store|onion|me|top|xyz)\b")
_LINK_SIGNS = ("://", "www.", ".com", ".net", ".org", ".ru", ".cn", ".sh", ".st", ".on", ".me", ".to", ".xyz")
"""One of these stands in every link."""
_EMAIL = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}\.[a-z]{2,12}")
_HANDLE = re.compile(r"(?<![a-z0-9.])@[a-z_][a-z0-9_.]{2,31}")
_PHONE = re.compile(
    r"(?<![\w.,$])(?:\+[0-9][0-9 ()-]{8,17}[0-9]|[78] ?\([0-9]{3}\)[0-9 -]{7,10}[0-9]"
    r"|\([0-9]{3}\) ?[0-9]{3}-[0-9]{4})(?!\w)"
)
_UNITS = (
    *("pc", "pcs", "pieces", "units", "pairs", "pack", "packs", "sets", "шт", "пар", "пары", "штук", "упаковок"),
    *("peças", "pares", "unidades", "piezas", "stück", "paar", "pièces", "paires", "pezzi", "paia", "adet"),
)
_MEASURES = (
    *("mm", "sm", "cm", "dm", "m", "km", "inch", "inches", "ft", "feet", "yd", "mb", "gb", "tb", "ml", "cl", "l"),
    *("mg", "g", "gr", "kg", "oz", "lb", "lbs", "w", "kw", "v", "mah", "ah", "hz", "mhz", "ghz"),
)
"""Units of size; folded, so that "sm" is centimetres in Cyrillic."""
_UNIT = rf"x\b(?! ?[0-9])|(?:{'|'.join(map(fold_text, _UNITS))})\b"
_PIECES = re.compile(
    r"(?<![0-9\"'] )(?<![\"'])\bx(?:(?<!\w x) ?|(?=[0-9]+\b(?! \w)|[0-9]+ (?:" + _UNIT + r")))([0-9]{1,4})\b"
    rf"(?! ?(?:(?:{'|'.join(_MEASURES)})\b|''|\"))"
    rf"|\b([0-9]{{1,5}}) ?(?:{_UNIT})"
    r"|(?<![0-9])([0-9]{1,5}) ?[件个双套只]"
)
"""Numbers of pieces: "x10", "x 10", "10 x", "10 pcs". Sizes and names do not count: a number on both sides of the x
("90 x 90"), a measure after it ("x 64 GB"), a word before a lone x ("Model X 2018"), or words on both
sides of an x with its number, the second no unit ("ThinkPad X250 i5")."""
_SIZE_RANGE = re.compile(
    rf"\b(?:3[4-9]|4[0-8]) ?(?:-|~|to|{fold_text('до')}|bis) ?(?:3[5-9]|4[0-9])\b"
    r"|\b(?:us|uk|eu) ?[0-9]{1,2}(?:\.5)? ?- ?(?:us|uk|eu)? ?[0-9]{1,2}\b"
    r"|\b(?:xxs|xs|s|m) ?[-/~] ?(?:l|xx?x?l|[2-6]xl)\b"
)


def find_contacts(text: str, folded: str, groups: set[str]) -> tuple[bool, ...]:
    """Return messenger, approach, link, email, handle and phone of a text as written, in small letters, and folded."""
    has_at = "@" in text  # which folding may take for a letter
    return (
        "messenger" in groups,
        "approach" in groups,
        any(sign in folded for sign in _LINK_SIGNS) and bool(_LINK.search(folded)),
        has_at and bool(_EMAIL.search(text)),
        has_at and bool(_HANDLE.search(text)),
        ("+" in folded or "(" in folded) and bool(_PHONE.search(folded)),
    )


def find_lots(folded: str, groups: set[str]) -> tuple[float, ...]:
    """Return lot words, the logarithm of the number of pieces, range of sizes and all sizes of a folded text."""
    pieces = (int("".join(filter(None, match.groups()))) for match in _PIECES.finditer(folded))
    return (
        "lot_words" in groups,
        math.log10(max(pieces, default=1) or 1),
        bool(_SIZE_RANGE.search(folded)),
        "all_sizes" in groups,
    )
