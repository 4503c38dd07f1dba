"""Standing: computes a seller's place on the ladder from the strikes that count and the penalties notified before.

Only reading strikes needs a database, so operation, reversal and simulation share this code. Strikes are appended
only; taking one back is a row of its own. Their facts depend on no policy, so history can be replayed under another.

Strikes are one offence if tied as the rules say: decided together, near-duplicates, the same listing. A strike whose
listing was seen after the notice of a penalty is a repetition, never part of an earlier offence. The order of strikes
does not matter. Four questions change a penalty by at most one rung; three of them add -1, 0 or +1:

================  ==========================================================  ===========================
question          -1                                                          +1
================  ==========================================================  ===========================
harm              at most `small_harm`                                        at least `great_harm`
share of listings upper bound at most `small_share`                           lower bound >= `large_share`
record            first offence of a seller of at least `clean_days`
================  ==========================================================  ===========================

Harm is price x units sold until the next review x severity, over all listings struck. The share is that of listings
found counterfeit, with Wilson's 95 % interval, so new sellers are not punished for being new. The fourth question is
the probability that the strikes are right, by Bayes' rule from the score and the reviewers' accuracy; if it is too
low, a person confirms penalties from a level in the rules on.

The criteria are those of Article 23(3) of Regulation (EU) 2022/2065 (DSA): absolute numbers, relative proportion,
gravity and consequences, intention (in the weights of the grounds); and Article 14(4): diligent, objective and
proportionate. The bounds are the policy's choice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import floor, fsum, log10

from sqlalchemy import ColumnElement, Connection, select

from ipml.enforcement.penalties.rules import OffenceRules, PenaltyRules, ProportionRules
from ipml.money import Money
from ipml.review.quality.rates import count_rate
from ipml.storage.tables import strikes, strikes_taken_back

_STRIKES = select(strikes, strikes_taken_back.c.at.label("taken_back_at")).join(
    strikes_taken_back, strikes_taken_back.c.strike_id == strikes.c.strike_id, isouter=True
)


@dataclass(frozen=True, slots=True)
class Strike:
    """A strike against a seller for one decision.

    - `weight`: weight of its ground times the severity of its category.
    - `probability`: score of the listing; None if the model abstained.
    - `value`: price times units expected to sell until the next review, in `currency`; None if unknown.
    - `listings`, `age_days`: seller's size and age at that time, to two digits.
    - `made_with`: first of the decisions made together.
    - `cluster`: case reviewed on its behalf, or its own case.
    - `same_as`: case of the first decision on the same listing.
    - `seen_at`: last sighting of the listing online.
    - `taken_back_at`: reversal of its decision.
    """

    strike_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    ground: str
    category: str | None
    weight: float
    probability: float | None
    value: float | None
    listings: float | None
    age_days: float | None
    made_with: int | None
    cluster: int
    same_as: int
    seen_at: datetime
    struck_at: datetime
    expires_at: datetime
    policy_digest: str
    taken_back_at: datetime | None = None
    currency: str | None = None

    @property
    def at_stake(self) -> Money | None:
        """Value with its currency; None if either is unknown."""
        return None if self.value is None or self.currency is None else Money(self.value, self.currency)

    def counts_at(self, moment: datetime) -> bool:
        """Return whether the strike has weight at a time."""
        is_back = self.taken_back_at is not None and self.taken_back_at <= moment
        return self.struck_at <= moment < self.expires_at and not is_back


def select_strikes(
    connection: Connection, *conditions: ColumnElement[bool], at_once: int | None = None
) -> Iterator[Strike]:
    """Yield the strikes that meet all conditions, including those taken back, by seller, in order.

    `at_once` limits the rows read at a time; by default all are read.
    """
    query = _STRIKES.where(*conditions).order_by(strikes.c.pseudonym, strikes.c.strike_id)
    options = {} if at_once is None else {"yield_per": at_once}
    return (Strike(**row._mapping) for row in connection.execute(query, execution_options=options))


def find_strikes(connection: Connection, pseudonym: str) -> list[Strike]:
    """Return all strikes of a seller, including those taken back, in order."""
    return list(select_strikes(connection, strikes.c.pseudonym == pseudonym))


def bound_strike_weight(weight: float, rules: PenaltyRules, n_told: int) -> float:
    """Return an upper bound of the weight of offences that may be repeated and split at each notified penalty.

    >>> bound_strike_weight(2.0, PenaltyRules(), 0), bound_strike_weight(2.0, PenaltyRules(), 1)
    (2.0, 6.0)
    """
    return weight if n_told == 0 else weight * (n_told + 1) * rules.repeat_factor


def apply_rules(strike: Strike, rules: PenaltyRules) -> Strike:
    """Return a strike under other rules."""
    expires_at = strike.struck_at + timedelta(days=rules.expiry_days)
    return replace(strike, weight=rules.compute_strike_weight(strike.ground, strike.category), expires_at=expires_at)


def latest(found: Iterable[Strike]) -> Strike:
    """Return the strike whose listing was seen last; at equal times, that of the larger seller."""
    return max(found, key=lambda strike: (strike.seen_at, strike.listings or 0.0, strike.age_days or 0.0))


def to_two_digits(number: float | None) -> float | None:
    """Return a number rounded to two significant digits."""
    if not number:
        return number
    return float(round(number, 1 - floor(log10(abs(number)))))


@dataclass(frozen=True, slots=True)
class _Offence:
    """Strikes that together have the weight of the heaviest; repeated if a penalty had been notified before."""

    strikes: tuple[Strike, ...]
    is_repeated: bool
    weight: float


def _find_offences(counting: Collection[Strike], told: Sequence[datetime], rules: PenaltyRules) -> list[_Offence]:
    """Group the strikes that count into offences; from the times `told`, earlier penalties count as notified."""
    groups: dict[int, list[Strike]] = {}
    for place, strike in zip(_join(counting, told, rules.offence), counting, strict=True):
        groups.setdefault(place, []).append(strike)
    return [_make_offence(group, told, rules) for group in groups.values()]


def _make_offence(group: list[Strike], told: Sequence[datetime], rules: PenaltyRules) -> _Offence:
    is_repeated = _count_told(group[0], told) > 0
    heaviest = max(strike.weight for strike in group)
    return _Offence(tuple(group), is_repeated, heaviest * (rules.repeat_factor if is_repeated else 1.0))


def _count_told(strike: Strike, told: Sequence[datetime]) -> int:
    return sum(moment < strike.seen_at for moment in told)


def _join(counting: Collection[Strike], told: Sequence[datetime], rules: OffenceRules) -> list[int]:
    """Return for each strike the place of the first one tied to it, directly or through others."""
    parents = list(range(len(counting)))
    first_with: dict[tuple[str, int, int], int] = {}
    for place, strike in enumerate(counting):
        n_told = _count_told(strike, told)
        for kind, number in _ties(strike, rules):
            other = first_with.setdefault((kind, number, n_told), place)
            if other != place:
                parents[_root(parents, place)] = _root(parents, other)
    return [_root(parents, place) for place in range(len(counting))]


def _ties(strike: Strike, rules: OffenceRules) -> list[tuple[str, int]]:
    ties = []
    if rules.decided_together and strike.made_with is not None:
        ties.append(("made with", strike.made_with))
    if rules.near_duplicates:
        ties.append(("cluster", strike.cluster))
    if rules.same_listing:
        ties.append(("listing", strike.same_as))
    return ties


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place


_UNKNOWN_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class Gravity:
    """Total of a seller's strikes.

    - `harm`: None if unknown for all listings in the currency of the rules.
    - `is_harm_complete`: whether it is known for all listings.
    - `found`: listings struck, each once.
    - `listings`, `age_days`: seller's size and age.
    - `probability`: mean probability that the strikes are right, by weight.
    - `is_first`: whether they are one offence without a penalty notified before.
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
    """Change of a penalty: `step` is -1, 0 or +1, with reasons in `sentences`."""

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
    """Add up the facts of strikes; copies of a listing count once, with the highest harm."""
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
    likely = fsum(strike.weight * _be_right(strike.probability, right) for strike in counting)
    probability = likely / fsum(strike.weight for strike in counting)
    harm = sum(known, nothing) if known else None
    return Gravity(harm, len(known) == len(harms), len(harms), listings, age_days, probability, is_first)


