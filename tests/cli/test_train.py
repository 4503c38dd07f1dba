"""`ipml model train`: an experiment in, figures and a registered model out; and what else works on an experiment."""

import pytest

from ipml.listings.writers import write_listings
from ipml.model.model_file import load_model
from ipml.model.tracking import read_champions

QUICK = 'model.C = 0.1\nmodel.n_folds = 2\nevaluation.n_resamples = 10\nevaluation.attacks = "none"\n'
DATA = 'data.listings = "listings.parquet"\ndata.brands = "brands.toml"\n'
TEXT = f'name = "shoes"\n{DATA}{QUICK}'
WRONG = {
    "": "no name; no data",
    "name = ": "shoes.toml: found ",
    "name = " + "[" * 9_000: "shoes.toml: found Nested deeper than it can be read",
    TEXT.replace("name", "nmae"): "no name; unknown nmae (perhaps name)",
    TEXT.replace("data.listings", "data.listngs"): "unknown data.listngs (perhaps listings)",
    TEXT.replace("shoes", "../x"): "name = '../x'",
    TEXT + 'split.kind = "random"': "split.kind = 'random'",
    TEXT + "split.sort = 1": "found unknown split.sort; expected what `ipml model train --help` shows.",
    TEXT.replace("listings.parquet", "no.parquet"): "ipml: no.parquet: found no such file; expected ",
    TEXT.replace("brands.toml", "no.toml"): "ipml: no.toml: found no such file; expected ",
    TEXT.replace("model.C", "model.D"): "[model] of shoes: found unknown D; expected parameters of the classifier",
    TEXT.replace("0.1", "-0.1"): "ipml: [model] of shoes: found C = -0.1, n_folds = 2; expected values ",
    TEXT.replace("listings.parquet", "bad.csv"): "bad.csv: 1 bad row: row 1, price: found '9;5', expected ",
}
WRONG_LINES = {
    "model train no.toml": "ipml: no.toml: found No such file or directory; expected an experiment file.",
    "model train shoes.toml --out shoes.toml": "cannot write shoes.toml/shoes: found File exists; expected ",
    "model train shoes.toml --tracking sqlite:///shoes.toml": "shoes.toml: found ",
    "model train shoes.toml --tracking nonsense://x": "ipml: nonsense://x: found ",
    "model train shoes.toml --from models:/../1": "model: found 'models:/../1'; expected models:/NAME@ALIAS or ",
    "model sweep shoes.toml": "found nothing to sweep; expected a table [sweep]",
    "model report shoes.toml --out none/shoes.html": "found no such folder; expected a file in a folder that is there.",
    "model report shoes.toml --out listings.parquet": "found listings.parquet twice; expected a file of its own",
    "model report shoes.toml --model none": "none. Train one, or name another.",
    "model label-errors shoes.toml --out no/doubtful.csv": "cannot write no/doubtful.csv",
}


@pytest.fixture
def experiment(ipml, tmp_path, market):
    """Return an experiment file beside the files it names."""
    market.write(tmp_path)
    path = tmp_path / "shoes.toml"
    path.write_text(TEXT)
    return path


def test_figures_and_places_are_printed_and_the_same_bytes_are_trained_again(ipml, experiment, tmp_path, market):
    """The table with the baselines, where the model lies and its name; once the data have changed it is not trained."""
    answer = ipml("model train shoes.toml")
    assert (answer.exit_code, answer.err.strip()) == (0, "")
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
    again = ipml("model reproduce 1")
    assert (again.exit_code, again.err.strip()) == (0, "")
    assert again.out.startswith("Same bytes: models/reproduced is ipml/")
    assert again.out.strip().endswith(", as models:/ipml/1")
    write_listings(market.listings.assign(price=1.0), tmp_path / "listings.parquet")
    other = ipml("model reproduce models:/ipml@challenger --out again")
    assert other.exit_code == 1
    assert "is not trained again; it differs:\n  data digest: " in other.out
    assert not (tmp_path / "again").exists()


def test_a_sweep_prints_one_table_and_makes_no_model(ipml, experiment, tmp_path):
    """The best comes first; a sweep is not trained by mistake."""
    experiment.write_text(TEXT.replace("model.C = 0.1\n", "") + "[sweep]\nC = [1e-5, 0.1]\n")
    answer = ipml("model sweep shoes.toml --jobs 1")
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    _, _, header, best, worse, *_ = answer.out.splitlines()
    assert header.split()[:3] == ["C", "average", "precision"]
    assert best.split()[0] == "0.1"
    assert best.endswith("the best")
    assert worse.split()[0] == "1e-05"
    assert "flatter" in answer.out
    assert not (tmp_path / "models").exists()
    assert ipml("model train shoes.toml").is_refusal("`ipml model sweep`")


def test_a_report_is_one_page_whose_headline_is_printed(ipml, experiment, saved_model, tmp_path):
    """Three sentences and where the page lies; the page gives the reasons of the model."""
    answer = ipml("model report shoes.toml --out shoes.html --model", saved_model)
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    *headline, written = answer.out.splitlines()
    assert (len(headline), written) == (3, "Report written to shoes.html")
    page = (tmp_path / "shoes.html").read_text(encoding="utf-8")
    assert "reads like those of" in page
    assert "market/" in page


def test_a_mistake_exits_2_with_one_line_before_anything_is_learnt(ipml, accepted, experiment, tmp_path, subtests):
    """In the experiment or in the line: the place is named, and no model comes of it."""
    (tmp_path / "bad.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n")
    for text, words in WRONG.items():
        with subtests.test(words=words):
            experiment.write_text(text)
            assert ipml("model train shoes.toml").is_refusal(words)
    experiment.write_text(TEXT)
    assert accepted(WRONG_LINES) == {}
    assert not (tmp_path / "models" / "shoes").exists()
