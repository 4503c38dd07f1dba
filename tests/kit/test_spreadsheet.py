"""No text of strangers becomes a formula in a file that people open with a spreadsheet."""

import ast
import csv
import io
import re
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ipml.kit.spreadsheet import defuse, defuse_within

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"
FORMULAE = (
    *("=1+1", '=HYPERLINK("//elsewhere.example","x")', "+1+1", "-1+1", "@SUM(1+1)", "\t=1+1", "\r=1+1", "\n=1+1"),
    *("  =1+1", "\ufeff=1+1", "\u200b=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "\tplain", "\rplain"),
    "=cmd|' /C marker'!A0",
)
HIDDEN = (
    *("bag;=1+1", 'bag"=1+1', 'bag","=1+1', "bag,=1+1", "bag\t=1+1", "bag|=1+1", "bag\r\n=1+1", "bag'; =1+1"),
    *("bag;＝1+1", "bag;\u200b=1+1"),
)
PLAIN = ("", "Bag", "Bag, -20 %", "a=b", "1-2", "ana@shop.example", "'quoted'", "Größe 5 + 6")


def is_live(cell: str) -> bool:
    """Tell whether a spreadsheet may take a cell for a formula: a sign is the first that is not blank or unseen."""
    if cell[:1] in ("\t", "\r", "\n"):
        return True
    seen = cell.lstrip(
        " \t\r\n\v\f\x00\x1f\u00a0\u3000\u2028\u2029\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u202e"
    )
    return seen[:1] != "" and seen[0] in SIGNS


def test_formulae_are_defused() -> None:
    """Each kind of formula gets an apostrophe in front and is otherwise as it was; other texts stay as they are."""
    assert all(map(is_live, FORMULAE))
    assert [defuse(text) for text in FORMULAE] == [f"'{text}" for text in FORMULAE]
    assert {defuse_within(text)[0] for text in FORMULAE} == {"'"}
    assert [defuse(text) for text in PLAIN] == list(PLAIN)


def test_formulae_behind_separators_are_defused() -> None:
    """However a spreadsheet cuts the line, no part of it begins as a formula does."""
    for text, separator in product(HIDDEN, ",;\t|"):
        written = defuse_within(text).replace('"', '""')
        line = f'"x","{written}"'
        cells = re.split(f'[{re.escape(separator)}\r\n"]', line)
        cells += [cell for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator) for cell in row]
        assert [cell for cell in cells if is_live(cell)] == [], (text, separator)


@given(st.text(max_size=30) | st.text(st.sampled_from(SIGNS + " \t\r\n\"';,|\u200b\ufeffab"), max_size=12))
def test_any_text(text: str) -> None:
    """Whatever the text, the cell is not live, nothing but apostrophes was added, and once is enough."""
    for made in (defuse(text), defuse_within(text)):
        assert not is_live(made)
        assert made.replace("'", "") == text.replace("'", "")
    assert defuse(defuse(text)) == defuse(text)


DEFUSED = {f"ipml/{name}.py" for name in ("kit/spreadsheet", "web/console/csv_files", "cooperation/reports/traders")}
DEFUSED |= {"ipml/cli/desk/enforce/takedown.py", "ipml/listings/writers.py"}
"""Modules that write CSV for people without `ipml.kit.spreadsheet.write_csv`."""
HEADER_ALONE = {"ipml/scoring/batch/scored_files.py"}
FOR_PROGRAMS = {f"ipml/cli/{name}.py" for name in ("model/labels", "listing_files", "model/models", "score")}
"""Commands whose CSV goes back into programs as it is; their help says so."""
OTHERWISE = {"ipml/cli/model/experiments.py", "ipml/cli/desk/enforce/penalty.py", "ipml/cli/demo.py"}
"""Commands that write listings defused, as CSV for people beside files for programs, or as Parquet alone."""
ROOT = Path(__file__).parents[2]


def find_callers(*names: str) -> set[str]:
    """Return the modules that call one of some functions by name."""
    found = set()
    for path in (ROOT / "ipml").rglob("*.py"):
        text = path.read_text("utf-8")
        if not any(f"{name}(" in text for name in names):  # to parse them all takes seconds
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).split(".")
                if called[-1] in names and called[0] not in ("self", "pq"):
                    found.add(path.relative_to(ROOT).as_posix())
    return found


def test_no_writer_of_csv_goes_around_the_choice() -> None:
    """Modules that write CSV defuse its texts, or are known writers of files for programs."""
    assert find_callers("writer", "DictWriter") == DEFUSED | HEADER_ALONE
    assert all("defuse" in (ROOT / name).read_text("utf-8") for name in DEFUSED)
    assert all("defuse" not in (ROOT / name).read_text("utf-8") for name in HEADER_ALONE)


def test_files_for_programs_are_named_as_such() -> None:
    """Each command that writes listings as they are says in its help that the CSV is for programs."""
    writing = {name for name in find_callers("write_listings") if name.startswith("ipml/cli/")}
    assert writing <= FOR_PROGRAMS | OTHERWISE
    assert "it is for programs" in (ROOT / "ipml/cli/options.py").read_text("utf-8")  # of OutTable
    texts = [(ROOT / name).read_text("utf-8") for name in FOR_PROGRAMS]
    assert all("it is for programs" in text or ": OutTable" in text for text in texts)
