"""`ipml model`: an experiment in, a registered model out; and what else is asked of it or its data."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ipml.cli.model.models import SHOWN_DISPUTED, _describe_shadow
from ipml.listings.fields import COLUMNS
from ipml.listings.readers import read_listings
from ipml.listings.writers import write_listings
from ipml.model.model_file import load_model, save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.robustness.robustness import Robustness
from ipml.model.tracking import read_champions
from ipml.records import Listing, Reason, ScoredListing
from ipml.scoring.shadow import Disputed


def test_as_many_as_asked_for_are_written_with_their_probability(ipml, accepted, saved_model, market, tmp_path):
    """None of them has a label, and few are of one seller; without the columns of the selection they are listings."""
    market.listings.to_parquet(tmp_path / "june.parquet", index=False)
    answer = ipml("model select june.parquet --budget 40 --out selected.parquet --model", saved_model)
    assert answer.exit_code == 0
    assert answer.out.startswith("40 listings of ")
    selected = pd.read_parquet(tmp_path / "selected.parquet")
    known = market.listings.set_index("listing_id")["is_counterfeit"]
    assert known.loc[selected["listing_id"]].isna().all()
    assert selected["is_drawn"].sum() == 4
    assert (selected["selection_probability"][~selected["is_drawn"]] == 1).all()
    assert selected["score"].between(0, 1).all()
    selected[list(COLUMNS)].to_parquet(tmp_path / "again.parquet", index=False)
    (validation,) = read_listings(tmp_path / "again.parquet")
    assert (len(validation.listings), validation.problems) == (40, ())
    wrong = {
        f"model select june.parquet --out june.parquet --model {saved_model}": "june.parquet twice",
        f"model select june.parquet --out selected.xls --model {saved_model}": "the suffix '.xls'",
        "model select june.parquet --out selected.csv --model no/model": "No model ",
    }
    assert accepted(wrong) == {}


# `ipml model robustness`: a table of what each attack costs, worst first
FEW = "--families 'leet digits' --families 'upper case' --families 'no price'"


def test_the_costs_are_shown_and_kept(ipml, accepted, saved_model, market, tmp_path):
    """The table has a row per attack, the file the same figures; before that, mistakes are answered in a line."""
    write_listings(market.listings.head(600), tmp_path / "unseen.parquet")
    (tmp_path / "shop.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n")
    line = f"model robustness {saved_model}"
    wrong = {
        f"{line} unseen.parquet --families 'leet digit'": "leet digits",
        f"{line} unseen.parquet --out nowhere/report.json": "no such folder",
        f"{line} shop.csv {FEW}": "at least one counterfeit",
    }
    assert accepted(wrong) == {}
    answer = ipml(f"{line} unseen.parquet {FEW} --out report.json")
    assert answer.exit_code == 0, answer.err
    robustness = Robustness.from_json((tmp_path / "report.json").read_text())
    assert {cost.name for cost in robustness.costs} == {"leet digits", "upper case", "no price"}
    assert robustness.table() in answer.out
    assert "Devanagari" in answer.out


# `ipml model drift` compares listings with those of the time when the model was made
WRONG_DRIFT = {
    "model drift market june.parquet": "ipml model drift MODEL LISTINGS --remember --out REFERENCE.json",
    "model drift none.json june.parquet": "No drift reference",
    "model drift models:/ipml@champion june.parquet": "No drift reference",
    "model drift market june.parquet --remember --out x.html": ".json",
    "model drift market june.parquet --out june.txt": ".html",
}


@pytest.fixture
def remembered(ipml, saved_model, market, tmp_path):
    """Return a model of the test's own beside a file of listings, which are kept as its reference."""
    market.listings.head(1_000).to_parquet(tmp_path / "june.parquet", index=False)
    model = shutil.copytree(saved_model, tmp_path / "market")
    answer = ipml("model drift market june.parquet --remember --out market.drift.json")
    assert (answer.exit_code, answer.out[:32]) == (0, "1,000 listings are the reference")
    return model


