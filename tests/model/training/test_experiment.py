"""An experiment file is understood whole or refused; what a run learns from is as it was known."""

import re
import tomllib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ipml.cli.model.experiments import train
from ipml.errors import InvalidListings, MissingColumns, UnreadableFile, UnusableSetting
from ipml.features import registration
from ipml.features.goods import brand_table
from ipml.features.registration import SCIKIT_LEARN, register_extractor
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.kinds import Kind
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.listings.seller_events import HISTORY_COLUMNS
from ipml.listings.writers import write_listings
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.model_file.model_file import GOLDEN_LISTINGS
from ipml.model.robustness.robustness import ATTACKS, AttackableClassifier
from ipml.model.training import Experiment, load_experiment
from ipml.model.training.classifier import fit_classifier, rehearse
from ipml.model.training.experiment import (
    digest_listings,
    digest_training,
    labelled_of,
    read_recorded,
    read_training_listings,
    read_truth,
    read_unlabelled,
)
from ipml.model.training.result import SOME, choose_attacks, count_found, listings_per_second, measure_attacks
from ipml.records import Listing
from ipml.settings import DEFAULT_SETTINGS

LEAST = 'name = "shoes"\ndata.listings = "shoes.csv"\n'


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an experiment file."""

    def write(text: str) -> Path:
        path = tmp_path / "shoes.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_name_and_listings_are_enough(write, tmp_path):
    """The default split, one file without brackets, the text as written; what is no TOML or no file is named."""
    text = "# why this was tried\n" + LEAST
    experiment = load_experiment(write(text), DEFAULT_SETTINGS)
    assert experiment == Experiment(name="shoes", data={"listings": ["shoes.csv"]}, folder=experiment.folder, text=text)
    assert experiment.split.kind == "later unseen sellers"
    assert experiment.text == text
    path = tmp_path / "shoes.toml"
    for content in (b"name = ", b'name = "\xff"', b'name = "a"\nname = "b"'):
        path.write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"shoes\.toml: found .*; expected TOML in UTF-8"):
            load_experiment(path)
    for path in (tmp_path, tmp_path / "nothing.toml"):
        with pytest.raises(UnreadableFile, match=re.escape(str(path))):
            load_experiment(path)


def test_what_is_wrong_is_said_in_one_line(subtests, write):
    """The message names the file, the place in it and what stands there, of all mistakes at once."""
    for line, said in [
        ('split.sort = "seller folds"', "unknown split.sort"),
        ("modell.C = 1.0", "unknown modell"),
        ('folder = "/"', "unknown folder"),
        ('text = "mine"', "unknown text"),
        ('split.kind = "random"', "split.kind = 'random'"),
        ("split.test_share = 1.0", "split.test_share = 1.0"),
        ("split.seeds = []", "split.seeds = []"),
        ("split.seeds = [0, 1]", 'only the kind "seller folds" takes several seeds'),
        ("evaluation.n_resamples = 1", "evaluation.n_resamples = 1"),
        ('record.model = "../ipml"', "record.model = '../ipml'"),
        ('record.alias = "a/b"', "record.alias = 'a/b'"),
        ("seed = -1", "seed = -1"),
    ]:
        with subtests.test(line=line, said=said):
            path = write(LEAST + line)
            with pytest.raises(UnusableSetting) as caught:
                load_experiment(path)
            assert str(caught.value).startswith(f"{path}: found ")
            assert said in str(caught.value)
            assert "\n" not in str(caught.value)
    with pytest.raises(UnusableSetting, match=r"name; no data\.listings; unknown data\.listing \(perhaps listings\);"):
        load_experiment(write('data.listing = "shoes.csv"'))


def test_files_beside_the_experiment_come_first(tmp_path):
    """A name is looked for beside the experiment, then in the data folder; if in neither, both are named."""
    data = tmp_path / "data"
    data.mkdir()
    settings = DEFAULT_SETTINGS.model_copy(update={"data": data})
    experiment = Experiment(name="e", data={"listings": "a.csv"}, folder=tmp_path, settings=settings)
    with pytest.raises(UnreadableFile, match=f"{tmp_path}/a.csv or {data}/a.csv"):
        experiment.find("a.csv")
    (data / "a.csv").touch()
    assert experiment.find("a.csv") == data / "a.csv"
    (tmp_path / "a.csv").touch()
    assert experiment.find("a.csv") == tmp_path / "a.csv"


def test_every_file_that_is_named_is_looked_for(tmp_path):
    """Whatever it is for; a bundled column map is no file."""
    names = {"listings": ("a", "b"), "labels": ("c",), "events": "d", "brands": "e", "truth": "f"}
    for name in "abcdef":
        (tmp_path / name).touch()
    experiment = Experiment(name="e", data={**names, "columns": "ozon-ecup"}, folder=tmp_path)
    assert sorted(path.name for path in experiment.find_all()) == list("abcdef")
    with pytest.raises(UnreadableFile, match=r"map\.toml: found no such file"):
        Experiment(name="e", data={**names, "columns": "map.toml"}, folder=tmp_path).find_all()


def test_the_experiments_that_are_shown_are_understood(subtests):
    """What the help shows can be copied as it stands; those that come with ipml name no map that is missing."""
    shown = "\n".join(re.findall(r"^ *([a-z_.A-Z]+ = .*)$", train.__doc__, re.MULTILINE))
    experiment = Experiment(**tomllib.loads(shown))
    assert (experiment.name, experiment.model) == ("shoes", {"C": 1.0})
    for path in sorted((Path(__file__).parents[3] / "experiments").glob("*.toml")):
        with subtests.test(path=path):
            experiment = load_experiment(path)
            columns = experiment.data.columns
            assert not columns.endswith(".toml") or experiment.find(columns).is_file()


Y = np.array([True, False] * 10)


def plan(attacks: Any) -> Experiment:
    """Return an experiment that tries these attacks."""
    return Experiment(name="e", data={"listings": "a.csv"}, evaluation={"attacks": attacks, "n_resamples": 10})


def make_tested(clean: np.ndarray, **attacked: np.ndarray) -> kept.TestedListings:
    """Return a test with these scores before and after attacks."""
    listings = pd.DataFrame({"seller_id": [f"s{row}" for row in range(len(Y))]})
    return kept.TestedListings(listings, Y, {MODEL: [clean]}, attacked)


def test_words_stand_for_sets_of_attacks():
    """None, some of each kind, or all there are; an unknown attack is named in one line beside those there are."""
    for attacks, expected in (("none", set()), ([], set()), ("some", set(SOME)), ("all", {*ATTACKS})):
        assert {attack.name for attack in choose_attacks(plan(attacks))} == expected
    assert {ATTACKS[name].kind for name in SOME} == {attack.kind for attack in ATTACKS.values()}
    with pytest.raises(UnusableSetting, match=r"found 'leet digit'; expected an attack .* such as leet digits"):
        choose_attacks(plan(["leet digit"]))


def test_the_speed_is_that_of_all_listings_in_the_time_they_took():
    """Who does nothing scores more listings in a second than there are; the first call, of one, does not count."""
    sizes = []

    class Idle(AttackableClassifier):
        def predict_proba(self, X):
            sizes.append(len(X))
            return X.to_numpy()

    assert listings_per_second(Idle(), pd.DataFrame({"seller_id": ["a"] * 100})) > 100
    assert sizes == [1, 100]


def test_recall_kept_is_that_of_the_attacks_tried():
    """Each and the mean, with intervals; more finds than before make up for no other; no attack has no figure."""
    half = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    robustness = measure_attacks(plan("some"), make_tested(Y * 0.9, half=half, nothing=Y * 0.9))
    assert [cost.recall_kept.value for cost in robustness.costs] == pytest.approx([0.5, 1.0])
    assert robustness.recall_kept.value == pytest.approx(0.75)
    assert robustness.recall_kept.low < 0.75 < robustness.recall_kept.high
    few = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    tested = make_tested(few, blank=few * 0, all=Y * 0.9)
    robustness = measure_attacks(plan("some"), tested)
    assert robustness.recall_kept.value == 0.5
    assert count_found(tested, robustness) == (few > 0).sum()
    assert measure_attacks(plan("none"), make_tested(Y * 0.9)) is count_found(make_tested(Y * 0.9), None) is None
    assert measure_attacks(plan("some"), make_tested(~Y * 0.9, blank=~Y * 0.9)) is None
    assert count_found(make_tested(~Y * 0.9, blank=~Y * 0.9), None) == 0


MONDAY, TUESDAY, FRIDAY = pd.to_datetime(["2026-03-02", "2026-03-03", "2026-03-06"], utc=True)
BAG = Listing("1", "s", "Bag", observed_at=MONDAY, is_counterfeit=True, labelled_at=TUESDAY)
BELT = Listing("2", "s", "Belt", observed_at=MONDAY)
GENUINE_BAG = replace(BAG, is_counterfeit=False)
EXAMPLES = {Kind.TEXT: ("x", "other"), Kind.FLAG: (True, False), Kind.MOMENT: (MONDAY, FRIDAY)}
EXAMPLES |= {Kind.VECTOR: ((0.5, 0.25), (0.25, 0.5)), Kind.EXTRA: ('{"a":1.0}', '{"a":2.0}')}
FULL = Listing(**{field.name: EXAMPLES.get(field.kind, (0.5, 0.25))[0] for field in FIELDS})


@pytest.fixture
def read(tmp_path):
    """Return a function that writes files of listings and reads them as an experiment would."""

    def read(**files: list[Listing]) -> pd.DataFrame:
        for name, listings in files.items():
            write_listings(listings_to_frame(listings), tmp_path / f"{name}.parquet")
        named = {
            kind: [f"{name}.parquet" for name in files if name.startswith(kind)] for kind in ("listings", "labels")
        }
        return read_training_listings(Experiment(name="e", data=named, folder=tmp_path))

    return read


@pytest.fixture
def truth_of(tmp_path):
    """Return a function that reads the truth of two listings from a CSV file of this text."""

    def truth_of(text: str) -> list[bool]:
        (tmp_path / "truth.csv").write_text(text)
        data = {"listings": "listings.parquet", "truth": "truth.csv"}
        truth = read_truth(Experiment(name="e", data=data, folder=tmp_path), listings_to_frame([BAG, BELT]))
        return truth.tolist()

    return truth_of


def test_a_reviewers_label_takes_the_place_of_none_and_nothing_away(read):
    """Without labels nothing is changed or moved; a label without a vector leaves that of the same listing."""
    pd.testing.assert_frame_equal(read(listings=[BELT, BAG]), listings_to_frame([BELT, BAG]))
    decided = replace(BELT, is_counterfeit=True, labelled_at=FRIDAY)
    learnt = read(listings=[BELT, BAG], labels=[decided]).set_index("listing_id")
    assert learnt["is_counterfeit"].to_dict() == {"1": True, "2": True}
    seen = replace(BAG, image_vector=(0.5, 0.25), is_counterfeit=None, labelled_at=None)
    learnt = read(listings=[BELT, seen, replace(seen, observed_at=FRIDAY, image_vector=(1.0, 0.0))], labels=[BAG])
    labelled = learnt[learnt["is_counterfeit"].notna()]
    assert [vector.tolist() for vector in labelled["image_vector"]] == [[0.5, 0.25]]


def test_the_label_that_became_known_last_counts(read):
    """Of files in any order, with or without its moment; seen at two moments a listing is two, in two files one."""
    for known, expected in ((MONDAY, True), (FRIDAY, False)):
        learnt = read(listings=[BAG], labels=[replace(GENUINE_BAG, labelled_at=known)])
        assert learnt["is_counterfeit"].tolist() == [expected]
    early, late = (replace(BAG, is_counterfeit=flag, labelled_at=at) for flag, at in ((True, MONDAY), (False, FRIDAY)))
    for files in ({"labels1": [early], "labels2": [late]}, {"labels1": [late], "labels2": [early]}):
        assert read(listings=[BAG], **files)["is_counterfeit"].tolist() == [False]
    without = [replace(BAG, is_counterfeit=None, labelled_at=None)]
    labelled, at_no_moment = [BAG], [replace(BAG, labelled_at=None)]
    for first, second in ((labelled, without), (without, labelled), (without, at_no_moment)):
        assert read(listings_a=first, listings_b=second)["is_counterfeit"].tolist() == [True]
    later = replace(BAG, observed_at=FRIDAY, is_counterfeit=None, labelled_at=None)
    assert len(read(listings=[later], labels=[BAG])) == 2
    assert sorted(read(listings1=[BAG, BELT], listings2=[BAG])["listing_id"]) == ["1", "2"]


def test_a_label_of_weight_0_is_none(read):
    """It is neither learnt from nor tested by, and still overrules an earlier one; other weights pass through."""
    weights = {"1": 0.0, "2": 0.25, "3": None}
    rows = [replace(BAG, listing_id=id_, label_weight=weight) for id_, weight in weights.items()]
    learnt = read(listings=rows).set_index("listing_id")
    assert learnt["is_counterfeit"].notna().to_dict() == {"1": False, "2": True, "3": True}
    assert learnt["label_weight"].dropna().to_dict() == {"1": 0.0, "2": 0.25}
    withdrawn = replace(BAG, labelled_at=FRIDAY, label_weight=0.0)
    assert labelled_of(read(listings=[BAG], labels=[withdrawn])).empty


def test_all_bad_rows_are_named_and_nothing_is_learnt(tmp_path, monkeypatch):
    """Wherever in the file, of labels too; what follows the first bad rows is not read, a missing file is named."""
    with pytest.raises(UnreadableFile, match=f"no such file; expected {tmp_path}/a.csv or "):
        read_training_listings(Experiment(name="e", data={"listings": "a.csv"}, folder=tmp_path))
    text = "listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n2,s,Belt,1.0,EUR\n3,,Hat,1.0,EUR\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InvalidListings) as caught:
        read_training_listings(Experiment(name="e", data={"listings": "a.csv"}, folder=tmp_path))
    assert [(problem.row, problem.column) for problem in caught.value.problems] == [(1, "price"), (3, "seller_id")]
    assert str(caught.value).startswith(f"{tmp_path}/a.csv: 2 bad rows: ")
    (tmp_path / "labels.csv").write_text("listing_id,seller_id,title,is_counterfeit\n1,s,Bag,perhaps\n")
    write_listings(listings_to_frame([BAG]), tmp_path / "a.parquet")
    data = {"listings": "a.parquet", "labels": "labels.csv"}
    with pytest.raises(InvalidListings, match=r"labels\.csv: 1 bad row: row 1, is_counterfeit: found 'perhaps'"):
        read_training_listings(Experiment(name="e", data=data, folder=tmp_path))
    monkeypatch.setattr("ipml.model.training.experiment.CHUNK_ROWS", 2)
    (tmp_path / "a.csv").write_text("listing_id,seller_id,title\n1,s,Bag\n2,,Bag\n3,,Hat\n4,s,Hat\n")
    with pytest.raises(InvalidListings) as caught:
        read_training_listings(Experiment(name="e", data={"listings": "a.csv"}, folder=tmp_path))
    assert [problem.row for problem in caught.value.problems] == [2]


def test_history_is_computed_from_events_as_known(tmp_path, market):
    """That of the marketplace; nothing heard of later, and nothing that a file of labels says of the seller."""
    expected = market.listings.head(500)
    shared = [name for name in HISTORY_COLUMNS if name in expected]
    write_listings(expected.drop(columns=shared), tmp_path / "listings.parquet")
    write_listings(market.events, tmp_path / "events.parquet")
    data = {"listings": "listings.parquet", "events": "events.parquet"}
    learnt = read_training_listings(Experiment(name="e", data=data, folder=tmp_path))[shared]
    pd.testing.assert_frame_equal(learnt, expected[shared].reset_index(drop=True), check_dtype=False, check_freq=False)
    complaint = {"seller_id": "s", "kind": "complained", "occurred_at": MONDAY, "amount": 1.0}
    write_listings(listings_to_frame([replace(BAG, observed_at=TUESDAY)]), tmp_path / "listings.parquet")
    complaints = []
    for known_at in (MONDAY, FRIDAY):
        joined = {**complaint, "kind": "joined", "known_at": MONDAY}
        write_listings(pd.DataFrame([joined, {**complaint, "known_at": known_at}]), tmp_path / "events.parquet")
        learnt = read_training_listings(Experiment(name="e", data=data, folder=tmp_path))
        complaints += learnt["seller_complaints"].tolist()
    assert complaints == [1.0, 0.0]
    labelled = replace(BELT, observed_at=FRIDAY, seller_sales=99.0, is_counterfeit=True, labelled_at=FRIDAY)
    write_listings(listings_to_frame([BAG, replace(BELT, observed_at=FRIDAY)]), tmp_path / "listings.parquet")
    write_listings(listings_to_frame([labelled]), tmp_path / "labels.parquet")
    sold = {"seller_id": "s", "kind": "sold", "occurred_at": TUESDAY, "known_at": TUESDAY, "amount": 7.0}
    joined = {**sold, "kind": "joined", "occurred_at": MONDAY}
    for name, event in (("sales", sold), ("joins", joined)):
        write_listings(pd.DataFrame([event]), tmp_path / f"{name}.parquet")
    data = {"listings": "listings.parquet", "labels": "labels.parquet", "events": ["sales.parquet", "joins.parquet"]}
    learnt = read_training_listings(Experiment(name="e", data=data, folder=tmp_path)).set_index("listing_id")
    assert learnt.loc["2", ["seller_sales", "seller_age_days", "is_counterfeit"]].tolist() == [7.0, 4.0, True]
    assert pd.isna(learnt.loc["1", "seller_sales"])


def test_columns_are_mapped_by_a_file_beside_the_experiment(tmp_path):
    """The map is for the listings; labels have canonical columns."""
    (tmp_path / "map.toml").write_text('name = "x"\n[columns]\nlisting_id = "id"\nseller_id = "who"\ntitle = "what"\n')
    (tmp_path / "a.csv").write_text("id,who,what\n1,s,Bag\n")
    data = {"listings": "a.csv", "columns": "map.toml"}
    assert read_training_listings(Experiment(name="e", data=data, folder=tmp_path))["title"].tolist() == ["Bag"]


def test_the_truth_is_read_by_id_or_is_the_label(truth_of, subtests):
    """In any order; without a file what has no label has none; it is said what is missing, and where."""
    assert truth_of("network,listing_id,is_counterfeit\n7,2,false\n,9,true\n,1,true\n") == [True, False]
    truth = read_truth(Experiment(name="e", data={"listings": "a.csv"}), listings_to_frame([BAG, BELT]))
    assert truth.isna().tolist() == [False, True]
    assert truth.iloc[0]
    for text, error, said in [
        ("listing_id,is_counterfeit\n1,true\n", UnusableSetting, "no truth for 1 listings, such as '2'"),
        ("listing_id,truth\n1,true\n", MissingColumns, "no column is_counterfeit"),
        ("listing_id,is_counterfeit\n1,true\n2,maybe\n", InvalidListings, "row 2, is_counterfeit: found 'maybe'"),
        ("listing_id,is_counterfeit\n1,true\n2,\n", InvalidListings, "row 2, is_counterfeit: found ''"),
        ("listing_id,is_counterfeit\n1,true\n2,true\n1,false\n", InvalidListings, "row 3, listing_id: found '1'"),
    ]:
        with subtests.test(text=text, error=error, said=said), pytest.raises(error, match=said):
            truth_of(text)


def test_the_digest_is_that_of_the_cells_in_their_order():
    """Any cell, order, number and a text "nan" change it; copies, an index and other columns do not."""
    others = {field.name: EXAMPLES.get(field.kind, (0.5, 0.25))[1] for field in FIELDS}
    cells = [*others.items(), ("title", None), ("price", None), ("is_counterfeit", None), ("image_vector", None)]
    frame = listings_to_frame([FULL, BAG, *(replace(FULL, **{name: value}) for name, value in cells)])
    digests = [digest_listings(frame.iloc[[row, 1]]) for row in (0, *range(2, len(frame)))]
    assert len(set(digests)) == len(digests) == 5 + len(FIELDS)
    listings = listings_to_frame(GOLDEN_LISTINGS)
    other_index = listings.set_axis(range(10, 10 + len(listings)))
    same = [listings, listings.copy()[::-1][::-1], other_index, listings.assign(other=1)]
    assert len(set(map(digest_listings, same))) == 1
    others = [listings, listings[::-1], listings[:-1], pd.concat([listings, listings[-1:]])]
    assert len(set(map(digest_listings, others))) == 4
    texts = (None, "", "nan", "None", "<NA>")
    digests = {digest_listings(listings_to_frame([replace(BAG, description=text)])) for text in texts}
    assert len(digests) >= 4  # an empty text is a missing one
    newer = ("label_probability", "image_vector", "text_vector", "extra")
    listings = listings_to_frame([replace(FULL, **dict.fromkeys(newer)), BAG])
    cells = pd.util.hash_pandas_object(listings[[name for name in COLUMNS if name not in newer]], index=False)
    assert digest_listings(listings) == sha256(cells.to_numpy().tobytes()).hexdigest()[:16]


def test_unlabelled_listings_are_those_of_which_nobody_knows(tmp_path):
    """One with a label anywhere is not one of the usual; a missing file is known before anything is read."""
    own = replace(BELT, listing_id="4", is_counterfeit=True, labelled_at=FRIDAY)
    for name, rows in {"listings": [BAG, BELT], "market": [replace(BAG, is_counterfeit=None), BELT, own]}.items():
        write_listings(listings_to_frame(rows), tmp_path / f"{name}.parquet")
    data = {"listings": "listings.parquet", "unlabelled": ["market.parquet"]}
    experiment = Experiment(name="e", data=data, folder=tmp_path)
    listings = read_training_listings(experiment)
    unlabelled = read_unlabelled(experiment, listings)
    assert unlabelled["listing_id"].tolist() == ["2"]
    assert digest_training(listings, unlabelled) != digest_training(listings, None)
    everything = listings.assign(is_counterfeit=True)
    with pytest.raises(UnusableSetting, match="no listing without a label"):
        read_unlabelled(experiment, everything)
    (tmp_path / "market.csv").write_text("listing_id,seller_id,title,price\n1,s,Bag,cheap\n")
    experiment = Experiment(name="e", data={"listings": "l.csv", "unlabelled": "market.csv"}, folder=tmp_path)
    with pytest.raises(InvalidListings, match=r"market\.csv.*price") as refused:
        read_unlabelled(experiment, listings_to_frame([BAG]))
    assert "\n" not in str(refused.value)
    with pytest.raises(UnreadableFile, match=r"m\.csv"):
        Experiment(name="e", data={"listings": "l.csv", "unlabelled": "m.csv"}, folder=tmp_path).find("m.csv")


OWN = "\n".join(
    (
        '[features.counts]\nclass = "sklearn.feature_extraction.text:CountVectorizer"\ncolumns = "title"\nmin_df = 3',
        "[model]\nC = 0.1\nn_folds = 2\nfeatures__counts__transformer__max_df = 0.9",
    )
)


@pytest.mark.slow
def test_extractors_of_ones_own_are_those_that_are_registered(write, market, monkeypatch):
    """They are rehearsed, and their parameters set as others; a line says what is wrong before anything is read."""
    monkeypatch.setattr(registration, "_REGISTERED", {})
    experiment, brands = load_experiment(write(LEAST + OWN)), brand_table()
    with pytest.raises(UnusableSetting, match=r"^\[features.counts\] of \S+ found [^\n]+IPML_EXTRACTORS[^\n]+$"):
        rehearse(experiment, brands)
    register_extractor(SCIKIT_LEARN)
    rehearse(experiment, brands)
    assert read_recorded(experiment.model_dump_json(), Path(), "a run").features == experiment.features
    labelled = market.listings[market.listings["is_counterfeit"].notna()].tail(300)
    fitted = fit_classifier(experiment, check_listings(labelled), brands)
    own = fitted.features_.parts()["counts"]
    assert (own.transformer.min_df, own.transformer.max_df, own.columns) == (3, 0.9, "title")
    for changed, said in [
        ("[features.counts]\nmin_df = 3", "a table of an extractor has a class"),
        (OWN.replace("min_df = 3", "mindf = 3"), "unexpected keyword argument 'mindf'"),
        (OWN.replace('columns = "title"', 'columns = ["title"]'), "rows for|extractor counts"),
        (
            OWN.replace("features.counts", "features.price").replace("features__counts", "features__price"),
            "cannot have",
        ),
        (OWN.replace("CountVectorizer", "Counter"), "which is not registered"),
    ]:
        with pytest.raises(UnusableSetting, match=rf"^[^\n]*({said})[^\n]*$"):
            rehearse(load_experiment(write(LEAST + changed)), brands)
