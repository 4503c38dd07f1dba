"""What can go wrong with models: their data, their measures and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ipml.errors.base import IpmlError


class UnmeasurableScores(IpmlError):
    """Truth and scores from which no measure follows."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot measure: found {found}; expected {expected}.")


class UnsplittableData(IpmlError):
    """Listings that cannot be split honestly into training and test."""

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        super().__init__(f"Cannot split: found {found}; expected {expected}. {remedy}")


class FitNotConverged(IpmlError):
    """A fit is not the best one, or not known to be; nothing may be built on it."""

    def __init__(self, C: float, gap: float, tolerance: float) -> None:
        super().__init__(
            f"Cannot fit with C = {C:g}: found a fit that may be {gap:.1e} from the best, in parts of the loss of a "
            f"model without features; expected {tolerance:.1e}. Choose a smaller C."
        )


class IncomparableListings(IpmlError):
    """Listings, scores or labels from which nothing can be said of what has moved, leaks or is mislabelled."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot compare: found {found}; expected {expected}.")


class NoDriftReference(IpmlError):
    """Nothing says what listings looked like when a model was made."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(
            f"{where}: found no drift reference; expected one beside the model. Make it from listings of unseen "
            "sellers at that time: ipml drift MODEL LISTINGS --remember REFERENCE.json."
        )


class ModelNotFound(IpmlError):
    """No model is where one was expected."""

    def __init__(self, where: Path | str, expected: str = "a model folder") -> None:
        super().__init__(f"{where}: found no model; expected {expected}. Train one, or name another.")


class NotAModelFolder(IpmlError):
    """A model cannot be saved where something else already is."""

    def __init__(self, folder: Path, found: str) -> None:
        super().__init__(f"{folder}: found {found}; expected a model, or nothing. Choose another folder.")


class UntrustedModel(IpmlError):
    """A model file holds what ipml does not load; nothing of it was run."""

    def __init__(self, where: Path | str, found: str, expected: str = "a model as ipml writes it") -> None:
        super().__init__(f"{where}: refused, found {found}; expected {expected}. Fetch the model anew.")


class ModelChanged(IpmlError):
    """A file of a model is not the one that was saved."""

    def __init__(self, where: Path | str, file: str, expected: str = "the file its manifest names") -> None:
        self.file = file
        super().__init__(f"{where}: refused, {file} has changed; expected {expected}. Fetch the model anew.")


class SignatureMismatch(IpmlError):
    """A model is not signed with the key that was given."""

    def __init__(self, where: Path | str, found: str) -> None:
        super().__init__(f"{where}: refused, found {found}; expected a manifest signed with the key given.")


class VersionMismatch(IpmlError):
    """A model was made with other versions than those running."""

    def __init__(self, where: Path | str, different: Mapping[str, tuple[str, str]]) -> None:
        self.different = dict(different)
        pairs = ", ".join(f"{name} {saved} (running: {now})" for name, (saved, now) in different.items())
        super().__init__(f"{where}: made with {pairs}. Install those, train anew, or allow the mismatch.")


class GoldenMismatch(IpmlError):
    """A model no longer scores the golden listings as it did when it was saved."""

    def __init__(self, where: Path | str, found: str) -> None:
        super().__init__(f"{where}: golden listings gave {found}; expected those in the card. Train anew.")
