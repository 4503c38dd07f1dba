"""What can go wrong with recorded runs and named models, and on the way from one model in use to the next."""

from __future__ import annotations

from ipml.errors.base import IpmlError
from ipml.errors.wording import hide_password


class TrackingUnavailable(IpmlError):
    """The store of runs and models cannot be used."""

    def __init__(self, where: str, found: str) -> None:
        store = hide_password(where)
        super().__init__(f"{store}: found {found}; expected MLflow's store. Check the setting IPML_TRACKING.")


class UnusableModelName(IpmlError):
    """A name cannot be that of a model in the registry."""

    def __init__(self, found: str) -> None:
        expected = "models:/NAME@ALIAS or models:/NAME/VERSION, names of letters, digits, _ . and -"
        super().__init__(f"model {found[:120]!r}: expected {expected}.")


class RunFileMissing(IpmlError):
    """A run was recorded without a file that is needed of it."""

    def __init__(self, where: str, name: str) -> None:
        self.name = name
        super().__init__(f"{where}: found no file {name} of its run; expected one. Train it anew, or give --listings.")


class DifferentTests(IpmlError):
    """Two models were not tested on listings that they share."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"Cannot compare: found {found}; expected {expected}. Give labelled ones with --listings.")


class ChampionMoved(IpmlError):
    """Somebody else is changing, or has just changed, which model is in use."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Look which model is in use, and try again.")


class AlreadyChampion(IpmlError):
    """A version that is in use cannot be promoted."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} is the champion already; name another version.")


class NoEarlierChampion(IpmlError):
    """There is no model to go back to."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(f"{name}: found {found}; expected {expected}. Promote one with `ipml promote`.")