def _be_right(score: float | None, reviewer_right: float) -> float:
    """Return the probability that a verdict "counterfeit" is right: the score is the prior, the reviewer a witness.

    >>> [round(_be_right(score, 0.95), 2) for score in (0.05, 0.5, 0.9, None)]
    [0.5, 0.95, 0.99, 0.95]
    """
    score = _UNKNOWN_SCORE if score is None else score
    both = score * reviewer_right
    return both / (both + (1 - score) * (1 - reviewer_right))


def keep_proportion(gravity: Gravity, rules: ProportionRules) -> Proportion:
    """Return the change of a penalty by its cause and the seller's record.

    >>> one_of_many = Gravity(Money(200.0, "EUR"), True, 1, 10_000.0, 300.0, 0.99, is_first=False)
    >>> keep_proportion(one_of_many, ProportionRules()).step
    -1
    >>> keep_proportion(one_of_many, ProportionRules()).sentences
    ('1 of 10,000 listings was found counterfeit: surely a small share.',)
    """
    answers = (_ask_harm(gravity, rules), _ask_share(gravity, rules), _ask_record(gravity, rules))
    step = max(-1, min(1, sum(points for points, _ in answers)))
    return Proportion(step, gravity.probability < rules.sure, tuple(words for _, words in answers if words))


