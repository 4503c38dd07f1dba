"""`ipml model sweep`: combinations in, one table out."""

import pytest

QUICK = "model.n_folds = 2\nevaluation.n_resamples = 10\n"
TEXT = f'name = "shoes"\ndata.listings = "listings.parquet"\ndata.brands = "brands.toml"\n{QUICK}'


@pytest.fixture
def experiment(tmp_path, market):
    """Return an experiment file with a sweep, beside the files it names."""
    market.write(tmp_path)
    path = tmp_path / "shoes.toml"
    path.write_text(f"{TEXT}[sweep]\nC = [1e-5, 0.1]\n")
    return path


@pytest.mark.slow
def test_one_table_is_printed_and_no_model_is_made(ipml, experiment, tmp_path):
    """The best comes first; a sweep is not trained by mistake."""
    answer = ipml("model", "sweep", experiment, "--jobs", 1)
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    _, _, header, best, worse, *_ = answer.out.splitlines()
    assert header.split()[:3] == ["C", "average", "precision"]
    assert best.split()[0] == "0.1"
    assert best.endswith("the best")
    assert worse.split()[0] == "1e-05"
    assert "flatter" in answer.out
    assert not (tmp_path / "models").exists()
    answer = ipml("model", "train", experiment)
    assert answer.exit_code == 2
    assert "`ipml model sweep`" in answer.err


def test_without_a_sweep_there_is_nothing_to_try(ipml, experiment):
    """One line says what a table looks like."""
    experiment.write_text(TEXT)
    answer = ipml("model", "sweep", experiment)
    assert (answer.exit_code, answer.out) == (2, "")
    assert "found nothing to sweep; expected a table [sweep]" in answer.err
    assert answer.err.strip().count("\n") == 0
