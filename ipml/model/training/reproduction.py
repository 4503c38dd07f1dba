"""Train a recorded model again from what its run says, and see whether the same bytes come of it.

Everything is taken from the card of the model, which the registry vouches for; only where the files of the experiment
lay is a tag of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ipml.features.brand import brand_table
from ipml.model.artifact import ModelCard, manifest_sha256, read_card
from ipml.model.artifact.folder import check_replaceable
from ipml.model.artifact.package_versions import running_versions
from ipml.model.tracking import RegisteredModel, fetch_run_tags, find_model, resolve_model
from ipml.model.training.data import digest_training, read_training_listings, read_unlabelled
from ipml.model.training.experiment import Experiment, read_recorded
from ipml.model.training.fitting import fetch_donor
from ipml.model.training.learning import learn, prepare, save_learnt
from ipml.model.training.run_record import FOLDER_TAG


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of training a model again.

    Attributes
    ----------
    model : RegisteredModel
        The version that was recorded.
    recorded : ModelCard
        Its card.
    differences : tuple of str
        What is not as it was, a line each, the causes first; empty where every byte is the same.
    folder : Path or None
        The model that was trained again; None where nothing was, as the data are others.
    """

    model: RegisteredModel
    recorded: ModelCard
    differences: tuple[str, ...]
    folder: Path | None


def reproduce(
    model: str,
    out: Path,
    *,
    data_folder: Path | None = None,
    tracking_uri: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Train a recorded model again, and say what differs.

    Parameters
    ----------
    model : str
        Its registry URI, the id of its run, or its folder.
    out : Path
        Where the model that is trained again goes; nothing is registered.
    data_folder : Path, optional
        Where the files of the experiment lie; where they lay when it was trained, if not given.
    tracking_uri : str, optional
        MLflow's tracking and registry URI; that of the settings where none is given.
    say : function of str, optional
        Told what is being done, for a progress display.

    Raises
    ------
    ModelNotFound, UnusableModelName, ModelChanged, TrackingUnavailable
        There is no such model, or it is not the one that was registered; or so of the one that learning started from.
    UnreadableFile, InvalidListings, UnusableSetting
        The files are not there any more, or this release cannot use what was recorded.
    NotAModelFolder
        Something else is where the model should go.
    """
    check_replaceable(out)
    say("looking up the model")
    found = find_model(model, tracking_uri)
    original = resolve_model(found.uri, tracking_uri)
    recorded = read_card(original)
    experiment = _experiment_of(recorded, data_folder or _find_folder(found, tracking_uri), found.uri)
    experiment, donor = fetch_donor(experiment, tracking_uri)
    brands = prepare(experiment)
    say("reading listings")
    listings = read_training_listings(experiment)
    digest = digest_training(listings, read_unlabelled(experiment, listings))
    causes = [
        *_differ_if("data digest", digest, recorded.data_digest),
        *_compare_versions(running_versions(), recorded.versions),
    ]
    if digest != recorded.data_digest:
        return Reproduction(found, recorded, tuple(causes), None)
    card = save_learnt(experiment, learn(experiment, listings, brand_table(brands), donor=donor, say=say), out)
    differences = [*causes, *compare_cards(card, recorded)]
    if not differences and manifest_sha256(out) != manifest_sha256(original):
        differences = ["manifest: another"]
    return Reproduction(found, recorded, tuple(differences), out)


def compare_cards(card: ModelCard, recorded: ModelCard) -> list[str]:
    """Return what differs between a model and the one that was recorded, besides versions; a line each.

    Examples
    --------
    >>> from dataclasses import replace
    >>> card = ModelCard("ipml", "0123456789ab", {}, (), "0", {}, {}, (0.5, -1.0))
    >>> compare_cards(card, card)
    []
    >>> compare_cards(card, replace(card, golden_log_odds=(0.5, -1.25)))
    ['log-odds of the golden listings: up to 0.25 apart']
    """
    found = _differ_if("model file", card.version, recorded.version)
    if gap := _find_gap(card.golden_log_odds, recorded.golden_log_odds):
        found.append(f"log-odds of the golden listings: {gap}")
    for name in dict.fromkeys([*card.figures, *recorded.figures]):
        found += _differ_if(name.replace("_", " "), card.figures.get(name), recorded.figures.get(name))
    for name in ("name", "listing_fields", "data_digest", "experiment"):
        if getattr(card, name) != getattr(recorded, name):
            found.append(f"{name.replace('_', ' ')} in the card: another")
    return found


def _experiment_of(card: ModelCard, folder: Path, source: str) -> Experiment:
    return read_recorded(json.dumps(dict(card.experiment)), folder, f"experiment of {source}")


def _find_folder(model: RegisteredModel, tracking_uri: str | None) -> Path:
    return Path(fetch_run_tags(model, tracking_uri).get(FOLDER_TAG, "."))


def _compare_versions(running: Mapping[str, str], recorded: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys([*recorded, *running])
    return [line for name in names for line in _differ_if(f"version of {name}", running.get(name), recorded.get(name))]


def _differ_if(what: str, found: object, recorded: object) -> list[str]:
    """Return a line where two facts differ, and none where they do not."""
    if found == recorded:
        return []
    return [f"{what}: {'none' if found is None else found}; recorded {'none' if recorded is None else recorded}"]


def _find_gap(found: tuple[float, ...], recorded: tuple[float, ...]) -> str:
    if found == recorded:
        return ""
    if len(found) != len(recorded):
        return "of other listings"
    return f"up to {max(abs(one - other) for one, other in zip(found, recorded, strict=True)):.2g} apart"
