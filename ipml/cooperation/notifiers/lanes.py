"""The lane a notice comes in: how soon its listings are looked at, what it must bring, and how much of it a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from ipml.cooperation.policy import CooperationPolicy
from ipml.storage.tables import notifier_steps

_HOURS = 72.0


@dataclass(frozen=True, slots=True)
class Lane:
    """How the next notice of a notifier is dealt with.

    Attributes
    ----------
    tier : str
        The name of their tier.
    hours : float
        From the notice to the deadline of the cases that it raises.
    burden : str
        What the reviewer reads of how much must be shown.
    is_suspended : bool
        Whether what they send is kept and opens nothing.
    left_today : int or None
        How many more cases of theirs get a deadline today (UTC); None: as many as there are.
    """

    tier: str
    hours: float
    burden: str
    is_suspended: bool = False
    needs_rights_document: bool = True
    least_explanation_letters: int = 0
    left_today: int | None = None

    def due_at(self, received_at: datetime) -> datetime:
        """Return by when a case raised by a notice must be decided."""
        return received_at + timedelta(hours=self.hours)


def lane_of(
    connection: Connection,
    notifier: int,
    policy: CooperationPolicy,  # noqa: ARG001
    now: datetime | None = None,
) -> Lane:
    """Return the lane of a notifier at a moment."""
    query = select(notifier_steps).where(notifier_steps.c.notifier_id == notifier, notifier_steps.c.kind != "warn")
    last = connection.execute(query.order_by(notifier_steps.c.step_id.desc()).limit(1)).first()
    is_suspended = last is not None and last.kind == "suspend" and last.until > (now or datetime.now(UTC))
    return Lane("usual", _HOURS, "", is_suspended)
