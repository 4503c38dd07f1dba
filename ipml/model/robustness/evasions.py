"""Ways to write letters, words and texts so that a reader still reads them and a filter does not.

The tables of letters are those that text generators offer to sellers. They are written down here, not derived from how
listings are folded, so that a gap of the folding shows as a loss. Letters that a table lacks stay as they are. Words
are changed by markup, spacing and spelling; a text by harmless words by the dozen around it, in which the few that
matter drown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np

Place = Literal["front", "end", "around", "middle"]
N_PHRASES = 60  # enough to take every model that weighs the whole text from a recall of 0.96 to nothing
N_BURYING = 600  # more letters than anybody reads of a description
MAX_TITLE_LETTERS = 2_000

LAWFUL_PHRASES = (
    "second hand", "spare part", "compatible", "case for", "strap for", "my own, worn twice", "with receipt",
    "from my wardrobe", "used", "vintage", "for parts", "replacement screen", "suitable for", "no original box",
)  # fmt: skip
"""What honest sellers say who might be mistaken for others; attackers learn it from the listings that stay up."""

_QUALITIES = (
    "soft cotton", "hand washed", "light grey", "family owned", "well packed", "oak wood", "summer garden", "kitchen",
    "pet friendly", "wide fit", "plain blue", "recycled paper", "school", "long sleeve", "ceramic", "countryside",
    "easy care", "two metre", "rain proof", "knitted",
)  # fmt: skip
_THINGS = (
    "tea towel", "plant pot", "reading lamp", "storage box", "picture frame", "cushion cover", "bread basket",
    "notebook", "bath mat", "coat hook", "seed packet", "candle holder", "lunch bag", "table runner", "puzzle",
    "watering can", "wool blanket", "bird feeder", "desk tray", "apron",
)  # fmt: skip


def pad(
    text: str, rng: np.random.Generator, place: Place, phrases: Sequence[str] = (), n_phrases: int = N_PHRASES
) -> str:
    """Put harmless phrases before, after, around or into the middle of a text.

    Beside a long title fewer fit, as it may have 2,000 letters; a longer text is a description and takes all.

    Parameters
    ----------
    text : str
    rng : Generator
        Draws the phrases.
    place : {"front", "end", "around", "middle"}
    phrases : sequence of str, optional
        What is drawn from; names of household goods where none are given.
    n_phrases : int, default=60

    Examples
    --------
    >>> padded = pad("Nike Air", np.random.default_rng(0), "middle")
    >>> padded.startswith("Nike "), padded.endswith(" Air"), len(padded) > 1_000
    (True, True, True)
    """
    drawn = [str(phrase) for phrase in rng.choice(phrases, n_phrases)] if phrases else _household(rng, n_phrases)
    if len(text) <= MAX_TITLE_LETTERS and n_phrases == N_PHRASES:
        ends = np.cumsum([len(phrase) + 1 for phrase in drawn])
        drawn = drawn[: int(np.searchsorted(ends, MAX_TITLE_LETTERS - len(text), side="right"))]
    words = text.split()
    half, half_of_words = len(drawn) // 2, len(words) // 2
    parts = {
        "front": [*drawn, text],
        "end": [text, *drawn],
        "around": [*drawn[:half], text, *drawn[half:]],
        "middle": [*words[:half_of_words], *drawn, *words[half_of_words:]],
    }
    return " ".join(parts[place])


def harmless_title(rng: np.random.Generator) -> str:
    """Return a title of harmless goods.

    Examples
    --------
    >>> harmless_title(np.random.default_rng(0))
    'Two metre lunch bag'
    """
    return _household(rng, 1)[0].capitalize()


def _household(rng: np.random.Generator, n_phrases: int) -> list[str]:
    pairs = zip(rng.choice(_QUALITIES, n_phrases), rng.choice(_THINGS, n_phrases), strict=True)
    return [f"{quality} {thing}" for quality, thing in pairs]


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
    """Replace each letter, or a share of them drawn at random, by that of another alphabet.

    Examples
    --------
    >>> replace_letters("Nike", np.random.default_rng(0), ALPHABETS["Lisu"])
    'ꓠꓲꓗꓰ'
    """
    is_drawn = rng.random(len(text)) < share
    letters = zip(text, is_drawn, strict=True)
    return "".join(alphabet.get(letter, letter) if drawn else letter for letter, drawn in letters)


def replace_one(text: str, rng: np.random.Generator, alphabet: Mapping[str, str]) -> str:
    """Replace one letter of each word, drawn at random among those that the alphabet changes.

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
    """Put combining marks, drawn at random, over each letter.

    Examples
    --------
    >>> add_marks("ok", np.random.default_rng(0), "\u0336") == "o\u0336k\u0336"
    True
    """
    return "".join(
        letter + "".join(rng.choice(list(marks), n_marks)) if letter.isalnum() else letter for letter in text
    )


