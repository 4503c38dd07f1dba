"""Text that strangers wrote, made harmless and wholly visible.

Sellers may want to deceive whoever reads a listing. Letters that cannot be seen, or that reorder those around them, are
shown by their code point; the rest is left to escaping. Templates do both by themselves.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

# Controls, format characters, lone surrogates, line separators (categories Cc, Cf, Cs, Zl, Zp), what Unicode
# calls Default_Ignorable_Code_Point, blanks that are not called spaces, and spaces that hide inside a word.
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
"""Where a script or an emoji is written with a letter that cannot be seen: joiners, variation selectors, flags."""


def is_invisible(letter: str) -> bool:
    """Tell whether a character cannot be seen, or reorders what can.

    Examples
    --------
    >>> is_invisible("a"), is_invisible("\\u202e")
    (False, True)
    """
    return _INVISIBLE.match(letter) is not None


def show_invisible(text: str) -> str:
    """Replace each invisible or reordering character by its code point in brackets.

    Line breaks and tabs stay: they are harmless in a paragraph.

    Examples
    --------
    >>> show_invisible("Ni\\u200bke")
    'Ni⟦U+200B⟧ke'
    """
    if not (hidden := find_invisible(text, "\n\t")):
        return text
    return "".join(f"⟦{name_code_point(letter)}⟧" if place in hidden else letter for place, letter in enumerate(text))


def find_invisible(text: str, kept: str = "") -> set[int]:
    """Return where letters stand that cannot be seen, or reorder others, but for those that scripts and emoji need.

    Examples
    --------
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
    """Return the name of a letter that cannot be shown.

    Examples
    --------
    >>> name_code_point("\\u200b")
    'U+200B'
    """
    return f"U+{ord(letter):04X}"


def escape(text: str) -> str:
    """Return a text as HTML that shows every letter of it and does nothing.

    Examples
    --------
    >>> escape("<b>Ni\\u200bke")
    '&lt;b&gt;Ni⟦U+200B⟧ke'
    """
    return html.escape(show_invisible(text))


def make_templates(package: str) -> Environment:
    """Return the templates of a package: they escape every text and show its invisible letters, and miss no name.

    What is markup is left alone: it was made so piece by piece.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a scoring service does without

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        auto_reload=False,  # a server goes on with those it began with, whatever is installed meanwhile
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: object) -> object:
    return show_invisible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
