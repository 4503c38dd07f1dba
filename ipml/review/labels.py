"""What people decided, as labels for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine, case, func, select

from ipml.records import Label, Listing, Verdict
from ipml.review.quality.quality import find_label_chances
from ipml.review.reversals import by_people, stands
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

_FULL_WEIGHT = 1.0


def export_labels(engine: Engine, *, known_by: datetime | None = None) -> Iterator[Label]:
    """Give a label for each content of a listing that was decided counterfeit or genuine: the latest such decision.

    Parameters
    ----------
    known_by : datetime, optional
        Only decisions of this moment or before, as training for a test at that moment must see them.

    Yields
    ------
    Label
        The listing as it was when judged, in the order of the decisions. "cannot tell" and "escalate" give
        none, and do not undo an earlier verdict; a decision that was taken back, or that a policy made, gives none, nor
        does one on a listing that was erased since. Its weight is the probability that it is right, by the consensus of
        all who judged the case and from how often each of them errs; 1 as long as nobody has looked at anything twice,
        and where it was decided on an appeal: whoever decided that knew what the others had not seen.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag])
    >>> _ = decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    >>> [(label.listing.listing_id, label.is_counterfeit) for label in export_labels(engine)]
    [('A7', True)]
    """
    says_truth = decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE])
    latest = select(func.max(decisions.c.decision_id)).where(says_truth, stands(known_by), by_people())
    latest = latest.join(cases, cases.c.case_id == decisions.c.case_id)
    # Without a moment the contents of a listing could not be told apart.
    content = case((cases.c.observed_at.is_(None), 0), else_=cases.c.version)
    latest = latest.group_by(decisions.c.listing_id, content)
    if known_by is not None:
        latest = latest.where(decisions.c.decided_at <= known_by)
    query = (
        select(
            *(decisions.c.verdict, decisions.c.decided_at, decisions.c.case_id, decisions.c.odds, decisions.c.origin),
            cases.c.snapshot,
        )
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.decision_id.in_(latest), cases.c.erased_at.is_(None))
        .order_by(decisions.c.decision_id)
    )
    with reading(engine) as connection:
        chances = find_label_chances(connection, known_by=known_by)
        for row in connection.execute(query.execution_options(yield_per=500)):
            is_counterfeit = row.verdict == Verdict.COUNTERFEIT
            chance = None if row.origin == "appeal" else chances.get(row.case_id)
            weight = _weigh(chance, is_counterfeit)
            yield Label(decode(row.snapshot).listing, is_counterfeit, row.decided_at, weight, row.odds)


def _weigh(chance: float | None, is_counterfeit: bool) -> float:
    if chance is None:
        return _FULL_WEIGHT
    return chance if is_counterfeit else 1 - chance


def label_listing(label: Label) -> Listing:
    """Return the listing of a label with the label in its own fields, as training reads it.

    Examples
    --------
    >>> from datetime import UTC
    >>> label = Label(Listing("A7", "s1", "Bag"), True, datetime(2024, 5, 6, tzinfo=UTC), 1.0)
    >>> label_listing(label).is_counterfeit
    True
    """
    return replace(
        label.listing,
        is_counterfeit=label.is_counterfeit,
        labelled_at=label.labelled_at,
        label_weight=label.weight,
        label_odds=label.odds,
    )
