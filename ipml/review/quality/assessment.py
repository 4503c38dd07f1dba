"""Assessment: agreement and error rates of reviewers, and the probable truth of each case.

Decisions and second verdicts enter the method of Dawid and Skene (1979): each reviewer gives each answer with a
probability that depends only on the truth; both are estimated together (`ipml.review.quality.habits`). Habits are
shrunk towards those of all reviewers, and known truths, such as a test purchase, are fixed. Habits are learnt only from
cases that several people judged or whose truth is known. The model's score is not used, so a label gains no weight from
the model's agreement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, literal, select, union_all

from ipml.records import Verdict
from ipml.review.quality.rates import Agreement, Rate, cohen_kappa, count_rate, krippendorff_alpha, weigh_rate
from ipml.review.reversals import stands
from ipml.storage.tables import cases, control_cases, decisions, second_verdicts

if TYPE_CHECKING:
    from ipml.review.quality.habits import Habits


_SYSTEM = "ipml"  # escalates cases on disagreement; it judges nothing


@dataclass(frozen=True, slots=True)
class Judgement:
    """A reviewer's verdict on a case; `kind` is "decision", or the kind of the second verdict."""

    case_id: int
    brand: str | None
    reviewer: str
    verdict: Verdict
    kind: str
    decided_at: datetime


def list_judgements(
    connection: Connection, *, known_by: datetime | None = None, of_cases: Select[tuple[int]] | None = None
) -> list[Judgement]:
    """Return the judgements case by case, without reversed, spread or appeal decisions.

    `known_by` limits their moment, `of_cases` their cases.
    """
    said = union_all(_standing_decisions(), _standing_second_verdicts()).subquery()
    query = select(said, cases.c.brand).join(cases, cases.c.case_id == said.c.case_id)
    if known_by is not None:
        query = query.where(said.c.decided_at <= known_by)
    if of_cases is not None:
        query = query.where(said.c.case_id.in_(of_cases))
    query = query.order_by(said.c.case_id, said.c.decided_at, said.c.token)
    rows = connection.execute(query.execution_options(yield_per=1000))
    return [
        Judgement(row.case_id, row.brand, row.reviewer, Verdict(row.verdict), row.kind, row.decided_at) for row in rows
    ]


def _standing_decisions() -> Select[Any]:
    columns = (decisions.c.case_id, decisions.c.reviewer, decisions.c.verdict, decisions.c.decided_at)
    return select(*columns, literal("decision").label("kind"), decisions.c.token).where(
        decisions.c.reviewer != _SYSTEM, decisions.c.origin.in_(("review", "bulk")), stands()
    )


def _standing_second_verdicts() -> Select[Any]:
    columns = (
        second_verdicts.c.case_id,
        second_verdicts.c.reviewer,
        second_verdicts.c.verdict,
        second_verdicts.c.decided_at,
    )
    return select(*columns, second_verdicts.c.kind, second_verdicts.c.token).where(
        second_verdicts.c.withdrawn_at.is_(None)
    )


# Answers ("escalate" means no more than "cannot tell"), then truths.
ANSWERS = {Verdict.COUNTERFEIT: 0, Verdict.GENUINE: 1, Verdict.CANNOT_TELL: 2, Verdict.ESCALATE: 2}
_COUNTERFEIT, _GENUINE = 0, 1

_BRAND_COUNTS_AS = 20.0  # a reviewer's rate for a brand is shrunk towards their overall rate


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """Estimated truths and error rates; `chances` are the probabilities that cases are counterfeit."""

    chances: Mapping[int, float]
    reviewers: tuple[str, ...]
    _habits: Habits
    _by_reviewer: Mapping[str, tuple[Judgement, ...]]

    def missed(self, reviewer: str, brand: str | None = None) -> Rate:
        """Return how often a reviewer calls a counterfeit genuine, overall or for one brand."""
        return self._rate(reviewer, brand, _COUNTERFEIT, _GENUINE)

    def wronged(self, reviewer: str, brand: str | None = None) -> Rate:
        """Return how often a reviewer calls a genuine listing counterfeit, overall or for one brand."""
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
    """Estimate the truth of cases and the error rates of reviewers.

    A reviewer's second review of their own case is not independent and does not count. `known` maps cases of known
    truth to whether they are counterfeit.
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
    # Many cases share a pattern, so the time depends on the number of patterns.
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
    """Yield each reviewer's first judgement of each case."""
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


