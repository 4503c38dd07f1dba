"""Phrases of the pages: scores, money, ages, seller histories, measures, penalties, deadlines, appeals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from math import floor
from typing import Literal

from ipml.enforcement.deadlines.deadlines import Deadline, DeadlineState
from ipml.enforcement.penalties.penalties import Penalty
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.takedown.measures import Measure
from ipml.enforcement.views.appeal_file import ShownAppeal
from ipml.money import Rates
from ipml.records import REST, Listing, Reason
from ipml.review.corrections import NearDuplicates
from ipml.review.decisions import GROUNDS


def percent(share: float) -> str:
    """Write a score or share as whole percent, rounded down so that only certainty reads 100 %.

    >>> percent(0.9996), percent(0.5)
    ('99 %', '50 %')
    """
    return f"{floor(share * 100 + 1e-9)} %"


def percent_range(low: float, high: float) -> str:
    """Write bounds of a score or share, rounded as `percent` does so that they still contain it."""
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def money(amount: float | None, currency: str | None) -> str:
    """Write an amount with its currency.

    >>> money(1234.5, "EUR"), money(3.0, None), money(None, "EUR")
    ('1,234.50 EUR', '3.00, currency unknown', 'unknown')
    """
    if amount is None:
        return "unknown"
    figure = f"{amount:,.2f}" if abs(amount) < 1e12 else f"{amount:.3g}"
    return f"{figure} {currency}" if currency else f"{figure}, currency unknown"


def find_close(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like a mistyped one, in any case.

    >>> find_close("Guci", ["Nike", "Gucci"]), find_close("Rolex", ["Nike"])
    ('Gucci', None)
    """
    folded = {one.casefold(): one for one in names}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)
    return folded[close[0]] if close else None


def exchanged(amount: float | None, currency: str | None, rates: Rates) -> str:
    """Write an amount in the operator's currency, beside the original; empty if it is the same, or there is no rate."""
    rate = rates.rate_of(currency)
    if amount is None or rate is None or currency == rates.currency:
        return ""
    return f"≈ {money(amount * rate, rates.currency)}"


