"""Named words: words of a listing that its reasons name and its page marks, chosen by the loss of score without them.

Words are removed and the listing is scored again. The loss covers everything about a word: its n-grams, those that it
forms with its neighbours, the brand or goods that it names, the price for comparison, another passage that then
counts. The engine cuts, chooses and marks words (`model/named_words.c`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Struct, bind, make_struct
from ipml.features.column import SPELT
from ipml.features.compiled.texts import letter_kinds
from ipml.records import Highlight

Floats = NDArray[np.float64]

_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")


def widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the words begin and end of which a place is a part.

    >>> widen("2 sneakers", 2, 9)
    (2, 10)
    """
    while start > 0 and _LETTER.match(text[start - 1]) and _LETTER.match(text[start]):
        start -= 1
    while end < len(text) and _LETTER.match(text[end]) and _LETTER.match(text[end - 1]):
        end += 1
    return start, end


MOST_HIGHLIGHTS = 100
SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
LEAST_NAMED = 0.01  # of the log-odds, so that a word that a reason names is marked
_MOST_PHRASES = 12  # of a group
_MOST_ASKED = {"title": 20, "description": 12}  # words; each is taken away once, which for long texts is the work
_LEAST_MARKED = {"title": 0.0, "description": 0.1}  # of the log-odds, where many words change no mind


_cut_words = bind("cut_words")
_ask_words = bind("ask_words")
NAME_WORDS = bind("name_words")

Marks = tuple[Highlight, ...]


class Named(NamedTuple):
    """Words named and marked in one listing.

    Attributes
    ----------
    lost : list of float
        Loss of log-odds without the named words, by group.
    words : dict of str to list of str
        By group, the words named, as written, the heaviest first.
    highlights : tuple of two tuples of Highlight
        In title and in description, what is lost without each word, wherever it stands; of a long text the 100 heaviest
        places. Words that sentences name are there, on the side of their group.
    """

    lost: list[float]
    words: dict[str, list[str]]
    highlights: tuple[Marks, Marks]


