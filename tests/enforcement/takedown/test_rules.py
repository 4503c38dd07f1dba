"""Which measure follows: rules as data, the most particular first."""

import pytest
from pydantic import ValidationError

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.takedown.measures import MeasureRules
from ipml.records import Listing


def test_the_rule_with_most_conditions_says():
    """A rule for ground and brand goes before one for the ground, wherever it stands."""
    rules = MeasureRules(
        usual="remove",
        rules=[
            {"kind": "label", "grounds": ["price_and_seller"]},
            {"kind": "demote", "grounds": ["price_and_seller"], "brands": ["ACME"]},
        ],
    )
    listing = Listing("1", "s", "Bag", brand="Acme")
    assert rules.choose(listing, 0.9, "price_and_seller").kind == "demote"
    assert rules.choose(Listing("1", "s", "Bag"), 0.9, "price_and_seller").kind == "label"
    assert rules.choose(listing, 0.9, "test_purchase").kind == "remove"


def test_what_is_not_known_meets_no_condition():
    """A seller whose age nobody knows is not one of standing."""
    rules = load_enforcement_policy().measures
    known = {"seller_age_days": 900.0, "seller_sales": 500.0, "seller_strikes": 0.0}
    assert rules.choose(Listing("1", "s", "Bag", **known), 0.7, "price_and_seller").kind == "pause"
    for name in known:
        listing = Listing("1", "s", "Bag", **{**known, name: None})
        assert rules.choose(listing, 0.7, "price_and_seller").kind == "remove"
    assert rules.choose(Listing("1", "s", "Bag", **known), None, "price_and_seller").kind == "remove"


def test_a_ground_of_its_own_goes_before_the_usual():
    """`by_ground` is the shortest way to say it, and is told in words."""
    choice = MeasureRules(usual="remove", by_ground={"disguised_brand": "pause"}).choose(
        Listing("1", "s", "Bag"), 0.9, "disguised_brand"
    )
    assert choice.why == "pause, as the ground is disguised_brand"


def test_a_policy_that_cannot_be_followed_is_refused():
    """A rule without a condition, countries where none belong, a ground that nobody knows."""
    wrong_rules = [
        {"kind": "label"},
        {"kind": "remove-in", "least_score": 0.5},
        {"kind": "label", "territories": ["DE"], "least_score": 0.5},
        {"kind": "label", "grounds": ["hearsay"]},
    ]
    wrong = [{"usual": "remove", "rules": [rule]} for rule in wrong_rules]
    unknown = {"usual": "remove", "by_ground": {"hearsay": "label"}}
    for rules in (*wrong, {"usual": "remove-in"}, {"usual": "burn"}, unknown):
        with pytest.raises(ValidationError):
            MeasureRules.model_validate(rules)
