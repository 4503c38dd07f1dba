"""The parameters of an experiment reach the classifier, or are refused before anything is learnt."""

import numpy as np
import pandas as pd
import pytest

from ipml.errors import UnusableSetting
from ipml.features.goods import brand_table
from ipml.listings.schema import check_listings
from ipml.model.training import Experiment
from ipml.model.training.classifier import fit_classifier, make_classifier, rehearse

pytestmark = pytest.mark.slow

BRANDS = brand_table()


def plan(model) -> Experiment:
    """Return an experiment with these parameters."""
    return Experiment(name="market", data={"listings": "a.csv"}, model=model)


def test_an_unknown_parameter_is_named():
    """Beside what may be set, the likeliest names first; those of extractors and lists for tuples are set."""
    for name in ("D", "title__bits", "features", "features__title", "features__price__brands"):
        said = rf"^\[model\] of market: found unknown {name}.*; expected param.*: C, "
        with pytest.raises(UnusableSetting, match=said):
            make_classifier(plan({name: 1}), BRANDS)
    with pytest.raises(UnusableSetting, match=r"features__title__bitz \(perhaps features__title__bits\)"):
        make_classifier(plan({"features__title__bitz": 18}), BRANDS)
    with pytest.raises(UnusableSetting, match=r"unknown c \(perhaps C\), nfolds \(perhaps n_folds\)"):
        make_classifier(plan({"c": 1, "nfolds": 3}), BRANDS)
    model = {"features__title__letters": [3, 4], "features__transformer_weights": {"title": 0.5}, "seed": 7}
    parameters = make_classifier(plan(model), BRANDS).get_params()
    assert {name: parameters[name] for name in model} == model


def test_an_impossible_value_is_told_from_the_start(subtests):
    """A rehearsal without any data finds it, and one line names parameter and value; of others nothing is said."""
    impossible = [
        *(("C", -1.0), ("C", "much"), ("n_folds", "x"), ("features__title__bits", 70), ("seed", {"a": 1})),
        *(("features__title__bits", "many"), ("features__title__letters", [5, 2])),
        ("features__words__lexicon", "lexicon-that-is-not-there.toml"),
    ]
    for name, value in impossible:
        with subtests.test(name=name, value=value):
            with pytest.raises(UnusableSetting) as caught:
                rehearse(plan({name: value}), BRANDS)
            said = f"[model] of market: found {name} = {value!r}; expected values the classifier can use ("
            assert said in str(caught.value)
            assert "\n" not in str(caught.value)
    rehearse(plan({"C": 0.1, "features__title__letters": [3, 4]}), BRANDS)
    rehearse(plan({}), BRANDS)


def test_a_label_weighs_as_much_as_it_says(market):
    """Labels of half the weight under twice the inverse penalty teach the same; together they are only less sure."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    full, half = (
        fit_classifier(plan({"C": C, "n_folds": 2}), labelled.assign(label_weight=weight), BRANDS)
        for C, weight in ((0.1, 1.0), (0.2, 0.5))
    )
    directions = [one.learner_.coef_[0] / np.linalg.norm(one.learner_.coef_) for one in (full, half)]
    assert directions[0] @ directions[1] > 0.9999
    assert np.linalg.norm(half.learner_.coef_) < np.linalg.norm(full.learner_.coef_)


def test_labels_without_weight_or_with_equal_odds_weigh_one(market):
    """What says nothing of its weight counts in full; shown with the same odds, labels are those of all listings."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()]).iloc[:600]
    silent, full = (labelled.assign(label_weight=weight) for weight in (np.nan, 1.0))
    frames = (full, silent, labelled.drop(columns="label_weight", errors="ignore"))
    first, *others = (fit_classifier(plan({"C": 0.1, "n_folds": 2}), frame, BRANDS) for frame in frames)
    for other in others:
        np.testing.assert_array_equal(other.coefficients, first.coefficients)
    silent, sure, drawn = (
        fit_classifier(plan({"C": 0.1, "n_folds": 2}), labelled.assign(label_probability=odds), BRANDS)
        for odds in (np.nan, 1.0, 0.25)
    )
    for other in (sure, drawn):
        np.testing.assert_array_equal(other.predict_proba(labelled), silent.predict_proba(labelled))


def test_what_was_drawn_lowers_probabilities_to_those_of_all_listings(market):
    """The odds of labels decide what probabilities are on average, and leave the order of listings as it is."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    is_fake = labelled["is_counterfeit"].to_numpy(dtype=bool)
    odds = np.where(is_fake, 1.0, 0.25)
    plain, weighed = (
        fit_classifier(plan({"C": 0.1, "n_folds": 2}), labelled.assign(label_probability=of), BRANDS)
        for of in (np.nan, odds)
    )
    np.testing.assert_array_equal(weighed.learner_.coef_, plain.learner_.coef_)
    share = np.average(is_fake, weights=1 / odds)
    by_plain, by_weighed = (np.average(one.predict_proba(labelled)[:, 1], weights=1 / odds) for one in (plain, weighed))
    assert by_weighed == pytest.approx(share, rel=0.2)
    assert by_plain > 1.5 * share


@pytest.mark.parametrize("until_found", [False, True])
def test_labels_that_have_not_come_yet_do_not_lower_probabilities(market, until_found):
    """Counterfeits found late are as common as they will be; the order changes where genuine means not found yet."""
    labelled = check_listings(market.listings[market.listings["is_counterfeit"].notna()])
    is_fake = labelled["is_counterfeit"].to_numpy(dtype=bool)
    came = labelled["observed_at"] + pd.to_timedelta(np.where(is_fake, np.arange(len(labelled)) * 7 % 180, 0), unit="D")
    has_come = (came <= labelled["observed_at"].max()).to_numpy()
    if until_found:
        is_found = is_fake & has_come
        known = labelled.assign(is_counterfeit=is_found, labelled_at=came.where(is_found))
    else:
        known = labelled.assign(labelled_at=came)[has_come]
    silent = known.assign(labelled_at=known["labelled_at"].mask(known["listing_id"].notna()))
    plain, mature = (fit_classifier(plan({"C": 0.1, "n_folds": 2}), frame, BRANDS) for frame in (silent, known))
    means = [one.predict_proba(labelled)[:, 1].mean() for one in (plain, mature)]
    assert means[0] < means[1] < 1.3 * is_fake.mean()
    assert np.array_equal(plain.learner_.coef_, mature.learner_.coef_) != until_found
