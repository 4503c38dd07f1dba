"""What stands on the desk from which clues are handed out: networks worth it, and what became of those that were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ipml.cooperation.clues.joining import join_network
from ipml.cooperation.clues.log import Clue, list_clues
from ipml.cooperation.clues.outcomes import Outcome, find_outcomes, read_known
from ipml.cooperation.clues.ranking import Ranked, judge, sort_by_worth
from ipml.cooperation.clues.rules import ClueRules
from ipml.cooperation.clues.solvability import learn_solvability
from ipml.cooperation.clues.worth import Worth
from ipml.cooperation.network.networks import Networks
from ipml.records import Verdict
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, seller_keys


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may be worth handing over.

    Attributes
    ----------
    ranked : Ranked
        Its worth and the parts of it.
    worth : Worth
        What was sold, with its interval.
    likely : (float, float)
        Between which the solvability lies in nine of ten.
    parts : dict of str to float
        What each sign adds to the log-odds of the solvability.
    brands : tuple of str
        Of the listings found counterfeit, the most frequent first.
    """

    ranked: Ranked
    worth: Worth
    likely: tuple[float, float]
    parts: dict[str, float]
    brands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A clue with what became of it, in order."""

    clue: Clue
    outcomes: tuple[Outcome, ...]

    @property
    def state(self) -> str:
        """The last that is known: "built", "received", or the kind of the last outcome."""
        if self.outcomes:
            return self.outcomes[-1].kind
        return "received" if self.clue.received_at else "built"


def judge_candidates(
    connection: Connection, networks: Iterable[tuple[Networks, int]], rules: ClueRules, now: datetime
) -> tuple[list[Candidate], int]:
    """Return networks with a listing found counterfeit, the most worth first, and how many outcomes taught it.

    Parameters
    ----------
    networks : iterable of (Networks, int)
        Networks and the number of the one that is meant; each may hold that one alone.
    """
    model = learn_solvability(rules.solvability, read_known(connection))
    found = []
    for one, number in networks:
        dossier = join_network(connection, one, number, with_ties=False)
        if not dossier.confirmed:
            continue
        ranked = judge(dossier, model, rules, now)
        brands = tuple(brand for brand, _ in dossier.brands.most_common())
        found.append(Candidate(ranked, dossier.worth, model.bound(ranked.signs), model.explain(ranked.signs), brands))
    place = {one.number: place for place, one in enumerate(sort_by_worth(one.ranked for one in found))}
    return sorted(found, key=lambda one: place[one.ranked.number]), model.n_outcomes


def list_handed_out(connection: Connection) -> list[HandedOut]:
    """Return all clues with what became of them, the newest first."""
    outcomes = find_outcomes(connection)
    return [HandedOut(clue, tuple(outcomes.get(clue.clue_id, ()))) for clue in list_clues(connection)]


def count_confirmed(connection: Connection) -> Mapping[str, int]:
    """Return on how many cases of each seller the decision stands that they are counterfeit, by id and by pseudonym."""
    query = (
        select(cases.c.seller_id, seller_keys.c.pseudonym, func.count(cases.c.case_id.distinct()).label("confirmed"))
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .outerjoin(seller_keys, seller_keys.c.seller_id == cases.c.seller_id)
        .where(cases.c.state == "decided", decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict())
        .group_by(cases.c.seller_id, seller_keys.c.pseudonym)
    )
    counted = {}
    for row in connection.execute(query):
        counted[row.seller_id] = row.confirmed
        if row.pseudonym:
            counted[row.pseudonym] = row.confirmed
    return counted
