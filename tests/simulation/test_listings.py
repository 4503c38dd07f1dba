"""Every language has the whole vocabulary, and every template finds its words."""

from string import Formatter

import pytest

from ipml.simulation.listings import load_vocabulary
from ipml.simulation.marketplace import Marketplace
from ipml.simulation.offers import GOODS, VOICES, VOICES_OF_KIND
from ipml.simulation.sellers import MARKETS

SLOTS = {"brand", "model", "goods", "colour", "size", "code"}


def test_vocabularies_are_whole(subtests: pytest.Subtests):
    """No key that a voice or the goods use is missing; templates have no other slots, and titles name the brand."""
    for language in sorted({market.language for market in MARKETS}):
        with subtests.test(language):
            vocabulary = load_vocabulary(language)
            assert vocabulary.colours
            assert all(vocabulary.goods[goods.name] for goods in GOODS)
            for voice in VOICES.values():
                assert vocabulary.titles[voice.titles]
                assert all(vocabulary.sentences[key] for key, _ in voice.sentences)
            for pool in (*vocabulary.titles.values(), *vocabulary.sentences.values()):
                for template in pool:
                    assert {slot for _, slot, _, _ in Formatter().parse(template) if slot} <= SLOTS
            assert all("{brand}" in template for pool in vocabulary.titles.values() for template in pool)


def test_the_parts_of_a_kinds_voices_sum_to_one():
    """Every kind of seller speaks in some voice, always."""
    assert all(sum(parts) == pytest.approx(1.0) and len(parts) == len(VOICES) for parts in VOICES_OF_KIND.values())


def test_texts_have_no_empty_slots_and_no_double_spaces(marketplace: Marketplace):
    """Titles are trimmed, and nothing is left of a template."""
    titles = marketplace.listings["title"]
    assert not titles.str.contains("  |[{}]").any()
    assert (titles == titles.str.strip()).all()
    assert not marketplace.listings["description"].str.contains("[{}]").any()