_LEAST_OF_BRAND = 10.0  # fewer judgements of a brand are no evidence


@dataclass(frozen=True, slots=True)
class ReviewerQuality:
    """Quality figures of one reviewer; None without data.

    `decided` counts cases and `looked` second reviews done. `agreement` is the share of equal verdicts with others on
    the same case, `kappa` that beyond chance. `missed` is the share of counterfeits called genuine, `wronged` that of
    genuine listings called counterfeit; `by_brand` has both for brands with enough judgements. `control` is the share
    of right verdicts on control cases, `steadiness` that of equal verdicts on a case reviewed again weeks later.
    """

    name: str
    decided: int
    looked: int
    agreement: Rate | None
    kappa: Agreement | None
    missed: Rate | None
    wronged: Rate | None
    control: Rate | None
    steadiness: Rate | None
    by_brand: Mapping[str, tuple[Rate, Rate]]


@dataclass(frozen=True, slots=True)
class ReviewQuality:
    """Quality of all reviewers by name, and their agreement beyond chance (Krippendorff's alpha)."""

    reviewers: tuple[ReviewerQuality, ...]
    alpha: Agreement | None


def assess_reviewers(connection: Connection) -> ReviewQuality:
    """Return the quality of all reviewers."""
    judgements = list_judgements(connection)
    known = _find_truths(connection)
    consensus = find_consensus(judgements, known)
    fair = list(group_independent(judgements))
    units = [[name_answer(one) for one in said] for said in fair if len(said) > 1]
    by_reviewer: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_reviewer.setdefault(judgement.reviewer, []).append(judgement)
    pairs = _pairs(fair)
    reviewers = [_assess(name, said, pairs.get(name, []), consensus, known) for name, said in by_reviewer.items()]
    return ReviewQuality(tuple(sorted(reviewers, key=lambda one: one.name)), krippendorff_alpha(units))


@dataclass(frozen=True, slots=True)
class Dispute:
    """A decided case that an audit or known truth contradicts.

    `by` gave the contradicting verdict `said`, or is "known" for a control case. `chance` is the consensus probability
    of counterfeit.
    """

    case_id: int
    decided: Verdict
    said: Verdict
    by: str
    chance: float


def list_disputes(connection: Connection) -> list[Dispute]:
    """Return decided cases that a lead should review again, the most probably wrong first."""
    judgements = list_judgements(connection)
    known = _find_truths(connection)
    chances = find_consensus(judgements, known).chances
    decided: dict[int, Judgement] = {}
    for one in judgements:
        if one.kind == "decision":
            decided[one.case_id] = one
    against = [(one.case_id, one.verdict, one.reviewer) for one in judgements if one.kind == "audit"]
    against += [(case, Verdict.COUNTERFEIT if truth else Verdict.GENUINE, "known") for case, truth in known.items()]
    opposite = {Verdict.COUNTERFEIT: Verdict.GENUINE, Verdict.GENUINE: Verdict.COUNTERFEIT}
    disputes = [
        Dispute(case_id, decided[case_id].verdict, said, by, chances[case_id])
        for case_id, said, by in against
        if case_id in decided and opposite.get(decided[case_id].verdict) == said
    ]
    return sorted(disputes, key=lambda one: (_chance_right(one), one.case_id))


def _chance_right(dispute: Dispute) -> float:
    return dispute.chance if dispute.decided is Verdict.COUNTERFEIT else 1 - dispute.chance


