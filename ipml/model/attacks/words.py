"""Ways to write a word so that a reader still makes it out: markup, spacing and spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

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