def count(number: float, one: str, many: str | None = None) -> str:
    """Write a number with its noun in singular or plural."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def duration(days: float) -> str:
    """Write a number of days in the unit that people would use.

    >>> duration(0.1), duration(9), duration(800), duration(0)
    ('2 hours', '9 days', '2 years', 'a moment')
    """
    for size, noun in ((365.25, "year"), (1.0, "day"), (1 / 24, "hour")):
        if days >= 2 * size:
            return count(floor(days / size + 1e-9), noun)
    minutes = floor(days * 24 * 60)
    return count(minutes, "minute") if minutes > 0 else "a moment"


def age(moment: datetime, now: datetime | None = None) -> str:
    """Write the time since a moment, which is aware; the future counts as now."""
    return duration(((now or datetime.now(UTC)) - moment).total_seconds() / 86_400)


def is_recent(moment: datetime, now: datetime | None = None, *, seconds: float = 20.0) -> bool:
    """Report whether a moment is so recent that the page should mention it."""
    return ((now or datetime.now(UTC)) - moment).total_seconds() < seconds


def due_in(moment: datetime, now: datetime | None = None) -> str:
    """Write the time until a deadline, or since it passed."""
    days = (moment - (now or datetime.now(UTC))).total_seconds() / 86_400
    return f"due in {duration(days)}" if days >= 0 else f"overdue by {duration(-days)}"


def seller_history(listing: Listing) -> list[tuple[str, str]]:
    """Return the known facts about a listing's seller as pairs of noun and phrase; shares are of sales.

    >>> seller_history(Listing("1", "s", "Bag", seller_age_days=9, seller_sales=40, seller_returns=10))
    [('Selling for', '9 days'), ('Sales', '40'), ('Returns', '10 (25 %)')]
    """
    sales = listing.seller_sales
    facts = [
        ("Selling for", None if listing.seller_age_days is None else duration(listing.seller_age_days)),
        ("Listings", _figure(listing.seller_listings)),
        ("Sales", _figure(sales)),
        ("Returns", _figure_of_sales(listing.seller_returns, sales)),
        ("Complaints", _figure_of_sales(listing.seller_complaints, sales)),
        ("Rating", None if listing.seller_rating is None else f"{100 * listing.seller_rating:.0f} %"),
        ("Strikes in all", _figure(listing.seller_strikes)),
    ]
    return [(noun, phrase) for noun, phrase in facts if phrase is not None]


def _figure(number: float | None) -> str | None:
    if number is None:
        return None
    return f"{number:,.0f}" if number else "none"


def _figure_of_sales(number: float | None, sales: float | None) -> str | None:
    if not number or not sales:
        return _figure(number)
    return f"{number:,.0f} ({percent(number / sales)})"


_GENERAL = frozenset({"category", "listing.effort"})
_LEADING = 7  # reasons that are shown unfolded


def split_reasons(reasons: Sequence[Reason]) -> tuple[list[Reason], list[Reason]]:
    """Return the strongest reasons that set a listing apart, and the others: weaker, general, and the remainder.

    >>> given = [Reason("rest", "Other wording", 2.0), Reason("price.brand", "Price is 9 %", 1.0)]
    >>> [[reason.feature for reason in part] for part in split_reasons(given)]
    [['price.brand'], ['rest']]
    """
    ordered = sorted(reasons, key=lambda reason: (reason.feature == REST, reason.feature in _GENERAL))
    n_special = sum(reason.feature != REST and reason.feature not in _GENERAL for reason in reasons)
    n_leading = min(n_special, _LEADING)
    return ordered[:n_leading], ordered[n_leading:]


def name_grounds(text: str) -> str:
    """Write the grounds that the reason of a measure names by their keys as sentences.

    >>> name_grounds("pause, as the ground is test_purchase")
    'pause, as the ground is “A test purchase was examined and found counterfeit”'
    """
    for ground, sentence in GROUNDS.items():
        text = text.replace(ground, f"“{sentence.rstrip('.')}”")
    return text.replace("remove-in", "remove in")


MEASURES = {
    MeasureKind.LABEL: "Label it",
    MeasureKind.DEMOTE: "Show it further down",
    MeasureKind.PAUSE: "Hide it for now",
    MeasureKind.PRICE_HOLD: "Hold the payments",
    MeasureKind.REMOVE_IN: "Remove it in some countries",
    MeasureKind.REMOVE: "Remove it",
}
TAKEN = {
    MeasureKind.LABEL: "Labelled",
    MeasureKind.DEMOTE: "Shown further down",
    MeasureKind.PAUSE: "Hidden for now",
    MeasureKind.PRICE_HOLD: "Payments held",
    MeasureKind.REMOVE_IN: "Removed in",
    MeasureKind.REMOVE: "Removed",
}
PENALTIES = {
    PenaltyKind.WARN: "Warning",
    PenaltyKind.LIMIT: "No new listings",
    PenaltyKind.HOLD_PAYOUT: "Payouts held",
    PenaltyKind.SUSPEND: "Account suspended",
    PenaltyKind.CLOSE: "Account closed",
}
_PLATFORM = {
    "asked": "asked of the platform, no answer yet",
    "done": "done by the platform",
    "refused": "refused by the platform",
    "lifted": "lifted, not confirmed by the platform yet",
    "back": "lifted, and the listing is reinstated by the platform",
    "replaced": "another measure took its place",
}
_DEADLINES = {
    "complaint window": "The seller may complain",
    "counter-notice window": "The seller may send a counter-notice",
    "decision": "Human decision due",
    "holder": "The rights holder acts or gives up",
}
_STARTS = {
    "notified": "the seller has been notified",
    "filed": "the appeal is filed",
    "passed on": "it has reached the rights holder",
}
_AFTER = {
    "uphold": "after that the measure stays",
    "restore": "after that the listing is reinstated automatically",
    "overdue": "after that it is overdue",
}
NEAR_DUPLICATES = {
    NearDuplicates.QUEUE: "Back to the queue",
    NearDuplicates.CORRECTED: "Corrected as well",
    NearDuplicates.STAND: "Stand as decided",
}

_TOLD = "The seller is notified, with your reasons."
_REJECTED = "The seller is notified of your reasons, and may still go to a dispute settlement body or a court."


@dataclass(frozen=True, slots=True)
class DescribedDeadline:
    """A deadline in words; `due_at` is None if it does not run.

    `sentence` has words and moments; the page shows moments in the reader's time zone.
    """

    name: str
    sentence: tuple[str | datetime, ...]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutcomeChoice:
    """A possible outcome of an appeal: its button, its effects, and the input it needs."""

    outcome: str
    name: str
    effects: tuple[str, ...]
    asks: Literal["", "measure", "near_duplicates"] = ""


def name_restriction(one: Measure | Penalty | None) -> str:
    """Name a measure or penalty; without either, only the decision."""
    if one is None:
        return "Nothing but the decision"
    if isinstance(one, Penalty):
        return PENALTIES[one.kind]
    return f"{TAKEN[one.kind]} {', '.join(one.territories)}".strip()


def describe_platform_state(measure: Measure) -> str:
    """Return the platform's state of a measure in words."""
    return _PLATFORM[measure.state]


