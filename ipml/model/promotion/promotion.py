"""Promotion: fetches figures and test scores of recorded models, applies the gate, promotes and rolls back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ipml.errors import Conflict, NotFound, Refused, UnmeasurableScores, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.listings.brands import load_brands
from ipml.model.evaluation.differences import SellerCount
from ipml.model.evaluation.evaluation import KEY, MODEL, TESTED_FILE, TestedListings, read_tested
from ipml.model.evaluation.metrics import Estimate, add_values
from ipml.model.evaluation.ranking import Floats, Resampling
from ipml.model.labels import find_counterfeit_column
from ipml.model.model_file import load_by_settings
from ipml.model.model_file.model_file import LoadedModel
from ipml.model.promotion.comparison import K, ModelComparison, compare_scores, compare_tests
from ipml.model.promotion.gate import GATE_FILE, GateFacts, GateReport, GateRow, GateRules, apply_gate
from ipml.model.tracking import (
    RegisteredModel,
    fetch_run_artifact,
    find_model,
    move_champion,
    note_run,
    read_champions,
    resolve_model,
)
from ipml.model.tracking.champion import ChampionMove, Champions
from ipml.settings import Settings

_PROMOTE = "Promote one with `ipml model promote`."
_FLATTERY = "Listings of a seller that one of them has learnt from flatter that one."


def compare_models(
    a: str,
    b: str,
    settings: Settings,
    *,
    listings: pd.DataFrame | None = None,
    k: int = K,
    n_resamples: int = 500,
    say: Callable[[str], None] = lambda _: None,
) -> ModelComparison:
    """Compare two recorded models by the tests of their runs, or by their scores of labelled listings.

    Parameters
    ----------
    a, b : str
        Registry URIs, ids of runs, or model folders.
    settings : Settings
        Name the store and the brands, and how to load the models.
    listings : DataFrame, optional
        Checked listings; those without a label are left out. By default the listings of both tests.
    k : int, default=100
        Number of listings read, for value at k.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.

    Raises
    ------
    NotFound, UnusableSetting, Failed
        A model cannot be found.
    Conflict, NotFound
        The tests cannot be compared, and no listings were given.
    UnmeasurableScores
        The given listings hold no label, no counterfeit, or a single seller.
    """
    if listings is None:
        say("reading both tests")
        tests = [fetch_tested(model, settings.tracking) for model in (a, b)]
        say("comparing")
        return compare_tests(*tests, k=k, names=(a, b), resampling=Resampling(n_resamples))
    labelled = listings[listings["is_counterfeit"].notna()]
    if labelled.empty:
        raise UnmeasurableScores("no listing with a label", "labelled listings of several sellers")
    scores: list[Floats] = []
    for model in (a, b):
        say(f"scoring with {model}")
        scores.append(_score(model, labelled, settings))
    say("comparing")
    brands = load_brands(settings.brands)
    compared = compare_scores(
        labelled["is_counterfeit"].to_numpy(dtype=bool),
        scores[:1],
        scores[1:],
        add_values(labelled, brands.rates, brands.base_currency),
        k=k,
        resampling=Resampling(n_resamples),
    )
    return replace(compared, name_a=a, name_b=b, remarks=(_FLATTERY, *compared.remarks))


def fetch_tested(model: str, tracking_uri: str) -> TestedListings:
    """Return truth and scores of the test of a model's training; NotFound if the run has none."""
    return read_tested(fetch_run_artifact(model, TESTED_FILE, tracking_uri))


def fetch_gate_facts(model: str, tracking_uri: str) -> GateFacts:
    """Return the facts for the gate; empty for a run without the file."""
    registered = find_model(model, tracking_uri)
    try:
        path = fetch_run_artifact(registered, GATE_FILE, tracking_uri)
    except NotFound:
        return GateFacts()
    return GateFacts.from_json(path.read_text(encoding="utf-8"), f"{GATE_FILE} of {model}")


