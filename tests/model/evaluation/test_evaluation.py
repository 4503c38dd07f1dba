"""The report on a model, and the baselines beside it: what each promises."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from support.evaluation import estimate_all, evaluate, evaluate_repeats, paired_difference

from ipml.errors import UnmeasurableScores, UnreadableFile
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.baselines import KeywordList, Prevalence, PriceRule
from ipml.model.evaluation.evaluation import MODEL, Evaluation, read_tested, write_tested
from ipml.model.evaluation.label_weights import weigh_by_probability
from ipml.model.evaluation.metrics import measure_names
from ipml.model.evaluation.splits import seller_folds

N_RESAMPLES = 100


@pytest.fixture
def listings() -> pd.DataFrame:
    """Three hundred listings of fifty sellers, in two brands, a rare third, and one category."""
    random = np.random.default_rng(2)
    sellers = random.integers(50, size=300)
    brands = np.where(np.arange(300) < 10, "Rare", np.where(sellers % 2 == 0, "Even", "Odd"))
    return pd.DataFrame({"seller_id": [f"s{seller}" for seller in sellers], "brand": brands, "category": "bags"})


@pytest.fixture
def y(listings) -> np.ndarray:
    """Sellers whose id is a multiple of five offer counterfeits."""
    return listings["seller_id"].str.removeprefix("s").astype(int).to_numpy() % 5 == 0


@pytest.fixture
def scores(y) -> list[np.ndarray]:
    """Three scorings of the same listings, as of three seeds."""
    random = np.random.default_rng(3)
    return [np.clip(random.normal(0.3 + 0.3 * y, 0.2), 0, 1) for _ in range(3)]


@pytest.fixture
def evaluation(y, scores, listings) -> Evaluation:
    """The first scoring beside a coarser one and a constant."""
    baselines = {"coarse": np.round(scores[0]), "prevalence": np.full(len(y), 0.2)}
    return evaluate(y, scores[0], listings, baselines=baselines, k=(20, 50), n_resamples=N_RESAMPLES)


def test_figures_and_counts_are_those_of_the_measures(evaluation, y, scores, listings):
    """Each baseline on the same resamples; from JSON the same, with what is said of young labels above the figures."""
    names, sellers = measure_names(k=(20, 50)), listings["seller_id"]
    expected = estimate_all(y, scores[0], sellers, measures=names, n_resamples=N_RESAMPLES)
    assert evaluation.figures["model"] == expected
    assert list(evaluation.figures) == ["model", "coarse", "prevalence"]
    assert {tuple(figures) for figures in evaluation.figures.values()} == {names}
    counts = evaluation.counts
    assert (counts.listings, counts.counterfeits) == (300, y.sum())
    assert (counts.sellers, counts.prevalence) == (sellers.nunique(), y.mean())
    assert evaluation.comparison.baseline == "coarse"
    paired = paired_difference(y, scores[0], np.round(scores[0]), sellers, n_resamples=N_RESAMPLES)
    assert evaluation.comparison.difference == paired
    told = replace(evaluation, maturity="labels of listings since June are not final")
    assert "\nlabels of listings since June are not final\n" in told.table()
    for one in (evaluation, told):
        assert Evaluation.from_json(one.to_json()) == one


def test_slices_need_enough_listings_and_counterfeits_but_not_all(evaluation, y, scores, listings):
    """Two brands are measured; the rare one, one without counterfeits and the category of all listings are not."""
    parts = [part for part in evaluation.slices if part.column in ("brand", "category")]
    assert [(part.column, part.value) for part in parts] == [("brand", "Even"), ("brand", "Odd")]
    for part in parts:
        assert part.counts.counterfeits == y[listings["brand"] == part.value].sum()
    listings.loc[~y, "brand"] = "Clean"
    assert "Clean" not in {part.value for part in evaluate(y, scores[0], listings, n_resamples=10).slices}


def test_the_table_shows_every_figure(evaluation, y, scores, listings):
    """Each figure with its interval, scorer and slice, in straight columns; a brand cannot steer the terminal."""
    table = evaluation.table()
    for figures in evaluation.figures.values():
        assert all(str(figure) in table for figure in figures.values())
    assert all(f"{part.column} {part.value}" in evaluation.slice_table() for part in evaluation.slices)
    rows = [line for line in table.splitlines() if line.startswith(("precision at", "recall at"))]
    assert len({row.index("(") for row in rows}) == 1
    listings["brand"] = listings["brand"].replace("Even", "\x1b[2JEven")
    table = evaluate(y, scores[0], listings, n_resamples=10).slice_table()
    assert "Even" in table
    assert "\x1b" not in table


def test_repeats_are_averaged(y, scores, listings):
    """The figure of several scorings is the mean of theirs; the same scoring again does not narrow the interval."""
    repeated = evaluate_repeats(y, scores, listings, n_resamples=20)
    once = [evaluate(y, score, listings, n_resamples=20).figures["model"] for score in scores]
    assert repeated.figures["model"]["brier"].value == pytest.approx(np.mean([one["brier"].value for one in once]))
    assert repeated.n_repeats == 3
    thrice = evaluate_repeats(y, [scores[0]] * 3, listings, n_resamples=20).figures["model"]["average_precision"]
    precision = once[0]["average_precision"]
    assert (thrice.low, thrice.high) == pytest.approx((precision.low, precision.high))


def test_what_was_not_compared_or_not_drawn_is_said(y, scores, listings):
    """Nothing is compared with nothing, log-odds are refused; above the figures stands for what listings stand."""
    evaluation = evaluate(y, scores[0], listings, n_resamples=10)
    assert evaluation.comparison is None
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    with pytest.raises(UnmeasurableScores, match="probabilities in 0-1"):
        evaluate(y, scores[0] * 10 - 5, listings)
    odds = np.where(np.arange(len(y)) % 2, 1.0, 0.5)
    drawn, shown = (
        evaluate_repeats(y, scores, listings.assign(label_probability=of), n_resamples=20)
        for of in (odds, np.ones(len(y)))
    )
    assert f"stand for {(1 / odds).sum():,.0f} listings" in drawn.table()
    assert "cannot be known from them" in shown.table()
    assert Evaluation.from_json(drawn.to_json()) == drawn


@given(st.lists(st.sampled_from([1, 2, 4]), min_size=12, max_size=12))
@settings(deadline=None, max_examples=25)
def test_a_label_with_odds_counts_as_the_listings_it_stands_for(stands_for):
    """A listing shown with odds of one in four counts as four such listings would."""
    times = np.array([*stands_for, 1, 1])
    y, score = np.arange(14) % 3 == 0, np.linspace(0.95, 0.05, 14) ** 2
    listings = pd.DataFrame({"seller_id": list("abcdefghijklmn")})
    drawn = evaluate_repeats(y, [score], listings.assign(label_probability=1 / times), k=[5], n_resamples=20)
    rows = np.repeat(np.arange(14), times)
    all_of_them = evaluate_repeats(y[rows], [score[rows]], listings.iloc[rows], k=[5], n_resamples=20)
    for name, estimate in all_of_them.figures["model"].items():
        assert drawn.figures["model"][name].value == pytest.approx(estimate.value, abs=1e-12), name
    assert drawn.reviewed is not None
    assert drawn.reviewed.listings == times.sum()
    assert drawn.reviewed.prevalence == pytest.approx(all_of_them.counts.prevalence)


@pytest.mark.slow
def test_a_known_figure_is_reproduced(real_data):
    """TF-IDF and a logistic regression reach 0.774 on dark-net titles, folds over vendors pooled, mean of 5 seeds."""
    path = real_data / "darknet_goods_2017.csv"
    goods = pd.read_csv(path, keep_default_na=False, na_values=[""]).rename(columns={"vendor": "seller_id"})
    titles, y = goods["title"], goods["counterfeit_goods"].to_numpy()
    scores = [np.zeros(len(goods)) for _ in range(5)]
    for seed, score in enumerate(scores):
        for train, test in seller_folds(goods, y, seed=seed):
            model = make_text_model().fit(titles.iloc[train], y[train])
            score[test] = model.predict_proba(titles.iloc[test])[:, 1]
    figures = evaluate_repeats(y, scores, goods[["seller_id"]], n_resamples=20).figures["model"]
    assert figures["average_precision"].value == pytest.approx(0.774, abs=0.005)


def make_text_model() -> Pipeline:
    """Words and pairs of words, and 3 to 5 letters within words, seen in two titles at least."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    learner = LogisticRegression(C=10, class_weight="balanced", max_iter=2000)
    return make_pipeline(make_union(words, letters), learner)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.none() | TEXTS, st.booleans()), max_size=9, unique_by=lambda row: row[0])


