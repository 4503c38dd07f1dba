"""The states of an appeal as a table: whatever is not in it cannot happen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ipml.errors import IllegalStep


class AppealState(StrEnum):
    """How an appeal stands; all but the first three are ends."""

    OPEN = "open"
    WITH_HOLDER = "with holder"
    HOLDER_ACTED = "holder acted"
    GRANTED = "granted"
    PARTLY_GRANTED = "partly granted"
    REJECTED = "rejected"
    RESTORED = "restored"
    WITHDRAWN = "withdrawn"


class AppealEvent(StrEnum):
    """What happens to an appeal; the first two begin it, and only a person brings about a verdict of it."""

    COMPLAINED = "complained"
    COUNTERED = "countered"
    HOLDER_ACTED = "holder acted"
    HOLDER_WITHDREW = "holder withdrew"
    HOLDER_SILENT = "holder silent"
    GRANTED = "granted"
    PARTLY_GRANTED = "partly granted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


PENDING = (AppealState.OPEN, AppealState.WITH_HOLDER, AppealState.HOLDER_ACTED)
OUTCOMES = (AppealEvent.GRANTED, AppealEvent.PARTLY_GRANTED, AppealEvent.REJECTED)

TRANSITIONS: Mapping[tuple[AppealState | None, AppealEvent], AppealState] = {
    (None, AppealEvent.COMPLAINED): AppealState.OPEN,
    (None, AppealEvent.COUNTERED): AppealState.WITH_HOLDER,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_ACTED): AppealState.HOLDER_ACTED,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_SILENT): AppealState.RESTORED,
    (AppealState.WITH_HOLDER, AppealEvent.HOLDER_WITHDREW): AppealState.RESTORED,
    # The holder has sued or complained: the measure stays until they give up, or a person decides by what came of it.
    (AppealState.HOLDER_ACTED, AppealEvent.HOLDER_WITHDREW): AppealState.RESTORED,
    **{(state, outcome): AppealState(outcome.value) for state in PENDING for outcome in OUTCOMES},
    **{(state, AppealEvent.WITHDRAWN): AppealState.WITHDRAWN for state in PENDING},
}


def next_state(appeal_id: int, state: AppealState | None, event: AppealEvent) -> AppealState:
    """Return the state that follows; IllegalStep where the table has none.

    Examples
    --------
    >>> str(next_state(1, AppealState.OPEN, AppealEvent.GRANTED))
    'granted'
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalStep(f"appeal {appeal_id}", state, event) from None
