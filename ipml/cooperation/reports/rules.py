"""The rules as data; `ipml/cooperation/policy.toml` says what each means."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class ReportRules(BaseModel):
    """What reports say of the platform, and what they leave out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    provider: str = Field("", max_length=200)
    service: str = Field("", max_length=200)
    previous_report: date | None = None
    least_sellers: int = Field(5, ge=2, le=1000)
