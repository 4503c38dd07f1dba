"""Scores of listings by models that had not seen them, kept in files so that a run can be interrupted and resumed.

A file holds what one model gave under one seed of one task; its name holds the digest of the code and of the listings.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.benchmark.code_digest import digest_code
from experiments.benchmark.models import MODELS
from experiments.benchmark.protocols import Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """One model to be fitted and asked in the folds of one seed of a task.

    Attributes
    ----------
    path : Path
        Where its scores are kept.
    """

    task: Task
    model: str
    repeat: int
    path: Path

    @classmethod
    def of(cls, task: Task, model: str, repeat: int, folder: Path) -> Job:
        """Name the file after everything its scores depend on."""
        name = re.sub(r"\W+", "-", model.lower())
        digest = digest_code(MODELS[model]) + _digest_task(task, repeat)
        return cls(task, model, repeat, folder / task.name / f"{name}.{repeat}.{digest}.npy")

    @property
    def is_done(self) -> bool:
        """Whether the scores are there."""
        return self.path.exists()

    def load(self) -> Floats:
        """Return the scores, shape (n_views, n_listings); NaN where a listing is not tested."""
        return np.asarray(np.load(self.path, allow_pickle=False))

    def run(self) -> None:
        """Work the scores out and keep them, in place of those of older code."""
        scores = score_folds(self.task, self.model, self.repeat)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for outdated in self.path.parent.glob(f"{self.path.name.split('.')[0]}.{self.repeat}.*.npy"):
            outdated.unlink()
        unfinished = self.path.with_suffix(".part.npy")
        np.save(unfinished, scores)
        unfinished.rename(self.path)


def score_folds(task: Task, model: str, repeat: int = 0) -> Floats:
    """Return the scores of the tested listings under each view, shape (n_views, n_listings); NaN where not tested."""
    scores = np.full((len(task.views), len(task.y)), np.nan)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other makers' models, about what they do with small folds
        for train, test in task.repeats[repeat]:
            fitted = MODELS[model]().fit(task.listings.iloc[train], task.y[train])
            for number, view in enumerate(task.views):
                scores[number, test] = fitted.predict_proba(task.show(test, view))[:, 1]
    return scores


def run_jobs(jobs: Sequence[Job], n_processes: int = 1) -> Iterator[Job]:
    """Run what is not done, and yield each job when its scores are there."""
    waiting = [job for job in jobs if not job.is_done]
    yield from (job for job in jobs if job.is_done)
    yield from Parallel(n_jobs=n_processes, return_as="generator_unordered")(delayed(_run)(job) for job in waiting)


def _run(job: Job) -> Job:
    job.run()
    return job


def _digest_task(task: Task, repeat: int) -> str:
    cells = pd.util.hash_pandas_object(task.listings, index=False).to_numpy().tobytes()
    folds = b"".join(part.tobytes() for fold in task.repeats[repeat] for part in fold)
    return hashlib.sha256(cells + task.y.tobytes() + folds + task.shown_titles.encode()).hexdigest()[:12]
