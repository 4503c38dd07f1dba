"""The rules of the promotion gate, which are data: `gate.toml` beside this file, or a file of one's own over it."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from ipml.errors import UnreadableFile, UnusableSetting, describe_faults
from ipml.toml import parse_toml


class Rule(BaseModel):
    """A limit for one figure.

    Examples
    --------
    >>> Rule(at_least=0.5).allows(0.4), Rule(at_most=0.05).allows(0.04)
    (False, True)
    >>> str(Rule(at_most=0.05))
    'at most 0.05'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    must_be_measured: bool = False

    @model_validator(mode="after")
    def _check_one_limit(self) -> Rule:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected either at_least or at_most")
        return self

    def allows(self, figure: float) -> bool:
        """Return whether a figure keeps to the limit."""
        if self.at_least is not None:
            return figure >= self.at_least
        return self.at_most is not None and figure <= self.at_most

    def __str__(self) -> str:
        return f"at most {self.at_most:,g}" if self.at_least is None else f"at least {self.at_least:,g}"


class RatioRule(Rule):
    """A limit for a ratio of false alarms, which must not be clearly worse than the champion's either if so wished."""

    must_not_worsen: bool = False


class GateRules(BaseModel):
    """What a model must show before it becomes champion; the names are those of `gate.toml`, which says why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    difference_to_champion: Rule
    value_difference_to_champion: Rule
    above_best_baseline: Rule
    recall_at_precision: Rule
    calibration_error: Rule
    recall_kept_mean: Rule
    recall_kept_worst: Rule
    false_positive_ratio_small: RatioRule
    false_positive_ratio_new: RatioRule
    listings_per_second: Rule

    def named(self) -> dict[str, Rule]:
        """Return the rules by name, in the order of the table."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def load_rules(path: Path | None = None) -> GateRules:
    """Read the rules of the gate.

    Parameters
    ----------
    path : Path, optional
        A TOML file with what differs from the bundled rules.

    Raises
    ------
    UnreadableFile
        It does not exist or is not TOML.
    UnusableSetting
        It says something that is no rule; every such place is named.

    Examples
    --------
    >>> str(load_rules().calibration_error)
    'at most 0.05'
    """
    bundled = _read_bundled()
    if path is None:
        return GateRules(**bundled)
    try:
        own = parse_toml(path.read_text(encoding="utf-8"))
        return GateRules(**bundled | {name: _over(bundled.get(name), rule) for name, rule in own.items()})
    except OSError as error:
        raise UnreadableFile(path, error.strerror or "no readable file", "a file of gate rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(path, str(error), "TOML in UTF-8") from error
    except ValidationError as error:
        raise UnusableSetting(
            str(path), describe_faults(error), "rules as in ipml/model/promotion/gate.toml"
        ) from error


def _over(bundled: object, own: object) -> object:
    """Return a rule of one's own with what it leaves to the bundled one; what is no table is left for the check."""
    return bundled | own if isinstance(bundled, dict) and isinstance(own, dict) else own


@lru_cache(maxsize=1)
def _read_bundled() -> dict[str, Any]:
    return tomllib.loads(files("ipml.model.promotion").joinpath("gate.toml").read_text(encoding="utf-8"))
