"""`ipml model report`: an experiment in, one page out."""

import pytest

QUICK = "model.C = 0.1\nmodel.n_folds = 2\nevaluation.n_resamples = 10\n"
TEXT = f'name = "shoes"\ndata.listings = "listings.parquet"\ndata.brands = "brands.toml"\n{QUICK}'


@pytest.fixture
def experiment(tmp_path, market):
    """Return an experiment file beside the files it names."""
    market.write(tmp_path)
    path = tmp_path / "shoes.toml"
    path.write_text(TEXT)
    return path


def test_a_page_is_written_and_its_headline_printed(ipml, experiment, saved_model, tmp_path):
    """Three sentences and where the page lies; the page gives the reasons of the model."""
    answer = ipml("model", "report", experiment, "--model", saved_model, "--out", "shoes.html")
    assert answer.exit_code == 0
    assert answer.err.strip() == ""
    *headline, written = answer.out.splitlines()
    assert written == "Report written to shoes.html"
    assert len(headline) == 3
    page = (tmp_path / "shoes.html").read_text(encoding="utf-8")
    assert "reads like those of" in page
    assert "market/" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "none/shoes.html"], "found no such folder; expected a file in a folder that is there."),
        (["--out", "listings.parquet"], "found listings.parquet twice; expected a file of its own for each of them."),
        (["--model", "none"], "none. Train one, or name another."),
    ],
)
def test_a_mistake_is_known_before_anything_is_learnt(ipml, experiment, arguments, said):
    """A place that cannot be written to, or that is read from, and a model that is not there exit with one line."""
    answer = ipml("model", "report", experiment, *arguments)
    assert (answer.exit_code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.strip().count("\n") == 0
