"""Which complaints are open to sellers, and by whose clocks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ipml.enforcement.clocks.profiles import Profile, load_profile

Language = Literal["en", "de", "fr", "es", "zh"]


class AppealRules(BaseModel):
    """Which complaints are open to sellers, and by whose clocks; the policy file says what each rule means.

    Examples
    --------
    >>> rules = AppealRules(profile="eu", profile_by_country={"CN": "china"})
    >>> rules.profile_for("CN").name, rules.profile_for(None).name
    ('china', 'eu')
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    profile: str = "eu"
    profile_by_country: dict[str, str] = {}
    folder: Path | None = None
    confirm_minutes: float = Field(1500.0, ge=1, le=14 * 1440)
    claim_minutes: float = Field(60.0, gt=0, le=1440)
    unreached_days: float = Field(3.0, gt=0, le=365)
    strike_in_part: Literal["kept", "taken back"] = "kept"
    language: Language = "en"
    language_by_country: dict[str, Language] = {}

    @property
    def confirm(self) -> timedelta:
        """How much later a second look must find a term over."""
        return timedelta(minutes=self.confirm_minutes)

    def profile_for(self, country: str | None) -> Profile:
        """Return the profile by which a listing of a country is appealed."""
        return self.load_profile(self.profile_by_country.get(country or "", self.profile))

    def load_profile(self, name: str) -> Profile:
        """Return a profile by its name; UnusableSetting where there is none."""
        return load_profile(name, self.folder)

    def language_for(self, country: str | None) -> Language:
        """Return the language in which a seller of a country is written to."""
        return self.language_by_country.get(country or "", self.language)
