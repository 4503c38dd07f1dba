"""How much shared things say, as data: the file `rules.toml`, or a copy that a marketplace has made its own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ipml.cooperation.network.kinds import KINDS, AttributeKind
from ipml.errors import UnusableSetting, describe_faults
from ipml.toml import parse_toml

_COPY = "a copy of ipml/cooperation/network/rules.toml"
_BUNDLED = Path(__file__).with_name("rules.toml")


class KindRules(BaseModel):
    """What a shared value of one kind is worth."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    lead: float = Field(ge=-64, le=64)
    ceiling: float = Field(default=64, ge=-64, le=64)
    most: int = Field(ge=2, le=1000)


class NetworkRules(BaseModel):
    """When two sellers are linked; the file says what each rule means.

    Examples
    --------
    >>> load_network_rules().kinds[AttributeKind.PAYOUT].most
    200
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    needed: float = Field(ge=-10, le=64)
    kinds: dict[AttributeKind, KindRules]

    @model_validator(mode="after")
    def _know_every_kind(self) -> Self:
        if missing := [kind.value for kind in KINDS if kind not in self.kinds]:
            raise ValueError(f"no rules for {', '.join(missing)}")
        return self


def load_network_rules(path: Path | None = None) -> NetworkRules:
    """Read a file of rules; by default the bundled one.

    Raises
    ------
    UnusableSetting
        There is no such file, it is not TOML, or it says something ipml cannot follow: all faults in one line.
    """
    path = path or _BUNDLED
    try:
        return NetworkRules.model_validate(parse_toml(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UnusableSetting(f"rules {path}", "no such file", _COPY) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableSetting(f"rules {path}", f"no TOML ({error})", _COPY) from error
    except ValidationError as error:
        raise UnusableSetting(f"rules {path}", describe_faults(error), f"values like those in {_BUNDLED}") from error
