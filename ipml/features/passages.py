"""What was read of whole texts, cut out for their passages: reading each passage again would take many times as long.

A passage is a piece of a folded text that begins and ends with a word. Skeletons and phrases hang on nothing beyond the
words they are in, so what is cut out is what reading the passage alone would give.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from ipml.features.phrases import Place


@dataclass(frozen=True)
class Passages:
    """Where passages lie in the folded texts they are from.

    Attributes
    ----------
    rows : list of int
        The text each passage is from.
    texts : list of str
        The passages.
    starts : list of int
        Where each begins.
    first_words : list of int
        How many words come before it.

    Examples
    --------
    >>> passages = Passages.locate(["a rolex a watch"], [0, 0], ["rolex a", "a watch"])
    >>> passages.starts, passages.first_words
    ([2, 8], [1, 2])
    >>> passages.cut_words(["a roiex a watch"])
    ['roiex a', 'a watch']
    >>> passages.cut_places([[(7, 2, 7)]])
    [[(7, 0, 5)], []]
    """

    rows: Sequence[int]
    texts: Sequence[str]
    starts: list[int]
    first_words: list[int]

    @classmethod
    def locate(cls, wholes: Sequence[str], rows: Sequence[int], texts: Sequence[str]) -> Passages | None:
        """Find passages in the texts they are from, quickest in their order; None if one is not a passage of its text.

        Parameters
        ----------
        wholes : sequence of str
            Folded texts.
        rows : sequence of int
            Which of them each passage is from.
        texts : sequence of str
            The passages.
        """
        starts: list[int] = []
        first_words: list[int] = []
        row_before, start, first_word = -1, 0, 0
        for row, text in zip(rows, texts, strict=True):
            whole, last = wholes[row], start
            if row != row_before:
                last = first_word = 0
            start = _find_words(whole, text, last)
            if start < last:  # earlier than the one before, or nowhere
                start, last, first_word = _find_words(whole, text, 0), 0, 0
                if start < 0:
                    return None
            first_word += whole.count(" ", last, start)
            starts.append(start)
            first_words.append(first_word)
            row_before = row
        return cls(rows, texts, starts, first_words)

    def cut_words(self, wholes: Sequence[str]) -> list[str]:
        """Return the words of each passage out of other views of the same texts, in which words are as many."""
        words: list[str] = []
        row_before = -1
        cut = []
        for row, text, first in zip(self.rows, self.texts, self.first_words, strict=True):
            if row != row_before:
                words, row_before = wholes[row].split(" "), row
            cut.append(" ".join(words[first : first + text.count(" ") + 1]))
        return cut

    def cut_places(self, wholes: Sequence[Sequence[Place]]) -> list[Sequence[Place]]:
        """Return those of the places found in each text, ordered by start, that lie within each passage."""
        row_before = -1
        begins: list[int] = []
        cut: list[Sequence[Place]] = []
        for row, text, start in zip(self.rows, self.texts, self.starts, strict=True):
            if row != row_before:
                begins, row_before = [begin for _, begin, _ in wholes[row]], row
            stop = start + len(text)
            within = wholes[row][bisect_left(begins, start) : bisect_left(begins, stop)]
            cut.append([(number, begin - start, end - start) for number, begin, end in within if end <= stop])
        return cut


def _find_words(whole: str, text: str, start: int) -> int:
    """Return where a text next stands in another one as whole words, -1 where it does not."""
    found = whole.find(text, start)
    while found >= 0 and not _is_whole(whole, found, found + len(text)):
        found = whole.find(text, found + 1)
    return found


def _is_whole(text: str, start: int, end: int) -> bool:
    return (start == 0 or text[start - 1] == " ") and (end == len(text) or text[end] == " ")
