"""How long each class of record is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_APPEALS_DAYS = 200  # six months from the notification, which may come some days after the decision


class RetentionRules(BaseModel):
    """Days for which each class of record is kept; `ipml.enforcement.privacy.classes` says which records these are.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> load_enforcement_policy().retention.tries
    30
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    undecided_listings: int = Field(gt=0)
    genuine_listings: int = Field(gt=0)
    counterfeit_listings: int = Field(ge=_APPEALS_DAYS)
    evidence: int = Field(ge=_APPEALS_DAYS)
    letters: int = Field(ge=_APPEALS_DAYS)
    appeals: int = Field(ge=_APPEALS_DAYS)
    notices: int = Field(ge=_APPEALS_DAYS)
    noted_listings: int = Field(ge=_APPEALS_DAYS)
    notes: int = Field(gt=0)
    notifier_steps: int = Field(ge=_APPEALS_DAYS)
    delivered_messages: int = Field(gt=0)
    dead_messages: int = Field(gt=0)
    disclosures: int = Field(ge=_APPEALS_DAYS)
    ended_holds: int = Field(gt=0)
    idle_sellers: int = Field(ge=_APPEALS_DAYS)
    sessions: int = Field(gt=0)
    tries: int = Field(gt=0)
