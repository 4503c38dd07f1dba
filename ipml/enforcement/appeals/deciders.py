"""Who may decide an appeal: a person who has decided nothing in the matter before, and does not sell as the seller.

DSA, Article 20(6): under the supervision of qualified staff, and not solely by automated means.
"""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from ipml.enforcement.appeals.appeal import Appeal
from ipml.errors import OwnListing, SamePerson
from ipml.review.cases import find_case
from ipml.review.quality.conflicts import refuse_conflict
from ipml.storage import audit
from ipml.storage.tables import appeal_outcomes, appeals, decisions, measures, opinions, reversals, users

_MACHINES = ("ipml", "policy", "model", "seller", "command line")
_ROLES = ("reviewer", "lead", "admin")


def may_decide(connection: Connection, appeal: Appeal, by: str) -> str | None:
    """Return why somebody may not decide an appeal, as a phrase; None where they may."""
    if not is_person(by):
        return "a person must decide it, never a model, a policy or a clock alone"
    if obstacle := _find_role(connection, by):
        return obstacle
    if _fold(by) in {_fold(name) for name in find_deciders(connection, appeal)}:
        return "they decided in this matter before; another person must"
    try:
        refuse_conflict(connection, find_case(connection, appeal.case_id), by)
    except OwnListing:
        return "they sell as this seller"
    except SamePerson:
        return "they gave one of the verdicts it is about"
    return None


def find_deciders(connection: Connection, appeal: Appeal) -> frozenset[str]:
    """Return who decided in the matter of an appeal before, in whatever part.

    That is who gave a verdict or opinion on the case, taken back or not; who made the decision that was spread to it;
    who changed its measures or the penalty; and who decided an earlier appeal.
    """
    on_case = decisions.c.case_id == appeal.case_id
    spread = select(decisions.c.spread_from).where(on_case, decisions.c.spread_from.is_not(None))
    earlier = select(appeals.c.appeal_id).where(
        or_(appeals.c.case_id == appeal.case_id, appeals.c.subject == appeal.subject)
    )
    queries = (
        select(decisions.c.reviewer).where(or_(on_case, decisions.c.decision_id.in_(spread))),
        select(opinions.c.reviewer).where(opinions.c.case_id == appeal.case_id),
        select(reversals.c.reviewer).join(decisions, decisions.c.decision_id == reversals.c.decision_id).where(on_case),
        select(measures.c.imposed_by).where(measures.c.case_id == appeal.case_id),
        select(measures.c.lifted_by).where(measures.c.case_id == appeal.case_id),
        select(appeal_outcomes.c.decided_by).where(appeal_outcomes.c.appeal_id.in_(earlier)),
    )
    names = {name for query in queries for name in connection.scalars(query) if name}
    if appeal.subject.startswith("penalty:"):
        names |= {row.actor for row in audit.list_rows(connection, appeal.subject)}
    return frozenset(name for name in names if is_person(name))


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