def test_the_same_listings_have_not_moved(ipml, accepted, remembered, tmp_path):
    """Exit code 0, and no table of what moved; scores are compared only where the model is named with the reference."""
    answer = ipml("model drift market june.parquet")
    assert answer.exit_code == 0
    assert answer.out.startswith("1,000 listings, ")
    assert "checks: none" in answer.out
    assert "largest move" not in answer.out
    moved = shutil.move(tmp_path / "market.drift.json", tmp_path / "alone.json")
    assert "expected share" not in ipml("model drift alone.json june.parquet --all").out
    assert "expected share" in ipml("model drift", moved, "june.parquet", "--model", remembered, "--all").out
    assert accepted(WRONG_DRIFT) == {}


def test_what_alarms_is_shown_and_exits_1(ipml, market, remembered, tmp_path):
    """The report is written as a page and as JSON; without labels nothing is said of them, nor of a share of a file."""
    market.listings.head(1_000).assign(brand="[red]New\x1b[31m").to_parquet(tmp_path / "july.parquet", index=False)
    answer = ipml("model drift market july.parquet --out july.html --out july.json")
    assert answer.exit_code == 1
    assert "checks: alarm" in answer.out
    assert "brand has new values" in answer.out
    assert "\x1b[31m" not in answer.out
    assert json.loads((tmp_path / "july.json").read_text())["alarm"] == "alarm"
    assert "<h1>Drift of july.parquet: alarm</h1>" in (tmp_path / "july.html").read_text()
    unlabelled = market.listings.head(1_000).assign(is_counterfeit=pd.Series(pd.NA, dtype="boolean"))
    unlabelled.to_parquet(tmp_path / "new.parquet", index=False)
    answer = ipml("model drift market new.parquet --all")
    assert answer.exit_code == 0
    assert "the expected share of counterfeits" in answer.out
    assert "listings with a label" not in answer.out
    (tmp_path / "bad.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n")
    assert ipml("model drift market bad.csv").is_refusal("1 bad row")


# `ipml model shadow` says what would change, and changes nothing
@pytest.fixture(scope="module")
def challenger(market, tmp_path_factory):
    """Return the folder of a model that has seen little."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].head(300)
    less = CounterfeitClassifier(C=0.1, n_folds=2)
    less.fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))
    folder = tmp_path_factory.mktemp("challenger") / "less"
    save_model(less, folder, name="less", data_digest="0", experiment={}, figures={})
    return folder


def test_it_is_said_what_would_change(ipml, accepted, market, saved_model, challenger, tmp_path, monkeypatch):
    """Agreement with the model of the settings, and each listing that only one puts at the top; there is no queue."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    write_listings(market.listings.tail(120), tmp_path / "tonight.parquet")
    answer = ipml("model shadow tonight.parquet --out both.csv --top 30 --challenger", challenger)
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    for said in ("market/", "less/", "mean score", "Rank correlation of their scores: 0.", "In the top 30 of both: "):
        assert said in answer.out
    both = pd.read_csv(tmp_path / "both.csv", dtype={"listing_id": str})
    only = both[both["in_top"] == "challenger"]
    assert f"Only in the top of the challenger: {len(only)} listings" in answer.out
    assert sum(f"({name})" in answer.out for name in only["listing_id"]) == min(len(only), SHOWN_DISPUTED)
    assert "Both scores of all 120 listings are in both.csv" in answer.out
    assert {path.name for path in tmp_path.iterdir()} == {"tonight.parquet", "both.csv"}
    (tmp_path / "shop.csv").write_text("listing_id,seller_id,title\n1,s,Wool hat\n2,s,\n")
    other = f"--challenger {saved_model}"
    wrong = {
        f"no.csv --out new.csv {other}": "ipml: no.csv: found No such file",
        f"shop.csv --out shop.csv {other}": "found shop.csv twice",
        f"shop.csv --out new.xls {other}": "ipml: cannot write new.xls: found the suffix '.xls'",
        "shop.csv --out new.csv --challenger no": "no. Train one, or name another.",
    }
    assert accepted({f"model shadow {line}": words for line, words in wrong.items()}) == {}
    answer = ipml(f"model shadow shop.csv --out new.csv --rejects bad.csv {other}")
    assert (answer.exit_code, "1 bad rows kept in bad.csv" in answer.out) == (1, True)