def make_tested(rows: list[tuple[str, str, str | None, bool]], n_repeats: int) -> kept.TestedListings:
    """Return a test of some listings: id, seller, brand and truth of each."""
    listings = pd.DataFrame(rows, columns=["listing_id", "seller_id", "brand", "y"])
    listings = listings.astype({"listing_id": "str", "seller_id": "str", "brand": "str", "y": "bool"})
    moments = pd.date_range("2026-01-01", periods=len(rows), freq="D", tz="UTC")
    scores = [np.linspace(0, 1, len(rows)) ** power for power in range(1, n_repeats + 1)]
    columns = listings[["listing_id", "seller_id", "brand"]].assign(observed_at=moments, title="not kept")
    return kept.TestedListings(columns, listings["y"].to_numpy(), {MODEL: scores, "prevalence": scores})


@given(ROWS, st.integers(1, 12))
def test_what_is_written_is_read(tmp_path_factory, rows, n_repeats):
    """Ids, moments, brands, truth and every repeat's scores are kept, bit by bit and in order; nothing else is."""
    path = tmp_path_factory.mktemp("tested") / "tested.parquet"
    tested = make_tested(rows, n_repeats)
    write_tested(tested, path)
    read = read_tested(path)
    assert list(read.listings) == ["listing_id", "observed_at", "seller_id", "brand"]
    pd.testing.assert_frame_equal(read.listings, tested.listings[list(read.listings)])
    assert np.array_equal(read.y, tested.y)
    assert list(read.scores) == [MODEL]
    assert np.array_equal(read.scores[MODEL], tested.scores[MODEL])


