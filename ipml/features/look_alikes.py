"""What letters of other scripts and styles read as: one by one, and by the company in which they stand.

One by one, look-alikes of other scripts, styled letters and marks are folded to plain lower case. Unicode's table of
look-alikes does most of it. Latin letters it does not list (with strokes, turned, small capitals) are transliterated;
scripts that are used as an ornament within Latin words have a table of our own below.

Company decides the rest. A word of Greek or Cyrillic letters is read by its sound, one of another living script stays
as it is; but letters that are mixed into Latin words, or make up nothing but look-alikes, are read by their shape.
Scripts that hardly anyone writes listings in serve as ornaments, and are read by their shape in any case.

Whatever rewrites a text piece by piece keeps the record of where each of its letters was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from itertools import pairwise

from anyascii import anyascii
from confusable_homoglyphs import confusables

Origins = list[int] | None
"""The place of each letter in the text as written; None where nobody asks, which is faster."""

Rewritten = tuple[str, list[int]]
"""A new piece of text, and for each of its letters the place in the old piece that it comes from."""


def rewrite(
    pattern: re.Pattern[str], change: Callable[[re.Match[str]], Rewritten], text: str, origins: Origins
) -> tuple[str, Origins]:
    """Change every match of a pattern.

    Examples
    --------
    >>> rewrite(re.compile("ph"), lambda match: ("f", [0]), "photograph", list(range(10)))
    ('fotograf', [0, 2, 3, 4, 5, 6, 7, 8])
    """
    if origins is None:
        return pattern.sub(lambda match: change(match)[0], text), None
    if pattern.search(text) is None:
        return text, origins
    pieces: list[str] = []
    kept: list[int] = []
    end = 0
    for match in pattern.finditer(text):
        piece, places = change(match)
        pieces += [text[end : match.start()], piece]
        kept += [*range(end, match.start()), *(match.start() + place for place in places)]
        end = match.end()
    pieces.append(text[end:])
    return "".join(pieces), moved(origins, [*kept, *range(end, len(text))])


def moved(origins: Origins, kept: list[int]) -> Origins:
    """Return the origins of the letters that are kept, given by their places."""
    return None if origins is None else [origins[place] for place in kept]


def unchanged(match: re.Match[str]) -> Rewritten:
    """Return a match as it is."""
    return match.group(), list(range(len(match.group())))


def look_up(match: re.Match[str], letters: Mapping[str, str]) -> Rewritten:
    """Return a match letter by letter as a table says, one for one; what the table lacks stays."""
    word = match.group()
    return "".join(letters.get(letter, letter) for letter in word), list(range(len(word)))


SEPARATOR = "\x1f"  # stands for a sign between words until words are known: not a space, though it ends as one
FILLERS = "\u115f\u1160\u3164\uffa0"  # letters by category, but without a shape
SIGNS_AS_LETTERS = dict(zip("₳฿₵¢€₣₲₭£₥₦₱₽₹₴₮₩¥₿∂∑∆√øØ†ﬂ", "abccefgklmnpprstwybdeaoootf", strict=True))
IDEOGRAPHS_AS_LETTERS = dict(
    zip("卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ口卩Ɋ尺丂ㄒ丅ㄩ凵ᐯ山乂ㄚ丫乙", "abcdefghijklmnoopqrsttuuvwxyyz", strict=True)
)
TURNED_LETTERS = dict(zip("ɐqɔpǝɟƃɥᴉɾʞꞁɯudbɹʇnʌʍʎ", "abcdefghijklmnpqrtuvwy", strict=True))
ONLY_TURNED = "ɐɔǝɟɥᴉʞꞁɹʇʌʍʎ"  # used upside down only; the others also stand for themselves
MIXED_IN = dict(zip("ςєωנע", "cewjv", strict=True))
"""Letters that look like these only among letters of another alphabet; by themselves they are read otherwise."""
ORNAMENTS = (
    ("\u2e80-\u9fff\uff66-\uff9f", IDEOGRAPHS_AS_LETTERS),
    ("\u0530-\u058f", dict(zip("ԹՅՇԺȝԲԳʅʍՌԾφՐՏԵՄעաՃՎՀ", "abcdefglmnoqrstuvwxyz", strict=True))),
    ("\u1200-\u137f", dict(zip("ልጌርዕቿቻኗዘጎጋጕረጠክዐየዒዪነፕሁሀሠሸሃጊ", "abcdefghijklmnopqrstuvwxyz", strict=True))),
    (
        "\ua000-\ua4cf",
        dict(zip("ꋬꃳꉔ꒯ꏂꊰꍌꁝ꒐꒻ꀘ꒒ꂵꋊꄲꉣꆰꋪꇙ꓄꒤꒦ꅐꉧꌦꁴ", "abcdefghijklmnopqrstuvwxyz", strict=True)),
    ),
)
"""Ideographs and kana, Armenian, Ethiopic, Yi: the range of a script, and its letters that stand for Latin ones."""
LIVING_SCRIPTS = "\u0530-\u10ff\u1200-\u137f\u1780-\u17ff"
"""Armenian to Georgian, Ethiopic and Khmer: people write listings in them, so their letters mean what they are."""
SPELT_MARKS = "\u0900-\u109f\u1780-\u17ff"
"""Hindi to Burmese and Khmer: marks without a width of their own are vowels there, not ornaments."""
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
)  # what Unicode lists otherwise, or not at all
_LATIN_WITH_SIGN = re.compile(r"LATIN (?:CAPITAL|SMALL) LETTER ([A-Z]) WITH ")
_LATIN_NAME = re.compile(r"LATIN|MODIFIER LETTER")
_IS_LIVING = re.compile(f"[{LIVING_SCRIPTS}]")
_IS_SPELT = re.compile(f"[{SPELT_MARKS}]")
_FIRST_FAR_LETTER = "\u0590"  # from Hebrew on, taking letters apart would change how words are spelt


def read_letter(letter: str) -> str:
    """Return what one character reads as: a few plain letters, a space, or nothing.

    What has no visible content becomes nothing, what separates words becomes a space or, if it is a sign that looks
    like none in ASCII, `SEPARATOR`; digits of all scripts become ASCII digits, letters without ASCII look-alikes stay.

    Examples
    --------
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
    """Say at once that a letter has neither a case nor another form, as ideographs and most of far scripts."""
    is_caseless = unicodedata.category(letter) == "Lo"
    return is_caseless and letter not in _LOOK_ALIKES and not unicodedata.decomposition(letter)


