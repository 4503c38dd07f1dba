"""How notices are taken in, as data; `ipml/cooperation/policy.toml` says what each rule means."""

from __future__ import annotations

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class NoticeRules(BaseModel):
    """The section `notices` of the policy.

    Examples
    --------
    >>> rules = NoticeRules(
    ...     listing_urls=(r"https://shop\\.test/item/(?P<listing_id>\\w+)",),
    ...     least_explanation=20, repeat_days=30, unknown_days=30, complaints_needed=3, reopenings=1,
    ... )
    >>> rules.find_listing_id("https://shop.test/item/A7"), rules.find_listing_id("https://shop.test/")
    ('A7', None)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    listing_urls: tuple[str, ...]
    least_explanation: int = Field(ge=1, le=1_000)
    repeat_days: float = Field(ge=0, le=3660)
    unknown_days: float = Field(ge=1, le=3660)
    complaints_needed: int = Field(ge=1, le=1_000)
    reopenings: int = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.listing_urls:
            try:
                names = re.compile(pattern).groupindex
            except re.error as error:
                raise ValueError(f"{pattern!r} is no pattern: {error}") from error
            if "listing_id" not in names:
                raise ValueError(f"{pattern!r} names no listing: it needs a group (?P<listing_id>...)")
        return self

    def find_listing_id(self, url: str) -> str | None:
        """Return the id of the listing that an address leads to; None where it is none of ours."""
        matches = (re.fullmatch(pattern, url) for pattern in self.listing_urls)
        return next((match["listing_id"] for match in matches if match and match["listing_id"]), None)
