"""The words that reasons name and pages mark, cut, chosen and marked by the engine."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from specification.named_words import find_word
from support.text_changes import TextChanges, choose_by, weigh_changes

from ipml.features.columns import ListingColumns
from ipml.records import Listing
from ipml.scoring.named_words import Named, WordNaming
from ipml.scoring.reasons import Explainer

WORDS = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "r3plica", "AAA", "watch", "bag", "BAG,", "handbag", "10 pcs", "a@b.com", "<b>bag</b>"),
        *("кеды", "КЕДЫ", "鞄", "革包", "👟", "\u0130", "Straße", "STRASSE", "\ud800", "\u3000", "don't", "-", "_x_"),
    ]
)
TEXTS = st.lists(WORDS, max_size=70).map(" ".join)


@pytest.fixture(scope="module")
def explainer(classifier) -> Explainer:
    """An explainer of the small marketplace's classifier."""
    return Explainer(classifier)


def name_by(weights: dict[str, float], title: str, description: str = "") -> Named:
    """Return what is named of a listing that loses so much without each of these words of its title."""

    def weigh(changes: TextChanges) -> np.ndarray:
        pieces = changes.pieces.reshape(-1, 2).tolist()
        bounds = changes.starts[::2].tolist()
        lost = [
            sum(weights.get(title[start:end].lower(), 0.0) for start, end in pieces[first:last])
            for first, last in pairwise(bounds)
        ]
        return np.array(lost, dtype=np.float64)

    (named,) = WordNaming([], []).name([title, description], [{}], lambda _: [], choose_by(weigh))
    return named


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.builds(Listing, st.just("1"), st.just("s"), TEXTS, description=TEXTS), min_size=1, max_size=4))
def test_words_are_named_at_once_as_step_by_step(explainer, listings):
    """Whether the engine weighs what it asks for, or is told."""
    classifier = explainer.classifier
    columns = ListingColumns.of_records(listings, classifier.reading)
    log_odds = classifier.first_stage.log_odds(columns)
    slope, stage = classifier.second_stage_.slope_, classifier.first_stage.compiled(classifier.reading)

    def weigh(changes: TextChanges) -> np.ndarray:
        return slope * (log_odds[changes.rows] - weigh_changes(stage, columns, changes))

    assert explainer.name_words(columns) == explainer.name_words(columns, choose_by(weigh))


PHRASES = st.lists(WORDS | st.text("aBb\u03a3\u03c2\u0130 \n鞄", max_size=3), max_size=3)
LETTERS = TEXTS | st.text("aaBb\u03a3\u03c3\u03c2\u0130 \n鞄_", max_size=30)


@given(LETTERS, LETTERS, PHRASES, PHRASES)
def test_phrases_are_taken_away_wherever_they_stand(title, description, some, whole):
    """In title and description; those of which all are named, in the title only."""
    taken: list[TextChanges] = []

    def weigh(changes: TextChanges) -> np.ndarray:
        taken.append(changes)
        return np.zeros(len(changes))

    texts, phrases = [title, description], {"some": some, "whole": whole}
    naming = WordNaming(["some"], ["whole"])
    naming.name(
        texts, [phrases], lambda numbers: [np.zeros(len(texts[number])) for number in numbers], choose_by(weigh)
    )
    starts, pieces = taken[0].starts.tolist(), taken[0].pieces.reshape(-1, 2).tolist()
    found = [[(begin, end) for begin, end in pieces[first:last]] for first, last in pairwise(starts)]
    expected = [find_word(text, phrase) for phrase in some for text in texts]
    expected += [places for phrase in whole for places in (find_word(title, phrase), [])]
    assert found[: len(expected)] == expected


def test_the_heaviest_of_the_weightier_side_are_named():
    """Three at most, the heaviest first."""
    weights = {"replica": 2.0, "copy": 1.0, "aaa": 0.5, "cheap": 0.1, "receipt": -3.0}
    assert name_by(weights, "Copy AAA receipt cheap replica").words == {"title": ["replica", "Copy", "AAA"]}


def test_words_are_marked_wherever_they_stand_alone():
    """In capitals or not they are one word, marked with what all carry; within another they are not taken away."""
    in_title, _ = name_by({"bag": 1.0}, "BAG, a bag (Bag)").highlights
    assert [(mark.start, mark.end, mark.weight) for mark in in_title] == [(0, 3, 3.0), (7, 10, 3.0), (12, 15, 3.0)]
    in_title, _ = name_by({"bag": 1.0}, "bag handbag bag").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(0, 3), (12, 15)]


def test_a_letter_of_scripts_without_spaces_is_a_word():
    """And signs around a word are no part of it."""
    in_title, _ = name_by({"革": 1.0, "包": 2.0, "don't": 1.0}, "革包 «don't!»").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(0, 1), (1, 2)]
    in_title, _ = name_by({"don't": 1.0}, "(don't!)").highlights
    assert [(mark.start, mark.end) for mark in in_title] == [(1, 6)]
