"""Save a model and load it again; loading is a recipe of checks, in which nothing is constructed before its time.

Others can write where models lie, so the loader believes nothing in a folder. The folder on disk is the matter
of `ipml.model.artifact.folder`; the checks of its content are one file each: `manifest`, `card`,
`package_versions`, `skops_file` and `golden`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ipml.model.artifact.card import ModelCard, content_version, parse_card, write_card
from ipml.model.artifact.folder import (
    CARD,
    MANIFEST,
    MODEL,
    SIGNATURE,
    check_replaceable,
    find_folder,
    put_in_place,
    read_folder,
    write_folder,
)
from ipml.model.artifact.golden import Classifier, check_golden, golden_log_odds
from ipml.model.artifact.manifest import check_manifest, check_signature, make_manifest, sign
from ipml.model.artifact.package_versions import check_versions, running_versions
from ipml.model.artifact.skops_file import construct, pack, unpack
from ipml.model.metrics import Estimate
from ipml.records import Listing


@dataclass(frozen=True)
class LoadedModel:
    """A classifier that has passed all checks, its card, and the SHA-256 of its model file in hexadecimal."""

    classifier: Any
    card: ModelCard
    digest: str


def save_model(
    classifier: Classifier,
    folder: Path | str,
    *,
    name: str,
    data_digest: str,
    experiment: Mapping[str, Any],
    figures: Mapping[str, Estimate],
    key_file: Path | None = None,
) -> ModelCard:
    """Save a fitted classifier as a model folder, whole or not at all.

    The folder is written beside its place, loaded once as a check, and only then put there. A process killed
    at any moment leaves the old model or the new one, and at worst a hidden folder beside it.

    The same classifier and facts give the same files to the byte. When a model was trained is therefore not in it; the
    run that recorded it knows.

    Parameters
    ----------
    classifier : Classifier
        Fitted, and made of trusted types only.
    folder : Path or str
        Where the model goes. A model already there is replaced; any other folder is left alone.
    name, data_digest, experiment, figures
        Facts for the card; see `ModelCard`.
    key_file : Path, optional
        File with a secret of at least 32 bytes, with which the manifest is signed.

    Returns
    -------
    ModelCard
        The card as it was saved.

    Raises
    ------
    NotAModelFolder
        Something else is where the model should go.
    UntrustedModel
        The classifier holds types that `load_model` would refuse.
    UnusableSetting
        A fact does not fit the card: a name with a slash, a figure that is not a number.
    """
    folder = Path(folder).absolute()
    check_replaceable(folder)
    packed = pack(classifier)
    card = ModelCard(
        name=name,
        version=content_version(packed),
        versions=running_versions(),
        listing_fields=tuple(field.name for field in fields(Listing)),
        data_digest=data_digest,
        experiment=experiment,
        figures=figures,
        golden_log_odds=golden_log_odds(classifier),
    )
    contents = {MODEL: packed, CARD: write_card(card)}
    contents[MANIFEST] = make_manifest(contents)
    if key_file is not None:
        contents[SIGNATURE] = sign(contents[MANIFEST], key_file)

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as workplace:
        sealed = Path(workplace, "model")
        write_folder(sealed, contents)
        saved = load_model(sealed, key_file=key_file)
        put_in_place(sealed, folder)
    return saved.card


def load_model(
    folder: Path | str, *, key_file: Path | None = None, allow_version_mismatch: bool = False
) -> LoadedModel:
    """Load a model folder, or refuse it and say why; nothing in the folder is ever run.

    Parameters
    ----------
    folder : Path or str
        As written by `save_model`.
    key_file : Path, optional
        File with the secret with which the manifest must be signed.
    allow_version_mismatch : bool, default=False
        Load a model made with other versions of Python, scikit-learn, numpy or skops, and log that.
        The golden listings must still score as they did.

    Raises
    ------
    ModelNotFound
        No folder is there.
    UntrustedModel
        The folder holds something that a model folder does not hold.
    ModelChanged
        A file is not the one in the manifest.
    SignatureMismatch
        The manifest is not signed with the key given.
    VersionMismatch
        The model was made with other versions than those running.
    GoldenMismatch
        The golden listings score otherwise than when the model was saved.

    Examples
    --------
    >>> load_model("no/such/folder")
    Traceback (most recent call last):
    ipml.errors.ModelNotFound: ...no/such/folder: found no model; expected a model folder. ...
    """
    folder = find_folder(folder)
    contents = read_folder(folder)
    check_manifest(contents, folder)
    if key_file is not None:
        check_signature(contents, key_file, folder)
    card = parse_card(contents, folder)
    unpacked = unpack(contents[MODEL], folder)
    # Before anything is constructed: under other versions that fails in ways that explain nothing.
    check_versions(card.versions, folder, allow_mismatch=allow_version_mismatch)
    classifier = construct(unpacked, folder, allow_version_mismatch=allow_version_mismatch)
    check_golden(classifier, card.golden_log_odds, folder)
    return LoadedModel(classifier, card, hashlib.sha256(contents[MODEL]).hexdigest())


def read_card(folder: Path | str) -> ModelCard:
    """Return the card of a model folder without loading the model; the files must agree with the manifest."""
    folder = find_folder(folder)
    contents = read_folder(folder)
    check_manifest(contents, folder)
    return parse_card(contents, folder)


def manifest_sha256(folder: Path | str) -> str:
    """Return the SHA-256 of the manifest, in hexadecimal; it stands for the whole model folder."""
    return hashlib.sha256(read_folder(find_folder(folder))[MANIFEST]).hexdigest()
