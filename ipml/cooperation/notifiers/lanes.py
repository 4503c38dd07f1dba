"""Which lane the notices of a notifier go in: by when they must be decided, and what they can bring about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ipml.cooperation.policy import CooperationPolicy

_HOURS = 72.0


@dataclass(frozen=True, slots=True)
class Lane:
    """How notices of a notifier are dealt with.

    Attributes
    ----------
    hours : float
        Within which the cases of their listings must be decided.
    tier : str
        What the notifier is called by the policy.
    burden : str
        What the notifier must bring, in words for the reviewer.
    is_suspended : bool
        Whether notices are only kept, and open nothing.
    room : int or None
        How many more cases they may bring forward for now; None: any number.
    """

    hours: float
    tier: str
    burden: str = ""
    is_suspended: bool = False
    room: int | None = None


def lane_of(connection: Connection, notifier_id: int, policy: CooperationPolicy, now: datetime) -> Lane:  # noqa: ARG001
    """Return the lane of a notifier at a moment."""
    return Lane(_HOURS, "standard")
