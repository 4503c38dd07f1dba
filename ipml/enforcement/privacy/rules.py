"""How long each class of record is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RetentionRules(BaseModel):
    """How long each class of record is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
