"""What strikes weigh, when they expire, and what they lead to."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PenaltyRules(BaseModel):
    """What strikes weigh, when they expire, and what they lead to."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
