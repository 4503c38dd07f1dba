"""Where a seller stands on the ladder: a function of the strikes that count and the penalties they were told of.

Nothing here knows a database, so that what happens, what is taken back and what is simulated go by the same code.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ipml.enforcement.penalties.book import Strike, latest
from ipml.enforcement.penalties.offences import find_offences, sum_weights
from ipml.enforcement.penalties.proportionality import keep_proportion, weigh_gravity
from ipml.enforcement.penalties.rules import PenaltyRules

NO_RUNG = -1


@dataclass(frozen=True, slots=True)
class Told:
    """A penalty that was imposed: which rung, and when."""

    rung: int
    imposed_at: datetime


@dataclass(frozen=True, slots=True)
class Size:
    """Of a seller: how many listings, and how old, as far as known."""

    listings: float | None
    age_days: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is due to a seller.

    Attributes
    ----------
    weight : float
        Of all offences together.
    due : int
        Place of the rung that follows by itself; -1: none.
    proposed : int
        Place of the rung that a lead is asked about; as `due` where nobody is.
    size : Size
        Of the seller, as it was counted with.
    sentences : tuple of str
        How that came about.
    """

    weight: float
    due: int
    proposed: int
    size: Size
    sentences: tuple[str, ...]


def find_standing(
    strikes: Collection[Strike],
    told: Collection[Told],
    rules: PenaltyRules,
    at: datetime,
    size: Size | None = None,
) -> Standing:
    """Return where a seller stands at a moment.

    Parameters
    ----------
    strikes : collection of Strike
        All of the seller's; those that count at that moment are picked.
    told : collection of Told
        Penalties imposed by then, but for those whose strikes were taken back.
    size : Size, default=as known with the listing seen last
    """
    counting = [strike for strike in strikes if strike.counts_at(at)]
    if not counting:
        return Standing(0.0, NO_RUNG, NO_RUNG, size or Size(None, None), ())
    if size is None:
        last = latest(counting)
        size = Size(last.listings, last.age_days)
    remembered = list_remembered(told, rules, at)
    moments = sorted(_told_at(one, rules) for one in remembered)
    offences = find_offences(counting, moments, rules)
    weight = sum_weights(offences)
    by_weight = rules.rung_at(weight)
    is_first = len(offences) == 1 and not offences[0].is_repeated
    gravity = weigh_gravity(counting, rules, listings=size.listings, age_days=size.age_days, is_first=is_first)
    proportion = keep_proportion(gravity, rules.proportion)
    sentences = [_say_weight(len(counting), len(offences), weight), *proportion.sentences]
    if by_weight == NO_RUNG:
        return Standing(weight, NO_RUNG, NO_RUNG, size, tuple(sentences))
    wanted = _bound(by_weight + proportion.step, rules)
    cap = find_cap(max(strike.seen_at for strike in counting), remembered, rules)
    is_flagrant = weight >= rules.flagrant_weight
    if wanted > cap:
        follows = (
            "as they weigh so much, a lead decides whether to pass over rungs"
            if is_flagrant
            else "the next rung at most"
        )
        sentences.append(f"The listings were seen before a milder penalty had been told: {follows}.")
    by_itself = min(wanted, by_weight) if rules.proportion.harder_needs_person else wanted
    if proportion.is_doubtful:
        by_itself = min(by_itself, rules.place_of(rules.proportion.person_from) - 1)
    due = without_person(min(by_itself, cap), rules)
    proposed = max(due, wanted if is_flagrant else min(wanted, cap))
    return Standing(weight, due, proposed, size, tuple(sentences))


def _told_at(one: Told, rules: PenaltyRules) -> datetime:
    return one.imposed_at + timedelta(days=rules.fair_notice_days)


def list_remembered(told: Collection[Told], rules: PenaltyRules, at: datetime) -> list[Told]:
    """Return the penalties that count as told at a moment, or will: not those too long ago."""
    return [one for one in told if one.imposed_at + timedelta(days=rules.memory_days) > at]


def find_cap(last_seen: datetime, told: Collection[Told], rules: PenaltyRules) -> int:
    """Return the highest rung that fair notice allows: one above the highest told before a listing was seen again."""
    return 1 + max((one.rung for one in told if _told_at(one, rules) < last_seen), default=NO_RUNG)


def without_person(rung: int, rules: PenaltyRules) -> int:
    """Return the highest rung, up to one, that needs nobody to confirm it."""
    while rung > NO_RUNG and rules.ladder[rung].needs_person:
        rung -= 1
    return rung


def _bound(rung: int, rules: PenaltyRules) -> int:
    return max(0, min(rung, len(rules.ladder) - 1))


def _say_weight(n_strikes: int, n_offences: int, weight: float) -> str:
    strikes = "1 strike" if n_strikes == 1 else f"{n_strikes:,} strikes"
    offences = "1 offence" if n_offences == 1 else f"{n_offences:,} offences"
    return f"{strikes} for {offences} weigh {weight:.2f}."
