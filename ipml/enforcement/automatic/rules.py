"""When listings are acted on without review."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AutomaticRules(BaseModel):
    """When listings are acted on without review."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
