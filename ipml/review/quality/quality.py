"""How good the reviewing is: of each reviewer how often they agree with others and err, and of each case what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select

from ipml.records import Verdict
from ipml.review.quality.agreement import Agreement, cohen_kappa, krippendorff_alpha
from ipml.review.quality.consensus import Consensus, find_consensus
from ipml.review.quality.judgements import Judgement, list_judgements
from ipml.review.quality.rates import Rate, count_rate
from ipml.storage.database import reading
from ipml.storage.tables import goldens, opinions

_LEAST_OF_BRAND = 10.0  # fewer looks at a brand say nothing of it


@dataclass(frozen=True, slots=True)
class ReviewerQuality:
    """What is known of a reviewer's judgement.

    Attributes
    ----------
    decided, looked : int
        Cases decided, and further looks taken.
    agreement : Rate or None
        How often another said the same of the same case.
    kappa : Agreement or None
        The same, beyond chance.
    missed, wronged : Rate or None
        How often a counterfeit was called genuine, and a genuine listing counterfeit; None without any case that
        another judged too, or whose truth is known.
    golden : Rate or None
        How often the verdict on an item of known truth was right.
    steadiness : Rate or None
        How often the same was said of the same case again, some weeks later.
    by_brand : dict of str to (Rate, Rate)
        Missed and wronged for each brand of which enough was looked at.
    """

    name: str
    decided: int
    looked: int
    agreement: Rate | None
    kappa: Agreement | None
    missed: Rate | None
    wronged: Rate | None
    golden: Rate | None
    steadiness: Rate | None
    by_brand: Mapping[str, tuple[Rate, Rate]]


@dataclass(frozen=True, slots=True)
class ReviewQuality:
    """What is known of all reviewers, by name, and how far they agree beyond chance (Krippendorff's alpha)."""

    reviewers: tuple[ReviewerQuality, ...]
    alpha: Agreement | None


def assess_reviewers(engine: Engine) -> ReviewQuality:
    """Return how good the reviewing is.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> assess_reviewers(engine)
    ReviewQuality(reviewers=(), alpha=None)
    """
    with reading(engine) as connection:
        judgements = list_judgements(connection)
        known = _find_truths(connection)
    consensus = find_consensus(judgements, known)
    fair = list(_independent(judgements))
    units = [[_word(one) for one in said] for said in fair if len(said) > 1]
    by_reviewer: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        by_reviewer.setdefault(judgement.reviewer, []).append(judgement)
    pairs = _pairs(fair)
    reviewers = [_assess(name, said, pairs.get(name, []), consensus, known) for name, said in by_reviewer.items()]
    return ReviewQuality(tuple(sorted(reviewers, key=lambda one: one.name)), krippendorff_alpha(units))


@dataclass(frozen=True, slots=True)
class Dispute:
    """A decided case of which an audit, or the known truth, says the opposite.

    Attributes
    ----------
    decided, said : Verdict
        What stands, and what speaks against it.
    by : str
        Who said so; "known" where it is the truth of a golden item.
    chance : float
        Probability that it is counterfeit, by the consensus.
    """

    case_id: int
    decided: Verdict
    said: Verdict
    by: str
    chance: float


def list_disputes(engine: Engine) -> list[Dispute]:
    """Return the decided cases that a lead should look at again, those most probably decided wrongly first."""
    with reading(engine) as connection:
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
    """Return the probability of each judged case that it is counterfeit; none as long as nobody looked twice.

    Parameters
    ----------
    known_by : datetime, optional
        From what was said by then.
    """
    twice = select(func.count()).select_from(opinions)
    twice = twice if known_by is None else twice.where(opinions.c.decided_at <= known_by)
    if not connection.scalar(twice):
        return {}
    known = _find_truths(connection, known_by)
    return find_consensus(list_judgements(connection, known_by=known_by), known).chances


def _find_truths(connection: Connection, known_by: datetime | None = None) -> dict[int, bool]:
    query = select(goldens.c.case_id, goldens.c.truth).where(goldens.c.removed_at.is_(None))
    query = query if known_by is None else query.where(goldens.c.added_at <= known_by)
    return {row.case_id: row.truth == Verdict.COUNTERFEIT for row in connection.execute(query)}


def _assess(
    name: str,
    said: Sequence[Judgement],
    pairs: Sequence[tuple[str, str]],
    consensus: Consensus,
    known: Mapping[int, bool],
) -> ReviewerQuality:
    missed, wronged = consensus.missed(name), consensus.wronged(name)
    on_known = [one for one in said if one.case_id in known and one.kind != "repeat"]
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
        golden=count_rate(sum(is_right), len(is_right)),
        steadiness=count_rate(sum(one == other for one, other in again), len(again)),
        by_brand=_by_brand(name, consensus, said),
    )


def _by_brand(name: str, consensus: Consensus, said: Iterable[Judgement]) -> dict[str, tuple[Rate, Rate]]:
    brands = sorted({one.brand for one in said if one.brand})
    rates = {brand: (consensus.missed(name, brand), consensus.wronged(name, brand)) for brand in brands}
    return {brand: both for brand, both in rates.items() if both[0].n + both[1].n >= _LEAST_OF_BRAND}


def _independent(judgements: Iterable[Judgement]) -> Iterator[list[Judgement]]:
    """Give what different people said of each case, each once, none of them because others had not known or agreed."""
    by_case: dict[int, list[Judgement]] = {}
    for judgement in judgements:
        by_case.setdefault(judgement.case_id, []).append(judgement)
    for said in by_case.values():
        halves = sum(one.kind in ("first", "second") for one in said)
        passed_on = halves > 1 or any(one.kind == "decision" and one.verdict is Verdict.ESCALATE for one in said)
        heard = [one for one in said if one.kind != "repeat" and not (passed_on and one.kind == "decision")]
        yield list({one.reviewer: one for one in reversed(heard)}.values())


def _pairs(fair: Iterable[Sequence[Judgement]]) -> dict[str, list[tuple[str, str]]]:
    """Return for each reviewer what they and another said of the same case."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for said in fair:
        for one in said:
            pairs.setdefault(one.reviewer, []).extend((_word(one), _word(other)) for other in said if other is not one)
    return pairs


def _repeats(said: Iterable[Judgement]) -> list[tuple[str, str]]:
    first: dict[int, str] = {}
    again = []
    for one in said:
        if one.kind == "repeat" and one.case_id in first:
            again.append((first[one.case_id], _word(one)))
        first.setdefault(one.case_id, _word(one))
    return again


def _word(judgement: Judgement) -> str:
    """Return what was said of the truth, where passing a case on says no more than that one cannot tell."""
    return judgement.verdict.value if _is_sure(judgement) else Verdict.CANNOT_TELL.value


def _is_sure(judgement: Judgement) -> bool:
    return judgement.verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE)
