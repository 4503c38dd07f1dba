"""What cases most probably are, and how often each reviewer errs, from who said what of them.

The method is that of Dawid and Skene (1979): each reviewer gives each answer with a probability that hangs on the
truth only; truth and habits are found together. Two things are added. A reviewer's habits are drawn towards those of
all, as if some answers of the usual kind had been seen, so that who judged little is not thought perfect or useless.
And what is known for sure, as of a test purchase, is held fixed.

Habits are learnt from cases that several judged or whose truth is known. A case that one person judged would tell of
habits only if everybody got the same mixture of cases. The model's score takes no part: a label must not weigh more
because the model agreed with it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipml.records import Verdict
from ipml.review.quality.judgements import Judgement
from ipml.review.quality.rates import Rate, weigh_rate

if TYPE_CHECKING:
    from ipml.review.quality.habits import Habits

# What can be said, where "escalate" says no more of the truth than "cannot tell"; and what can be true.
ANSWERS = {Verdict.COUNTERFEIT: 0, Verdict.GENUINE: 1, Verdict.CANNOT_TELL: 2, Verdict.ESCALATE: 2}
_COUNTERFEIT, _GENUINE = 0, 1

_BRAND_COUNTS_AS = 20.0  # a reviewer's rate for a brand is drawn towards their own for all brands


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """What was found.

    Attributes
    ----------
    chances : mapping of int to float
        Probability that a case is counterfeit.
    reviewers : tuple of str
        All who said something, by name.
    """

    chances: Mapping[int, float]
    reviewers: tuple[str, ...]
    _habits: Habits
    _by_reviewer: Mapping[str, tuple[Judgement, ...]]

    def missed(self, reviewer: str, brand: str | None = None) -> Rate:
        """Return how often a reviewer calls a counterfeit genuine; of one brand only, if given."""
        return self._rate(reviewer, brand, _COUNTERFEIT, _GENUINE)

    def wronged(self, reviewer: str, brand: str | None = None) -> Rate:
        """Return how often a reviewer calls a genuine listing counterfeit; of one brand only, if given."""
        return self._rate(reviewer, brand, _GENUINE, _COUNTERFEIT)

    def _rate(self, reviewer: str, brand: str | None, truth: int, answer: int) -> Rate:
        import numpy as np

        draws = self._habits.answers[:, self.reviewers.index(reviewer), truth, answer]
        said = [one for one in self._by_reviewer.get(reviewer, ()) if brand is None or one.brand == brand]
        chances = [
            self.chances[one.case_id] if truth == _COUNTERFEIT else 1 - self.chances[one.case_id] for one in said
        ]
        if brand is None:
            low, high = np.quantile(draws, [0.025, 0.975])
            return Rate(float(draws.mean()), float(low), float(high), sum(chances))
        hits = sum(chance for chance, one in zip(chances, said, strict=True) if ANSWERS[one.verdict] == answer)
        return weigh_rate(hits, sum(chances), float(draws.mean()), _BRAND_COUNTS_AS)


def find_consensus(judgements: Iterable[Judgement], known: Mapping[int, bool] | None = None) -> Consensus:
    """Find what the cases are and how often each reviewer errs.

    Parameters
    ----------
    judgements : iterable of Judgement
        A reviewer's second look at a case of their own counts no more; it is no independent voice.
    known : mapping of int to bool, optional
        Cases whose truth is known for sure, and whether they are counterfeit.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> def say(case_id, reviewer, verdict):
    ...     return Judgement(case_id, "Acme", reviewer, verdict, "audit", datetime(2024, 5, 6, tzinfo=UTC))
    >>> both = [say(1, name, Verdict.COUNTERFEIT) for name in ("ana", "ben")]
    >>> found = find_consensus([*both, say(2, "ana", Verdict.GENUINE), say(2, "ben", Verdict.COUNTERFEIT)])
    >>> found.chances[1] > 0.9 > found.chances[2]
    True
    """
    import numpy as np

    from ipml.review.quality.habits import Pattern, draw_habits, judge_alone

    known = known or {}
    by_case: dict[int, list[Judgement]] = {}
    for judgement in _first_of_each(judgements):
        by_case.setdefault(judgement.case_id, []).append(judgement)
    reviewers = sorted({judgement.reviewer for said in by_case.values() for judgement in said})
    number = {name: place for place, name in enumerate(reviewers)}
    codes = {
        case_id: tuple(sorted(3 * number[one.reviewer] + ANSWERS[one.verdict] for one in said))
        for case_id, said in by_case.items()
    }
    # Most patterns are those of many cases, so that a hundred thousand cases take no longer than their patterns.
    telling: dict[int, Pattern] = {
        case_id: (said, known.get(case_id)) for case_id, said in codes.items() if len(said) > 1 or case_id in known
    }
    patterns = sorted(set(telling.values()), key=repr)
    place = {pattern: at for at, pattern in enumerate(patterns)}
    times = np.bincount([place[pattern] for pattern in telling.values()], minlength=len(patterns))
    habits = draw_habits(patterns, times, len(reviewers))
    alone = {code: judge_alone(habits, *divmod(code, 3)) for code in range(3 * len(reviewers))}
    chances = {
        case_id: float(habits.chances[place[telling[case_id]]]) if case_id in telling else alone[said[0]]
        for case_id, said in codes.items()
    }
    return Consensus(chances, tuple(reviewers), habits, _by_reviewer(by_case, telling))


def _first_of_each(judgements: Iterable[Judgement]) -> Iterator[Judgement]:
    """Give what each reviewer said of each case for the first time."""
    seen: set[tuple[int, str]] = set()
    for judgement in judgements:
        who = (judgement.case_id, judgement.reviewer)
        if judgement.kind != "repeat" and who not in seen:
            seen.add(who)
            yield judgement


def _by_reviewer(
    by_case: Mapping[int, list[Judgement]], telling: Mapping[int, object]
) -> dict[str, tuple[Judgement, ...]]:
    found: dict[str, list[Judgement]] = {}
    for case_id in telling:
        for judgement in by_case[case_id]:
            found.setdefault(judgement.reviewer, []).append(judgement)
    return {reviewer: tuple(said) for reviewer, said in found.items()}
