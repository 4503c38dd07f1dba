"""`ipml model reproduce`: a recorded model is trained again, and the exit code says whether it is the same."""

import pytest

from ipml.listings.writers import write_listings

QUICK = 'model.C = 0.1\nmodel.n_folds = 2\nevaluation.n_resamples = 10\nevaluation.attacks = "none"\n'
TEXT = f'name = "shoes"\ndata.listings = "listings.parquet"\ndata.brands = "brands.toml"\n{QUICK}'


@pytest.fixture
def trained(ipml, tmp_path, market):
    """Train a model on the small marketplace."""
    market.write(tmp_path)
    (tmp_path / "shoes.toml").write_text(TEXT)
    assert ipml("model", "train", "shoes.toml").exit_code == 0


@pytest.mark.slow
def test_the_same_bytes_exit_0_and_other_data_1(ipml, trained, tmp_path, market):
    """Trained again it is the same; once the data have changed, the line says so and nothing is trained."""
    answer = ipml("model", "reproduce", "1")
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    assert answer.out.startswith("Same bytes: models/reproduced is ipml/")
    assert answer.out.strip().endswith(", as models:/ipml/1")
    write_listings(market.listings.assign(price=1.0), tmp_path / "listings.parquet")
    answer = ipml("model", "reproduce", "models:/ipml@challenger", "--out", "again")
    assert answer.exit_code == 1
    assert "is not trained again; it differs:\n  data digest: " in answer.out
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(("run", "said"), [("7", "No model"), ("../x", "No model")])
def test_a_model_that_is_not_there_is_one_line(ipml, tmp_path, run, said):
    """Exit code 2, and no store is made in passing."""
    answer = ipml("model", "reproduce", run)
    assert (answer.exit_code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []
