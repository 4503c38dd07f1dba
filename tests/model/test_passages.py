"""Harmless words around suspicious ones hide little of them, and disguises that are undone hide nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipml.features.columns import MAX_LETTERS
from ipml.model import learner
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.robustness import FAMILIES, attack_text
from ipml.model.robustness.evasions import LAWFUL_PHRASES

SUSPICIOUS = ["AAA replica 1:1 mirror quality", "Rolex Submariner replica AAA", "fake designer bag, 1:1 copy"]
HARMLESS = (
    *LAWFUL_PHRASES,
    "soft cotton tea towel",
    "genuine receipt included original box",
    "hand washed",
    "oak wood",
)
MOST_LOST = {"title": 3.0, "description": 1.5}
"""Of the log-odds, which differ by 7 and more between what the small marketplace calls counterfeit and genuine."""
UNDONE = [family for family in FAMILIES.values() if family.kind in ("invisible", "styled", "markup")]


def log_odds(classifier, column, texts):
    """Return the log-odds, before calibration, of listings with these texts in a column and nothing else to tell."""
    listings = {"seller_id": ["x"] * len(texts), "title": ["Watch"] * len(texts)}
    return classifier.decision_function(listings | {column: texts})


@pytest.mark.parametrize("column", MOST_LOST)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SUSPICIOUS), st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=6), st.integers(1, 5_000))
def test_harmless_words_hide_little(classifier, column, text, phrases, times):
    """Whichever they are, however many, before or after, up to the legal length of the text."""
    padding = " ".join(phrases * times)[: MAX_LETTERS[column] - len(text) - 1]
    alone, *padded = log_odds(classifier, column, [text, f"{text} {padding}", f"{padding} {text}"])
    assert min(padded) >= alone - MOST_LOST[column]


def test_disguises_that_are_undone_hide_nothing(classifier):
    """What they leave of a suspicious title is as suspicious as before."""
    before = log_odds(classifier, "title", SUSPICIOUS)
    written = [attack_text(text, family) for family in UNDONE for text in SUSPICIOUS]
    lost = np.reshape(log_odds(classifier, "title", written), (len(UNDONE), -1)) - before
    assert [family.name for family, least in zip(UNDONE, lost.min(axis=1), strict=True) if least < -0.5] == []


def test_the_values_of_a_listing_are_the_same_alone_and_among_others(classifier, monkeypatch):
    """Of a long text they are those of its most suspicious passage, however many listings are read at once."""
    monkeypatch.setattr("ipml.model.pipeline._READ_AT_ONCE", 2)
    padding = " oak wood tea towel" * 30
    titles = ["Wool hat", SUSPICIOUS[0] + padding, padding + SUSPICIOUS[1], "Oak table", SUSPICIOUS[2]]
    descriptions = [None, padding, SUSPICIOUS[0] + padding, None, padding]
    listings = {"seller_id": list("abcde"), "title": titles, "description": descriptions}
    together = classifier.transform(pd.DataFrame(listings))
    for row in range(len(titles)):
        alone = classifier.transform({name: [cells[row]] for name, cells in listings.items()})
        assert (together[row] != alone).nnz == 0
    log_odds = (together @ np.append(classifier.learner_.coef_[0], 0.0)).ravel() + classifier.learner_.intercept_[0]
    np.testing.assert_allclose(log_odds, classifier.first_stage.log_odds(classifier.columns(listings)), atol=1e-9)


def test_the_draft_of_many_listings_needs_few_of_them(monkeypatch):
    """Passages that a draft of some sellers finds are those that one of all finds, but for a few."""
    rng = np.random.default_rng(0)
    words, y = np.array(HARMLESS), np.arange(120) % 4 == 0
    said = [rng.choice(SUSPICIOUS, 1) if fake else () for fake in y]
    titles = [" ".join([*rng.choice(words, 12), *middle, *rng.choice(words, 12)]) for middle in said]
    listings = pd.DataFrame({"seller_id": (np.arange(120) // 4).astype(str), "title": titles})
    of_all = CounterfeitClassifier(C=1.0, n_folds=2).fit(listings, y).decision_function(listings)
    monkeypatch.setattr(learner, "MOST_LISTINGS", 40)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 8)
    of_some = CounterfeitClassifier(C=1.0, n_folds=2).fit(listings, y).decision_function(listings)
    assert np.corrcoef(of_all, of_some)[0, 1] > 0.95
    assert of_some[y].min() > of_some[~y].max()