def test_odds_and_values_are_kept_where_known(tmp_path):
    """With them, a later comparison weighs labels and adds prices as the first did."""
    tested = make_tested([("1", "s", None, True), ("2", "s", None, False)], 1)
    known = {"label_probability": [1.0, 0.25], "value": [30.0, np.nan], "value_currency": "EUR"}
    write_tested(replace(tested, listings=tested.listings.assign(**known)), tmp_path / "tested.parquet")
    read = read_tested(tmp_path / "tested.parquet")
    assert np.array_equal(read.weight, weigh_by_probability([1.0, 0.25]))
    assert read.listings["value"].tolist()[0] == 30.0
    assert read.listings["value_currency"].tolist() == ["EUR", "EUR"]
    assert tested.weight is None


def test_another_table_is_said_so(tmp_path):
    """Other columns are no test, a listing twice cannot be paired, and what cannot be read is one line."""
    path = tmp_path / "tested.parquet"
    with pytest.raises(UnreadableFile, match="No such file"):
        read_tested(path)
    write_tested(make_tested([("1", "s", None, True)], 1), path)
    table = pd.read_parquet(path)
    for other, said in (
        (table.assign(title="Bag"), "scores of a test"),
        (table.assign(score_3=0.5), "scores of a test"),
        (pd.concat([table] * 2, ignore_index=True), "twice"),
    ):
        other.to_parquet(path)
        with pytest.raises(UnreadableFile, match=said):
            read_tested(path)
    path.write_text("listing_id\n1\n")
    with pytest.raises(UnreadableFile, match="no Parquet"):
        read_tested(path)


