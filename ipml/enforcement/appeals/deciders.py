"""Who may decide an appeal: a person who has decided nothing in the matter before, and does not sell as the seller.

DSA, Article 20(6): under the supervision of qualified staff, and not solely by automated means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from ipml.enforcement.appeals.appeal import Appeal
from ipml.errors import OwnListing, SamePerson
from ipml.review.cases import find_case
from ipml.review.quality.conflicts import may_judge, refuse_conflict
from ipml.storage.tables import appeal_outcomes, appeals, cases, decisions, measures, opinions, reversals, users
from ipml.storage.tables import audit as trail

_MACHINES = ("ipml", "policy", "model", "seller", "command line")
_DECIDED = "whoever decided in this matter before may not decide again; another person must"
_OWN = "nobody decides on listings of their own"
_ROLES = ("reviewer", "lead", "admin")


def may_decide(connection: Connection, appeal: Appeal, by: str) -> str | None:
    """Return why somebody may not decide an appeal, as a phrase; None where they may."""
    if not is_person(by):
        return "a person must decide it, never a model, a policy or a clock alone"
    if obstacle := _find_role(connection, by):
        return obstacle
    if _fold(by) in {_fold(name) for name in find_deciders(connection, appeal)}:
        return _DECIDED
    try:
        refuse_conflict(connection, find_case(connection, appeal.case_id), by)
    except OwnListing:
        return _OWN
    except SamePerson:
        return "whoever gave one of the verdicts it is about may not decide"
    return None


def find_obstacles(connection: Connection, some: Sequence[Appeal], by: str) -> dict[int, str]:
    """Return why a lead may not decide some of several appeals, by their numbers: what `may_decide` says of each."""
    numbers = {appeal.case_id for appeal in some}
    own = set(connection.scalars(select(cases.c.case_id).where(cases.c.case_id.in_(numbers), ~may_judge(by))))
    deciders = find_deciders_of(connection, some)
    found = {appeal.appeal_id: _OWN for appeal in some if appeal.case_id in own}
    before = [number for number, names in deciders.items() if _fold(by) in map(_fold, names)]
    return found | dict.fromkeys(before, _DECIDED)


def find_deciders(connection: Connection, appeal: Appeal) -> frozenset[str]:
    """Return who decided in the matter of an appeal before, in whatever part.

    That is who gave a verdict or opinion on the case, taken back or not; who made the decision that was spread to it;
    who changed its measures or the penalty; and who decided an earlier appeal.
    """
    return find_deciders_of(connection, [appeal])[appeal.appeal_id]


def find_deciders_of(connection: Connection, some: Sequence[Appeal]) -> dict[int, frozenset[str]]:
    """Return who decided in the matters of several appeals before, by the number of the appeal."""
    on_case = _find_on_cases(connection, {appeal.case_id for appeal in some})
    on_subject = _find_on_subjects(connection, {appeal.subject for appeal in some})
    found = {one.appeal_id: on_case.get(one.case_id, set()) | on_subject.get(one.subject, set()) for one in some}
    return {number: frozenset(filter(is_person, names)) for number, names in found.items()}


def _find_on_cases(connection: Connection, numbers: Collection[int]) -> dict[int, set[str]]:
    """Return who had a part in what was decided on cases."""
    first = decisions.alias("first")
    queries = (
        select(decisions.c.case_id, decisions.c.reviewer),
        select(decisions.c.case_id, first.c.reviewer).join(first, first.c.decision_id == decisions.c.spread_from),
        select(opinions.c.case_id, opinions.c.reviewer),
        select(decisions.c.case_id, reversals.c.reviewer).join(
            reversals, reversals.c.decision_id == decisions.c.decision_id
        ),
        select(measures.c.case_id, measures.c.imposed_by),
        select(measures.c.case_id, measures.c.lifted_by),
        select(appeals.c.case_id, appeal_outcomes.c.decided_by).join(appeal_outcomes),
    )
    return _collect(connection, [query.where(query.selected_columns[0].in_(numbers)) for query in queries])


def _find_on_subjects(connection: Connection, subjects: Collection[str]) -> dict[str, set[str]]:
    """Return who decided earlier appeals against the same, and who changed a penalty."""
    earlier = select(appeals.c.subject, appeal_outcomes.c.decided_by).join(appeal_outcomes)
    changed = select(trail.c.subject, trail.c.actor)
    penalties = [subject for subject in subjects if subject.startswith("penalty:")]
    queries = [earlier.where(appeals.c.subject.in_(subjects)), changed.where(trail.c.subject.in_(penalties))]
    return _collect(connection, queries)


def _collect(connection: Connection, queries: Iterable[Select[Any]]) -> dict[Any, set[str]]:
    names: dict[Any, set[str]] = {}
    for query in queries:
        for key, name in connection.execute(query):
            if name:
                names.setdefault(key, set()).add(name)
    return names


def is_person(name: str) -> bool:
    """Say whether a name can be that of a person, rather than of a part of ipml.

    Examples
    --------
    >>> is_person("ana"), is_person("policy:1f3a9c02"), is_person("ipml clock"), is_person(" ")
    (True, False, False, False)
    """
    word = _fold(name).partition(":")[0]
    return bool(word) and word not in _MACHINES and not word.startswith("ipml ")


def _find_role(connection: Connection, by: str) -> str | None:
    """Return why a known user may not decide; whoever is no user came by the command line, as an operator."""
    row = connection.execute(select(users).where(users.c.name == by)).first()
    if row is None:
        return None
    if not row.is_active:
        return "they may not log in any more"
    return None if row.role in _ROLES else "they may only look"


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()