def _ask_harm(gravity: Gravity, rules: ProportionRules) -> tuple[int, str]:
    if gravity.harm is None:
        return 0, ""
    if gravity.harm >= Money(rules.great_harm, rules.currency):
        return 1, f"The harm of {gravity.harm} is great."
    if gravity.is_harm_complete and gravity.harm <= Money(rules.small_harm, rules.currency):
        return -1, f"The harm of {gravity.harm} is small."
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
        return 1, f"{words} a large share."
    if rate.high <= rules.small_share:
        return -1, f"{words} a small share."
    return 0, ""


def _ask_record(gravity: Gravity, rules: ProportionRules) -> tuple[int, str]:
    if gravity.is_first and gravity.age_days is not None and gravity.age_days >= rules.clean_days:
        return -1, f"It is the first offence of a seller of {gravity.age_days:,.0f} days."
    return 0, ""


NO_RUNG = -1


@dataclass(frozen=True, slots=True)
class ImposedPenalty:
    """Rung and time of an imposed penalty."""

    rung: int
    imposed_at: datetime


@dataclass(frozen=True, slots=True)
class Size:
    """Number of listings and age of a seller, if known."""

    listings: float | None
    age_days: float | None


@dataclass(frozen=True, slots=True)
class SellerStanding:
    """A seller's standing on the ladder.

    - `weight`: weight of all offences together.
    - `due`: place of the rung imposed automatically; -1: none.
    - `proposed`: place of the rung proposed to a lead; equal to `due` for none.
    - `size`: size of the seller used.
    - `sentences`: explanation.
    """

    weight: float
    due: int
    proposed: int
    size: Size
    sentences: tuple[str, ...]