def put_between(text: str, rng: np.random.Generator, signs: str) -> str:
    """Put a sign, drawn at random, between any two letters of a word.

    Examples
    --------
    >>> put_between("Nike Air", np.random.default_rng(0), ".")
    'N.i.k.e A.i.r'
    """
    return re.sub(r"(?<=\S)(?=\S)", lambda _: signs[rng.integers(len(signs))], text)


def put_once(text: str, rng: np.random.Generator, sign: str) -> str:
    """Put a sign once into each word, at a place drawn at random.

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


LEET_DIGITS = str.maketrans("aeiostzgbAEIOSTZGB", "431057298431057298")
LEET_SIGNS = str.maketrans("aeislctoAEISLCTO", "@€!$|(+0@€!$|(+0")

# Longest first: digraphs are one letter in Cyrillic.
_SOUNDS: Mapping[str, str] = {
    "sch": "щ", "sh": "ш", "ch": "ч", "zh": "ж", "ya": "я", "yu": "ю", "ck": "к", "qu": "кв", "ph": "ф", "th": "т",
    "oo": "у", "ee": "и", "a": "а", "b": "б", "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х", "i": "и",
    "j": "дж", "k": "к", "l": "л", "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с", "t": "т",
    "u": "у", "v": "в", "w": "в", "x": "кс", "y": "й", "z": "з",
}  # fmt: skip
_SOUND_ALIKES: Mapping[str, str] = {"ph": "f", "ck": "k", "qu": "kw", "x": "ks", "c": "k", "s": "z", "i": "y", "v": "w"}
_NEIGHBOURS: Mapping[str, str] = dict(
    zip("qwertyuiopasdfghjklzxcvbnm", "wertyuioposdfghjklkxcvbnmn", strict=True)
)  # the next key to the right on an English keyboard


def use_entities(text: str, form: str = "&#{};") -> str:
    """Write each letter and digit as an HTML entity.

    Parameters
    ----------
    form : str, default="&#{};"
        The entity, with a place for the letter's number.

    Examples
    --------
    >>> use_entities("ok")
    '&#111;&#107;'
    """
    return "".join(form.format(ord(letter)) if letter.isalnum() else letter for letter in text)


def use_percent_signs(text: str) -> str:
    """Write each byte as in the address of a page.

    Examples
    --------
    >>> use_percent_signs("o k")
    '%6F%20%6B'
    """
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def wrap_letters(text: str) -> str:
    """Put a tag around each letter and digit.

    Examples
    --------
    >>> wrap_letters("ok")
    '<i>o</i><i>k</i>'
    """
    return "".join(f"<i>{letter}</i>" if letter.isalnum() else letter for letter in text)


def reverse(text: str) -> str:
    """Write backwards between the characters that make a screen show it forwards.

    Examples
    --------
    >>> reverse("Nike") == "\u202eekiN\u202c"
    True
    """
    return f"\u202e{text[::-1]}\u202c"


def reverse_end(word: str) -> str:
    """Write the second half of a word backwards, and have a screen show it forwards.

    Examples
    --------
    >>> reverse_end("Nike") == "Ni\u202eek\u202c"
    True
    """
    half = len(word) // 2
    return word[:half] + reverse(word[half:])


def join_words(text: str, sign: str = "") -> str:
    """Write all words together, or with another sign between them.

    Examples
    --------
    >>> join_words("Nike Air")
    'NikeAir'
    """
    return sign.join(text.split())


def space_out(text: str, gap: str = " ", word_gap: str = "   ") -> str:
    """Put a gap after each letter, and a wider one after each word.

    Examples
    --------
    >>> space_out("Nike Air")
    'N i k e   A i r'
    """
    return word_gap.join(gap.join(word) for word in text.split())


def translate(text: str, table: Mapping[int, int]) -> str:
    """Write letters as the signs of a table.

    Examples
    --------
    >>> translate("Nike", LEET_DIGITS)
    'N1k3'
    """
    return text.translate(table)


def swap_letters(word: str, rng: np.random.Generator) -> str:
    """Swap two neighbouring letters inside the word.

    Examples
    --------
    >>> swap_letters("Nike", np.random.default_rng(0))
    'Nkie'
    """
    place = int(rng.integers(1, len(word) - 2)) if len(word) > 3 else len(word) - 2
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def drop_letter(word: str, rng: np.random.Generator) -> str:
    """Leave out one letter, but not the first.

    Examples
    --------
    >>> drop_letter("Nike", np.random.default_rng(0))
    'Nik'
    """
    place = int(rng.integers(1, len(word)))
    return word[:place] + word[place + 1 :]


def double_letter(word: str, rng: np.random.Generator) -> str:
    """Write one letter twice.

    Examples
    --------
    >>> double_letter("Nike", np.random.default_rng(0))
    'Nikee'
    """
    place = int(rng.integers(len(word)))
    return word[: place + 1] + word[place:]


def stretch_vowels(word: str) -> str:
    """Write each vowel three times.

    Examples
    --------
    >>> stretch_vowels("Nike")
    'Niiikeee'
    """
    return re.sub(r"[aeiouAEIOU]", lambda vowel: vowel.group() * 3, word)


def drop_vowels(word: str) -> str:
    """Leave out all vowels but one at the start.

    Examples
    --------
    >>> drop_vowels("Adidas")
    'Adds'
    """
    return re.sub(r"(?<=\w)[aeiouAEIOU]", "", word)


def star_vowel(word: str) -> str:
    """Write a star for the first vowel inside the word.

    Examples
    --------
    >>> star_vowel("Nike")
    'N*ke'
    """
    return re.sub(r"(?<=\w)[aeiouAEIOU]", "*", word, count=1)


def mistype(word: str, rng: np.random.Generator) -> str:
    """Write the next key of the keyboard for one letter.

    Examples
    --------
    >>> mistype("Nike", np.random.default_rng(0))
    'Nikr'
    """
    place = int(rng.integers(len(word)))
    letter = word[place]
    neighbour = _NEIGHBOURS.get(letter.lower(), letter)
    return word[:place] + (neighbour.upper() if letter.isupper() else neighbour) + word[place + 1 :]


def write_alike_sounds(word: str) -> str:
    """Spell the word otherwise, so that it sounds the same.

    Examples
    --------
    >>> write_alike_sounds("Rolex")
    'Roleks'
    """
    return _respell(word, _SOUND_ALIKES)


def write_in_cyrillic(word: str) -> str:
    """Write the word's sounds in Cyrillic.

    Examples
    --------
    >>> write_in_cyrillic("Gucci")
    'Гукки'
    """
    return _respell(word, _SOUNDS)


def for_each_word(text: str, change: Callable[[str], str]) -> str:
    """Change each run of at least two letters.

    Examples
    --------
    >>> for_each_word("Nike Air 95", drop_vowels)
    'Nk Ar 95'
    """
    return re.sub(r"[^\W\d_]{2,}", lambda word: change(word.group()), text)


def _respell(word: str, table: Mapping[str, str]) -> str:
    def write(piece: re.Match[str]) -> str:
        sound = table[piece.group().lower()]
        return sound.capitalize() if piece.group()[0].isupper() else sound

    return re.sub("|".join(table), write, word, flags=re.IGNORECASE)