def describe_deadline(deadline: Deadline, rules: AppealRules) -> DescribedDeadline:
    """Return the state of a deadline in words, and the effect of its passing."""
    stage = rules.load_profile(deadline.profile).stage(deadline.stage)
    name = _DEADLINES.get(deadline.stage, deadline.stage)
    if deadline.state is DeadlineState.WAITING:
        return DescribedDeadline(name, (f"begins when {_STARTS[stage.starts]}",))
    if deadline.state is DeadlineState.STOPPED:
        return DescribedDeadline(name, ("stopped",))
    until = deadline.due_at or "an unknown moment"
    if deadline.state is DeadlineState.EXPIRED:
        return DescribedDeadline(name, ("passed on ", until))
    if deadline.state is DeadlineState.PAUSED:
        return DescribedDeadline(
            name, ("paused",) if deadline.paused_at is None else ("paused since ", deadline.paused_at)
        )
    counted = () if deadline.since is None else (", counted from ", deadline.since)
    doubt = "; not all holidays of that time are known yet" if deadline.is_provisional else ""
    return DescribedDeadline(
        name, ("until ", until, *counted, f"; {_AFTER[stage.at_expiry]}{doubt}"), due_at=deadline.due_at
    )


def describe_deadlines(deadlines: Iterable[Deadline], rules: AppealRules) -> list[DescribedDeadline]:
    """Return deadlines in words."""
    return [describe_deadline(deadline, rules) for deadline in deadlines]


def list_choices(shown: ShownAppeal, rules: AppealRules) -> list[OutcomeChoice]:
    """Return the effects of each outcome of an appeal."""
    if isinstance(shown.restriction, Penalty):
        choices = [OutcomeChoice("granted", "Grant it: lift the penalty", tuple(_list_effects(shown)))]
    else:
        asks: Literal["", "near_duplicates"] = "near_duplicates" if shown.file.alike else ""
        choices = [OutcomeChoice("granted", "Grant it: correct the verdict", tuple(_list_effects(shown)), asks)]
    if isinstance(shown.restriction, Measure) and shown.restriction.stands:
        effects = ("This measure ends.", "The verdict stands, with its strike and its other measures.", _TOLD)
        choices.append(OutcomeChoice("measure lifted", "Grant it: lift this measure only", effects))
    if shown.milder:
        strike = "stays" if rules.strike_in_part == "kept" else "is taken back"
        milder = "The measure you choose takes the place of this one, with the same end."
        effects = (milder, f"The strike {strike}.", _TOLD)
        choices.append(OutcomeChoice("partly granted", "Grant it in part", effects, "measure"))
    return [*choices, OutcomeChoice("rejected", "Reject it", ("Everything stays as it is.", _REJECTED))]


def _list_effects(shown: ShownAppeal) -> Iterator[str]:
    if isinstance(shown.restriction, Penalty):
        yield f"The penalty is lifted: {name_restriction(shown.restriction).lower()}. The strikes stay."
        yield _TOLD
        return
    if shown.restriction is not None and shown.restriction.stands:
        yield "All measures of the decision are lifted, and the platform is asked to reinstate the listing."
    yield "The decision is taken back, and the case decided genuine; models learn from that."
    if shown.file.alike:
        cases = count(len(shown.file.alike), "near-duplicate that was", "near-duplicates that were")
        yield f"{cases} decided with it: as you choose; back in the queue, people look at them again."
    if shown.strike is not None:
        yield f"The strike of weight {shown.strike.weight:.2f} is taken back, and penalties that no others carry end."
    yield _TOLD
