"""Measures, penalties, terms and outcomes of appeals in the words of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ipml.enforcement.appeal_desk import ShownAppeal
from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.clocks.clocks import Clock
from ipml.enforcement.clocks.states import ClockState
from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.takedown.finding import Measure
from ipml.web.wording import count

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
    "lifted": "lifted, no word from the platform yet",
    "back": "lifted, and the platform has put the listing back",
    "replaced": "another measure took its place",
}
_TERMS = {
    "complaint window": "The seller may complain",
    "counter-notice window": "The seller may send a counter-notice",
    "decision": "A person decides",
    "holder": "The rights holder acts or gives up",
}
_STARTS = {
    "notified": "the seller has been told",
    "filed": "the appeal is filed",
    "passed on": "it has reached the rights holder",
}
_AFTER = {
    "uphold": "after that the measure stays",
    "restore": "after that the listing comes back by itself",
    "overdue": "after that it is late",
}
_TOLD = "The seller is told, with your reasons."
_REJECTED = "The seller is told why, and may still go to a dispute settlement body or a court."


@dataclass(frozen=True, slots=True)
class Term:
    """A term in words; `due_at` is None where nothing runs."""

    name: str
    sentence: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """An outcome that an appeal may have: its name on the button, and what it would do."""

    outcome: str
    name: str
    effects: tuple[str, ...]


def name_restriction(one: Measure | Penalty | None) -> str:
    """Name what was done.

    Examples
    --------
    >>> name_restriction(None)
    'Nothing but the decision'
    """
    if one is None:
        return "Nothing but the decision"
    if isinstance(one, Penalty):
        return PENALTIES[one.kind]
    return f"{TAKEN[one.kind]} {', '.join(one.territories)}".strip()


def tell_platform(measure: Measure) -> str:
    """Tell how far the platform has come with a measure."""
    return _PLATFORM[measure.state]


def tell_term(clock: Clock, rules: AppealRules) -> Term:
    """Tell how a term stands, and what follows when it is over."""
    stage = rules.load_profile(clock.profile).stage(clock.stage)
    name = _TERMS.get(clock.stage, clock.stage)
    if clock.state is ClockState.WAITING:
        return Term(name, f"begins when {_STARTS[stage.starts]}", None)
    if clock.state is ClockState.STOPPED:
        return Term(name, "no longer runs", None)
    until = "an unknown moment" if clock.due_at is None else _write(clock.due_at)
    if clock.state is ClockState.EXPIRED:
        return Term(name, f"was over on {until}", None)
    doubt = "; not all holidays of that time are known yet" if clock.is_provisional else ""
    if clock.state is ClockState.PAUSED:
        since = "" if clock.paused_at is None else f" since {_write(clock.paused_at)}"
        return Term(name, f"stands still{since}", None)
    counted = "" if clock.since is None else f", counted from {_write(clock.since)}"
    return Term(name, f"until {until}{counted}; {_AFTER[stage.at_expiry]}{doubt}", clock.due_at)


def list_choices(shown: ShownAppeal, rules: AppealRules) -> list[Choice]:
    """Tell what each outcome of an appeal would do."""
    choices = [Choice("granted", "Grant it", tuple(_tell_granted(shown)))]
    if shown.milder:
        strike = "stays" if rules.strike_in_part == "kept" else "is taken back"
        effects = ("The measure you choose takes the place of this one.", f"The strike {strike}.", _TOLD)
        choices.append(Choice("partly granted", "Grant it in part", effects))
    return [*choices, Choice("rejected", "Reject it", ("Everything stays as it is.", _REJECTED))]


def _tell_granted(shown: ShownAppeal) -> Iterator[str]:
    if isinstance(shown.restriction, Penalty):
        yield f"The penalty is lifted: {name_restriction(shown.restriction).lower()}. The strikes stay."
        yield _TOLD
        return
    if shown.restriction is not None and shown.restriction.stands:
        yield "The measure is lifted, and the platform asked to put the listing back."
    yield "The decision is taken back, and the case decided genuine; models learn from that."
    if shown.file.alike:
        cases = count(len(shown.file.alike), "near-duplicate that was", "near-duplicates that were")
        yield f"{cases} decided with it likewise."
    if shown.strike is not None:
        yield f"The strike of weight {shown.strike.weight:.2f} is taken back, and penalties that no others carry end."
    yield _TOLD


def _write(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
