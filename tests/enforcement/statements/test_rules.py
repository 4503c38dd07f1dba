"""What a policy may say of statements."""

from typing import Any

import pytest
from pydantic import ValidationError

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.statements.facts import StatementRules, languages
from ipml.listings.brands import load_brands

RULES = load_enforcement_policy().statements


@pytest.mark.parametrize(
    "fields",
    [
        {"appeal_months": 5},
        {"language": "tlh"},
        {"languages": {"DE": "tlh"}},
        {"platform": "Shop\r\nBcc: all@example.org"},
        {"clause": "x" * 301},
        {"basis": "whim"},
        {"basis_by_ground": {"whim": "terms"}},
        {"basis_by_kind": {"whim": "terms"}},
        {"colour": "red"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_rule_that_cannot_be_followed_is_refused(fields: dict[str, Any]):
    """Less than six months, unknown languages, grounds and kinds, and texts that break a line or a field."""
    with pytest.raises(ValidationError):
        StatementRules(**fields)


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
