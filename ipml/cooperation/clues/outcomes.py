"""What became of clues: what the ranking learns from, and what ends the holds that were placed for one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select

from ipml.cooperation.clues.holding import release_for_clue
from ipml.cooperation.clues.log import Disclosed, find_disclosures, get_clue, names_in
from ipml.cooperation.clues.rules import ClueRules
from ipml.cooperation.clues.solvability import Known
from ipml.errors import UnusableSetting
from ipml.money import is_currency, say_amount
from ipml.storage import audit
from ipml.storage.appending import append_rows
from ipml.storage.database import writing
from ipml.storage.tables import clue_outcomes, clues

_BECAME_A_CASE = ("opened", "arrests", "seized")
_COUNTED = ("arrests", "seized")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a clue: "opened", "arrests" (how many), "seized" (of what value) or "dropped" (why)."""

    clue_id: int
    kind: str
    amount: float | None
    currency: str | None
    why: str | None
    noted_by: str
    noted_at: datetime

    def __str__(self) -> str:
        if self.amount is None:
            return self.kind
        return f"{self.kind} {say_amount(self.amount, self.currency) if self.kind == 'seized' else f'{self.amount:,g}'}"


def note_outcome(
    engine: Engine,
    clue_id: int,
    kind: str,
    rules: ClueRules,
    *,
    by: str,
    amount: float | None = None,
    currency: str | None = None,
    why: str | None = None,
    now: datetime | None = None,
) -> Outcome:
    """Note what became of a clue; there may be several, and the last of them says whether it became a case.

    When it is dropped, the legal holds that were placed for it end.

    Parameters
    ----------
    kind : str
        "opened", "arrests", "seized" or "dropped".
    amount : float, optional
        How many arrests, or the value of what was seized.
    currency : str, default=that of the clue
        Of that value.
    why : str, optional
        Of a dropped one: a word of the policy's list.

    Raises
    ------
    ClueNotFound
    UnusableSetting
        The reason is not in the list, the amount is none, or there is no currency to it.
    """
    if kind == "dropped" and why not in rules.reasons_to_drop:
        raise UnusableSetting("dropped", repr(why), f"one of {', '.join(rules.reasons_to_drop)}")
    if kind in _COUNTED and not (amount is not None and 0 < amount < float("inf")):
        raise UnusableSetting(kind, repr(amount), "a number above 0")
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        clue = get_clue(connection, clue_id)
        if kind == "seized" and not is_currency(currency := currency or clue.currency):
            raise UnusableSetting("currency", repr(currency)[:40], "three capital letters such as EUR")
        made = Outcome(clue_id, kind, amount, currency if kind == "seized" else None, why, by, now)
        fields = {name: getattr(made, name) for name in Outcome.__slots__}
        (number,) = append_rows(connection, clue_outcomes, [fields])
        if kind == "dropped":
            release_for_clue(connection, clue.reference, names_in(connection, clue_id), by=by, now=now)
        said: dict[str, audit.Value] = {"outcome": number, "kind": kind, "amount": amount}
        said |= {"currency": made.currency, "why": why}
        audit.append(connection, by, "noted outcome", clue.subject, said, at=now)
    return made


def find_outcomes(connection: Connection, clue_ids: Sequence[int] = ()) -> dict[int, list[Outcome]]:
    """Return what became of clues, of each in order; by default of all."""
    query = select(clue_outcomes).order_by(clue_outcomes.c.outcome_id)
    if clue_ids:
        query = query.where(clue_outcomes.c.clue_id.in_(clue_ids))
    found: dict[int, list[Outcome]] = {}
    for row in connection.execute(query):
        found.setdefault(row.clue_id, []).append(Outcome(**{name: getattr(row, name) for name in Outcome.__slots__}))
    return found


def read_known(connection: Connection) -> list[Known]:
    """Return the signs of each clue of which it is known what became of it, and whether it became a case.

    Of several clues on one network to one recipient only the last counts: they are one story.
    """
    followed = set(connection.scalars(select(clues.c.follows).where(clues.c.follows.is_not(None))))
    outcomes = find_outcomes(connection)
    rows = connection.execute(select(clues.c.clue_id, clues.c.signs).order_by(clues.c.clue_id))
    return [
        Known(json.loads(row.signs), outcomes[row.clue_id][-1].kind in _BECAME_A_CASE)
        for row in rows
        if row.clue_id in outcomes and row.clue_id not in followed
    ]


def find_open(connection: Connection, pseudonym: str) -> list[Disclosed]:
    """Return the clues that named a seller and were not dropped: whoever erases the seller should know of them."""
    told = find_disclosures(connection, pseudonym)
    became = find_outcomes(connection, [one.clue_id for one in told]) if told else {}
    return [one for one in told if one.clue_id not in became or became[one.clue_id][-1].kind != "dropped"]
