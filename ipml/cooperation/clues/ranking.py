"""Which networks to hand over first: those of the most value, likeliest to become a case, for the least work.

worth = lower bound of the value x solvability / effort. The lower bound, so that nobody's guess puts a network ahead of
what is known of another; of networks of which no sales are known, what is known of the listings found counterfeit. All
values are in the currency of the ranking policy in force, at its rates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection

from ipml.cooperation.clues.dossier import Dossier
from ipml.cooperation.clues.joining import join_network
from ipml.cooperation.clues.rules import ClueRules
from ipml.cooperation.clues.signs import estimate_effort, read_signs
from ipml.cooperation.clues.solvability import Solvability
from ipml.cooperation.network.networks import Networks
from ipml.money import Money


@dataclass(frozen=True, slots=True)
class Ranked:
    """A network with the parts of its worth.

    Attributes
    ----------
    value : Money
        What was surely sold, in the currency of the ranking policy; nothing where nothing is known.
    solvability : float
        Probability that it becomes a case.
    effort : float
        Hours.
    signs : dict of str to float
        What the solvability was worked out from.
    """

    number: int
    n_members: int
    n_confirmed: int
    value: Money
    solvability: float
    effort: float
    signs: dict[str, float]

    @property
    def worth(self) -> Money:
        """Value that an hour of an investigator is expected to bring to light."""
        return self.value * self.solvability / self.effort


def rank_networks(
    connection: Connection,
    networks: Networks,
    model: Solvability,
    rules: ClueRules,
    now: datetime,
    sales: pd.DataFrame | None = None,
) -> list[Ranked]:
    """Return the networks with a listing that was found counterfeit, those of the most worth first."""
    numbers = sorted({int(number) for number in networks.numbering.number if number > 0})
    dossiers = (join_network(connection, networks, number, sales, with_ties=False) for number in numbers)
    return sort_by_worth(judge(dossier, model, rules, now) for dossier in dossiers if dossier.confirmed)


def judge(dossier: Dossier, model: Solvability, rules: ClueRules, now: datetime) -> Ranked:
    """Return a network with the parts of its worth."""
    signs = read_signs(dossier, rules, now)
    return Ranked(
        number=dossier.number,
        n_members=len(dossier.members),
        n_confirmed=len(dossier.confirmed),
        value=dossier.worth.least,
        solvability=model.judge(signs),
        effort=estimate_effort(dossier, rules.effort),
        signs=signs,
    )


def sort_by_worth(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Return networks by worth; of equals, the likelier and then the earlier number first.

    Raises
    ------
    CurrencyMismatch
        Their values are not all in one currency.
    """
    return sorted(ranked, key=lambda one: (one.worth, one.solvability, -one.number), reverse=True)
