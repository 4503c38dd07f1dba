"""Spreadsheet: keeps texts of strangers from being executed as formulas in files opened with a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO

# The signs that begin a formula, also in other widths, which some spreadsheets read alike.
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
# Characters skipped before them: blanks, controls, and invisible letters.
_BLANK = "[\\s\\x00-\\x1f\\x7f\\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]"
_BEGINS = re.compile(f"[\\t\\r\\n]|{_BLANK}*[{_SIGNS}]")
_BEGINS_WITHIN = re.compile(f"(?<=[,;|\\t\\r\\n\"'])(?={_BLANK}*[{_SIGNS}])")


def defuse(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, with an apostrophe before one.

    >>> defuse("=HYPERLINK(0)"), defuse("Bag, -20 %")
    ("'=HYPERLINK(0)", 'Bag, -20 %')
    """
    return f"'{text}" if _BEGINS.match(text) else text


def defuse_within(text: str) -> str:
    """Return a cell that is safe even if the file is split at other separators than it was written with.

    A spreadsheet set to semicolons splits a text there, even within quotes; so text after a separator or a quote is
    treated like a beginning.

    >>> defuse_within('bag";=HYPERLINK(0)')
    'bag";\\'=HYPERLINK(0)'
    """
    return defuse(_BEGINS_WITHIN.sub("'", text))


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""Return rows as CSV (RFC 4180) without formulas; None gives an empty cell.

    >>> write_csv(["brand", "price"], [("=1+1", 2.5), ("Bolt", None)])
    "brand,price\r\n'=1+1,2.5\r\nBolt,\r\n"
    """
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([defuse_within(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()