def test_what_a_seller_wrote_of_a_disputed_listing_is_inert():
    """Letters that a terminal would obey are shown as one that says so; a missing score is a dash."""
    title = "\x1b[2J a\rb \u202egnp.exe line\nbreak \x07"
    reasons = (Reason("f", f"Says “{title}”", 1.0), Reason("g", "genuine", -1.0))
    said = [ScoredListing(Listing(title, "s", title), score, score, reasons, (), None, "m/1") for score in (0.5, None)]
    shown = _describe_shadow(said[0], Disputed(*said))
    assert not any(letter in shown for letter in "\x1b\r\u202e\x07")
    assert shown.count("\n") == 1
    assert "50.0% →   –" in shown


# `ipml model label-errors` lists the labels that somebody should look at again
EXPERIMENT = (
    'name = "market"\nmodel.C = 0.1\nmodel.n_folds = 2\ndata.listings = "listings.parquet"\nsplit.n_folds = 2\n'
    "evaluation.costs.wrongful = 20\n"
)


@pytest.fixture
def flipped(market, tmp_path) -> set[str]:
    """Return the ids of listings whose label is wrong, in the data of an experiment."""
    listings = market.listings.copy()
    truth = market.truth.set_index("listing_id").loc[listings["listing_id"], "is_counterfeit"].to_numpy()
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    is_flipped = is_labelled & (pd.Series(range(len(listings))) % 20 == 0).to_numpy()
    listings["is_counterfeit"] = pd.Series(truth ^ is_flipped, dtype="boolean").where(is_labelled).to_numpy()
    listings["title"] = "=" + listings["title"]
    listings.to_parquet(tmp_path / "listings.parquet", index=False)
    (tmp_path / "market.toml").write_text(EXPERIMENT)
    return set(listings.loc[is_flipped, "listing_id"])


def test_labels_that_were_flipped_are_at_the_top(ipml, flipped, tmp_path):
    """The list is written with titles that no spreadsheet takes for formulae, and the first are shown."""
    answer = ipml("model label-errors market.toml --out doubtful.csv --top 50")
    assert answer.exit_code == 0
    listed = pd.read_csv(tmp_path / "doubtful.csv")
    assert len(listed) == 50
    assert listed["listing_id"].isin(flipped).mean() > 0.5
    assert listed["title"].str.startswith("'=").all()
    assert {"label", "score", "suspicion", "reason", "seller_id"} <= {*listed}
    assert answer.out.count("labelled counterfeit, but scored") >= 10
    assert "labels shown; 50 into doubtful.csv." in answer.out


def test_daily_questions_are_answered_with_a_picture(ipml, flipped, saved_model, subtests):
    """Each command prints figures and draws; the same model twice moves nothing."""
    lines = {
        "errors market.toml": "missed",
        "more-labels market.toml --draws 2": "forecast",
        "threshold market.toml": "USD",
        "threshold market.toml --missed 50 --wrongful 20": "Best threshold",
        "sellers market.toml": "The top 5 make up",
        f"moved listings.parquet --earlier {saved_model} --model {saved_model}": "moved by more than 0.1: 0.000",
    }
    for line, words in lines.items():
        with subtests.test(line=line):
            answer = ipml(f"model analyse {line} --out picture.svg --force")
            assert (answer.exit_code, words in answer.out) == (0, True)
            assert "Picture written to picture.svg" in answer.out


