"""The rules as data; `ipml/cooperation/policy.toml` says what each means."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NotifierRules(BaseModel):
    """A section of the policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
