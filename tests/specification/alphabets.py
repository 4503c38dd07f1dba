"""Letters that only their company explains: what the first steps of folding do with letters of other alphabets.

A word of Greek or Cyrillic letters is read by its sound, one of another living script stays as it is; but letters that
are mixed into Latin words, or make up nothing but look-alikes, are read by their shape. Scripts that hardly anyone
writes listings in serve as ornaments, and are read by their shape in any case.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache, partial
from itertools import pairwise

from ipml.kit.look_alikes import (
    CYRILLIC,
    GREEK,
    IDEOGRAPHS_AS_LETTERS,
    LIVING_SCRIPTS,
    ONLY_TURNED,
    ORNAMENTS,
    SHAPES,
    SIGNS_AS_LETTERS,
    SPELT_MARKS,
    TURNED_LETTERS,
    has_shape_of_its_own,
    is_invisible,
    read_by_sound,
)
from specification.rewriting import Origins, Rewritten, look_up, moved, rewrite, unchanged

_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+")
_ALPHABETS = tuple(
    (
        re.compile(f"[{letters}]+"),
        re.compile(rf"(?<!{_LETTER})[{letters}]+(?:(?:(?![{letters}])[\W\d_])+[{letters}]+)*(?!{_LETTER})"),
    )
    for letters in (GREEK, CYRILLIC, LIVING_SCRIPTS)
)
"""For each alphabet what finds its letters, and what finds words of nothing else, in a row."""
_BY_SOUND = re.compile(f"[{GREEK}{CYRILLIC}]")
_ORNAMENTS = tuple((re.compile(f"[{script}]"), letters) for script, letters in ORNAMENTS)
_FEWEST_ORNAMENTS = 4  # letters; a genuine text of so many has others too
_VOICED = re.compile("[ｦ-ﾝうか-ほウカ-ホ][\u3099\u309aﾞﾟ]")
_IS_SPELT = re.compile(f"[{SPELT_MARKS}]")
_ONLY_TURNED = re.compile(f"[{ONLY_TURNED}]")
_SIGNS = "".join(SIGNS_AS_LETTERS)
_SIGN_IN_WORD = re.compile(
    rf"(?<={_LETTER})[{_SIGNS}]+|[{_SIGNS}]+(?={_LETTER})|[{_SIGNS}]{{2,}}|(?<=[@$!|+(])[{_SIGNS}]+(?!\d)"
)
_IDEOGRAPHS = "".join(IDEOGRAPHS_AS_LETTERS)
_WORD_OF_IDEOGRAPHS = re.compile(rf"(?<!\w)(?=\w*[{_IDEOGRAPHS}]\w*[{_IDEOGRAPHS}])[{_IDEOGRAPHS}a-zA-Z]{{3,}}(?!\w)")


def read_words(text: str, origins: Origins) -> tuple[str, Origins]:
    """Read the letters of a text that only their company explains; others are left to be read one by one.

    Examples
    --------
    >>> [read_words(text, None)[0] for text in ("реплика", "bαg νεω", "ɯɐʇɔɥ", "ꋪꏂꉣ꒒")]
    ['replika', 'bαg νεw', 'match', 'repl']
    """
    text, origins = rewrite(_VOICED, _join_voice_mark, text, origins)
    strange = {letter for letter in set(text) if not letter.isascii()}  # a look at each is quicker than at the text
    if invisible := set(filter(is_invisible, strange)):
        text, origins = _drop_invisible(text, origins, invisible)
    text = _turn_back(_read_ornaments(text))
    if not strange.isdisjoint(SIGNS_AS_LETTERS):
        text, origins = rewrite(_SIGN_IN_WORD, partial(look_up, letters=SIGNS_AS_LETTERS), text, origins)
    for letters, words in _ALPHABETS:
        if any(map(letters.match, strange)):
            text, origins = _read_alphabet(letters, words, text, origins)
    if strange.isdisjoint(IDEOGRAPHS_AS_LETTERS):
        return text, origins
    return rewrite(_WORD_OF_IDEOGRAPHS, partial(look_up, letters=IDEOGRAPHS_AS_LETTERS), text, origins)


def _join_voice_mark(match: re.Match[str]) -> Rewritten:
    """Join a kana with the voice mark after it where they make one letter."""
    kana, mark = unicodedata.normalize("NFKC", match.group()[0]), "\u309a" if match.group()[1] in "\u309aﾟ" else "\u3099"
    joined = unicodedata.normalize("NFC", kana + mark)
    return (joined, [0]) if len(joined) == 1 else unchanged(match)


def _drop_invisible(text: str, origins: Origins, invisible: Iterable[str]) -> tuple[str, Origins]:
    """Drop letters without a width of their own but where they are spelt with the letter before."""
    dropped: list[int] = []
    seen = -1  # the place of the last letter that is not dropped
    for match in re.finditer(f"[{re.escape(''.join(invisible))}]", text):
        place = match.start()
        seen = seen if dropped and dropped[-1] == place - 1 else place - 1
        if seen < 0 or not _is_spelt(text[seen], match.group()):
            dropped.append(place)
    cuts = pairwise([-1, *dropped, len(text)])
    kept = [(before + 1, place) for before, place in cuts]
    places = [at for start, end in kept for at in range(start, end)] if origins is not None else []
    return "".join(text[start:end] for start, end in kept), moved(origins, places)


def _is_spelt(before: str, mark: str) -> bool:
    """Say whether a mark belongs to the spelling of its script (Hindi, Thai): it follows a letter of such a script."""
    return bool(_IS_SPELT.match(mark) and _IS_SPELT.match(before))


def _read_ornaments(text: str) -> str:
    """Read letters of far scripts as the Latin ones they imitate, if the text has no other letters of their script."""
    for script, letters in _ORNAMENTS:
        found = script.findall(text)
        if len(found) >= _FEWEST_ORNAMENTS and all(letter in letters for letter in found):
            text = "".join(letters.get(letter, letter) for letter in text)
    return text


def _turn_back(text: str) -> str:
    """Turn words back that are written upside down: then a plain u is an n."""
    if len(set(_ONLY_TURNED.findall(text))) < 2:
        return text
    words = _WORD.findall(text)
    is_throughout = sum(map(bool, map(_ONLY_TURNED.search, words))) * 2 > len(words)

    def turn(match: re.Match[str]) -> str:
        word = match.group()
        is_turned = is_throughout or len(set(_ONLY_TURNED.findall(word))) > 1
        return "".join(TURNED_LETTERS.get(letter, letter) for letter in word) if is_turned else word

    return _WORD.sub(turn, text)


def _read_alphabet(letters, words, text, origins):
    """Read by shape what is mixed with another alphabet, all if most of it is, and the rest as it is meant."""
    holding = [word for word in _WORD.findall(text) if letters.search(word)]
    n_mixed = sum(letters.fullmatch(word) is None for word in holding)
    if n_mixed * 2 > len(holding):
        return rewrite(letters, _by_shape, text, origins)
    if n_mixed:
        text, origins = rewrite(letters, _read_mixed, text, origins)
    return rewrite(words, _read_pure, text, origins)


def _by_shape(match: re.Match[str]) -> Rewritten:
    return look_up(match, SHAPES)


def _read_mixed(match: re.Match[str]) -> Rewritten:
    beside = match.string[match.start() - 1 : match.start()] + match.string[match.end() : match.end() + 1]
    return _by_shape(match) if any(map(str.isalpha, beside)) else unchanged(match)


def _read_pure(match: re.Match[str]) -> Rewritten:
    """Read words of one alphabet in a row by their sound, or leave them; by shape if all look like ASCII letters."""
    words = match.group()
    if not has_shape_of_its_own(words):
        return _by_shape(match)
    if not _BY_SOUND.match(words):
        return unchanged(match)
    pieces = [(piece, at) for at, letter in enumerate(words) for piece in _sound(letter)]
    return "".join(piece for piece, _ in pieces), [at for _, at in pieces]


@lru_cache(maxsize=1_024)
def _sound(letter: str) -> str:
    return read_by_sound(letter) if letter.isalpha() else letter
