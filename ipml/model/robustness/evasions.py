"""Evasions: ways to write letters, words and texts that a reader still reads and a filter does not.

The tables of letters are those of text generators that sellers use. They are written down here and not derived from
the folding, so that a gap of the folding shows as a loss. Letters that a table lacks stay as they are.
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
"""Phrases of honest sellers who could be mistaken for others; attackers copy them from listings that stay up."""

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
    """Put harmless phrases, by default names of household goods, before, after, around or into the middle of a text.

    Beside a title fewer fit, as it may have 2,000 letters; a longer text is a description and takes all.
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
    """Return a title of harmless goods."""
    return _household(rng, 1)[0].capitalize()


def _household(rng: np.random.Generator, n_phrases: int) -> list[str]:
    pairs = zip(rng.choice(_QUALITIES, n_phrases), rng.choice(_THINGS, n_phrases), strict=True)
    return [f"{quality} {thing}" for quality, thing in pairs]


_SMALL = "abcdefghijklmnopqrstuvwxyz"
_CAPITALS = _SMALL.upper()


def _alphabet(small: str, capitals: str = "") -> Mapping[str, str]:
    """Map letters to their substitutes; capitals use the small alphabet where they have none of their own."""
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
"""Substitute of each letter, by the name of the alphabet."""

SIGNS: Mapping[str, str] = {":": "꞉", "+": "➕", "&": "﹠", "-": "‑", "'": "ʼ", ".": "․", "/": "∕", "*": "∗", "!": "ǃ"}
"""Signs of other scripts that look like those in ASCII."""

DIGITS: Mapping[str, str] = dict(zip("0123456789", "Ο𝟏２③４𝟧۶７８९", strict=True))
"""Digits from several scripts and styles."""

DIACRITICS = "\u0301\u0300\u0302\u0308\u0303\u030a\u0323\u0327\u0331"


def replace_letters(text: str, rng: np.random.Generator, alphabet: Mapping[str, str], share: float = 1.0) -> str:
    """Replace each letter, or a share of them drawn at random, by that of another alphabet."""
    is_drawn = rng.random(len(text)) < share
    letters = zip(text, is_drawn, strict=True)
    return "".join(alphabet.get(letter, letter) if drawn else letter for letter, drawn in letters)


def replace_one(text: str, rng: np.random.Generator, alphabet: Mapping[str, str]) -> str:
    """Replace one letter of each word, drawn at random among those that the alphabet changes."""

    def replace(word: re.Match[str]) -> str:
        letters = list(word.group())
        places = [place for place, letter in enumerate(letters) if alphabet.get(letter, letter) != letter]
        if places:
            place = places[rng.integers(len(places))]
            letters[place] = alphabet[letters[place]]
        return "".join(letters)

    return re.sub(r"\S+", replace, text)


def style_letters(text: str, style: str) -> str:
    """Write each letter in a Unicode style, such as "MATHEMATICAL BOLD CASE".

    "CASE" is replaced by CAPITAL or SMALL, and the letter's name is added. A letter that the style lacks in both cases
    stays as it is.
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
    """Put combining marks, drawn at random, over each letter."""
    return "".join(
        letter + "".join(rng.choice(list(marks), n_marks)) if letter.isalnum() else letter for letter in text
    )


def put_between(text: str, rng: np.random.Generator, signs: str) -> str:
    """Put a sign, drawn at random, between any two letters of a word."""
    return re.sub(r"(?<=\S)(?=\S)", lambda _: signs[rng.integers(len(signs))], text)


def put_once(text: str, rng: np.random.Generator, sign: str) -> str:
    """Put a sign once into each word, at a place drawn at random."""

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
    """Write each letter and digit as an HTML entity; `form` has a place for the character's number."""
    return "".join(form.format(ord(letter)) if letter.isalnum() else letter for letter in text)


def use_percent_signs(text: str) -> str:
    """Write each byte as in the address of a page."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def wrap_letters(text: str) -> str:
    """Put a tag around each letter and digit."""
    return "".join(f"<i>{letter}</i>" if letter.isalnum() else letter for letter in text)


def reverse(text: str) -> str:
    """Write backwards between the characters that make a screen show it forwards."""
    return f"\u202e{text[::-1]}\u202c"


def reverse_end(word: str) -> str:
    """Write the second half of a word backwards, and have a screen show it forwards."""
    half = len(word) // 2
    return word[:half] + reverse(word[half:])


def join_words(text: str, sign: str = "") -> str:
    """Write all words together, or with another sign between them."""
    return sign.join(text.split())


def space_out(text: str, gap: str = " ", word_gap: str = "   ") -> str:
    """Put a gap after each letter, and a wider one after each word."""
    return word_gap.join(gap.join(word) for word in text.split())


def translate(text: str, table: Mapping[int, int]) -> str:
    """Write letters as the signs of a table."""
    return text.translate(table)


def swap_letters(word: str, rng: np.random.Generator) -> str:
    """Swap two neighbouring letters inside the word."""
    place = int(rng.integers(1, len(word) - 2)) if len(word) > 3 else len(word) - 2
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def drop_letter(word: str, rng: np.random.Generator) -> str:
    """Leave out one letter, but not the first."""
    place = int(rng.integers(1, len(word)))
    return word[:place] + word[place + 1 :]


def double_letter(word: str, rng: np.random.Generator) -> str:
    """Write one letter twice."""
    place = int(rng.integers(len(word)))
    return word[: place + 1] + word[place:]


def stretch_vowels(word: str) -> str:
    """Write each vowel three times."""
    return re.sub(r"[aeiouAEIOU]", lambda vowel: vowel.group() * 3, word)


def drop_vowels(word: str) -> str:
    """Leave out all vowels but one at the start."""
    return re.sub(r"(?<=\w)[aeiouAEIOU]", "", word)


def star_vowel(word: str) -> str:
    """Write a star for the first vowel inside the word."""
    return re.sub(r"(?<=\w)[aeiouAEIOU]", "*", word, count=1)


def mistype(word: str, rng: np.random.Generator) -> str:
    """Write the next key of the keyboard for one letter."""
    place = int(rng.integers(len(word)))
    letter = word[place]
    neighbour = _NEIGHBOURS.get(letter.lower(), letter)
    return word[:place] + (neighbour.upper() if letter.isupper() else neighbour) + word[place + 1 :]


def write_alike_sounds(word: str) -> str:
    """Spell the word otherwise, so that it sounds the same."""
    return _respell(word, _SOUND_ALIKES)


def write_in_cyrillic(word: str) -> str:
    """Write the word's sounds in Cyrillic."""
    return _respell(word, _SOUNDS)


def for_each_word(text: str, change: Callable[[str], str]) -> str:
    """Change each run of at least two letters."""
    return re.sub(r"[^\W\d_]{2,}", lambda word: change(word.group()), text)


def _respell(word: str, table: Mapping[str, str]) -> str:
    def write(piece: re.Match[str]) -> str:
        sound = table[piece.group().lower()]
        return sound.capitalize() if piece.group()[0].isupper() else sound

    return re.sub("|".join(table), write, word, flags=re.IGNORECASE)
