"""Writing a report into a folder: the page, a CSV file for its figures and for each table, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ipml.cooperation.reports.page import write_page
from ipml.cooperation.reports.tables import Report, Value, plain
from ipml.errors import UnwritableFile
from ipml.spreadsheet import write_csv

PAGE, FIGURES, ALL = "report.html", "figures.csv", "figures.json"
_COLUMNS = ("section", "figure", "name", "value", "unit", "low", "high", "n", "means")


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write a report into a folder, which is made if it is not there; return what was written.

    Raises
    ------
    UnwritableFile
        There is a file where the folder should be.
    """
    tables = {f"{table.key}.csv": to_csv([name for name, _ in table.columns], table.rows) for table in report.tables()}
    return write_files(
        folder,
        {
            PAGE: write_page(report),
            FIGURES: to_csv(_COLUMNS, _figure_rows(report)),
            ALL: json.dumps(to_json(report), ensure_ascii=True, indent=1) + "\n",
            **tables,
        },
    )


def write_files(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write texts into files of a folder, which is made if it is not there."""
    if folder.exists() and not folder.is_dir():
        raise UnwritableFile(folder, "a file", "a folder, or nothing yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in texts]


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """Return rows as CSV (RFC 4180); no cell is taken for a formula, and what is not known is empty.

    Examples
    --------
    >>> to_csv(["brand", "share"], [("=Acme", 1 / 3), ("Bolt", None)])
    "brand,share\\r\\n'=Acme,0.333333\\r\\nBolt,\\r\\n"
    """
    return write_csv(columns, ([plain(value) for value in row] for row in rows))


def to_json(report: Report) -> dict[str, Any]:
    """Return a report as plain values."""
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "facts": dict(report.facts),
        "figures": {
            f"{section}.{one.key}": {
                "name": one.name,
                "value": plain(one.value),
                "unit": one.unit,
                "low": plain(one.low),
                "high": plain(one.high),
                "n": one.n,
                "means": one.means,
            }
            for section, one in report.quantities()
        },
        "tables": {
            table.key: {
                "title": table.title,
                "columns": [name for name, _ in table.columns],
                "rows": [[plain(value) for value in row] for row in table.rows],
            }
            for table in report.tables()
        },
    }


def _figure_rows(report: Report) -> list[tuple[Value, ...]]:
    return [
        (section, one.key, one.name, one.value, one.unit, one.low, one.high, one.n, one.means)
        for section, one in report.quantities()
    ]
