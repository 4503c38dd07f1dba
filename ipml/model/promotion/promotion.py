"""Promote a model through the gate, and go back to an earlier one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ipml.errors import (
    AlreadyChampion,
    DifferentTests,
    NoEarlierChampion,
    RunFileMissing,
    UnusableSetting,
)
from ipml.model.artifact import load_model
from ipml.model.metrics import Estimate
from ipml.model.promotion.gate import GateReport, GateRow, judge
from ipml.model.promotion.gate_rules import GateRules
from ipml.model.promotion.recorded import compare_models, fetch_gate_facts
from ipml.model.tracking import RegisteredModel, find_model, move_champion, read_champions, resolve_model
from ipml.model.tracking.history import Champions, Move
from ipml.settings import get_settings

MAX_REASON_LETTERS = 1_000
_USABLE = GateRow("golden listings scored as when it was saved", "yes", "", "yes", True, False, "")


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A model that may become champion, what the gate says of it, and whom it would replace."""

    model: RegisteredModel
    replacing: int | None
    report: GateReport


def examine(
    model: str,
    rules: GateRules,
    *,
    listings: pd.DataFrame | None = None,
    tracking_uri: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Candidacy:
    """Judge a registered model by the rules of the gate, beside the champion.

    Parameters
    ----------
    model : str
        Its registry URI, the id of its run, or its folder.
    rules : GateRules
        The limits; `load_rules` reads them.
    listings : DataFrame, optional
        Labelled listings on which both are compared; those that both were tested on where none are given.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    ModelNotFound, UnusableModelName, TrackingUnavailable
        There is no such model.
    AlreadyChampion
        It is the champion.
    UntrustedModel, ModelChanged, VersionMismatch, GoldenMismatch
        It could not be used by those who score with it.
    """
    say("looking up the model")
    candidate = find_model(model, tracking_uri)
    current = read_champions(candidate.name, tracking_uri).current
    if current == candidate.version:
        raise AlreadyChampion(candidate.uri)
    _check_usable(candidate.uri, tracking_uri)
    facts = fetch_gate_facts(candidate.uri, tracking_uri)
    if current is None:
        report = judge(facts, None, rules)
    else:
        champion = f"models:/{candidate.name}/{current}"
        say("comparing it with the champion")
        differences = _compare(champion, candidate.uri, facts.k, listings, tracking_uri)
        report = judge(facts, fetch_gate_facts(champion, tracking_uri), rules, *differences)
    return Candidacy(candidate, current, GateReport((_USABLE, *report.rows)))


def promote(candidacy: Candidacy, *, despite: str | None = None, tracking_uri: str | None = None) -> Move | None:
    """Make a candidate the champion if it has passed the gate, or despite that for a reason that is kept.

    Returns
    -------
    Move or None
        What was noted in the registry; None where the candidate was refused.

    Raises
    ------
    ChampionMoved
        Somebody else has promoted another model meanwhile.
    """
    if not candidacy.report.passed and despite is None:
        return None
    reason = "passed the gate" if candidacy.report.passed else f"despite the gate: {_check_reason(despite or '')}"
    model = candidacy.model
    return move_champion(
        model.name,
        model.version,
        replacing=candidacy.replacing,
        kind="promotion",
        reason=reason,
        tracking_uri=tracking_uri,
    )


def roll_back(name: str = "ipml", *, to: int | None = None, reason: str = "", tracking_uri: str | None = None) -> Move:
    """Make an earlier champion the champion again.

    Parameters
    ----------
    name : str, default="ipml"
        Name in the registry.
    to : int, optional
        A version that has been champion; the one before the champion where none is given.
    reason : str, default=""
        Why, for those who read the history.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.

    Raises
    ------
    NoEarlierChampion
        There is none before, or that version has never been champion.
    AlreadyChampion
        It is the champion.
    ChampionMoved
        Somebody else has moved the champion meanwhile.
    ModelNotFound, UntrustedModel, ModelChanged, VersionMismatch, GoldenMismatch
        The earlier model could not be used by those who score with it.
    """
    champions = read_champions(name, tracking_uri)
    target = _choose(name, champions, to)
    _check_usable(f"models:/{name}/{target}", tracking_uri)
    return move_champion(
        name,
        target,
        replacing=champions.current,
        kind="rollback",
        reason=_check_reason(reason) if reason else "no reason given",
        tracking_uri=tracking_uri,
    )


def _compare(
    champion: str, candidate: str, k: int, listings: pd.DataFrame | None, tracking_uri: str | None
) -> tuple[Estimate | None, Estimate | None]:
    """Return by how much average precision and value at k are higher for the candidate; None where nobody can tell."""
    try:
        compared = compare_models(champion, candidate, listings=listings, k=k, tracking_uri=tracking_uri)
    except (DifferentTests, RunFileMissing):
        return None, None
    value = next((row.difference for row in compared.measures if row.measure.startswith("value_")), None)
    return compared["average_precision"].difference, value


def _choose(name: str, champions: Champions, to: int | None) -> int:
    if to is None:
        if len(champions.stack) < 2:
            raise NoEarlierChampion(name, "none before the champion", "one that was replaced")
        return champions.stack[-2]
    if to == champions.current:
        raise AlreadyChampion(f"models:/{name}/{to}")
    if to not in champions.versions:
        known = ", ".join(map(str, sorted(champions.versions))) or "none"
        raise NoEarlierChampion(name, f"version {to}, never champion", f"one that was: {known}")
    return to


def _check_usable(uri: str, tracking_uri: str | None) -> None:
    """Load a model once, since all who score would fail with one that cannot be loaded."""
    load_model(resolve_model(uri, tracking_uri), key_file=get_settings().model_key)


def _check_reason(reason: str) -> str:
    if not reason.strip() or len(reason) > MAX_REASON_LETTERS or not reason.isprintable():
        found = "nothing" if not reason.strip() else f"{len(reason):,} letters"
        raise UnusableSetting("reason", found, f"1 to {MAX_REASON_LETTERS:,} letters on one line")
    return reason.strip()
