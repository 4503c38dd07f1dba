"""Which models have been champion, one after the other: what is noted of each change, and how one goes back.

A change is noted before it is made and confirmed afterwards, for two stores cannot be written at once and a process
may be killed in between. So a note that was never confirmed counts only if what followed shows that the change was
made. People may also set the alias by other means; that shows by what the next note says it replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from ipml.errors import UnusableSetting, describe_faults


@dataclass(frozen=True, slots=True)
class Move:
    """One change of the champion.

    Attributes
    ----------
    number : int
        Place in the history, from 1; two who move at once may have the same.
    kind : str
        "promotion" or "rollback".
    version : int
        The version that became champion.
    replaced : int or None
        The version that was champion before.
    moved_at : datetime
        When, in UTC.
    moved_by : str
        Who, by the name of the account.
    reason : str
        Why.
    is_done : bool, default=False
        Confirmed after the change was made.

    Examples
    --------
    >>> from datetime import UTC
    >>> move = Move(1, "promotion", 3, 2, datetime(2026, 3, 1, tzinfo=UTC), "ada", "passed the gate", True)
    >>> Move.from_json(move.to_json()) == move
    True
    """

    number: int
    kind: Literal["promotion", "rollback"]
    version: int
    replaced: int | None
    moved_at: datetime
    moved_by: str
    reason: str
    is_done: bool = False

    def to_json(self) -> str:
        """Return the move as JSON, from which `from_json` makes it again."""
        return _JSON.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Move:
        """Read a move that `to_json` wrote.

        Raises
        ------
        UnusableSetting
            Somebody else wrote it.
        """
        try:
            return _JSON.validate_json(text)
        except ValidationError as error:
            raise UnusableSetting("tag of a model", describe_faults(error), "a move that ipml noted") from error


_JSON = TypeAdapter(Move)


@dataclass(frozen=True, slots=True)
class Champions:
    """The champion of a registered model, and how it came to be.

    Attributes
    ----------
    current : int or None
        The version in use.
    moves : tuple of Move
        All notes, the oldest first.
    """

    current: int | None
    moves: tuple[Move, ...]

    @property
    def stack(self) -> tuple[int, ...]:
        """The versions to which one can go back, one after the other, and last the one in use."""
        return stack_champions(self.moves, self.current)

    @property
    def versions(self) -> frozenset[int]:
        """Every version that has been champion."""
        made = _find_made(self.moves, self.current)
        named = {move.version for move in made} | {move.replaced for move in made} | {self.current}
        return frozenset(version for version in named if version is not None)


def stack_champions(moves: Sequence[Move], current: int | None) -> tuple[int, ...]:
    """Return the champions that were not taken back, the oldest first and the one in use last.

    A promotion is put on top; a rollback takes away all above the version it goes back to.

    Examples
    --------
    >>> from datetime import UTC
    >>> moment = datetime(2026, 3, 1, tzinfo=UTC)
    >>> second = Move(1, "promotion", 2, 1, moment, "ada", "passed the gate", True)
    >>> third = Move(2, "promotion", 3, 2, moment, "ada", "passed the gate", True)
    >>> back = Move(3, "rollback", 2, 3, moment, "ada", "complaints", True)
    >>> stack_champions([second, third], 3), stack_champions([second, third, back], 2)
    ((1, 2, 3), (1, 2))
    """
    stack: list[int] = []
    for move in _find_made(moves, current):
        if move.replaced is not None:
            _put_on_top(stack, move.replaced)  # where the alias was set by other means
        if move.kind == "rollback" and move.version in stack:
            while stack[-1] != move.version:
                stack.pop()
        _put_on_top(stack, move.version)
    if current is not None:
        _put_on_top(stack, current)
    return tuple(stack)


def _put_on_top(stack: list[int], version: int) -> None:
    if stack[-1:] != [version]:
        stack.append(version)


def _find_made(moves: Sequence[Move], current: int | None) -> list[Move]:
    """Return the moves that were made: confirmed, or seen by the next note or in the registry."""
    after = [*(move.replaced for move in moves), current][1:]
    return [move for move, seen in zip(moves, after, strict=True) if move.is_done or move.version == seen]
