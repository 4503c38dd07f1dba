"""The notebooks are pairs in step, show what a run from start to end gave, and run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("*.py"))
of_each = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


PICTURES = {"image/png", "image/svg+xml"}


def count_pictures(outputs):
    """Return how many outputs are pictures: ipml's own charts are SVG, those of scikit-learn PNG."""
    return sum(bool(PICTURES & output.get("data", {}).keys()) for output in outputs)


def cells_of(notebook):
    """Return the kind, the text and the tags of each cell."""
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]


def test_every_notebook_is_a_pair():
    """Each script has its notebook, each notebook its script, and there are the four that the README names."""
    named = {path.stem for path in SCRIPTS}
    assert named == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    readme = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    assert len(named) == 4
    assert all(f"| `{name}` |" in readme for name in named)


@of_each
def test_outputs_are_those_of_one_run_from_start_to_end(script):
    """Pictures can be seen where the repository is browsed; no cell was run twice, failed, or names a machine."""
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert count_pictures(outputs) >= 3
    assert not {"error"} & {output.output_type for output in outputs}
    texts = [str(output.get("text", "")) for output in outputs]
    texts += [str(said) for one in outputs for kind, said in one.get("data", {}).items() if kind not in PICTURES]
    assert not [text for text in texts if re.search(r"(?<![\w.:<])/\w+/", text)]  # the path of a file
    assert script.with_suffix(".ipynb").stat().st_size < 1_500_000


@of_each
def test_both_halves_say_the_same(script):
    """The cells of the script are those of the notebook, and its cell of parameters takes a file of one's own."""
    pair = [jupytext.read(script), nbformat.read(script.with_suffix(".ipynb"), as_version=4)]
    assert cells_of(pair[0]) == cells_of(pair[1])
    assert {half.metadata["jupytext"]["formats"] for half in pair} == {"ipynb,py:percent"}
    (parameters,) = [cell.source for cell in pair[0].cells if "parameters" in cell.metadata.get("tags", [])]
    values = {}
    exec(parameters, values)
    assert {name: values[name] for name in ("FILE", "COLUMNS")} == {"FILE": None, "COLUMNS": None}


@pytest.mark.slow
@of_each
def test_it_runs_and_leaves_nothing_behind(script, tmp_path):
    """Executed on a smaller marketplace, a notebook ends without an error, shows pictures, and writes nothing there."""
    before = names_in(NOTEBOOKS)
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    scratch.mkdir()
    text = script.with_suffix(".ipynb").read_text(encoding="utf-8")
    smaller, n_changed = re.subn(r"n_listings=\d+_000", "n_listings=3_000", text)
    assert n_changed == (script.stem != "train_and_compare")
    (tmp_path / "data").symlink_to(NOTEBOOKS.parent / "data")
    (work / script.with_suffix(".ipynb").name).write_text(smaller, encoding="utf-8")
    names = names_in(work)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-c", os.devnull, "--nbmake"]
    ran = subprocess.run(
        [*command, "--nbmake-timeout=600", "--overwrite", script.with_suffix(".ipynb").name],
        cwd=work,
        env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-5_000:] + ran.stderr[-2_000:]
    executed = nbformat.read(work / script.with_suffix(".ipynb").name, as_version=4)
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    assert count_pictures(outputs) >= 3
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert names_in(work) == names
    assert not list(scratch.glob("ipml-notebook-*"))
    assert names_in(NOTEBOOKS) == before


def names_in(folder):
    """Return the names of all files below a folder, except those that Python and Jupyter keep for themselves."""
    kept = {"__pycache__", ".ipynb_checkpoints"}
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and not kept & {*path.parts}}
