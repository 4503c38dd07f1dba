"""What is recorded of a training run besides its model, and the plain values that MLflow keeps of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from ipml.model.metrics import Estimate

MAX_VALUE_LETTERS = 500


@dataclass(frozen=True)
class RunFacts:
    """What was tried, on which listings, and how good it was.

    Attributes
    ----------
    experiment : str
        Name of the experiment; with the date it names the run.
    parameters : mapping of str to object
        Flat; values longer than 500 letters are cut, and say so.
    figures : mapping of str to Estimate or float
        Measures; of an estimate the ends of its interval are recorded as `…_low` and `…_high`.
    data_name, data_digest : str
        Which listings the run was trained on.
    pictures : sequence of Path
        Files of curves and plots, copied to the folder `pictures`.
    files : sequence of Path
        More files, each kept under its own name, such as the scores of the test.
    texts : mapping of str to str
        Text files by name, such as the experiment's TOML.
    tags : mapping of str to str
        More to search runs by.
    curves : mapping of str to sequence of (int, float)
        Values at steps, drawn by MLflow as lines, several runs in one picture.
    variant : str, default=""
        What sets the run apart from others of its experiment; stands in its name.
    """

    experiment: str
    parameters: Mapping[str, object]
    figures: Mapping[str, Estimate | float]
    data_name: str
    data_digest: str
    pictures: Sequence[Path] = ()
    files: Sequence[Path] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    variant: str = ""


def name_run(facts: RunFacts, begun_at: datetime) -> str:
    """Return the name of a run: experiment, variant and date.

    Examples
    --------
    >>> name_run(RunFacts("shoes", {}, {}, "shoes.csv", "0", variant="C = 0.1"), datetime(2026, 3, 1, 9, 30))
    'shoes, C = 0.1, 2026-03-01 09:30'
    """
    parts = (facts.experiment, _shorten(facts.variant), f"{begun_at:%Y-%m-%d %H:%M}")
    return ", ".join(filter(None, parts))


def make_parameters(facts: RunFacts) -> dict[str, str]:
    """Return the parameters as texts, none of them longer than can be read.

    Examples
    --------
    >>> facts = RunFacts("goods", {"text.bits": 18, "note": "x" * 502}, {}, "listings.csv", "0123abcd")
    >>> make_parameters(facts)["text.bits"], make_parameters(facts)["note"][-20:]
    ('18', 'xx… (2 letters more)')
    """
    return {name: _shorten(str(value)) for name, value in facts.parameters.items()}


def _shorten(text: str) -> str:
    if len(text) <= MAX_VALUE_LETTERS:
        return text
    return f"{text[:MAX_VALUE_LETTERS]}… ({len(text) - MAX_VALUE_LETTERS} letters more)"


def make_metrics(facts: RunFacts) -> dict[str, float]:
    """Return the figures as single numbers.

    Examples
    --------
    >>> make_metrics(RunFacts("goods", {}, {"brier": Estimate(0.05, 0.04, 0.06)}, "listings.csv", "0123abcd"))
    {'brier': 0.05, 'brier_low': 0.04, 'brier_high': 0.06}
    """
    metrics: dict[str, float] = {}
    for name, figure in facts.figures.items():
        if isinstance(figure, Estimate):
            metrics |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        else:
            metrics[name] = float(figure)
    return metrics


def make_tags(facts: RunFacts) -> dict[str, str]:
    """Return the tags of a run: its experiment, version of ipml, data and commit, and then its own."""
    commit = find_commit()
    return {
        "ipml.experiment": facts.experiment,
        "ipml.version": version("ipml"),
        "ipml.data_digest": facts.data_digest,
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **facts.tags,
    }


def find_commit() -> str | None:
    """Return the commit of the git checkout we are in, or None outside of one."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constant
    return answer.stdout.strip() if answer.returncode == 0 else None
