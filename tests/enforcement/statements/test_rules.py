"""What a policy may say of statements."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind, Restriction
from ipml.enforcement.statements.facts import RIGHTS, StatementRules, languages, state
from ipml.enforcement.statements.letter import load_words, write_explanation, write_law, write_payload
from ipml.enforcement.statements.statements import find_faults
from ipml.listings.brands import load_brands

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
RULES = load_enforcement_policy().statements


def test_a_rule_that_cannot_be_followed_is_refused():
    """Less than six months, unknown languages, grounds and kinds, and texts that break a line or a field."""
    unknown = ("basis", "right", "colour", "language")
    by_whim = ("basis_by_ground", "basis_by_kind", "right_by_ground")
    for fields in (
        {"appeal_months": 5},
        {"languages": {"DE": "tlh"}},
        {"platform": "Shop\r\nBcc: all@example.org"},
        {"clause": "x" * 301},
        {"right_by_ground": {"wrong_features": "whim"}},
        *({name: "whim"} for name in unknown),
        *({name: {"whim": "design" if name == "right_by_ground" else "terms"}} for name in by_whim),
    ):
        with pytest.raises(ValidationError):
            StatementRules(**fields)


def test_the_ground_says_which_right_is_infringed(make_restriction: Callable[..., Restriction]):
    """Letter and payload name it with its law, and fit the database; on another ground it is the usual one."""
    for right in RIGHTS:
        rules = RULES.model_copy(update={"right_by_ground": {"wrong_features": right}})
        stated = state(make_restriction(), rules, puid="p", at=NOON)
        for language in languages():
            words = load_words(language)
            assert write_law(stated, words) == words.laws[right]
            assert write_explanation(stated, words) == words.explanations[right]
        payload = write_payload(stated)
        assert find_faults(payload) == ()
        assert right.replace(" ", "").upper() in payload["category_specification"][0]
        assert state(make_restriction(ground="test_purchase"), rules, puid="p", at=NOON).right == "trade mark"


def test_a_letter_names_the_brand_that_the_model_read_where_the_field_is_empty(make_restriction):
    """As the list spells it; a field that names one goes before."""
    stated = state(make_restriction(brand=None), RULES, puid="p", at=NOON, brand_read="nike")
    assert stated.brand == "Nike"
    assert state(make_restriction(brand="Dior"), RULES, puid="p", at=NOON, brand_read="nike").brand == "Dior"
    assert state(make_restriction(brand=None), RULES, puid="p", at=NOON, brand_read="call 0171").brand is None


def test_the_bundled_policy_speaks_every_language_and_knows_the_bundled_brands():
    """Each language is that of some country; every bundled brand can be named."""
    assert {RULES.language, *RULES.languages.values()} == set(languages())
    assert all(RULES.known_brand(brand.name.upper()) == brand.name for brand in load_brands())


def test_the_kind_goes_before_the_ground():
    """What is done to an account rests on the terms, whatever the listing was; a listing goes by its ground."""
    rules = RULES.model_copy(update={"basis_by_ground": {"disguised_brand": "terms"}})
    assert rules.basis_of(PenaltyKind.CLOSE, "wrong_features") == "terms"
    assert rules.basis_of(MeasureKind.REMOVE, "disguised_brand") == "terms"
    assert rules.basis_of(MeasureKind.REMOVE, "wrong_features") == "illegal"


def test_a_brand_is_never_named_as_a_seller_wrote_it():
    """Neither with a contact beside it, nor in letters that only look alike."""
    assert RULES.known_brand("Nike 0171 5550101") is None
    assert RULES.known_brand("N\u0456ke") is None
    assert RULES.known_brand("ＮＩＫＥ") == "Nike"
    assert RULES.known_brand("x" * 10_000_000) is None
