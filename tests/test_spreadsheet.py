"""No text of strangers becomes a formula in a file that people open with a spreadsheet."""

from __future__ import annotations

import ast
import csv
import io
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.spreadsheet import defuse, defuse_within

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"
FORMULAE = (
    "=1+1",
    '=HYPERLINK("//elsewhere.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1)",
    "\tplain",
    "\rplain",
    "=cmd|' /C marker'!A0",
)
HIDDEN = (
    "bag;=1+1",
    'bag"=1+1',
    'bag","=1+1',
    "bag,=1+1",
    "bag\t=1+1",
    "bag|=1+1",
    "bag\r\n=1+1",
    "bag'; =1+1",
    "bag;＝1+1",
    "bag;\u200b=1+1",
)


def is_live(cell: str) -> bool:
    """Tell whether a spreadsheet may take a cell for a formula: a sign is the first that is not blank or unseen."""
    if cell[:1] in ("\t", "\r", "\n"):
        return True
    seen = cell.lstrip(
        " \t\r\n\v\f\x00\x1f\u00a0\u3000\u2028\u2029\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u202e"
    )
    return seen[:1] != "" and seen[0] in SIGNS


@pytest.mark.parametrize("text", FORMULAE)
def test_formulae_are_defused(text: str) -> None:
    """Each kind of formula gets an apostrophe in front and is otherwise as it was."""
    assert is_live(text)
    assert defuse(text) == f"'{text}"
    assert defuse_within(text)[0] == "'"


@pytest.mark.parametrize("text", HIDDEN)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_formulae_behind_separators_are_defused(text: str, separator: str) -> None:
    """However a spreadsheet cuts the line, no part of it begins as a formula does."""
    written = defuse_within(text).replace('"', '""')
    line = f'"x","{written}"'
    assert not [cell for cell in re.split(f'[{re.escape(separator)}\r\n"]', line) if is_live(cell)]
    for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
        assert not [cell for cell in row if is_live(cell)]


@pytest.mark.parametrize("text", ["", "Bag", "Bag, -20 %", "a=b", "1-2", "ana@shop.example", "'quoted'", "Größe 5 + 6"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    """What is no formula is written as it is."""
    assert defuse(text) == text


@given(st.text(max_size=30) | st.text(st.sampled_from(SIGNS + " \t\r\n\"';,|\u200b\ufeffab"), max_size=12))
def test_any_text(text: str) -> None:
    """Whatever the text, the cell is not live, nothing but apostrophes was added, and once is enough."""
    for made in (defuse(text), defuse_within(text)):
        assert not is_live(made)
        assert made.replace("'", "") == text.replace("'", "")
    assert defuse(defuse(text)) == defuse(text)


DEFUSED = {
    *(
        "ipml/spreadsheet.py",
        "ipml/web/console/case_list.py",
        "ipml/cooperation/reports/traders.py",
        "ipml/cli/enforce/takedown.py",
    ),
    "ipml/listings/writers.py",
}
"""Modules that write CSV for people by themselves; others go through `ipml.spreadsheet.write_csv`."""
HEADER_ALONE = {"ipml/scoring/batch/scored_files.py"}
FOR_PROGRAMS = {"ipml/cli/model/labels.py", "ipml/cli/cooperate/notice.py", "ipml/cli/listing_files.py"} | {
    *("ipml/cli/model/models.py", "ipml/cli/score.py"),
}
"""Commands whose CSV goes back into programs as it is; their help says so."""
OTHERWISE = {"ipml/cli/model/experiments.py", "ipml/cli/enforce/penalty.py", "ipml/cli/demo.py"}
"""Commands that write listings defused, as CSV for people beside files for programs, or as Parquet alone."""


@cache
def _all_calls() -> list[tuple[str, ast.expr]]:
    """Return each call in the package: its module, and what is called."""
    root = Path(__file__).parents[1]
    return [
        (path.relative_to(root).as_posix(), node.func)
        for path in (root / "ipml").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]


def _calls(names: set[str]) -> set[str]:
    """Return the modules that call one of some functions by name."""
    found = set()
    for module, function in _all_calls():
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called in names and ast.unparse(function).split(".")[0] not in ("self", "pq"):
            found.add(module)
    return found


def test_no_writer_of_csv_goes_around_the_choice() -> None:
    """Whoever writes CSV defuses its texts, or is a known writer of files for programs."""
    root = Path(__file__).parents[1]
    assert _calls({"writer", "DictWriter"}) == DEFUSED | HEADER_ALONE
    assert all("defuse" in (root / name).read_text("utf-8") for name in DEFUSED)
    assert all("defuse" not in (root / name).read_text("utf-8") for name in HEADER_ALONE)


def test_files_for_programs_are_named_as_such() -> None:
    """Each command that writes listings as they are says in its help that the CSV is for programs."""
    root = Path(__file__).parents[1]
    writing = {name for name in _calls({"write_listings"}) if name.startswith("ipml/cli/")}
    assert writing <= FOR_PROGRAMS | OTHERWISE
    assert "it is for programs" in (root / "ipml/cli/options.py").read_text("utf-8")  # of OutTable
    texts = [(root / name).read_text("utf-8") for name in FOR_PROGRAMS]
    assert all("it is for programs" in text or ": OutTable" in text for text in texts)
