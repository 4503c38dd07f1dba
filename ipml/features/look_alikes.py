"""What one character reads as: look-alikes of other scripts, styled letters and marks, folded to plain lower case.

Unicode's table of look-alikes does most of it. Latin letters it does not list (with strokes, turned, small capitals)
are transliterated; scripts that are used as an ornament within Latin words have a table of our own below.
"""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii
from confusable_homoglyphs import confusables

FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but without a shape
SIGNS_AS_LETTERS = dict(zip("₳฿₵¢€₣₲₭£₥₦₱₽₹₴₮₩¥₿∂∑∆√øØ†ﬂ", "abccefgklmnpprstwybdeaoootf", strict=True))
IDEOGRAPHS_AS_LETTERS = dict(
    zip("卂乃匚乇千卄丨ﾌㄥ爪几ㄖ口卩尺丂ㄒ丅ㄩ凵山乂ㄚ丫乙", "abcefhijlmnooprsttuuwxyyz", strict=True)
)
_SYLLABLES_AS_LETTERS = dict(zip("ᗩᗅᗷᑕᗪᕮᗴᖴᘜᕼᒍᛕᒪᗰᑎᗝᑭᑫᖇᖆᔕᑌᐯᗯ᙭ᘔᓮᓰᎽᓭᑢᗞ", "aabcdeefghjklmnopqrrsuvwxziiyscd", strict=True))
_FAUX_CYRILLIC = dict(zip("бвгджзийклмнптфцчшщъыьэюя", "6brdx3nnknmhntoy4wwbbbeor", strict=True))
_STYLED_LETTER = re.compile(r"(?:LATIN (?:CAPITAL|SMALL)|INDICATOR SYMBOL) LETTER ([A-Z])$")
_LATIN_NAME = re.compile(r"LATIN|MODIFIER LETTER")


def read_letter(letter: str) -> str:
    """Return what one character reads as: a few plain letters, a space, or nothing.

    What has no visible content becomes nothing, what separates words becomes a space; letters and digits of scripts
    without ASCII look-alikes stay.

    Examples
    --------
    >>> [read_letter(letter) for letter in "N\u0456\uff2b\u0117\u200b\U0001f17d\u0280\u9ad8"]
    ['n', 'i', 'k', 'e', '', 'n', 'r', '高']
    """
    if letter.isascii():
        return letter.lower() if letter.isprintable() else " " if letter.isspace() else ""
    folded = letter
    for _ in range(4):
        step = "".join(_LOOK_ALIKES.get(part, part) for part in folded)
        step = _without_brackets(unicodedata.normalize("NFKD", step))
        step = "".join(_LOOK_ALIKES.get(part, part) for part in step).casefold()
        if step == folded:
            break
        folded = step
    return "".join(_keep(part) for part in folded)


def is_look_alike(letter: str) -> bool:
    """Say whether Unicode lists a letter of another script as looking like ASCII ones."""
    return letter in _LOOK_ALIKES


def read_by_sound(word: str) -> str:
    """Return a word of another alphabet in plain letters by its sound, one piece a letter.

    Examples
    --------
    >>> read_by_sound("реплика")
    'replika'
    """
    return str(anyascii(word)).lower()


def has_shape_of_its_own(word: str) -> bool:
    """Say whether some letter of a word of another alphabet looks like no ASCII letter: then it is meant as written.

    Examples
    --------
    >>> has_shape_of_its_own("реплика"), has_shape_of_its_own("сору")
    (True, False)
    """
    return any(letter not in _LOOK_ALIKES for letter in word)


def _without_brackets(text: str) -> str:
    """Return "a" for the "(a)" that a bracketed letter is made from."""
    is_bracketed = len(text) > 2 and text[0] == "(" and text[-1] == ")"
    return text[1:-1] if is_bracketed else text


def _keep(letter: str) -> str:
    if letter.isascii():
        return " " if letter.isspace() else letter
    if letter in FILLERS:
        return ""
    category = unicodedata.category(letter)
    if category in {"Cf", "Mn", "Me", "Cc", "Cs", "Sk", "Co", "Cn"}:
        return " " if letter == "\u0085" else ""
    if category == "So":
        return _read_symbol(letter)
    if category[0] in "PZS":
        return " "
    return _read_strange_letter(letter)


def _read_symbol(letter: str) -> str:
    styled = _STYLED_LETTER.search(unicodedata.name(letter, ""))
    is_blank = letter == "\u2800"
    return styled.group(1).lower() if styled else " " if is_blank else ""


def _read_strange_letter(letter: str) -> str:
    """Read a letter that neither Unicode's look-alikes nor its compatibility forms explain."""
    if plain := _SYLLABLES_AS_LETTERS.get(letter) or _FAUX_CYRILLIC.get(letter):
        return plain
    if _LATIN_NAME.match(unicodedata.name(letter, "")):
        plain = str(anyascii(letter)).lower()
        return plain if plain.isalnum() else letter
    return letter


def _load_look_alikes() -> dict[str, str]:
    """Read Unicode's look-alike table: non-ASCII letters that look like one or a few ASCII letters or digits.

    Letters with a plain compatibility form (full-width, mathematical) are left to that form. Unicode gives the
    capital I of other scripts the prototype l, which it shares with the capital I of ASCII; here both read i. A
    letter that the table lists only in its other case reads as that one, so that a word folds alike in capitals.
    """
    table: dict[str, str] = {}
    for letter, alikes in confusables.confusables_data.items():
        plain = [alike["c"] for alike in alikes if alike["c"].isascii() and alike["c"].isalnum()]
        if not plain or len(letter) != 1 or unicodedata.normalize("NFKD", letter).isascii():
            continue
        alike = min(plain, key=lambda alike: (len(alike), alike))
        table[letter] = "I" if alike == "l" and letter.isupper() else alike
    for letter, alike in list(table.items()):
        other = letter.swapcase()
        if len(other) == 1 and not other.isascii():
            table.setdefault(other, alike)
    return table


_LOOK_ALIKES = _load_look_alikes()
