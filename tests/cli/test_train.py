"""`ipml model train`: an experiment in, figures and a registered model out."""

import pytest

from ipml.model.model_file import load_model
from ipml.model.tracking import read_champions

QUICK = 'model.C = 0.1\nmodel.n_folds = 2\nevaluation.n_resamples = 10\nevaluation.attacks = "none"\n'
DATA = 'data.listings = "listings.parquet"\ndata.brands = "brands.toml"\n'
TEXT = f'name = "shoes"\n{DATA}{QUICK}'


@pytest.fixture
def experiment(tmp_path, market):
    """Return an experiment file beside the files it names."""
    market.write(tmp_path)
    path = tmp_path / "shoes.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.slow
def test_figures_and_places_are_printed_and_nothing_else(ipml, experiment, tmp_path):
    """The table with the baselines, where the model lies and under which name; nothing of the libraries beneath."""
    answer = ipml("model", "train", experiment)
    assert answer.exit_code == 0
    assert answer.err.strip() == ""
    head, notes, _, header, *_ = answer.out.splitlines()
    assert " counterfeit (" in head
    assert "are not final" in notes
    assert header.split() == ["model", "prevalence", "keyword", "list", "price", "rule"]
    run, saved, registered = answer.out.splitlines()[-3:]
    assert run.startswith(f"Run: mlflow ui --workers 1 --backend-store-uri sqlite:///{tmp_path}/mlflow.db, then http")
    card = load_model(tmp_path / "models" / "shoes").card
    assert saved == f"Model {card.full_version} saved in models/shoes"
    assert registered.startswith("Registered as models:/ipml/1, alias challenger: refused by the gate (")
    assert registered.endswith('ipml model promote models:/ipml/1 --override "REASON"')
    assert "must be measured: training tried no attacks" in answer.out
    assert read_champions("ipml", f"sqlite:///{tmp_path}/mlflow.db").current is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "shoes.toml: found "),
        ("name = " + "[" * 9_000, "shoes.toml: found Nested deeper than it can be read"),
        (
            TEXT + "split.sort = 1",
            "shoes.toml: found unknown split.sort; expected what `ipml model train --help` shows.",
        ),
        (TEXT.replace("listings.parquet", "no.parquet"), "ipml: no.parquet: found no such file; expected "),
        (TEXT.replace("brands.toml", "no.toml"), "ipml: no.toml: found no such file; expected "),
        (
            TEXT.replace("model.C", "model.D"),
            "ipml: [model] of shoes: found unknown D; expected parameters of the classifier",
        ),
        (TEXT.replace("0.1", "-0.1"), "ipml: [model] of shoes: found C = -0.1, n_folds = 2; expected values "),
        (TEXT.replace("listings.parquet", "bad.csv"), "bad.csv: 1 bad row: row 1, price: found '9;5', expected "),
    ],
)
def test_a_mistake_in_the_experiment_exits_2_with_one_line(ipml, experiment, tmp_path, text, said):
    """It names the place, and no model comes of it."""
    (tmp_path / "bad.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n")
    experiment.write_text(text)
    answer = ipml("model", "train", experiment)
    assert (answer.exit_code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.strip().count("\n") == 0
    assert not (tmp_path / "models" / "shoes").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["no.toml"], "ipml: no.toml: found No such file or directory; expected an experiment file."),
        (["shoes.toml", "--out", "shoes.toml"], "ipml: cannot write shoes.toml/shoes: found File exists; expected "),
        (["shoes.toml", "--tracking", "sqlite:///shoes.toml"], "shoes.toml: found "),
        (["shoes.toml", "--tracking", "nonsense://x"], "ipml: nonsense://x: found "),
        (
            ["shoes.toml", "--from", "models:/../1"],
            "ipml: model: found 'models:/../1'; expected models:/NAME@ALIAS or ",
        ),
    ],
)
def test_a_mistake_in_the_command_exits_2_with_one_line(ipml, experiment, options, said):
    """A file that is missing, or a place where nothing can be kept, is named."""
    answer = ipml("model", "train", *options)
    assert (answer.exit_code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.strip().count("\n") == 0