def is_look_alike(letter: str) -> bool:
    """Say whether Unicode lists a letter of another script as looking like ASCII ones."""
    return letter in _LOOK_ALIKES or letter in SHAPES


def read_by_sound(word: str) -> str:
    """Return a word of another alphabet in plain letters by its sound; signs that only soften or harden say nothing.

    Examples
    --------
    >>> read_by_sound("реплика"), read_by_sound("паль")
    ('replika', 'pal')
    """
    return _NO_LETTER.sub("", str(anyascii(word)).lower())


def has_shape_of_its_own(words: str) -> bool:
    """Say whether some letter of words of another alphabet looks like no ASCII letter: then they are meant as written.

    Examples
    --------
    >>> has_shape_of_its_own("реплика"), has_shape_of_its_own("сору")
    (True, False)
    """
    return any(letter.isalpha() and not _looks_like_a_letter(letter) for letter in words)


def _looks_like_a_letter(letter: str) -> bool:
    alike = _LOOK_ALIKES.get(letter) or SHAPES.get(letter, "")
    return len(alike) == 1 and alike.isalpha() and letter not in _ALIKE_IN_CAPITALS


def _take_apart(text: str) -> str:
    """Return styled letters as plain ones, and Latin letters without their marks."""
    apart = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFKC", text) if apart[:1] >= _FIRST_FAR_LETTER else apart


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
    """Read a letter that neither Unicode's look-alikes nor its compatibility forms explain."""
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
    """Read Unicode's look-alike table: what looks like one or a few ASCII letters or digits, or like an ASCII sign.

    Letters with a plain compatibility form (full-width, mathematical) are left to that form. Unicode gives the
    capital I of other scripts the prototype l, which it shares with the capital I of ASCII; here both read i. Our own
    corrections come next. A letter that the table lists only in its other case reads as that one, so that a word
    folds alike in capitals.
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
    """Say whether an entry of Unicode's table serves: letters for letters, a sign for a sign that is no markup."""
    return alike.isalnum() or (not letter.isascii() and len(alike) == 1 and alike not in "<>&" and alike.isprintable())


_ALL_LOOK_ALIKES = _load_look_alikes()
_LOOK_ALIKES = {letter: alike for letter, alike in _ALL_LOOK_ALIKES.items() if not _IS_LIVING.match(letter)}
SHAPES = {**{letter: _ALL_LOOK_ALIKES[letter] for letter in _ALL_LOOK_ALIKES if letter not in _LOOK_ALIKES}, **MIXED_IN}
"""What letters of living scripts look like, where they are mixed into words of another alphabet."""


_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+")
_GREEK, _CYRILLIC = r"\u0370-\u03ff\u1f00-\u1fff", r"\u0400-\u052f"
_ALPHABETS = tuple(
    (
        re.compile(f"[{letters}]+"),
        re.compile(rf"(?<!{_LETTER})[{letters}]+(?:(?:(?![{letters}])[\W\d_])+[{letters}]+)*(?!{_LETTER})"),
    )
    for letters in (_GREEK, _CYRILLIC, LIVING_SCRIPTS)
)
"""For each alphabet what finds its letters, and what finds words of nothing else, in a row."""
_BY_SOUND = re.compile(f"[{_GREEK}{_CYRILLIC}]")
_ORNAMENTS = tuple((re.compile(f"[{script}]"), letters) for script, letters in ORNAMENTS)
_FEWEST_ORNAMENTS = 4  # letters; a genuine text of so many has others too
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
    strange = {letter for letter in set(text) if not letter.isascii()}  # a look at each is quicker than at the text
    if invisible := set(filter(_is_invisible, strange)):
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


@lru_cache(maxsize=4_096)
def _is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cf", "Mn", "Me"} or letter in FILLERS


def _is_spelt(before: str, mark: str) -> bool:
    """Say whether a mark belongs to the spelling of its script (Hindi, Thai): it follows a letter of such a script."""
    return bool(_IS_SPELT.match(mark) and _IS_SPELT.match(before))


def _read_ornaments(text: str) -> str:
    """Read letters of far scripts that stand for Latin ones: the text has no others of their script."""
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


def _read_alphabet(
    letters: re.Pattern[str], words: re.Pattern[str], text: str, origins: Origins
) -> tuple[str, Origins]:
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
