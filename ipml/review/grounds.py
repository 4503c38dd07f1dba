"""On what ground a listing is said to be counterfeit: the table that reviewers choose from."""

from __future__ import annotations

from ipml.errors import UnknownGround
from ipml.records import Verdict

# Keys are stored with decisions: add grounds, reword sentences, but never change or drop a key.
GROUNDS = {
    "declared_replica": "The listing itself says that the goods are a replica, a copy or of replica grade.",
    "disguised_brand": "The brand is written in disguise, so that its owner does not find the listing.",
    "wrong_features": "What is shown or described differs from the genuine goods.",
    "price_and_seller": "Price, quantity and seller together fit no genuine source of such goods.",
    "known_goods": "The same goods of this seller have been found counterfeit before.",
    "rights_holder": "The rights holder has stated that the goods are counterfeit.",
    "test_purchase": "A test purchase was examined and found counterfeit.",
}


def check_ground(verdict: Verdict, ground: str) -> None:
    """Raise UnknownGround unless a counterfeit verdict has one of `GROUNDS` and any other verdict has none.

    Examples
    --------
    >>> check_ground(Verdict.COUNTERFEIT, "test_purchase")
    >>> check_ground(Verdict.GENUINE, "")
    """
    if verdict is Verdict.COUNTERFEIT and ground not in GROUNDS:
        raise UnknownGround(verdict, ground, f"one of {', '.join(GROUNDS)}")
    if verdict is not Verdict.COUNTERFEIT and ground:
        raise UnknownGround(verdict, ground, "none")
