"""Look-alikes: folds characters of other scripts, styled letters, signs and marks to plain lower-case letters.

Most of it is Unicode's table of confusables. Latin letters missing there (with strokes, turned, small capitals) are
transliterated; ornamental letters of other scripts have a table below. The engine decides which reading counts in a
text, by the neighbouring letters.
"""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii
from confusable_homoglyphs import confusables

SEPARATOR = "\x1f"  # a sign between words until words are known; it becomes a space in the end
SIGN_READINGS = {"@": "a", "$": "s", "!": "i", "|": "l", "+": "t", "(": "c"}  # in or at a word
FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but without a shape
TATWEEL = "\u0640"  # stretches an Arabic word, a letter by category
ARABIC_FORMS = dict(zip("آأإٱىئیکؤ", "اااايييكو", strict=True))
"""Forms of Arabic letters that writers and keyboards use for each other."""
SIGNS_AS_LETTERS = dict(zip("₳฿₵¢€₣₲₭£₥₦₱₽₹₴₮₩¥₿∂∑∆√øØ†ﬂ", "abccefgklmnpprstwybdeaoootf", strict=True))
IDEOGRAPHS_AS_LETTERS = dict(
    zip("卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ口卩Ɋ尺丂ㄒ丅ㄩ凵ᐯ山乂ㄚ丫乙", "abcdefghijklmnoopqrsttuuvwxyyz", strict=True)
)
TURNED_LETTERS = dict(zip("ɐqɔpǝɟƃɥᴉɾʞꞁɯudbɹʇnʌʍʎ", "abcdefghijklmnpqrtuvwy", strict=True))
ONLY_TURNED = "ɐɔǝɟɥᴉʞꞁɹʇʌʍʎ"  # used upside down only; the others are also letters of their own
MIXED_IN = dict(zip("ςєωנע", "cewjv", strict=True))
"""Letters that resemble these only among letters of another alphabet; alone they have another reading."""
ORNAMENTS = (
    ("\u2e80-\u9fff\uff66-\uff9f", IDEOGRAPHS_AS_LETTERS),
    ("\u0530-\u058f", dict(zip("ԹՅՇԺȝԲԳʅʍՌԾφՐՏԵՄעաՃՎՀ", "abcdefglmnoqrstuvwxyz", strict=True))),
    ("\u1200-\u137f", dict(zip("ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ", "abcdefghijklmnopqrstuvwxyz", strict=True))),
    (
        "\ua000-\ua4cf",
        dict(zip("ꋬꃳꉔ꒯ꏂꊰꍌꁝ꒐꒻ꀘ꒒ꂵꋊꄲꉣꆰꋪꇙ꓄꒤꒦ꅐꉧꌦꁴ", "abcdefghijklmnopqrstuvwxyz", strict=True)),
    ),
)
"""Ideographs and kana, Armenian, Ethiopic, Yi: range of the script, and letters that replace Latin ones."""
LIVING_SCRIPTS = "\u0530-\u10ff\u1200-\u137f\u1780-\u17ff"
"""Armenian to Georgian, Ethiopic and Khmer: listings are written in them, so their letters are read as such."""
SPELT_MARKS = "\u0900-\u109f\u1780-\u17ff"
"""Hindi to Burmese and Khmer: their marks without width are vowels, not ornaments."""
_SYLLABLES_AS_LETTERS = dict(zip("ᗩᗅᗷᑕᗪᕮᗴᖴᘜᕼᒍᛕᒪᗰᑎᗝᑭᑫᖇᖆᔕᑌᐯᗯ᙭ᘔᓮᓰᎽᓭᑢᗞ", "aabcdeefghjklmnopqrrsuvwxziiyscd", strict=True))
_FAUX_CYRILLIC = dict(zip("бвгджзийклмнптфцчшщъыьэюя", "6brdx3nnknmhntoy4wwbbbeor", strict=True))
_NO_LETTER = re.compile(r"[^a-z0-9]")
_STYLED_LETTER = re.compile(r"(?:LATIN (?:CAPITAL|SMALL)|INDICATOR SYMBOL) LETTER ([A-Z])$")
_ALIKE_IN_CAPITALS = "вмн"  # and read like their capitals among ASCII letters
_OUTLINED = {  # Unicode 16, which Python's own tables do not know
    **{chr(0x1CCD6 + number): letter for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
    **{chr(0x1CCF0 + number): digit for number, digit in enumerate("0123456789")},
}
_CORRECTIONS = _OUTLINED | dict(
    zip("ηʋʄɕᎾᏆꓲӾ➕—ǃ", "nvfcoiix+-!", strict=True)
)  # letters that Unicode lists otherwise or not at all
_LATIN_WITH_SIGN = re.compile(r"LATIN (?:CAPITAL|SMALL) LETTER ([A-Z]) WITH ")
_LATIN_NAME = re.compile(r"LATIN|MODIFIER LETTER")
_IS_LIVING = re.compile(f"[{LIVING_SCRIPTS}]")
_IS_SPELT = re.compile(f"[{SPELT_MARKS}]")
_FIRST_FAR_LETTER = "\u0590"  # from Hebrew on, decomposing letters would change the spelling of words


def read_letter(letter: str) -> str:
    """Return the reading of one character: a few plain letters, a space, or nothing.

    Invisible content becomes nothing; word separators become a space, or `SEPARATOR` for a sign without a look-alike
    in ASCII. Digits of all scripts become ASCII digits; letters without ASCII look-alikes stay.

    >>> [read_letter(letter) for letter in "N\u0456\uff2b\u0117\u200b\U0001f17d\u0280\u9ad8"]
    ['n', 'i', 'k', 'e', '', 'n', 'r', '高']
    """
    if letter.isascii():
        return letter.lower() if letter.isprintable() else " " if letter.isspace() else ""
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    if _is_plain(letter):
        return _keep(letter)
    folded = letter
    for _ in range(4):
        step = "".join(_LOOK_ALIKES.get(part, part) for part in folded)
        step = _without_brackets(_take_apart(step))
        step = "".join(_LOOK_ALIKES.get(part, part) for part in step).casefold()
        if step == folded:
            break
        folded = step
    return "".join(_keep(part) for part in folded)


def _is_plain(letter: str) -> bool:
    """Return quickly whether a letter has neither case nor another form, as ideographs and most far scripts."""
    is_caseless = unicodedata.category(letter) == "Lo"
    return is_caseless and letter not in _LOOK_ALIKES and not unicodedata.decomposition(letter)


def is_look_alike(letter: str) -> bool:
    """Return whether Unicode lists a letter of another script as similar to ASCII letters."""
    return letter in _LOOK_ALIKES or letter in SHAPES


def read_by_sound(word: str) -> str:
    """Return a word of another alphabet transliterated by sound, without soft and hard signs.

    >>> read_by_sound("реплика"), read_by_sound("паль")
    ('replika', 'pal')
    """
    return _NO_LETTER.sub("", str(anyascii(word)).lower())


def has_shape_of_its_own(words: str) -> bool:
    """Return whether a letter of a foreign word resembles no ASCII letter: then the word is meant as written.

    >>> has_shape_of_its_own("реплика"), has_shape_of_its_own("сору")
    (True, False)
    """
    return any(letter.isalpha() and not looks_like_a_letter(letter) for letter in words)


def looks_like_a_letter(letter: str) -> bool:
    """Return whether a letter of another alphabet resembles an ASCII letter."""
    alike = _LOOK_ALIKES.get(letter) or SHAPES.get(letter, "")
    return len(alike) == 1 and alike.isalpha() and letter not in _ALIKE_IN_CAPITALS


def _take_apart(text: str) -> str:
    """Return styled letters as plain ones, and Latin letters without marks."""
    apart = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFKC", text) if apart[:1] >= _FIRST_FAR_LETTER else apart


def _without_brackets(text: str) -> str:
    """Return "a" for the "(a)" of a bracketed letter."""
    is_bracketed = len(text) > 2 and text[0] == "(" and text[-1] == ")"
    return text[1:-1] if is_bracketed else text


def _keep(letter: str) -> str:
    if letter.isascii():
        return " " if letter.isspace() else letter
    if letter in FILLERS or letter == TATWEEL:
        return ""
    category = unicodedata.category(letter)
    if category == "Mn" and _IS_SPELT.match(letter):
        return letter
    if category in {"Cf", "Mn", "Me", "Cc", "Cs", "Sk", "Co", "Cn"}:
        return " " if letter == "\u0085" else ""
    if category == "So":
        return _read_symbol(letter)
    if category[0] in "PS":
        return SEPARATOR
    if category[0] == "Z":
        return " "
    return _read_strange_letter(letter)


def _read_symbol(letter: str) -> str:
    styled = _STYLED_LETTER.search(unicodedata.name(letter, ""))
    is_blank = letter == "\u2800"
    return styled.group(1).lower() if styled else " " if is_blank else ""


def _read_strange_letter(letter: str) -> str:
    """Read a letter that is in neither Unicode's confusables nor its compatibility forms."""
    if letter in ARABIC_FORMS:
        return ARABIC_FORMS[letter]
    if plain := _SYLLABLES_AS_LETTERS.get(letter) or _FAUX_CYRILLIC.get(letter):
        return plain
    name = unicodedata.name(letter, "")
    if with_sign := _LATIN_WITH_SIGN.match(name):
        return with_sign.group(1).lower()
    if _LATIN_NAME.match(name):
        plain = str(anyascii(letter)).lower()
        return plain if plain.isalnum() else letter
    return letter


def _load_look_alikes() -> dict[str, str]:
    """Load Unicode's confusables with ASCII letters, digits or a sign.

    Letters with a plain compatibility form (full-width, mathematical) are left to that form. Capital I of other
    scripts reads i, though Unicode's prototype is l, as for ASCII's capital I. Our corrections come next. A letter
    listed in one case only reads alike in the other, so that capitals fold alike.
    """
    table: dict[str, str] = {}
    for letter, alikes in confusables.confusables_data.items():
        plain = [alike["c"] for alike in alikes if alike["c"].isascii() and _is_alike(letter, alike["c"])]
        if not plain or len(letter) != 1 or unicodedata.normalize("NFKD", letter).isascii():
            continue
        alike = min(plain, key=lambda alike: (len(alike), alike))
        table[letter] = "I" if alike == "l" and letter.isupper() else alike
    table.update(_CORRECTIONS)
    for letter, alike in list(table.items()):
        other = letter.swapcase()
        if len(other) == 1 and not other.isascii():
            table.setdefault(other, alike)
    return table


def _is_alike(letter: str, alike: str) -> bool:
    """Return whether an entry of Unicode's table is usable: letters for letters, a sign for a sign without markup."""
    return alike.isalnum() or (not letter.isascii() and len(alike) == 1 and alike not in "<>&" and alike.isprintable())


_ALL_LOOK_ALIKES = _load_look_alikes()
_LOOK_ALIKES = {letter: alike for letter, alike in _ALL_LOOK_ALIKES.items() if not _IS_LIVING.match(letter)}
SHAPES = {**{letter: _ALL_LOOK_ALIKES[letter] for letter in _ALL_LOOK_ALIKES if letter not in _LOOK_ALIKES}, **MIXED_IN}
"""Readings of letters of living scripts that are mixed into words of another alphabet."""
LISTED = frozenset(_ALL_LOOK_ALIKES)
"""All letters with a known look-alike; some are newer than Python's own tables."""

GREEK, CYRILLIC = r"\u0370-\u03ff\u1f00-\u1fff", r"\u0400-\u052f"
"""The alphabets that are read by sound."""
_ON_KEYBOARDS = "\u00aa\u00b5\u00ba\u03bc"  # the ordinals and the micro sign, and the Greek letter that it becomes


def is_spelt_mark(letter: str) -> bool:
    """Return whether a character is a mark used in spelling, such as a vowel of Hindi or Thai."""
    return bool(_IS_SPELT.match(letter)) and unicodedata.category(letter) in {"Mn", "Mc"}


def is_invisible(letter: str) -> bool:
    """Return whether a character has no width."""
    return unicodedata.category(letter) in {"Cf", "Mn", "Me"} or letter in FILLERS


def kind_of(letter: str, reading: str) -> str:
    """Classify a letter: ascii, invisible, styled (full-width, mathematical, …), look-alike, or other.

    >>> [kind_of(letter, read_letter(letter)) for letter in "n\u0456\u200b\uff2b\u9ad8"]
    ['ascii', 'look-alike', 'invisible', 'styled', 'other']
    """
    if letter.isascii():
        return "ascii" if letter.isalpha() else "other"
    if letter in _ON_KEYBOARDS:
        return "other"
    category = unicodedata.category(letter)
    if category in {"Cf", "Me", "Cc"}:
        return "invisible"
    if not (len(reading) == 1 and reading.isascii() and reading.isalpha()):
        return "other"
    if unicodedata.decomposition(letter).startswith("<") or category == "So":
        return "styled"
    return "look-alike" if is_look_alike(letter) and "LATIN" not in unicodedata.name(letter, "") else "other"
