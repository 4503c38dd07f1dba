"""Plan: measurements to make, and files for the figures of each run, so that a stopped run resumes."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from experiments.benchmark.code_digest import digest_code, strip_words
from experiments.benchmark.models import IPML, MODELS
from experiments.benchmark.timing.ours import IpmlScoring

Run = dict[str, float]
HERE = Path(__file__).parent
SHARED = ("inputs.py", "processes.py", "scoring.py", "theirs.py")
"""Shared data of all measurements, in this folder."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Measurements asked for.

    Attributes
    ----------
    models : tuple of str
        Names in `experiments.benchmark.models`.
    runs : int
        How often each is timed, after a warm-up; the best counts.
    out : Path
        Folder for listings, models and figures; never committed.
    rows : int or None
        How many listings to take instead of the usual ones, for a quick try.
    """

    models: tuple[str, ...]
    runs: int
    out: Path
    rows: int | None = None

    def sizes(self, *usual: int) -> tuple[int, ...]:
        """Return the numbers of listings to measure on: the usual ones, or the one asked for."""
        return (self.rows,) if self.rows else usual

    def place(self, model: str, learnt_from: str) -> Path:
        """Return where a model that has learnt is kept."""
        return self.out / "models" / f"{slug(model)}.{learnt_from}.{_digest_model(model)}"

    def kept(self, measurement: str, rows: int, model: str, *, beside: Sequence[str] = ()) -> Kept:
        """Return where the runs of a measurement are kept.

        Parameters
        ----------
        measurement : str
            Name of the file in this folder that measures.
        rows : int
        model : str
        beside : sequence of str, default=()
            Other models whose speed is part of the figures.
        """
        models = [_digest_model(name) for name in (model, *beside)]
        digest = _digest(*models, digest_files(f"{measurement}.py", *SHARED))
        name = f"{measurement}.{rows}.{slug(model)}.{digest}.json"
        return Kept(measurement, rows, model, self.out / "runs" / name)


@dataclass(frozen=True)
class Kept:
    """The runs of one model in one measurement, kept in a file named after the digest of the code."""

    measurement: str
    rows: int
    model: str
    path: Path

    def runs(self) -> list[Run]:
        """Return what is kept of each run, in their order."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else []

    def add(self, run: Run) -> None:
        """Keep one more run."""
        logger.info("%s, %s listings, %s: %s", self.measurement, f"{self.rows:,}", self.model, run)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_text(json.dumps([*self.runs(), run], indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.rename(self.path)
        outdated = set(self.path.parent.glob(f"{self.path.name.rsplit('.', 2)[0]}.*.json")) - {self.path}
        for path in outdated:
            path.unlink()

    def best(self) -> Run:
        """Return the least of each figure over the runs; empty where there are none."""
        best: Run = {}
        for run in self.runs():
            best |= {name: min(value, best.get(name, value)) for name, value in run.items()}
        return best


def waiting(kept: Sequence[Kept], runs: int) -> list[Kept]:
    """Return those that have had fewer runs than asked for."""
    return [one for one in kept if len(one.runs()) < runs]


def slug(name: str) -> str:
    """Return a name as part of a file's name.

    Examples
    --------
    >>> slug("TF-IDF + numbers, logistic")
    'tf-idf-numbers-logistic'
    """
    return re.sub(r"\W+", "-", name.lower())


@cache
def digest_files(*names: str) -> str:
    """Return a digest of what files in this folder do."""
    return _digest(*(strip_words((HERE / name).read_text(encoding="utf-8")) for name in names))


@cache
def _digest_model(name: str) -> str:
    return digest_code(IpmlScoring if name == IPML else MODELS[name])


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