def _score(model: str, listings: pd.DataFrame, settings: Settings) -> Floats:
    """Return the scores of listings by a model, fetched from the registry unless it is a folder."""
    is_folder = Path(model).is_dir()
    loaded = (
        load_by_settings(model, settings) if is_folder else _load(find_model(model, settings.tracking).uri, settings)
    )
    classifier = loaded.classifier
    return np.asarray(classifier.predict_proba(listings)[:, find_counterfeit_column(classifier)], dtype=np.float64)


def fetch_champion_scores(tested: TestedListings, model_name: str, tracking_uri: str) -> list[Floats] | None:
    """Return the champion's test scores of the same listings, in their order; one array per repeat.

    None without a champion, without its test, or if it was not tested on all of them: scores of listings that it learnt
    from would flatter it.
    """
    try:
        theirs = fetch_tested(f"models:/{model_name}@champion", tracking_uri)
    except NotFound:
        return None
    numbered = theirs.listings[KEY].assign(row=np.arange(len(theirs.y)))
    rows = tested.listings[KEY].merge(numbered, on=KEY, how="left")["row"]
    if rows.isna().any():
        return None
    return [scores[rows.to_numpy(dtype=np.intp)] for scores in theirs.scores[MODEL]]


MAX_REASON_LETTERS = 1_000
VERDICT_TAG, RULES_TAG = "ipml.gate", "ipml.gate_rules_digest"
VERDICT_FILE, RULES_FILE = "gate/gate.txt", "gate/gate_rules.json"
_USABLE = GateRow("golden listings scored as when it was saved", "yes", "", "yes", True, False, "")


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A candidate for champion, the report and rules of the gate, the version that it would replace, and the store."""

    model: RegisteredModel
    replacing: int | None
    report: GateReport
    rules: GateRules
    tracking_uri: str


def examine(
    model: str,
    rules: GateRules,
    settings: Settings,
    *,
    listings: pd.DataFrame | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Candidacy:
    """Apply the gate to a registered model, in comparison with the champion.

    Parameters
    ----------
    model : str
        Its registry URI, the id of its run, or its folder.
    rules : GateRules
        From `load_rules`.
    settings : Settings
        As for `compare_models`.
    listings : DataFrame, optional
        Labelled listings for the comparison; by default those of both tests.

    Raises
    ------
    NotFound, UnusableSetting, Failed
        There is no such model.
    Conflict
        It is the champion.
    UntrustedModel
        Scoring could not use it.
    """
    say("looking up the model")
    tracking_uri = settings.tracking
    candidate = find_model(model, tracking_uri)
    current = read_champions(candidate.name, tracking_uri).current
    if current == candidate.version:
        raise Conflict(candidate.uri, "is the champion already", "Name another version.")
    _load(candidate.uri, settings)  # so that scoring will not fail with it
    facts = fetch_gate_facts(candidate.uri, tracking_uri)
    if current is None:
        report = apply_gate(facts, None, rules)
    else:
        champion = f"models:/{candidate.name}/{current}"
        say("comparing it with the champion")
        differences = _compare(champion, candidate.uri, facts.k, listings, settings)
        report = apply_gate(facts, fetch_gate_facts(champion, tracking_uri), rules, *differences)
    return Candidacy(candidate, current, GateReport((_USABLE, *report.rows)), rules, tracking_uri)


def promote(
    candidacy: Candidacy, *, override: str | None = None, confirmed_by: str | None = None
) -> ChampionMove | None:
    """Make a candidate the champion if it passed the gate, or for a stored reason if not.

    The candidate's run keeps the verdict: table and rules as files, and in its tags.

    Parameters
    ----------
    override : str, optional
        Reason for a promotion that the gate refuses.
    confirmed_by : str, optional
        Name of the person who confirms the open rules; stored with their names.

    Returns
    -------
    ChampionMove or None
        None where the candidate was refused, or waits for a person to confirm.

    Raises
    ------
    Conflict
        Another model was promoted meanwhile.
    """
    report, reason = candidacy.report, "passed the gate"
    _note_verdict(candidacy)
    if not report.passed or (report.open and confirmed_by is None):
        if override is None:
            return None
        reason = f"override of the gate: {_check_reason(override)}"
    elif report.open:
        reason = f"passed the gate; {_check_reason(confirmed_by or '')} confirmed {', '.join(report.open)}"
    model = candidacy.model
    return move_champion(
        model.name,
        model.version,
        replacing=candidacy.replacing,
        kind="promotion",
        reason=reason,
        tracking_uri=candidacy.tracking_uri,
    )


def _note_verdict(candidacy: Candidacy) -> None:
    """Store the verdict of the gate on the candidate's run, if it has one."""
    report, rules = candidacy.report, candidacy.rules.model_dump_json(indent=2)
    verdict = "refused" if not report.passed else "to confirm" if report.open else "passed"
    if candidacy.model.run_id:
        tags = {VERDICT_TAG: verdict, RULES_TAG: digest(rules.encode())}
        texts = {VERDICT_FILE: f"{report.table()}\n", RULES_FILE: rules}
        note_run(candidacy.model.run_id, tags, texts, candidacy.tracking_uri)