def find_label_chances(connection: Connection, *, known_by: datetime | None = None) -> Mapping[int, float]:
    """Return the probability of counterfeit of each judged case; empty without second verdicts by `known_by`."""
    twice = select(func.count()).select_from(second_verdicts)
    twice = twice if known_by is None else twice.where(second_verdicts.c.decided_at <= known_by)
    if not connection.scalar(twice):
        return {}
    known = _find_truths(connection, known_by)
    return find_consensus(list_judgements(connection, known_by=known_by), known).chances


def _find_truths(connection: Connection, known_by: datetime | None = None) -> dict[int, bool]:
    query = select(control_cases.c.case_id, control_cases.c.truth).where(control_cases.c.removed_at.is_(None))
    query = query if known_by is None else query.where(control_cases.c.added_at <= known_by)
    return {row.case_id: row.truth == Verdict.COUNTERFEIT for row in connection.execute(query)}


def _assess(
    name: str,
    said: Sequence[Judgement],
    pairs: Sequence[tuple[str, str]],
    consensus: Consensus,
    known: Mapping[int, bool],
) -> ReviewerQuality:
    missed, wronged = consensus.missed(name), consensus.wronged(name)
    # Leads pick control cases, often after ordinary verdicts: only a later blind review is a test.
    on_known = [one for one in said if one.case_id in known and one.kind == "control"]
    is_right = [known[one.case_id] == (one.verdict == Verdict.COUNTERFEIT) and _is_sure(one) for one in on_known]
    again = _repeats(said)
    return ReviewerQuality(
        name=name,
        decided=sum(one.kind == "decision" for one in said),
        looked=sum(one.kind != "decision" for one in said),
        agreement=count_rate(sum(one == other for one, other in pairs), len(pairs)),
        kappa=cohen_kappa(pairs),
        missed=missed if missed.n else None,
        wronged=wronged if wronged.n else None,
        control=count_rate(sum(is_right), len(is_right)),
        steadiness=count_rate(sum(one == other for one, other in again), len(again)),
        by_brand=_by_brand(name, consensus, said),
    )


def _by_brand(name: str, consensus: Consensus, said: Iterable[Judgement]) -> dict[str, tuple[Rate, Rate]]:
    brands = sorted({one.brand for one in said if one.brand})
    rates = {brand: (consensus.missed(name, brand), consensus.wronged(name, brand)) for brand in brands}
    return {brand: both for brand, both in rates.items() if both[0].n + both[1].n >= _LEAST_OF_BRAND}


def group_independent(judgements: Iterable[Judgement]) -> Iterator[list[Judgement]]:
    """Yield, for each case, the independent judgements of different people, each once."""
    by_case: dict[int, list[Judgement]] = {}
    for judgement in judgements:
        by_case.setdefault(judgement.case_id, []).append(judgement)
    for said in by_case.values():
        halves = sum(one.kind in ("first", "second") for one in said)
        passed_on = halves > 1 or any(one.kind == "decision" and one.verdict is Verdict.ESCALATE for one in said)
        heard = [one for one in said if one.kind != "repeat" and not (passed_on and one.kind == "decision")]
        yield list({one.reviewer: one for one in reversed(heard)}.values())


def _pairs(fair: Iterable[Sequence[Judgement]]) -> dict[str, list[tuple[str, str]]]:
    """Return, for each reviewer, pairs of their and another's answer on the same case."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for said in fair:
        for one in said:
            pairs.setdefault(one.reviewer, []).extend(
                (name_answer(one), name_answer(other)) for other in said if other is not one
            )
    return pairs


def _repeats(said: Iterable[Judgement]) -> list[tuple[str, str]]:
    first: dict[int, str] = {}
    again = []
    for one in said:
        if one.kind == "repeat" and one.case_id in first:
            again.append((first[one.case_id], name_answer(one)))
        first.setdefault(one.case_id, name_answer(one))
    return again


def name_answer(judgement: Judgement) -> str:
    """Return the answer on the truth; escalation means "cannot tell"."""
    return judgement.verdict.value if _is_sure(judgement) else Verdict.CANNOT_TELL.value


def _is_sure(judgement: Judgement) -> bool:
    return judgement.verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE)
