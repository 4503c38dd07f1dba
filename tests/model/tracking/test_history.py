"""Whatever was promoted, taken back, or cut short: one can go back the way one came."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.tracking.registry import Champions, Move, stack_champions

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


class Registry:
    """A registry in which moves are made, or are cut short after so many steps of three."""

    def __init__(self) -> None:
        self.current: int = 1
        self.moves: list[Move] = []

    def move(self, kind: str, version: int, n_steps: int = 3) -> None:
        """Note, set and confirm; the first so many of these."""
        if n_steps >= 1:
            note = (len(self.moves) + 1, kind, version, self.current, MOMENT, "ada", "why")
            self.moves.append(Move(*note, is_done=n_steps == 3))
        if n_steps >= 2:
            self.current = version

    @property
    def stack(self) -> tuple[int, ...]:
        """The champions to go back to."""
        return stack_champions(self.moves, self.current)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(0, 3)), max_size=20)


@given(STEPS)
def test_the_stack_is_what_one_would_keep_by_hand(steps):
    """After any promotions and rollbacks, each perhaps cut short, the stack is that of the moves that were made."""
    registry, expected = Registry(), [1]
    for is_rollback, version, n_steps in steps:
        if is_rollback and len(expected) > 1:
            registry.move("rollback", expected[-2], n_steps)
            if n_steps >= 2:
                expected.pop()
        elif version != registry.current:
            registry.move("promotion", version, n_steps)
            if n_steps >= 2:
                expected.append(version)
    assert registry.stack == tuple(expected)


@given(STEPS)
def test_the_champion_is_on_top(steps):
    """However the notes look, the version in use is on top, and no version lies on itself."""
    registry = Registry()
    for is_rollback, version, n_steps in steps:
        registry.move("rollback" if is_rollback else "promotion", version, n_steps)
    assert registry.stack[-1] == registry.current
    assert all(low != high for low, high in zip(registry.stack, registry.stack[1:], strict=False))


def test_versions_are_all_that_were_champion():
    """One taken back was, one only announced was not; without a promotion no way back; a foreign text is one line."""
    registry = Registry()
    registry.move("promotion", 2)
    registry.move("rollback", 1)
    registry.move("promotion", 3, n_steps=1)
    assert Champions(registry.current, tuple(registry.moves)).versions == {1, 2}
    assert stack_champions([], None) == ()
    assert stack_champions([], 4) == (4,)
    for text in ("", "{}", "[]", "{"):
        with pytest.raises(UnusableSetting, match="expected a move"):
            Move.from_json(text)


@given(st.text(), st.integers(min_value=1), st.none() | st.integers(min_value=1))
def test_a_move_comes_back_the_same(reason, version, replaced):
    """What is noted in the registry is what is read."""
    move = Move(1, "promotion", version, replaced, MOMENT, "ada", reason)
    assert Move.from_json(move.to_json()) == move
