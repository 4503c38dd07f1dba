"""Which complaints are open to sellers, and by whose clocks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AppealRules(BaseModel):
    """Which complaints are open to sellers, and by whose clocks."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
