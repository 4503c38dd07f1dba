"""Ways to write a letter so that a reader still reads it and a filter does not: the alphabets of attackers.

The tables are those that text generators offer to sellers. They are written down here, not derived from how listings
are folded, so that a gap of the folding shows as a loss. Letters that a table lacks stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

import numpy as np

_SMALL = "abcdefghijklmnopqrstuvwxyz"
_CAPITALS = _SMALL.upper()


def _alphabet(small: str, capitals: str = "") -> Mapping[str, str]:
    """Return what stands for each letter; one alphabet for both cases where only one is given."""
    return dict(zip(_SMALL + _CAPITALS, small + (capitals or small), strict=True))


ALPHABETS: Mapping[str, Mapping[str, str]] = {
    "Cyrillic": _alphabet("аbсԁеfgһіјkӏmnорԛгѕтuѵԝхуz", "АВСDЕFԌНІЈКLМNОРQRЅТUѴԜХУZ"),
    "Greek": _alphabet("αbϲdεfgհιϳκlmηορqrsτυνωχγz", "ΑΒϹDΕFGΗΙͿΚLΜΝΟΡQRSΤUVWΧΥΖ"),
    "Cherokee": _alphabet("ᎪᏴᏟᎠᎬFᏀᎻᏆᎫᏦᏞᎷNᎾᏢQᏒᏚᎢUᏙᎳXᎩᏃ"),
    "Lisu": _alphabet("ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑQꓣꓢꓔꓴꓦꓪꓫꓬꓜ"),
    "Canadian": _alphabet("ᗩᗷᑕᗪᕮᖴᘜᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ"),
    "phonetic": _alphabet("ɑɓɕɗɘʄɡɦɪʝƙɭɱɲɵƥʠɾʂʈʉʋɯᶍʏʐ"),
    "small capitals": _alphabet("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ"),
    "superscript": _alphabet("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖ𐞥ʳˢᵗᵘᵛʷˣʸᶻ"),
    "stroked": _alphabet("ⱥƀȼđɇꞙǥħɨɉꝁłɱꞥøᵽꝗɍꞩŧʉꝟⱳxɏƶ", "ȺɃȻĐɆꞘǤĦƗɈꝀŁⱮꞤØⱣꝖɌꞨŦɄꝞⱲXɎƵ"),
    "currency signs": _alphabet("₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮ɄV₩ӾɎⱫ"),
    "ideographs": _alphabet("卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙"),
    "Yi": _alphabet("ꋬꃳꉔ꒯ꏂꊰꍌꁝ꒐꒻ꀘ꒒ꂵꋊꄲꉣꆰꋪꇙ꓄꒤꒦ꅐꉧꌦꁴ"),
    "Armenian": _alphabet("ԹՅՇԺȝԲԳɧɿʝƙʅʍՌԾρφՐՏԵՄעաՃՎՀ"),
    "Ethiopic": _alphabet("ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ"),
    "several scripts": _alphabet("αвς∂єƒgнιנкℓмησρqяѕтυνωχуz"),
    "turned": _alphabet("ɐqɔpǝɟƃɥᴉɾʞꞁɯuodbɹsʇnʌʍxʎz"),
}
"""What stands for each letter, by the name of the alphabet."""

SIGNS: Mapping[str, str] = {":": "꞉", "+": "➕", "&": "﹠", "-": "‑", "'": "ʼ", ".": "․", "/": "∕", "*": "∗", "!": "ǃ"}
"""Signs of other scripts that look like those in ASCII."""

DIGITS: Mapping[str, str] = dict(zip("0123456789", "Ο𝟏２③４𝟧۶７８९", strict=True))
"""Digits from several scripts and styles."""

DIACRITICS = "\u0301\u0300\u0302\u0308\u0303\u030a\u0323\u0327\u0331"


def replace_letters(text: str, rng: np.random.Generator, alphabet: Mapping[str, str], share: float = 1.0) -> str:
    """Replace each letter, or a share of them drawn by lot, by that of another alphabet.

    Examples
    --------
    >>> replace_letters("Nike", np.random.default_rng(0), ALPHABETS["Lisu"])
    'ꓠꓲꓗꓰ'
    """
    is_drawn = rng.random(len(text)) < share
    letters = zip(text, is_drawn, strict=True)
    return "".join(alphabet.get(letter, letter) if drawn else letter for letter, drawn in letters)


def replace_one(text: str, rng: np.random.Generator, alphabet: Mapping[str, str]) -> str:
    """Replace one letter of each word, drawn by lot among those that the alphabet changes.

    Examples
    --------
    >>> replace_one("Nike", np.random.default_rng(0), {"i": "1"})
    'N1ke'
    """

    def replace(word: re.Match[str]) -> str:
        letters = list(word.group())
        places = [place for place, letter in enumerate(letters) if alphabet.get(letter, letter) != letter]
        if places:
            place = places[rng.integers(len(places))]
            letters[place] = alphabet[letters[place]]
        return "".join(letters)

    return re.sub(r"\S+", replace, text)


def style_letters(text: str, style: str) -> str:
    """Write each letter in a style, given by the names that Unicode has for its letters.

    Parameters
    ----------
    style : str
        A name in which "CASE" stands for CAPITAL or SMALL, and "LETTER" for the letter, such as
        "MATHEMATICAL BOLD CASE LETTER". A letter without such a name in either case stays as it is.

    Examples
    --------
    >>> style_letters("Nike", "FULLWIDTH LATIN CASE LETTER")
    'Ｎｉｋｅ'
    """
    return "".join(_styled(letter, style) for letter in text)


@cache
def _styled(letter: str, style: str) -> str:
    if not (letter.isascii() and letter.isalpha()):
        return letter
    for case in ("CAPITAL", "SMALL") if letter.isupper() else ("SMALL", "CAPITAL"):
        try:
            return unicodedata.lookup(f"{style.replace('CASE', case)} {letter.upper()}")
        except KeyError:
            continue
    return letter


def add_marks(text: str, rng: np.random.Generator, marks: str, n_marks: int = 1) -> str:
    """Put combining marks, drawn by lot, over each letter.

    Examples
    --------
    >>> add_marks("ok", np.random.default_rng(0), "\u0336") == "o\u0336k\u0336"
    True
    """
    return "".join(
        letter + "".join(rng.choice(list(marks), n_marks)) if letter.isalnum() else letter for letter in text
    )


def put_between(text: str, rng: np.random.Generator, signs: str) -> str:
    """Put a sign, drawn by lot, between any two letters of a word.

    Examples
    --------
    >>> put_between("Nike Air", np.random.default_rng(0), ".")
    'N.i.k.e A.i.r'
    """
    return re.sub(r"(?<=\S)(?=\S)", lambda _: signs[rng.integers(len(signs))], text)


def put_once(text: str, rng: np.random.Generator, sign: str) -> str:
    """Put a sign once into each word, at a place drawn by lot.

    Examples
    --------
    >>> put_once("Nike", np.random.default_rng(0), "_")
    'Nik_e'
    """

    def put(word: re.Match[str]) -> str:
        letters = word.group()
        place = int(rng.integers(1, len(letters)))
        return letters[:place] + sign + letters[place:]

    return re.sub(r"\S{2,}", put, text)