class WordNaming:
    """Choose the words that sentences name, and those that pages mark.

    Parameters
    ----------
    some, whole : sequence of str
        Groups of phrases: those of which a sentence names some, and those of which it names all.

    Attributes
    ----------
    groups : tuple of str
        All of them, last title and description.
    """

    def __init__(self, some: Sequence[str], whole: Sequence[str]) -> None:
        self.groups = (*some, *whole, *SPELT)
        self._whole = frozenset(whole)
        self._numbers = {group: number for number, group in enumerate(self.groups)}
        self._rules = make_struct(
            "naming",
            kinds=letter_kinds(),
            most=np.array(list(_MOST_ASKED.values()), dtype=np.int64),
            least=np.array(list(_LEAST_MARKED.values())),
            smallest_share=SMALLEST_SHARE,
            least_named=LEAST_NAMED,
            most_marks=MOST_HIGHLIGHTS,
            first_whole=len(some),
            n_groups=len(self.groups),
        )

    def leave_out(self, named: Named, group: str, title: str) -> Named:
        """Return what is named without a group, and without the marks in a title that no other group names."""
        lost = [0.0 if of == group else weight for of, weight in zip(self.groups, named.lost, strict=True)]
        words = {of: said for of, said in named.words.items() if of != group}
        said = " ".join(word for of_group in words.values() for word in of_group)
        marks = tuple(mark for mark in named.highlights[0] if title[mark.start : mark.end] in said)
        return Named(lost, words, (marks, named.highlights[1]))

    def name(
        self,
        texts: Sequence[str],
        phrases: Sequence[Mapping[str, Sequence[str]]],
        weigh_letters: Callable[[Sequence[int]], Sequence[Floats]],
        choose: Callable[..., bool],
    ) -> list[Named]:
        """Return what is named and marked of each listing.

        Parameters
        ----------
        texts : sequence of str
            Titles and descriptions as written, as far as they are read, in turn.
        phrases : sequence of mapping of str to sequence of str
            For each listing and group, the phrases found in it, as written, in order.
        weigh_letters : function
            Returns roughly what each letter of some texts carries, by their numbers; asked of those with many words.
        choose : function
            Calls `NAME_WORDS` of the engine with what it needs besides; returns whether what it wrote is of use. If
            not, it is called again.
        """
        found, spoken = self._find(texts, phrases)
        shape = len(phrases), len(self.groups)
        results = np.empty(shape), np.empty(shape, dtype=np.int64)
        while True:
            words = self._ask(found, weigh_letters)
            if choose(self._rules, found, words, *results):
                break
        said, marks = self._say(words, results[1].tolist(), texts, spoken), _list_marks(words)
        return list(map(Named, results[0].tolist(), said, zip(marks[::2], marks[1::2], strict=True)))

    def _ask(self, found: Struct, weigh_letters: Callable[[Sequence[int]], Sequence[Floats]]) -> Struct:
        """Return the words of the texts, asked for."""
        words: Struct = KINDS["named_words"]()
        if _cut_words(self._rules, found, words):
            _ask_words(self._rules, found, np.concatenate(weigh_letters(_find_long(words))), words)
        return words

    def _find(self, texts: Sequence[str], phrases: Sequence[Mapping[str, Sequence[str]]]) -> tuple[Struct, list[str]]:
        """Return texts and phrases as the engine takes them, and the phrases of all listings."""
        rows = [0]
        groups: list[int] = []
        spoken: list[str] = []
        sought: list[str] = []  # in the title, and in the description
        for row, of_row in enumerate(phrases):
            for group, found in of_row.items():
                is_whole = group in self._whole
                for phrase in found if is_whole else found[:_MOST_PHRASES]:
                    groups.append(self._numbers[group])
                    spoken.append(phrase)
                    sought.append(_as_sought(phrase, texts[2 * row]))
                    sought.append("" if is_whole else _as_sought(phrase, texts[2 * row + 1]))
            rows.append(len(spoken))
        told = make_struct(
            "found_words",
            texts=make_struct("lettered", **_spell(texts)),
            phrases=make_struct(
                "found_phrases",
                rows=np.array(rows, dtype=np.int64),
                groups=np.array(groups, dtype=np.int64),
                starts=np.array([0, *accumulate(map(len, sought))], dtype=np.int64),
                letters=_letters("".join(sought)),
            ),
        )
        return told, spoken

    def _say(
        self, words: Struct, n_named: list[list[int]], texts: Sequence[str], spoken: Sequence[str]
    ) -> list[dict[str, list[str]]]:
        """Return by group the words that each listing names, as written."""
        starts, places = words.named_starts.read(np.int64).tolist(), words.said.read(np.int64).tolist()
        said, groups, n_of_phrases = [], self.groups, len(self.groups) - len(SPELT)
        for row, of_row in enumerate(n_named):
            named = {}
            for group, n in enumerate(of_row):
                if n:
                    first = 2 * starts[row * len(groups) + group]
                    begins, ends = places[first : first + 2 * n : 2], places[first + 1 : first + 2 * n : 2]
                    if group < n_of_phrases:
                        named[groups[group]] = [spoken[phrase] for phrase in begins]
                    else:
                        text = texts[2 * row + group - n_of_phrases]
                        named[groups[group]] = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
            said.append(named)
        return said


def _find_long(words: Struct) -> list[int]:
    """Return the numbers of the texts that have more different words than are asked for."""
    n_words = np.diff(words.word_starts.read(np.int64)).reshape(-1, len(SPELT))
    return [int(number) for number in np.flatnonzero(n_words > list(_MOST_ASKED.values()))]


def _list_marks(words: Struct) -> list[Marks]:
    """Return the places to mark in each text."""
    starts, weights = words.mark_starts.read(np.int64).tolist(), words.weights.read(np.float64).tolist()
    places = words.marks.read(np.int64).tolist()
    marks = list(map(Highlight, places[::2], places[1::2], weights))
    return [tuple(marks[first:last]) for first, last in pairwise(starts)]


def _as_sought(phrase: str, text: str) -> str:
    """Return what is looked for in a text in small letters; a few capitals are two letters when small, and stay."""
    return phrase.lower() if text.isascii() or len(text.lower()) == len(text) else phrase


def _spell(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return texts in code points: as written, in small letters, and as words in capitals or not are the same."""
    joined = "\n".join([*texts, ""])
    small, keys = joined.lower(), joined.casefold()
    if len(small) != len(joined):  # a few capitals are two letters when small
        small = "\n".join([*(_as_sought(text, text) for text in texts), ""])
    key_starts = np.arange(len(joined) + 1)
    if len(keys) != len(joined):
        key_starts[1:] = np.cumsum([len(letter.casefold()) for letter in joined])
    return {
        "starts": np.array([0, *accumulate([len(text) + 1 for text in texts])]),
        "letters": _letters(joined + small + keys),
        "key_starts": key_starts,
    }


def _letters(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(bytearray(text.encode("utf-32-le", "surrogatepass")), dtype=np.uint32)
