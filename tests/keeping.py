"""Decisions that leave evidence and nothing else, for tests that need no more of enforcement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from ipml.enforcement.evidence.pieces import keep_evidence
from ipml.records import Decision, Reversal, Verdict
from ipml.review.reversals import Made

POLICY = "5e" * 32


class Keeping:
    """What follows from a decision that closes a case: its evidence is kept."""

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Follow each."""
        for case, decision in made:
            self.follow(connection, case, decision, origin)

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Keep evidence."""
        if decision.verdict is not Verdict.ESCALATE:
            keep_evidence(connection, case, decision, origin, POLICY)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Do nothing."""