def roll_back(name: str, settings: Settings, *, to: int | None = None, reason: str = "") -> ChampionMove:
    """Make an earlier champion the champion again.

    Parameters
    ----------
    name : str
        Name in the registry.
    settings : Settings
        As for `compare_models`.
    to : int, optional
        A version that has been champion; by default the one before the champion.
    reason : str, default=""
        Shown in the history.

    Raises
    ------
    Refused
        There is none before, or that version has never been champion.
    Conflict
        It is the champion, or the champion was moved meanwhile.
    NotFound, UntrustedModel
        Scoring could not use the earlier model.
    """
    champions = read_champions(name, settings.tracking)
    target = _choose(name, champions, to)
    _load(f"models:/{name}/{target}", settings)  # so that scoring will not fail with it
    return move_champion(
        name,
        target,
        replacing=champions.current,
        kind="rollback",
        reason=_check_reason(reason) if reason else "no reason given",
        tracking_uri=settings.tracking,
    )


def _compare(
    champion: str, candidate: str, k: int, listings: pd.DataFrame | None, settings: Settings
) -> tuple[Estimate | SellerCount | None, Estimate | SellerCount | None]:
    """Return the candidate's gain in average precision and in value at k, or the too few sellers of the test.

    None where the two cannot be compared at all.
    """
    try:
        compared = compare_models(champion, candidate, settings, listings=listings, k=k)
    except (Conflict, NotFound):
        return None, None
    leading = compared["average_precision"]
    value = next((row.too_few or row.difference for row in compared.measures if row.measure.startswith("value_")), None)
    return leading.too_few or leading.difference, value


def _choose(name: str, champions: Champions, to: int | None) -> int:
    if to is None:
        if len(champions.stack) < 2:
            raise Refused(name, "none before the champion", "one that was replaced", _PROMOTE)
        return champions.stack[-2]
    if to == champions.current:
        raise Conflict(f"models:/{name}/{to}", "is the champion already", "Name another version.")
    if to not in champions.versions:
        known = ", ".join(map(str, sorted(champions.versions))) or "none"
        raise Refused(name, f"version {to}, never champion", f"one that was: {known}", _PROMOTE)
    return to


def _load(uri: str, settings: Settings) -> LoadedModel:
    return load_by_settings(resolve_model(uri, settings.tracking, settings.trusted_models), settings)


def _check_reason(reason: str) -> str:
    if not reason.strip() or len(reason) > MAX_REASON_LETTERS or not reason.isprintable():
        found = "nothing" if not reason.strip() else f"{len(reason):,} letters"
        raise UnusableSetting("reason", found, f"1 to {MAX_REASON_LETTERS:,} letters on one line")
    return reason.strip()
