"""What statements of reasons say of the platform."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StatementRules(BaseModel):
    """What statements of reasons say of the platform."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
