"""Search of hyperparameters by Optuna: the space of a sweep, and a study in a file from which a stopped sweep resumes.

Lists alone are tried in every combination. With ranges, or a number of trials, Optuna's tree-structured Parzen
estimator (Bergstra et al., 2011) proposes each trial from the results of those before.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ipml.errors import Failed, UnusableSetting, first_line
from ipml.kit.canonical_json import digest
from ipml.model.training.experiment import SweepPart, SweepRange

STARTUP_TRIALS = 10
"""Drawn at random before the estimator proposes any; at most half of all."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Values to try by parameter; `number` is the study's waiting trial, None for values not from the sampler."""

    values: Values
    number: int | None = None


class Search:
    """A study of one space on one experiment, and the values left to try.

    `name` identifies all that results depend on besides the values: studies of one name share results, whatever their
    space. `is_new` deletes what the file holds of it.

    Raises
    ------
    UnusableSetting
        A range is searched without a number of trials.
    Failed
        The file cannot be used.
    """

    def __init__(self, part: SweepPart, file: Path, name: str, *, seed: int, is_new: bool) -> None:
        self._distributions = {of: _make_distribution(values) for of, values in part.space.items()}
        self._choices = {
            of: {_encode(value): value for value in values}
            for of, values in part.space.items()
            if isinstance(values, list)
        }
        self._n_trials = count_trials(part)
        self.is_grid = part.trials is None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = self._open(file, name, is_new)
        except Exception as error:  # SQLAlchemy's and Alembic's come as they are
            raise Failed(file, f"found {first_line(error)}; expected studies of Optuna", "Delete it.") from error
        startup = min(STARTUP_TRIALS, max(1, self._n_trials // 2))
        seed += len(self._study.get_trials(deepcopy=False))  # or a sweep that goes on would draw the same again
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        self._queue = deque(self._list_grid() if self.is_grid else self._list_begun())
        self._n_begun = len(self._queue)

    def ask(self) -> Proposal | None:
        """Return what to try next; None after the last trial."""
        if self._queue:
            return Proposal(self._queue.popleft())
        if self.is_grid or self._n_begun >= self._n_trials:
            return None
        self._n_begun += 1
        trial = self._study.ask(self._distributions)
        return Proposal(self._decode(trial.params), trial.number)

    def tell(self, proposal: Proposal, score: float) -> None:
        """Store the result of a proposal in the study."""
        if proposal.number is not None:
            self._study.tell(proposal.number, score, skip_if_finished=True)
            return
        params = {of: self._encode(of, value) for of, value in proposal.values.items()}
        if not any(trial.params == params for trial in self._study.get_trials(deepcopy=False, states=_COMPLETE)):
            self._study.add_trial(create_trial(params=params, distributions=self._distributions, value=score))

    @property
    def n_trials(self) -> int:
        """Total number of trials of the sweep."""
        return max(self._n_trials, self._n_begun)

    def _open(self, file: Path, name: str, is_new: bool) -> optuna.Study:
        """Return the study of this space, a new one with the results of others of the same name."""
        file.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
        space = json.dumps({of: optuna.distributions.distribution_to_json(d) for of, d in self._distributions.items()})
        own = f"{name} {digest(space)[:12]}"
        others = [found for found in optuna.get_all_study_names(storage) if found.startswith(f"{name} ")]
        if is_new:
            for found in others:
                optuna.delete_study(study_name=found, storage=storage)
        study = optuna.create_study(study_name=own, storage=storage, direction="maximize", load_if_exists=True)
        if not is_new and not study.get_trials(deepcopy=False):
            for other in others:
                for trial in optuna.load_study(study_name=other, storage=storage).get_trials(states=_COMPLETE):
                    self._take_over(study, trial)
        return study

    def _take_over(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Add a trial of another space to the study, if it lies in this one."""
        try:
            params = {of: self._encode(of, _plain(trial.params[of])) for of in self._distributions}
            same = create_trial(params=params, distributions=self._distributions, value=trial.value)
        except (KeyError, ValueError, TypeError):
            return
        if trial.params.keys() == params.keys():
            study.add_trial(same)

    def _list_begun(self) -> list[Values]:
        """Return values with a result, whose test can be fetched, and those that a stopped sweep left without one."""
        begun = []
        for trial in self._study.get_trials(deepcopy=False, states=(*_COMPLETE, TrialState.RUNNING)):
            if trial.state == TrialState.RUNNING:
                self._study.tell(trial.number, state=TrialState.FAIL)
            if trial.params.keys() == self._distributions.keys():
                begun.append(self._decode(trial.params))
        return begun

    def _list_grid(self) -> list[Values]:
        names = list(self._choices)
        return [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*(choices.values() for choices in self._choices.values()))
        ]

    def _decode(self, params: Mapping[str, Any]) -> Values:
        return {of: self._choices[of][params[of]] if of in self._choices else params[of] for of in self._distributions}

    def _encode(self, of: str, value: Any) -> Any:
        return _encode(value) if of in self._choices else value


_COMPLETE = (TrialState.COMPLETE,)


def count_trials(part: SweepPart) -> int:
    """Return the number of trials of a sweep; refuse a range without one by an UnusableSetting.

    >>> count_trials(SweepPart(C=[0.1, 1.0], n_folds=[2, 3, 5])), count_trials(SweepPart(trials=20, C=[0.1, 1.0]))
    (6, 20)
    """
    if part.trials is not None:
        return part.trials
    n_combinations = 1
    for name, values in part.space.items():
        if isinstance(values, SweepRange):
            raise UnusableSetting("[sweep]", f"a range of {name} without a number of trials", "trials = 30 beside it")
        n_combinations *= len({_encode(value) for value in values})
    return n_combinations


def _make_distribution(values: list[Any] | SweepRange) -> BaseDistribution:
    if isinstance(values, list):
        return CategoricalDistribution(list(dict.fromkeys(map(_encode, values))))
    kind: Any = IntDistribution if isinstance(values.low, int) and isinstance(values.high, int) else FloatDistribution
    step = values.step if values.step is not None else 1 if kind is IntDistribution else None
    distribution: BaseDistribution = kind(values.low, values.high, log=values.log, step=step)
    return distribution


def _encode(value: Any) -> str:
    """Return a choice as Optuna stores it: 1, 1.0, true and "1" are four, and a list is one."""
    return json.dumps(value, default=str)


def _plain(value: Any) -> Any:
    """Return a stored value, be it a number of a range or an encoded choice."""
    return json.loads(value) if isinstance(value, str) else value
