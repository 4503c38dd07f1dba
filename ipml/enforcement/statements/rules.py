"""What statements of reasons say of the platform, and how they name things."""

from __future__ import annotations

import unicodedata
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.review.grounds import GROUNDS

Basis = Literal["illegal", "terms"]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=300)]  # fits every field


def languages() -> tuple[str, ...]:
    """Return the languages in which letters can be written.

    Examples
    --------
    >>> languages()
    ('de', 'en', 'es', 'fr', 'zh')
    """
    folder = files(__package__).joinpath("languages")
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))


class StatementRules(BaseModel):
    """What statements of reasons say of the platform; the file `policy.toml` says what each rule means.

    Examples
    --------
    >>> rules = StatementRules(brands=("Louis Vuitton",), languages={"AT": "de"})
    >>> rules.known_brand(" louis  VUITTON "), rules.known_brand("call 0171 5550101")
    ('Louis Vuitton', None)
    >>> rules.language_of("AT"), rules.language_of(None)
    ('de', 'en')
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    platform: Line = "the marketplace"
    complaints_at: Line = ""
    settlement_at: Line = ""
    appeal_months: int = Field(6, ge=6)
    language: str = "en"
    languages: dict[str, str] = {}
    basis: Basis = "illegal"
    basis_by_ground: dict[str, Basis] = {}
    basis_by_kind: dict[MeasureKind | PenaltyKind, Basis] = {}
    clause: Line = ""
    clause_url: Line = ""
    brands: tuple[Line, ...] = ()
    categories: tuple[Line, ...] = ()

    @field_validator("basis_by_ground")
    @classmethod
    def _know_grounds(cls, value: dict[str, Basis]) -> dict[str, Basis]:
        if unknown := set(value) - set(GROUNDS):
            raise ValueError(f"no ground {', '.join(sorted(unknown))}; expected some of {', '.join(GROUNDS)}")
        return value

    @model_validator(mode="after")
    def _know_languages(self) -> Self:
        if unknown := {self.language, *self.languages.values()} - set(languages()):
            raise ValueError(f"no language {', '.join(sorted(unknown))}; expected some of {', '.join(languages())}")
        return self

    def basis_of(self, kind: MeasureKind | PenaltyKind, ground: str) -> Basis:
        """Say whether a restriction rests on the law or on the platform's terms: by its kind, else by its ground."""
        return self.basis_by_kind.get(kind) or self.basis_by_ground.get(ground, self.basis)

    def language_of(self, country: str | None) -> str:
        """Return the language of letters to a country."""
        return self.languages.get(country or "", self.language)

    def known_brand(self, written: str | None) -> str | None:
        """Return a brand as this list spells it, never as a seller wrote it; None where it is not on the list."""
        return _find(self._known_brands, written)

    def known_category(self, written: str | None) -> str | None:
        """Return a category as this list spells it; None where it is not on the list."""
        return _find(self._known_categories, written)

    @cached_property
    def _known_brands(self) -> dict[str, str]:
        return _by_plain(self.brands)

    @cached_property
    def _known_categories(self) -> dict[str, str]:
        return _by_plain(self.categories)


def _by_plain(names: tuple[str, ...]) -> dict[str, str]:
    """Return names by how they are compared; of several alike the first counts."""
    return {_plain(name): name for name in reversed(names)}


def _find(known: dict[str, str], written: str | None) -> str | None:
    wanted = _plain(written or "")
    return known.get(wanted) if wanted else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[:200]).casefold().split())
