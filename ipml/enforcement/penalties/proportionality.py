"""Whether a penalty should be a rung milder or harder than its weight alone, and whether a person must look at it.

The formula: each of four questions gives -1, 0 or +1, and their sum, but never more than one rung, is the step.

================  ==========================================================  ===========================
question          -1                                                          +1
================  ==========================================================  ===========================
harm              at most `small_harm`                                        at least `great_harm`
share of listings upper bound at most `small_share`                           lower bound >= `large_share`
record            first offence of a seller of at least `clean_days`
================  ==========================================================  ===========================

Harm is price x units sold until the next look x severity, of all listings struck. The share is that of the seller's
listings found counterfeit, with Wilson's 95 % interval: of 1 in 1 nothing is sure, so a new seller is not punished for
being new; 1 in 10,000 is surely small. The fourth question is how likely the strikes are right at all: by Bayes' rule
from the score and from how often a reviewer is right. It makes nothing harder or milder; too little calls a person.

The criteria are those of Article 23(3) of Regulation (EU) 2022/2065 (DSA): absolute numbers, the relative proportion of
all that was offered, gravity and consequences, intention (which is in the weights of the grounds); and Article 14(4):
diligent, objective and proportionate. The bounds are a policy's choice, not the law's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import fsum

from ipml.enforcement.penalties.book import Strike
from ipml.enforcement.penalties.rules import PenaltyRules, ProportionRules
from ipml.money import Money
from ipml.review.quality.rates import count_rate

_UNKNOWN_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Gravity:
    """What strikes add up to, and of whom.

    Attributes
    ----------
    harm : Money or None
        None where it is not known of any of them in the currency of the rules.
    is_harm_complete : bool
        Whether it is known of all of them.
    found : int
        Listings struck, each once.
    listings, age_days : float or None
        Of the seller.
    probability : float
        That the strikes are right, on average by weight.
    is_first : bool
        Whether they are one offence, and no penalty had been told before.
    """

    harm: Money | None
    is_harm_complete: bool
    found: int
    listings: float | None
    age_days: float | None
    probability: float
    is_first: bool


@dataclass(frozen=True, slots=True)
class Proportion:
    """How a penalty is changed: `step` is -1, 0 or +1; each of `sentences` gives a reason."""

    step: int
    is_doubtful: bool
    sentences: tuple[str, ...]


def weigh_gravity(
    counting: Collection[Strike],
    rules: PenaltyRules,
    *,
    listings: float | None,
    age_days: float | None,
    is_first: bool,
) -> Gravity:
    """Add up what strikes are about; copies of a listing count once, the costliest of them."""
    nothing = Money(0.0, rules.proportion.currency)
    harms: dict[int, Money | None] = {}
    for strike in counting:
        at_stake = strike.at_stake
        is_known = at_stake is not None and at_stake.currency == nothing.currency
        harm = at_stake * rules.severity_of(strike.category) if at_stake is not None and is_known else None
        before = harms.get(strike.same_as)
        harms[strike.same_as] = harm if before is None else max(before, harm or nothing)
    known = [harm for harm in harms.values() if harm is not None]
    right = rules.proportion.reviewer_right
    likely = fsum(strike.weight * be_right(strike.probability, right) for strike in counting)
    probability = likely / fsum(strike.weight for strike in counting)
    harm = sum(known, nothing) if known else None
    return Gravity(harm, len(known) == len(harms), len(harms), listings, age_days, probability, is_first)


def be_right(score: float | None, reviewer_right: float) -> float:
    """Return how likely a verdict "counterfeit" is right: the score is what was thought before, the reviewer a witness.

    Examples
    --------
    >>> [round(be_right(score, 0.95), 2) for score in (0.05, 0.5, 0.9, None)]
    [0.5, 0.95, 0.99, 0.95]
    """
    score = _UNKNOWN_SCORE if score is None else score
    both = score * reviewer_right
    return both / (both + (1 - score) * (1 - reviewer_right))


def keep_proportion(gravity: Gravity, rules: ProportionRules) -> Proportion:
    """Return how a penalty is changed by what it is for and whom it hits.

    Examples
    --------
    >>> one_of_many = Gravity(Money(200.0, "EUR"), True, 1, 10_000.0, 300.0, 0.99, is_first=False)
    >>> keep_proportion(one_of_many, ProportionRules()).step
    -1
    >>> keep_proportion(one_of_many, ProportionRules()).sentences
    ('1 of 10,000 listings was found counterfeit: surely a small share, so a rung milder.',)
    """
    answers = (_ask_harm(gravity, rules), _ask_share(gravity, rules), _ask_record(gravity, rules))
    step = max(-1, min(1, sum(points for points, _ in answers)))
    is_doubtful = gravity.probability < rules.sure
    sentences = [sentence for _, sentence in answers if sentence]
    if is_doubtful:
        sentences.append(f"The decisions are right with {gravity.probability:.0%} only, so a person must look.")
    return Proportion(step, is_doubtful, tuple(sentences))


def _ask_harm(gravity: Gravity, rules: ProportionRules) -> tuple[int, str]:
    if gravity.harm is None:
        return 0, ""
    if gravity.harm >= Money(rules.great_harm, rules.currency):
        return 1, f"The harm of {gravity.harm} is great, so a rung harder."
    if gravity.is_harm_complete and gravity.harm <= Money(rules.small_harm, rules.currency):
        return -1, f"The harm of {gravity.harm} is small, so a rung milder."
    return 0, ""


def _ask_share(gravity: Gravity, rules: ProportionRules) -> tuple[int, str]:
    if gravity.listings is None or gravity.found == 0:
        return 0, ""
    n = max(gravity.listings, float(gravity.found))
    rate = count_rate(gravity.found, n)
    assert rate is not None
    verb = "was" if gravity.found == 1 else "were"
    words = f"{gravity.found:,} of {n:,.0f} listings {verb} found counterfeit: surely"
    if rate.low >= rules.large_share:
        return 1, f"{words} a large share, so a rung harder."
    if rate.high <= rules.small_share:
        return -1, f"{words} a small share, so a rung milder."
    return 0, ""


def _ask_record(gravity: Gravity, rules: ProportionRules) -> tuple[int, str]:
    if gravity.is_first and gravity.age_days is not None and gravity.age_days >= rules.clean_days:
        return -1, f"It is the first offence of a seller of {gravity.age_days:,.0f} days, so a rung milder."
    return 0, ""
