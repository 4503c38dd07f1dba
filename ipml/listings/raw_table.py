"""Rows of a file as they stand there, before anything is checked."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from ipml.records import Problem

CHUNK_ROWS = 50_000
SUFFIXES = ".csv, .csv.gz, .jsonl, .jsonl.gz, .parquet or a folder of Parquet files"


@dataclass(frozen=True)
class TextFormat:
    """How a text file is written: its encoding, and what separates the cells of CSV."""

    encoding: str = "utf-8"
    separator: str = ","


def check_encoding(encoding: str) -> str:
    """Return the name of an encoding; raise LookupError, which says what is expected, where it is none of texts.

    Examples
    --------
    >>> check_encoding("cp1251")
    'cp1251'
    """
    try:
        "".encode(encoding)
        codecs.lookup(encoding)
    except (LookupError, ValueError):  # there is none of that name, or it is of bytes, such as base64
        raise LookupError("one that Python knows, such as utf-8, cp1252 or utf-16") from None
    return encoding


@dataclass(frozen=True)
class RawTable:
    """Some rows of a file as they stand there.

    Attributes
    ----------
    frame : DataFrame
        The rows that could be read, indexed by their number in the file (from 1; the index is named "row"). Cells of a
        CSV file are text, those of JSON may be nested. An empty text is missing; "NA", "null" and "None" are text.
    problems : tuple of Problem
        One for each row that could not be read.
    broken : mapping from int to str
        Those rows as they stand in the file, by number.
    is_sparse : bool
        Whether a column may be absent because no row so far had anything to say: so it is in JSON lines.
    """

    frame: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    broken: Mapping[int, str] = field(default_factory=dict)
    is_sparse: bool = False
