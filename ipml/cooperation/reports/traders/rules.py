"""What is asked of traders, as data; `ipml/cooperation/policy.toml` says what each rule means."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Check = Literal["name", "address", "email", "phone", "iban", "lei", "vat", "euid", "register number", "yes", "anything"]
_FIELDS: dict[str, tuple[Check, ...]] = {
    "name": ("name",),
    "address": ("address",),
    "phone": ("phone",),
    "email": ("email",),
    "identification": ("anything",),
    "payment_account": ("iban",),
    "trade_register": ("anything",),
    "register_number": ("euid", "lei", "vat", "register number"),
    "self_certification": ("yes",),
}


class InformRules(BaseModel):
    """From how many sales on a seller counts as high-volume; the file says what each rule means."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sales: int = Field(200, ge=1)
    revenue: float = Field(5_000.0, gt=0)
    disclosed_revenue: float = Field(20_000.0, gt=0)
    collect_days: int = Field(10, ge=0, le=365)


class TraderRules(BaseModel):
    """What is asked of traders; the file says what each rule means.

    Examples
    --------
    >>> TraderRules().fields["email"]
    ('email',)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fields: dict[str, tuple[Check, ...]] = _FIELDS
    if_registered: tuple[str, ...] = ("trade_register", "register_number")
    calling_code: str = Field("", pattern=r"^[1-9]?\d{0,3}$")
    applies_from: date = date(2024, 2, 17)
    legacy_until: date = date(2025, 2, 17)
    remedy_days: int = Field(14, ge=0, le=365)
    inform: InformRules = InformRules()

    @model_validator(mode="after")
    def _know_the_fields(self) -> Self:
        if unknown := [name for name in self.if_registered if name not in self.fields]:
            raise ValueError(f"if_registered names {', '.join(unknown)}, which [traders.fields] does not have")
        return self
