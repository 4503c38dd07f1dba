"""Which measure follows from which ground."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ipml.enforcement.restrictions import MeasureKind


class MeasureRules(BaseModel):
    """Which measure follows from which ground."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    usual: MeasureKind
    by_ground: dict[str, MeasureKind] = {}

    def measure_for(self, ground: str) -> MeasureKind:
        """Return what is done to a listing on a ground."""
        return self.by_ground.get(ground, self.usual)
