"""Whether a model takes a script for a disguise: false alarms on harmless listings in fifteen languages.

The listings are made up, in `genuine_scripts.toml`, and as like each other as languages allow: the same goods at the
same prices. What differs is how they are written, so a difference in false alarms is due to that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from ipml.model.attacks.scores import Classifier
from ipml.model.text_table import align

REFERENCE = "English"
MAX_SURPLUS = 0.01  # how much higher than in English the share may be; our own bar

_PRICES_USD = (12.0, 25.0, 9.5, 34.0, 18.0)
_LISTED_AT = pd.Timestamp("2026-01-05T12:00Z")
_OBSERVED_AT = pd.Timestamp("2026-03-05T12:00Z")


@dataclass(frozen=True, slots=True)
class ScriptAlarms:
    """False alarms on the harmless listings in one language.

    Attributes
    ----------
    language, script : str
    share : float
        Share of them from the threshold on, 0-1.
    surplus : float
        By how much that is above the share in English.
    """

    language: str
    script: str
    share: float
    surplus: float

    @property
    def is_fair(self) -> bool:
        """Whether hardly more harmless listings are taken for counterfeits than in English."""
        return self.surplus <= MAX_SURPLUS


def false_alarms_by_script(classifier: Classifier, threshold: float) -> tuple[ScriptAlarms, ...]:
    """Return the false alarms on harmless listings in each language, the reference first.

    Parameters
    ----------
    classifier : Classifier
        Fitted.
    threshold : float
        Score from which a listing counts as found.

    Examples
    --------
    >>> import numpy as np
    >>> class Alarmist:
    ...     def predict_proba(self, X):
    ...         is_ascii = X["title"].str.isascii().to_numpy(dtype=float)
    ...         return np.column_stack([is_ascii, 1 - is_ascii])
    >>> alarms = false_alarms_by_script(Alarmist(), 0.5)
    >>> [(alarm.language, alarm.share, alarm.is_fair) for alarm in alarms if alarm.language in ("English", "Greek")]
    [('English', 0.0, True), ('Greek', 1.0, False)]
    """
    shares = {
        name: float((classifier.predict_proba(listings)[:, 1] >= threshold).mean())
        for name, listings in genuine_listings().items()
    }
    return tuple(
        ScriptAlarms(name, _languages()[name]["script"], share, share - shares[REFERENCE])
        for name, share in shares.items()
    )


def alarms_table(alarms: Iterable[ScriptAlarms]) -> str:
    """Return false alarms as text for a terminal, a row per language."""
    rows = [[alarm.language, alarm.script, f"{alarm.share:.3f}", f"{alarm.surplus:+.3f}"] for alarm in alarms]
    return align([["language", "script", "false alarms", f"above {REFERENCE}"], *rows])


def genuine_listings() -> dict[str, pd.DataFrame]:
    """Return the harmless listings by language, with canonical columns; English first.

    Examples
    --------
    >>> genuine_listings()["English"]["title"].iloc[0]
    'Clay flower pot, new, unopened'
    """
    return {
        name: _make_listings(name, language["goods"], language["details"], language["descriptions"])
        for name, language in _languages().items()
    }


def _make_listings(
    name: str, goods: Sequence[str], details: Sequence[str], descriptions: Sequence[str]
) -> pd.DataFrame:
    titles = [f"{good}, {detail}" for good in goods for detail in details]
    numbers = range(len(titles))
    return pd.DataFrame(
        {
            "listing_id": [f"{name} {number}" for number in numbers],
            "seller_id": [f"{name} seller {number}" for number in numbers],
            "title": titles,
            "description": [descriptions[number % len(descriptions)] for number in numbers],
            "price": [_PRICES_USD[number % len(_PRICES_USD)] for number in numbers],
            "currency": "USD",
            "listed_at": _LISTED_AT,
            "observed_at": _OBSERVED_AT,
        }
    )


@cache
def _languages() -> dict[str, dict[str, Any]]:
    text = files("ipml.model.attacks").joinpath("genuine_scripts.toml").read_text(encoding="utf-8")
    languages: dict[str, dict[str, Any]] = tomllib.loads(text)
    return languages
