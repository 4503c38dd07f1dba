"""Dialects: guesses encoding and separator of a text file from its beginning."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path

from ipml.kit.toml import quote
from ipml.listings.tables import SEPARATORS, TextFormat

HEAD_BYTES, HEAD_ROWS = 1 << 18, 1_000
"""Limits on the beginning of a file that is read."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ONE_BYTE = ("cp1252", "cp1251", "cp1250", "koi8-r")
"""Single-byte encodings to try, the most common first; the first wins where several fit equally."""
_FEWEST_WHOLE = 0.9
"""Share of rows as wide as the header from which on a separator is accepted."""


def guess_text_format(path: Path) -> tuple[TextFormat, list[str]]:
    """Return encoding and separator of a file, and the lines of the map for them, with reasons."""
    name = path.name.removesuffix(".gz")
    if path.is_dir() or not name.endswith((".csv", ".jsonl")):
        return TextFormat(), []
    head = _read_head(path)
    encoding, reason = guess_encoding(head)
    lines = []
    separator = ","
    if name.endswith(".csv"):
        is_whole = len(head) < HEAD_BYTES
        separator, evidence = guess_separator(_decode(head, encoding) or "", is_whole=is_whole)
        lines = [f"separator = {quote(separator)}  # {evidence}"] if separator != "," else []
    if encoding != "utf-8":
        lines.append(f"encoding = {quote(encoding)}  # {reason}")
    return TextFormat(encoding, separator), lines


def _read_head(path: Path) -> bytes:
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(HEAD_BYTES)
    return b""  # reading the file later reports the error


def guess_encoding(head: bytes) -> tuple[str, str]:
    """Return the encoding of the beginning of a text, and the reason if it is not UTF-8.

    >>> guess_encoding("Größe".encode("utf-16"))
    ('utf-16', 'it begins with the mark of it')
    >>> guess_encoding("Сумка женская".encode("cp1251"))[0]
    'cp1251'
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, "it begins with the mark of it"
    if b"\0" in head:
        encoding = "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"
        if _decode(head, encoding) is not None:
            return encoding, "every other byte of plain letters is zero"
    if _decode(head, "utf-8") is not None:
        return "utf-8", ""
    texts = {encoding: text for encoding in _ONE_BYTE if (text := _decode(head, encoding)) is not None}
    words = {encoding: _find_strange_words(text) for encoding, text in texts.items()}
    best = min(words, key=lambda encoding: sum(map(_is_odd, words[encoding])), default="utf-8")
    shown = ", ".join(map(quote, words.get(best, [])[:3]))
    return best, f"not UTF-8; it gives words such as {shown}: do they look right?"


def _decode(head: bytes, encoding: str) -> str | None:
    """Return the decoded bytes, ignoring a last letter cut off; None where they do not fit the encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def _find_strange_words(text: str) -> list[str]:
    """Return the distinct words with letters beyond ASCII."""
    return list(dict.fromkeys(word for word in re.findall(r"[^\s;,|\"]+", text) if not word.isascii()))


def _is_odd(word: str) -> bool:
    """Return whether letters are combined as in no language: two scripts, a capital within, signs beside letters."""
    letters = [letter for letter in word if letter.isalpha()]
    is_latin = [unicodedata.name(letter, "").startswith("LATIN") for letter in letters]
    is_foreign = all(is_latin) and not any(letter.isascii() for letter in letters)
    pairs = list(pairwise(word))
    return (
        (any(is_latin) and not all(is_latin))
        or (is_foreign and len(letters) != 1)
        or any(one.islower() and other.isupper() for one, other in pairs)
        or any(one.isalpha() and _is_strange(other, "Po") for one, other in pairs)
        or any(other.isalpha() and _is_strange(one) for one, other in pairs)
    )


def _is_strange(letter: str, *more: str) -> bool:
    return not letter.isascii() and unicodedata.category(letter) in ("No", "So", "Sc", "Sk", "Cc", *more)


def guess_separator(text: str, *, is_whole: bool = True) -> tuple[str, str]:
    """Return the separator of the beginning of a CSV file, and the evidence.

    It is the sign that splits the header into the most cells, provided that nine in ten rows have as many. Python's
    `csv.Sniffer` counts letters within lines and picks one that titles have in common.

    >>> guess_separator("titel;preis\\nTasche, rot;9,50\\n")
    (';', '1 of 1 rows are as wide as the header, of 2 cells')
    """
    found = [
        (width, -at, agree, n) for at, sign in enumerate(SEPARATORS) for width, agree, n in _try(text, sign, is_whole)
    ]
    width, at, agree, n = max(found, default=(1, 0, 0, 0))
    return SEPARATORS[-at], f"{agree} of {n} rows are as wide as the header, of {width} cells"


def _try(text: str, sign: str, is_whole: bool) -> Iterator[tuple[int, int, int]]:
    """Yield header cells, rows with as many, and all rows, if the separator is acceptable."""
    with suppress(csv.Error):
        rows = [row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=sign), HEAD_ROWS) if row]
        header, *others = (rows if is_whole or len(rows) < 3 else rows[:-1]) or [[]]
        agree = sum(len(row) == len(header) for row in others)
        if len(header) > 1 and agree >= _FEWEST_WHOLE * len(others):
            yield len(header), agree, len(others)
