"""What the API needs of a model. The command hands one over; the web itself knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from ipml.records import ScoredListing, Unlike


class ScoringModel(Protocol):
    """One loaded model, of which nothing changes."""

    @property
    def version(self) -> str:
        """Name and version, as every score carries them."""

    @property
    def loaded_at(self) -> datetime:
        """Since when it is in use."""

    def score_many(self, listings: Sequence[Mapping[str, Any]], explain: bool) -> list[ScoredListing]:
        """Return the listings with their scores, in order; InvalidListings where some are bad."""

    def score_batch(
        self, listings: Sequence[Mapping[str, Any]], explain: bool
    ) -> tuple[list[ScoredListing], tuple[Unlike, ...]]:
        """Return the same, and in what the listings are unlike those the model was trained on."""


class ModelSource(Protocol):
    """Where the model of the moment is found."""

    @property
    def n_reloads(self) -> int:
        """How often another model took the place of one."""

    @property
    def n_failures(self) -> int:
        """How often a model could not be loaded."""

    def current(self) -> ScoringModel | None:
        """Return the model in use, or None where there is none yet."""