@pytest.fixture
def goods() -> pd.DataFrame:
    """Two hundred listings; every fourth is counterfeit, most of these cheap, half of them saying replica."""
    random = np.random.default_rng(0)
    is_counterfeit = np.arange(200) % 4 == 0
    return pd.DataFrame(
        {
            "title": np.where(is_counterfeit & (random.random(200) < 0.5), "replica bag", "leather bag"),
            "description": "as described",
            "category": "bags",
            "price": random.lognormal(np.where(is_counterfeit, 3, 5), 0.7),
            "currency": "EUR",
            "is_counterfeit": is_counterfeit,
        }
    )


def test_a_baseline_gives_probabilities_that_mean_what_they_say(goods):
    """On average about the prevalence; the other listings of a batch do not matter, and the frame stays as it is."""
    before = goods.copy()
    for baseline in (Prevalence(), KeywordList(), PriceRule()):
        fitted = clone(baseline).fit(goods, goods["is_counterfeit"])
        probability = fitted.predict_proba(goods)
        assert probability.shape == (200, 2)
        assert probability.min() >= 0
        assert probability.sum(axis=1) == pytest.approx(1)
        assert probability[:, 1].mean() == pytest.approx(0.25, abs=0.02)
        assert fitted.predict_proba(goods.iloc[[7]]) == pytest.approx(probability[[7]])
        pd.testing.assert_frame_equal(goods, before)


def test_words_and_prices_rank_and_where_they_say_nothing_the_prevalence_stands(goods):
    """A look-alike hides no word; the probability falls as the price rises; of no price half are more suspicious."""
    rule = KeywordList().fit(goods, goods["is_counterfeit"])
    titles = ["bag", "replica bag", "r\u0435plic\u0430 bag", "replica bag, 1:1 copy"]
    none, one, disguised, more = rule.predict_proba({"title": titles})[:, 1]
    assert none < one == disguised < more
    rule = PriceRule().fit(goods, goods["is_counterfeit"])
    prices = pd.DataFrame({"category": "bags", "currency": "EUR", "price": [0.1, 1, 10, 100, 1000, 1e6]})
    assert (np.diff(rule.predict_proba(prices)[:, 1]) < 0).all()
    missing = rule.predict_proba(pd.DataFrame({"title": ["bag"], "price": [np.nan]}))[0, 1]
    assert (rule.predict_proba(goods)[:, 1] > missing).mean() == pytest.approx(0.5, abs=0.01)
    plain = goods.assign(title="bag").drop(columns=["price", "currency"])
    for rule in (KeywordList(), PriceRule()):
        probability = rule.fit(plain, goods["is_counterfeit"]).predict_proba(plain)[:, 1]
        assert probability == pytest.approx([0.25] * 200, abs=0.02)


def test_prices_are_compared_within_their_currency_and_brand(goods):
    """A hundredfold in another is as suspicious; a brand's reference price goes before what is usual."""
    rubles = goods.assign(price=goods["price"] * 100, currency="XTS")
    both = pd.concat([goods, rubles], ignore_index=True)
    probability = PriceRule().fit(both, both["is_counterfeit"]).predict_proba(both)[:, 1]
    assert probability[:200] == pytest.approx(probability[200:])
    table = {"names": ["Costly"], "phrases": ["Costly"], "phrase_brands": [0], "references": [5000.0]}
    table |= {"authorised": [[]], "rates": {"EUR": 1.0}, "base_currency": "EUR"}
    rule = PriceRule(table).fit(goods, goods["is_counterfeit"])
    bags = pd.DataFrame({"title": ["bag", "Costly bag"], "category": "bags", "currency": "EUR", "price": 150.0})
    plain, branded = rule.predict_proba(bags)[:, 1]
    assert branded > plain