# `ipml model leakage-audit` looks for what gives the label away
MAP = 'name = "shop"\n[columns]\nlisting_id = "id"\nseller_id = "shop"\ntitle = "name"\nis_counterfeit = "is_fake"\n'


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Return listings whose label nothing gives away, in the file shop.csv, with a map beside it."""
    rng = np.random.default_rng(0)
    words = [f"{one}{other}" for one in "abcdefgh" for other in "xyzuvw"]
    table = pd.DataFrame(
        {
            "id": rng.permutation(300),
            "shop": [f"shop {number // 5}" for number in range(300)],
            "name": [" ".join(rng.choice(words, 6)) for _ in range(300)],
            "price": rng.lognormal(3, 1, 300).round(2),
            "is_fake": (np.arange(300) // 5 % 4 == 0).astype(int),
        }
    )
    table.to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "map.toml").write_text(MAP)
    return table


def test_what_gives_the_label_away_is_named(ipml, accepted, table, tmp_path, subtests):
    """With exit code 1, also where the map leaves the column out; label and seller come from the map, or are named."""
    table.assign(refunds=2 * table["is_fake"]).to_csv(tmp_path / "leaking.csv", index=False)
    for options in ("--columns map.toml", "--label is_fake --seller shop"):
        with subtests.test(options=options):
            answer = ipml(f"model leakage-audit shop.csv {options}")
            assert (answer.exit_code, answer.err) == (0, "")
            assert answer.out.startswith("300 listings, 75 of them counterfeit: nothing found")
            answer = ipml(f"model leakage-audit leaking.csv {options}")
            assert answer.exit_code == 1
            assert "refunds: named like something that is known only after the decision" in answer.out
            assert "refunds: alone it predicts the label of unseen sellers" in answer.out
    wrong = {"": "no column is_counterfeit", "--label fake": "no column fake"}
    wrong |= {"--label is_fake --seller vendor": "no column vendor"}
    wrong |= {"--label price": "Cannot compare: found 0 counterfeit"}
    assert accepted({f"model leakage-audit shop.csv {options}": words for options, words in wrong.items()}) == {}


def test_canonical_columns_need_no_option(ipml, market, tmp_path):
    """With seller events, history is checked against what was known."""
    listings = market.listings.drop(columns=["description"]).head(1_500)
    listings.to_csv(tmp_path / "listings.csv", index=False)
    market.events.to_parquet(tmp_path / "events.parquet", index=False)
    answer = ipml("model leakage-audit listings.csv --events events.parquet")
    assert answer.exit_code in (0, 1)
    assert "moments" not in answer.out
    assert "too good" not in answer.out


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
    experiment.write_text(TEXT.replace("model.C = 0.1\n", "") + "split.n_folds = 2\n[sweep]\nC = [1e-5, 0.1]\n")
    answer = ipml("model sweep shoes.toml --jobs 1")
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    _, _, header, best, worse, *_ = answer.out.splitlines()
    assert header.split()[:3] == ["C", "average", "precision"]
    assert best.split()[0] == "0.1"
    assert best.endswith("the best")
    assert worse.split()[0] == "1e-05"
    assert "flatter" in answer.out
    assert "[model]\nC = 0.1\n" in answer.out
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"shoes.sweep.db", "shoes.sweep.svg"}
    assert ipml("model train shoes.toml").is_refusal("`ipml model sweep`")


@pytest.mark.slow
def test_a_sweep_without_optuna_names_the_extra(experiment):
    """Where the package cannot be imported, one line says what to install."""
    script = "import sys; sys.modules['optuna'] = None; from ipml.cli import main; main()"  # None: not importable
    command = [sys.executable, "-c", script, "model", "sweep", experiment]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    needs = "ipml: this command needs optuna, which is not installed: pip install 'ipml[sweep]', or [all]\n"
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", needs)


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