def find_standing(
    strikes: Collection[Strike],
    told: Collection[ImposedPenalty],
    rules: PenaltyRules,
    at: datetime,
    size: Size | None = None,
) -> SellerStanding:
    """Return a seller's standing at a time.

    `strikes` are all of the seller's; those that count are selected. `told` are the penalties imposed by then, except
    those whose strikes were taken back. By default `size` is taken from the listing seen last.
    """
    counting = [strike for strike in strikes if strike.counts_at(at)]
    if not counting:
        return SellerStanding(0.0, NO_RUNG, NO_RUNG, size or Size(None, None), ())
    if size is None:
        last = latest(counting)
        size = Size(last.listings, last.age_days)
    remembered = list_remembered(told, rules, at)
    moments = sorted(_told_at(one, rules) for one in remembered)
    offences = _find_offences(counting, moments, rules)
    weight = fsum(offence.weight for offence in offences)  # independent of their order
    by_weight = rules.rung_at(weight)
    is_first = len(offences) == 1 and not offences[0].is_repeated
    gravity = weigh_gravity(counting, rules, listings=size.listings, age_days=size.age_days, is_first=is_first)
    proportion = keep_proportion(gravity, rules.proportion)
    sentences = [_say_weight(len(counting), len(offences), weight), *proportion.sentences]
    if by_weight == NO_RUNG:
        return SellerStanding(weight, NO_RUNG, NO_RUNG, size, tuple(sentences))
    wanted = _bound(by_weight + proportion.step, rules)
    cap = find_cap(max(strike.seen_at for strike in counting), remembered, rules)
    is_flagrant = weight >= rules.flagrant_weight

    def reach(rung: int, is_doubtful: bool) -> tuple[int, int]:
        by_itself = min(rung, by_weight) if rules.proportion.harder_needs_person else rung
        if is_doubtful:
            by_itself = min(by_itself, rules.place_of(rules.proportion.person_from) - 1)
        due = without_person(min(by_itself, cap), rules)
        return due, max(due, rung if is_flagrant else min(rung, cap))

    due, proposed = reach(wanted, proportion.is_doubtful)
    sentences += _say_step((due, proposed), reach(by_weight, proportion.is_doubtful))
    if proportion.is_doubtful:
        needs_person = ", so a person must confirm" if reach(wanted, False)[0] > due else ""
        sentences.append(f"The decisions are right with {gravity.probability:.0%} only{needs_person}.")
    if wanted > cap:
        follows = (
            "as they weigh so much, a lead decides whether to pass over rungs"
            if is_flagrant
            else "the next rung at most"
        )
        sentences.append(f"The listings were seen before a milder penalty had been notified: {follows}.")
    return SellerStanding(weight, due, proposed, size, tuple(sentences))


def _say_step(reached: tuple[int, int], by_weight: tuple[int, int]) -> list[str]:
    if reached == by_weight:
        return []
    if reached < by_weight:
        return ["So it is a rung milder."]
    return ["So it is a rung harder." if reached[0] > by_weight[0] else "So a lead is asked about a rung harder."]


def _told_at(one: ImposedPenalty, rules: PenaltyRules) -> datetime:
    return one.imposed_at + timedelta(days=rules.fair_notice_days)


def list_remembered(told: Collection[ImposedPenalty], rules: PenaltyRules, at: datetime) -> list[ImposedPenalty]:
    """Return the penalties that count as notice now or later: not those too long ago."""
    return [one for one in told if one.imposed_at + timedelta(days=rules.memory_days) > at]


def find_cap(last_seen: datetime, told: Collection[ImposedPenalty], rules: PenaltyRules) -> int:
    """Return the highest rung by fair notice: one above the highest notified before a listing was seen again."""
    return 1 + max((one.rung for one in told if _told_at(one, rules) < last_seen), default=NO_RUNG)


def without_person(rung: int, rules: PenaltyRules) -> int:
    """Return the highest rung, up to one, that needs no confirmation."""
    while rung > NO_RUNG and rules.ladder[rung].needs_person:
        rung -= 1
    return rung


def _bound(rung: int, rules: PenaltyRules) -> int:
    return max(0, min(rung, len(rules.ladder) - 1))


def _say_weight(n_strikes: int, n_offences: int, weight: float) -> str:
    strikes = "1 strike" if n_strikes == 1 else f"{n_strikes:,} strikes"
    offences = "1 offence" if n_offences == 1 else f"{n_offences:,} offences"
    return f"{strikes} for {offences} weigh {weight:.2f}."
