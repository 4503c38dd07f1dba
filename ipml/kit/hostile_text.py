"""Hostile text: makes text by strangers harmless and all its letters visible.

Invisible letters and letters that reorder others are shown by code point; the rest is escaped. Templates do both
automatically.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

# Controls, format characters, lone surrogates, line separators (categories Cc, Cf, Cs, Zl, Zp), Unicode's
# Default_Ignorable_Code_Point, blanks outside the category of spaces, and spaces that can hide inside a word.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5"
    "\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_EMOJI = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_JOINED = "\u0600-\u08ff\u0900-\u0dff\u0e80-\u0fff\u1000-\u109f\u1780-\u18aa"
_NEEDED = re.compile(
    f"(?<=[{_EMOJI}])[\ufe0e\ufe0f]|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    f"|(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])|(?<=[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca])\u200d"
    "|(?<=\U0001f3f4)[\U000e0030-\U000e007a]{1,6}\U000e007f|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
    "|(?<=[\u3400-\u9fff\U00020000-\U0003ffff])[\ufe00-\ufe02\U000e0100-\U000e01ef]"
)
"""Invisible letters that a script or an emoji needs: joiners, variation selectors, flags."""


def is_invisible(letter: str) -> bool:
    """Return whether a character is invisible or reorders others."""
    return _INVISIBLE.match(letter) is not None


def show_invisible(text: str) -> str:
    """Replace each invisible or reordering character by its code point in brackets, except line breaks and tabs.

    >>> show_invisible("Ni\\u200bke")
    'Ni⟦U+200B⟧ke'
    """
    if not (hidden := find_invisible(text, "\n\t")):
        return text
    return "".join(f"⟦{name_code_point(letter)}⟧" if place in hidden else letter for place, letter in enumerate(text))


def find_invisible(text: str, kept: str = "") -> set[int]:
    """Return the places of invisible or reordering letters, except those that scripts and emoji need.

    >>> sorted(find_invisible("Ni\\u200bke \\U0001f469\\u200d\\U0001f467 \\u2764\\ufe0f"))
    [2]
    """
    if text.isascii() and text.isprintable():
        return set()
    found = {match.start() for match in _INVISIBLE.finditer(text) if match[0] not in kept}
    if not found:
        return found
    return found - {place for match in _NEEDED.finditer(text) for place in range(*match.span())}


def name_code_point(letter: str) -> str:
    """Return the code point of a letter, such as "U+200B"."""
    return f"U+{ord(letter):04X}"


def escape(text: str) -> str:
    """Return a text as HTML that shows every letter and has no effect.

    >>> escape("<b>Ni\\u200bke")
    '&lt;b&gt;Ni⟦U+200B⟧ke'
    """
    return html.escape(show_invisible(text))


def make_templates(package: str) -> Environment:
    """Return the templates of a package, which escape texts, show invisible letters and reject undefined names.

    Markup objects are left unchanged: their parts are escaped already.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a scoring service does without

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        auto_reload=False,  # a running server keeps its templates, even if another release is installed
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: object) -> object:
    return show_invisible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
